package spool

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// alignment is what every block device is content with.
const alignment = 4096

// aligned returns n bytes that a write past the page cache takes.
func (j *journal) aligned(n int) []byte {
	if cap(j.buf) < n {
		b := make([]byte, roundUp(int64(n), 8<<10)+alignment)
		skip := 0
		if r := int(uintptr(unsafe.Pointer(&b[0])) % alignment); r != 0 {
			skip = alignment - r
		}
		j.buf = b[skip:]
	}
	return j.buf[:n]
}

type directFile struct {
	*os.File
	unit int
}

func (f directFile) Unit() int   { return f.unit }
func (f directFile) Sync() error { return syscall.Fdatasync(int(f.Fd())) }

// OpenJournal opens the file past the page cache, in the smallest unit that the device takes, so that a second's
// samples cost one or two sectors instead of a page. File systems that can't do that get ordinary writes.
func (osDisk) OpenJournal(path string, size int64) (journalFile, error) {
	if err := preallocate(path, size); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err == nil {
		var j journal
		for _, unit := range []int{sector, alignment} {
			b := j.aligned(unit)
			if _, err = f.ReadAt(b, 0); err == nil {
				if _, err = f.WriteAt(b, 0); err == nil { // what it held: nothing changes
					return directFile{f, unit}, nil
				}
			}
		}
		_ = f.Close()
	}
	if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return nil, err
	}
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return directFile{f, sector}, nil
}
