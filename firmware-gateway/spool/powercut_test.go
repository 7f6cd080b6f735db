package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// forgetful is a disk that at a power cut forgets bytes that were not synced since they were written. It keeps some of them,
// as disks do.
type forgetful struct {
	osDisk
	bytes map[string][]undo // by path
}

type undo struct {
	off  int64
	old  []byte
	size int64 // of the file before
}

func (d *forgetful) note(path string, off int64, n int) {
	u := undo{off: off, old: make([]byte, n)}
	if f, err := os.Open(path); err == nil {
		info, _ := f.Stat()
		u.size = info.Size()
		got, _ := f.ReadAt(u.old, off)
		u.old = u.old[:got]
		_ = f.Close()
	}
	d.bytes[path] = append(d.bytes[path], u)
}

// cut brings dir into the state that a power cut leaves, in a copy.
func (d *forgetful) cut(t *testing.T, dir string, random *rand.Rand) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	for path, undos := range d.bytes {
		f, err := os.OpenFile(filepath.Join(to, filepath.Base(path)), os.O_RDWR, 0)
		if err != nil {
			continue // renamed or removed since
		}
		for _, u := range slices.Backward(undos) {
			if random.IntN(3) == 0 {
				continue // it had reached the disk
			}
			_, err := f.WriteAt(u.old, u.off)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(u.size))
		}
		require.NoError(t, f.Close())
	}
	return to
}

type forgetfulFile struct {
	file
	d    *forgetful
	path string
}

func (f *forgetfulFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.note(f.path, off, len(b))
	return f.file.WriteAt(b, off)
}

func (f *forgetfulFile) Sync() error {
	delete(f.d.bytes, f.path)
	return f.file.Sync()
}

func (d *forgetful) Create(path string) (file, error) {
	delete(d.bytes, path)
	f, err := d.osDisk.Create(path)
	return &forgetfulFile{f, d, path}, err
}

func (d *forgetful) Open(path string) (file, error) {
	f, err := d.osDisk.Open(path)
	return &forgetfulFile{f, d, path}, err
}

func (d *forgetful) Rename(from, to string) error {
	d.bytes[to] = d.bytes[from]
	delete(d.bytes, from)
	return d.osDisk.Rename(from, to)
}

type forgetfulJournal struct {
	journalFile
	d    *forgetful
	path string
}

func (f *forgetfulJournal) WriteAt(b []byte, off int64) (int, error) {
	f.d.note(f.path, off, len(b))
	return f.journalFile.WriteAt(b, off)
}

func (f *forgetfulJournal) Sync() error {
	delete(f.d.bytes, f.path)
	return f.journalFile.Sync()
}

func (d *forgetful) OpenJournal(path string, size int64) (journalFile, error) {
	f, err := d.osDisk.OpenJournal(path, size)
	return &forgetfulJournal{f, d, path}, err
}

// Whenever the power is cut, all samples up to the last Sync are there, in packs or as notes of open ones. The gateway
// syncs once a second, so a second is what a cut costs at most.
func TestPowerCutCostsWhatWasNotSynced(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			dir, d := t.TempDir(), &forgetful{bytes: map[string][]undo{}}
			s, err := open(dir, Options{BlockBytes: 2048}, d)
			require.NoError(t, err)
			defer s.Close()
			taken, durable := byte(0), byte(0) // samples are numbered, one byte each
			inOpen := 0
			for second := range 120 {
				taken++
				note := append([]byte{taken}, []byte(randomText(40))...)
				require.NoError(t, s.Note("m", note))
				if inOpen++; inOpen == 3 {
					_, err := s.Finish("m", int64(second), false, []byte{255})
					require.NoError(t, err)
					inOpen = 0
				}
				if second%10 == 9 { // between Note and Sync: what is taken now may be lost, nothing else
					wantDurable(t, d.cut(t, dir, random), durable)
				}
				_, err := s.Sync()
				require.NoError(t, err)
				durable = taken
				if second%10 == 4 {
					wantDurable(t, d.cut(t, dir, random), durable)
				}
			}
		})
	}
}

// wantDurable opens what a cut has left and looks for the samples 1 … last.
func wantDurable(t *testing.T, dir string, last byte) {
	t.Helper()
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	have := map[byte]bool{}
	collect := func(b []byte) {
		for len(b) > 40 {
			have[b[0]] = true
			b = b[41:]
		}
	}
	c := s.Cursor()
	defer c.Close()
	for {
		r, err := c.Next()
		if err != nil {
			break
		}
		collect(r.Payload)
	}
	for _, b := range s.Open() {
		collect(b)
	}
	for i := byte(1); i <= last; i++ {
		require.True(t, have[i], "sample %d of %d was durable and is lost", i, last)
	}
}
