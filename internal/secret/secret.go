// Package secret makes, keeps and reads secrets in files: whole or absent, readable by their owner alone, and on the
// disk before they are used, so that a power cut can't leave a lock whose key is lost.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// New returns 32 random bytes as text that is safe in files, URLs and MQTT passwords.
func New() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// Read returns the text of a secret file without surrounding white space. An empty file is an error: a secret that was
// lost must not be taken for one that was never made.
func Read(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if s := strings.TrimSpace(string(b)); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("%s is empty: it must hold a secret; restore it from a backup", path)
}

// Keep reads the secret in path, making it when there is no such file yet.
func Keep(path string) (string, error) {
	s, err := Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s = New()
	if err := write(path, s+"\n"); err != nil {
		return "", fmt.Errorf("keep a new secret: %w", err)
	}
	return s, nil
}

// write writes a file that is whole or absent.
func write(path, content string) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // a power cut must not undo the rename
}
