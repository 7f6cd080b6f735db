package spool

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// single puts each pack into a block of its own, as former versions did.
var single = Options{SegmentBytes: 400, BlockBytes: 1, JournalBytes: 1}

// written makes a spool with n packs and returns its directory.
func written(t testing.TB, n int, o Options) string {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	require.NoError(t, err)
	add(t, s, n)
	require.NoError(t, s.Close())
	return s.dir
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	return files
}

// copySpool copies the files of a spool, with one of them replaced.
func copySpool(t testing.TB, from, replaced string, content []byte) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	require.NoError(t, os.WriteFile(filepath.Join(to, filepath.Base(replaced)), content, 0o640))
	return to
}

// check opens dir, wants the packs that are whole, and that new packs get new seqs. It returns what was read.
func check(t testing.TB, dir string, highest uint64) []uint64 {
	t.Helper()
	s, err := open(dir, single, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	got := drain(t, s)
	add(t, s, 1)
	refs := synced(t, s)
	require.Greater(t, refs[0].Seq, highest, "a seq that may have been sent is given out again")
	require.Equal(t, append(got, refs[0].Seq), drain(t, s), "a new pack goes behind")
	return got
}

func TestLastSegmentCutAtEveryByte(t *testing.T) {
	const packs = 12
	dir := written(t, packs, single)
	files := segmentFiles(t, dir)
	last := files[len(files)-1]
	b, err := os.ReadFile(last)
	require.NoError(t, err)
	first, _, ok := parseName(last)
	require.True(t, ok)
	for cut := range b {
		got := check(t, copySpool(t, dir, last, b[:cut]), packs)
		// Whole records before the cut, and nothing else, are there.
		want := seqs(1, first-1)
		for off := int64(fileHeaderSize); ; {
			w := window{r: readerAt(b), limit: int64(len(b))}
			f, ok := w.next(off, int64(len(b)), 0, ^uint64(0))
			if !ok || f.end() > int64(cut) || f.kind == kindSeal {
				break
			}
			want, off = append(want, f.seq), f.end()
		}
		require.Equal(t, want, got, "cut at byte %d of %d", cut, len(b))
	}
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r)) {
		return 0, errors.New("past the end")
	}
	return copy(p, r[off:]), nil
}

// One flipped bit anywhere costs at most the pack it sits in.
func TestFlippedBits(t *testing.T) {
	const packs = 30
	dir := written(t, packs, single)
	for _, file := range segmentFiles(t, dir) {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for i := 0; i < len(b); i += 17 {
			flipped := append([]byte(nil), b...)
			flipped[i] ^= 1 << rand.IntN(8)
			got := check(t, copySpool(t, dir, file, flipped), packs)
			require.GreaterOrEqual(t, len(got), packs-1, "byte %d of %s", i, filepath.Base(file))
		}
	}
}

func TestDamageIsCountedWithTheSealTrusted(t *testing.T) {
	dir := written(t, 40, single)
	file := segmentFiles(t, dir)[1]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b[fileHeaderSize+recordHeaderSize+12] ^= 1 // the first record's payload; the seal stays good
	require.NoError(t, os.WriteFile(file, b, 0o640))

	s, err := Open(dir, single)
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 40, s.Stats().Packs)
	require.Len(t, drain(t, s), 39)
	require.Equal(t, uint64(1), s.Stats().LostPacks)
	require.Equal(t, 39, s.Stats().Packs)
	require.Equal(t, 39, s.Receipt([2]uint64{1, 40}))
	require.Equal(t, 1, s.Stats().Segments)
}

func TestUnreadableFileIsMovedAside(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"garbage":   func(p string) error { return os.WriteFile(p, make([]byte, 3000), 0o640) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o750)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t, 40, single)
			files := segmentFiles(t, dir)
			for _, f := range []string{files[1], files[len(files)-1]} {
				require.NoError(t, spoil(f))
			}
			s, err := Open(dir, single)
			require.NoError(t, err)
			require.Equal(t, uint64(2), s.Stats().BadFiles)
			require.NotEmpty(t, drain(t, s))
			require.NoError(t, s.Close())
			_, err = os.Stat(files[1] + badSuffix)
			require.NoError(t, err, "kept for a look at it")
			check(t, dir, 40)
		})
	}
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	dir := written(t, 3, Options{})
	file := segmentFiles(t, dir)[0]
	b := appendFileHeader(nil, "0123456789abcdef", 1)
	b[4] = 3
	b = append(b[:0], b...)
	b = fixHeader(b)
	require.NoError(t, os.WriteFile(file, b, 0o640))
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, uint64(1), s.Stats().BadFiles)
}

func TestInspectFindsDamageAndChangesNothing(t *testing.T) {
	dir := written(t, 40, single)
	files := segmentFiles(t, dir)
	b, err := os.ReadFile(files[2])
	require.NoError(t, err)
	b[fileHeaderSize+5] ^= 1
	require.NoError(t, os.WriteFile(files[2], b, 0o640))
	require.NoError(t, os.Truncate(files[len(files)-1], 50))

	in, err := Inspect(dir)
	require.NoError(t, err)
	require.Len(t, in.Files, len(files))
	for i, f := range in.Files {
		require.Equal(t, i != 2 && i != len(files)-1, f.Good(), f.Name)
	}
	info, err := os.Stat(files[len(files)-1])
	require.NoError(t, err)
	require.Equal(t, int64(50), info.Size())
}
