//go:build !linux

package spool

import "os"

func (j *journal) aligned(n int) []byte {
	if cap(j.buf) < n {
		j.buf = make([]byte, n)
	}
	return j.buf[:n]
}

type plainFile struct{ *os.File }

func (plainFile) Unit() int { return sector }

// OpenJournal opens the file for ordinary writes.
func (osDisk) OpenJournal(path string, size int64) (journalFile, error) {
	if err := preallocate(path, size); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return plainFile{f}, nil
}
