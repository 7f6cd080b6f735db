package influxd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"karkhana/internal/secret"
)

// ErrNotRunning means that no process holds the data directory: there is nobody to ask.
var ErrNotRunning = errors.New("no server runs with this data folder")

var httpAddress = regexp.MustCompile(`(?m)^\[http\][^\[]*bind-address = "([^"]+)"`)

// Running finds the InfluxDB that another process of this user runs in dir: its URL and the token for it. ErrNotRunning when none
// does; a port left in the configuration of one that has ended is never spoken to.
func Running(dir string) (url, token string, err error) {
	if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
		return "", "", ErrNotRunning
	}
	lock, err := takeLock(filepath.Join(dir, "lock"), time.Millisecond)
	if err == nil { // nobody had it
		return "", "", errors.Join(ErrNotRunning, lock.Close())
	}
	if !errors.Is(err, ErrTaken) {
		return "", "", err
	}
	conf, err := os.ReadFile(filepath.Join(dir, "influxd.conf"))
	if err != nil {
		return "", "", fmt.Errorf("read where InfluxDB listens: %w", err)
	}
	at := httpAddress.FindSubmatch(conf)
	if at == nil {
		return "", "", fmt.Errorf("%s says no address of [http]: start the server anew", filepath.Join(dir, "influxd.conf"))
	}
	password, err := secret.Read(filepath.Join(dir, "secret"))
	if err != nil {
		return "", "", err
	}
	return "http://" + string(at[1]), user + ":" + password, nil
}
