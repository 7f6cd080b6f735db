package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// file is what the spool needs of an open segment.
type file interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// disk is the file system, as far as the spool writes to it. Tests break it.
type disk interface {
	Create(path string) (file, error) // truncates
	Open(path string) (file, error)   // for writing
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

// osDisk is the real one.
type osDisk struct{}

var _ disk = osDisk{}

func (osDisk) Create(path string) (file, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
}
func (osDisk) Open(path string) (file, error) { return os.OpenFile(path, os.O_RDWR, 0) }

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }

func (osDisk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// create makes path appear with content b, whole and durable or not at all, and returns the open file.
func create(d disk, path string, b []byte) (file, error) {
	tmp := path + ".tmp"
	f, err := d.Create(tmp)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", filepath.Base(tmp), err)
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.Rename(tmp, path)
	}
	if err == nil {
		err = d.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = f.Close()
		_ = d.Remove(tmp)
		return nil, fmt.Errorf("create %s: %w", filepath.Base(path), err)
	}
	return f, nil
}
