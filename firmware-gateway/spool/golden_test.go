package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenSize is what the journals of testdata/version2 have on a disk; there they lie without the zeros at their end.
const goldenSize = 1 << 20

// writeGolden makes what testdata/version2 holds: closed packs in a segment and in the journal, an open one, receipts and
// a mark.
func writeGolden(t *testing.T, dir string) {
	s, err := Open(dir, Options{BlockBytes: 512})
	require.NoError(t, err)
	for i := range 24 {
		key := fmt.Sprintf("machine-%d", i%3)
		require.NoError(t, s.Note(key, []byte{1, byte(i), 0}))
		_, err := s.Finish(key, 1_790_000_000_000+int64(i), i%2 == 0, bytes.Repeat([]byte{byte(i)}, 40))
		require.NoError(t, err)
		if i%4 == 3 {
			synced(t, s)
		}
	}
	require.Equal(t, 2, s.Receipt([2]uint64{5, 6}))
	require.NoError(t, s.Note("machine-1", []byte("open")))
	s.SetMark([]byte("mark"))
	synced(t, s)
	require.NoError(t, s.Close())
}

// wantGolden checks that dir holds it, and that the spool goes on.
func wantGolden(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"journal-0", "journal-1"} {
		require.NoError(t, os.Truncate(filepath.Join(dir, name), goldenSize))
	}
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	require.Zero(t, s.Stats().DamagedRecords)
	require.Equal(t, 22, s.Len())
	require.Equal(t, map[string][]byte{"machine-1": []byte("open")}, s.Open())
	require.Equal(t, []byte("mark"), s.LastMark())
	c := s.Cursor()
	defer c.Close()
	for i := range 24 {
		if i == 4 || i == 5 {
			continue // had their receipts
		}
		r, err := c.Next()
		require.NoError(t, err)
		require.Equal(t, uint64(i+1), r.Seq)
		require.Equal(t, fmt.Sprintf("machine-%d", i%3), r.Key)
		require.Equal(t, 1_790_000_000_000+int64(i), r.TimeMs)
		require.Equal(t, append([]byte{1, byte(i), 0}, bytes.Repeat([]byte{byte(i)}, 40)...), r.Payload)
	}
	seq, err := s.Append("m", 1, func(uint64) ([]byte, error) { return []byte("new"), nil })
	require.NoError(t, err)
	require.Greater(t, seq, uint64(24))
}

// A spool of the released format, version 2, is read for ever. KARKHANA_WRITE_GOLDEN=1 writes it anew, which is right
// only together with a new version.
func TestGoldenVersion2(t *testing.T) {
	const golden = "testdata/version2"
	if os.Getenv("KARKHANA_WRITE_GOLDEN") != "" {
		dir := t.TempDir()
		writeGolden(t, dir)
		require.NoError(t, os.RemoveAll(golden))
		require.NoError(t, os.MkdirAll(golden, 0o755))
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			require.NoError(t, err)
			if f.Name() != "lock" {
				require.NoError(t, os.WriteFile(filepath.Join(golden, f.Name()), bytes.TrimRight(b, "\x00"), 0o644))
			}
		}
	}
	wantGolden(t, copyOf(t, golden))
}

// An upgrade that is taken back: the former gateway reads what this one wrote only while the format stays what the golden
// files are. So what this build writes from the same calls must have the same bytes, but for the spool's id and the check
// sums over it. When this fails on purpose, raise fileVersion: then the former gateway refuses the spool, says that a
// newer gateway wrote it, and leaves it as it is.
func TestFormerVersionReadsWhatThisOneWrites(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("compressed bytes differ between processors; the golden files were written on amd64, and are read on all")
	}
	dir := t.TempDir()
	id, err := os.ReadFile("testdata/version2/id")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "id"), id, 0o600))
	writeGolden(t, dir)
	golden, err := os.ReadDir("testdata/version2")
	require.NoError(t, err)
	for _, f := range golden {
		want, err := os.ReadFile(filepath.Join("testdata/version2", f.Name()))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		require.Equal(t, want, bytes.TrimRight(got, "\x00"), f.Name())
	}
	wantGolden(t, dir)
	require.Equal(t, 2, fileVersion)
}
