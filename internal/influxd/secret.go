package influxd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// loadSecret reads the password kept in path, or makes one when there is none yet and mayMake says so. It is called
// with the directory's lock held.
func loadSecret(path string, mayMake bool) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		secret := strings.TrimSpace(string(b))
		if secret == "" {
			return "", fmt.Errorf("%s is empty: restore it from a backup, or move the data directory away", path)
		}
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read influxd secret: %w", err)
	}
	if !mayMake {
		return "", fmt.Errorf("%s is missing but the directory holds a database: restore the file from a backup, or move the data directory away", path)
	}
	secret := rand.Text() + rand.Text()
	if err := writeFile(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("write influxd secret: %w", err)
	}
	return secret, nil
}

// writeFile writes a file that is whole or absent, readable by its owner alone, and on the disk when it returns.
func writeFile(path, content string) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	// Without this a power cut may undo the rename, and the database would be locked with a lost key.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closeErr := dir.Close(); err == nil {
		err = closeErr
	}
	return err
}
