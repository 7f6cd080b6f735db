package spool

import (
	"errors"
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
	d := &brokenDisk{room: 700}
	s, err := open(t.TempDir(), Options{SegmentBytes: 400}, d)
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
	d.room = -1 // somebody made room
	synced(t, s)
	require.Equal(t, seqs(1, 20), drain(t, s))
	s = reopen(t, s, Options{})
	defer s.Close()
	require.Equal(t, seqs(1, 20), drain(t, s))
}

func TestDiskThatStaysFullKeepsMemoryBounded(t *testing.T) {
	d := &brokenDisk{room: 0}
	s, err := open(t.TempDir(), Options{}, &brokenDisk{room: -1})
	require.NoError(t, err)
	s.disk = d
	big := make([]byte, 512<<10)
	for range 40 {
		_, err := s.Append("m", 1, func(uint64) ([]byte, error) { return big, nil })
		require.NoError(t, err, "sampling goes on")
		_, err = s.Sync()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.LessOrEqual(t, s.Stats().Buffered, int64(maxBuffered))
	}
	require.Positive(t, s.Stats().Dropped)
	d.room = -1
	require.NotEmpty(t, synced(t, s), "what is left is written once there is room")
	require.NoError(t, s.Close())
}

// After a failed fsync the kernel may have dropped the pages: the records are written again, to another file.
func TestFailedSyncIsWrittenAgainElsewhere(t *testing.T) {
	d := &brokenDisk{room: -1}
	s, err := open(t.TempDir(), Options{}, d)
	require.NoError(t, err)
	add(t, s, 3)
	synced(t, s)
	d.syncErr = syscall.EIO
	add(t, s, 3)
	_, err = s.Sync()
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, seqs(1, 3), drain(t, s), "only what is durable is given out")
	d.syncErr = nil
	synced(t, s)
	require.Equal(t, 2, s.Stats().Segments)
	require.Equal(t, seqs(1, 6), drain(t, s))
	s = reopen(t, s, Options{})
	defer s.Close()
	require.Equal(t, seqs(1, 6), drain(t, s))
}

func TestNoNewFileOnAFullDisk(t *testing.T) {
	d := &brokenDisk{room: -1, createErr: syscall.ENOSPC}
	dir := written(t, 3, Options{})
	s, err := open(dir, Options{}, d)
	require.NoError(t, err, "a full disk does not stop the gateway from starting")
	defer s.Close()
	add(t, s, 1)
	_, err = s.Sync()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, seqs(1, 3), drain(t, s), "and what is queued can still be sent")
	d.createErr = nil
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
