package influxd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// takeLock locks the file for this process and the child that inherits it: the lock ends when the last of them ends.
// An ending process gets some time, since a killed parent takes its child with it only after a moment.
func takeLock(path string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open influxd lock: %w", err)
	}
	deadline := time.Now().Add(patience)
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w (started by process %s): stop it or name another data directory",
			path, ErrTaken, strings.TrimSpace(string(holder)))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock influxd data directory: %w", err)
	}
	return f, nil
}
