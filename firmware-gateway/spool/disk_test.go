package spool

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// brokenDisk fails where its fields say so.
type brokenDisk struct {
	osDisk
	room      int64 // bytes that WriteAt still takes; negative: no limit
	syncErr   error
	createErr error
	onSync    func()

	journalErr error // of writes to the journal
}

type brokenJournal struct {
	journalFile
	d *brokenDisk
}

func (d *brokenDisk) OpenJournal(path string, size int64) (journalFile, error) {
	f, err := d.osDisk.OpenJournal(path, size)
	return &brokenJournal{f, d}, err
}

func (f *brokenJournal) WriteAt(b []byte, off int64) (int, error) {
	if f.d.journalErr != nil {
		n, _ := f.journalFile.WriteAt(b[:len(b)/2/f.Unit()*f.Unit()], off)
		return n, f.d.journalErr
	}
	return f.journalFile.WriteAt(b, off)
}

func (f *brokenJournal) Sync() error {
	if f.d.onSync != nil {
		f.d.onSync()
	}
	return f.journalFile.Sync()
}

type brokenFile struct {
	file
	d *brokenDisk
}

func (d *brokenDisk) Create(path string) (file, error) {
	if d.createErr != nil {
		return nil, d.createErr
	}
	f, err := d.osDisk.Create(path)
	return &brokenFile{file: f, d: d}, err
}

func (f *brokenFile) WriteAt(b []byte, off int64) (int, error) {
	if f.d.room >= 0 && int64(len(b)) > f.d.room {
		n, err := f.file.WriteAt(b[:f.d.room], off)
		f.d.room = 0
		return n, errors.Join(err, syscall.ENOSPC)
	}
	if f.d.room >= 0 {
		f.d.room -= int64(len(b))
	}
	return f.file.WriteAt(b, off)
}

func (f *brokenFile) Sync() error {
	if f.d.onSync != nil {
		f.d.onSync()
	}
	if f.d.syncErr != nil {
		return f.d.syncErr
	}
	return f.file.Sync()
}

func TestFullDiskSurfacesAndLosesNothing(t *testing.T) {
	d := &brokenDisk{room: 700, journalErr: syscall.ENOSPC}
	s, err := open(t.TempDir(), single, d)
	require.NoError(t, err)
	failed := 0
	for range 20 {
		add(t, s, 1)
		if _, err := s.Sync(); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			failed++
		}
	}
	require.Positive(t, failed)
	require.Equal(t, uint64(failed), s.Stats().SyncErrors)
	d.room, d.journalErr = -1, nil // somebody made room
	synced(t, s)
	require.Equal(t, seqs(1, 20), drain(t, s))
	s = reopen(t, s, Options{})
	defer s.Close()
	require.Equal(t, seqs(1, 20), drain(t, s))
}

// The journals have their room from the start: while they last, a full disk costs nothing even at a power cut.
func TestJournalGoesOnWhileTheDiskIsFull(t *testing.T) {
	d := &brokenDisk{room: -1}
	s, err := open(t.TempDir(), Options{BlockBytes: 300}, d)
	require.NoError(t, err)
	add(t, s, 1)
	synced(t, s)
	d.room = 0
	add(t, s, 30)
	refs, err := s.Sync()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Len(t, refs, 30, "they are durable all the same")
	require.Equal(t, seqs(1, 31), drain(t, s))
	cut := copyOf(t, s.dir)
	require.NoError(t, errors.Join(func() error { d.room = -1; return s.Close() }()))
	after, err := Open(cut, Options{})
	require.NoError(t, err)
	defer after.Close()
	require.Equal(t, seqs(1, 31), drain(t, after))
}

// copyOf copies a spool's directory as it stands: a power cut.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func TestDiskThatStaysFullKeepsMemoryBounded(t *testing.T) {
	d := &brokenDisk{room: -1, journalErr: syscall.ENOSPC}
	s, err := open(t.TempDir(), Options{}, d)
	require.NoError(t, err)
	d.room = 0
	big := make([]byte, 512<<10)
	for range 40 {
		_, err := s.Append("m", 1, func(uint64) ([]byte, error) { return big, nil })
		require.NoError(t, err, "sampling goes on")
		_, err = s.Sync()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.LessOrEqual(t, s.queued, int64(maxBuffered))
		require.LessOrEqual(t, s.Stats().Buffered, int64(maxBuffered))
	}
	require.Positive(t, s.Stats().Dropped)
	d.room, d.journalErr = -1, nil
	require.NotEmpty(t, synced(t, s), "what is left is written once there is room")
	require.NoError(t, s.Close())
}

// After a failed fsync the kernel may have dropped the pages: the records are written again, to another file.
func TestFailedSyncIsWrittenAgainElsewhere(t *testing.T) {
	d := &brokenDisk{room: -1}
	s, err := open(t.TempDir(), Options{BlockBytes: 1, JournalBytes: 1}, d)
	require.NoError(t, err)
	add(t, s, 3)
	synced(t, s)
	d.syncErr, d.journalErr = syscall.EIO, syscall.EIO
	add(t, s, 3)
	_, err = s.Sync()
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, seqs(1, 3), drain(t, s), "only what is durable is given out")
	d.syncErr, d.journalErr = nil, nil
	synced(t, s)
	require.Equal(t, 2, s.Stats().Segments)
	require.Equal(t, seqs(1, 6), drain(t, s))
	s = reopen(t, s, Options{})
	defer s.Close()
	require.Equal(t, seqs(1, 6), drain(t, s))
}

func TestNoNewFileOnAFullDisk(t *testing.T) {
	d := &brokenDisk{room: -1, createErr: syscall.ENOSPC, journalErr: syscall.ENOSPC}
	dir := written(t, 3, single)
	s, err := open(dir, single, d)
	require.NoError(t, err, "a full disk does not stop the gateway from starting")
	defer s.Close()
	add(t, s, 1)
	_, err = s.Sync()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, seqs(1, 3), drain(t, s), "and what is queued can still be sent")
	d.createErr, d.journalErr = nil, nil
	synced(t, s)
	require.Len(t, drain(t, s), 4)
}

// fastDisk does not wait for the platter: for tests of what is written rather than when.
type fastDisk struct{ osDisk }

type fastFile struct{ file }

func (fastFile) Sync() error { return nil }

func (d fastDisk) Create(path string) (file, error) {
	f, err := d.osDisk.Create(path)
	return fastFile{f}, err
}

func (d fastDisk) Open(path string) (file, error) {
	f, err := d.osDisk.Open(path)
	return fastFile{f}, err
}

func (fastDisk) SyncDir(string) error { return nil }

type fastJournal struct{ journalFile }

func (fastJournal) Sync() error { return nil }

// OpenJournal writes through the page cache: it is the bytes that count.
func (d fastDisk) OpenJournal(path string, size int64) (journalFile, error) {
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		if err := os.WriteFile(path, make([]byte, size), 0o640); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	return fastJournal{sectorFile{f}}, err
}

type sectorFile struct{ *os.File }

func (sectorFile) Unit() int { return sector }
