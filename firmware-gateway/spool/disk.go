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
	OpenJournal(path string, size int64) (journalFile, error) // makes it, or gives it that size
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

// preallocate gives the file at path its size and blocks, so that writing into it changes nothing else on the disk.
func preallocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == size {
		return err
	}
	if err := f.Truncate(min(size, info.Size())); err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, size-min(size, info.Size())), min(size, info.Size())); err != nil {
		_ = f.Truncate(0)
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return osDisk{}.SyncDir(filepath.Dir(path))
}
