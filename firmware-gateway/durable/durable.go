// Package durable replaces small files as a whole: after a power cut a file holds what it held before or what was
// written, never half of it.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Replace gives the file at path the content b: temp, fsync, rename, fsync of the directory.
func Replace(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer d.Close()
	return d.Sync()
}
