package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	require.TestingT
	Helper()
}

func payload(seq uint64) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("pack %d;", seq)), 1+int(seq%7))
}

func add(t testing.TB, s *Spool, n int) {
	t.Helper()
	for range n {
		_, err := s.Append("furnace-1", 1_800_000_000_000, func(seq uint64) ([]byte, error) { return payload(seq), nil })
		require.NoError(t, err)
	}
}

func synced(t testing.TB, s *Spool) []Ref {
	t.Helper()
	refs, err := s.Sync()
	require.NoError(t, err)
	return refs
}

// drain reads everything that is pending and checks that no byte changed.
func drain(t tester, s *Spool) []uint64 {
	t.Helper()
	c := s.Cursor()
	defer c.Close()
	var seqs []uint64
	for {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			return seqs
		}
		require.NoError(t, err)
		require.Equal(t, payload(r.Seq), r.Payload)
		require.Equal(t, "furnace-1", r.Key)
		seqs = append(seqs, r.Seq)
	}
}

func reopen(t testing.TB, s *Spool, o Options) *Spool {
	t.Helper()
	require.NoError(t, s.Close())
	next, err := Open(s.dir, o)
	require.NoError(t, err)
	return next
}

func seqs(from, to uint64) []uint64 {
	var out []uint64
	for ; from <= to; from++ {
		out = append(out, from)
	}
	return out
}

func TestAppendSyncReadReceipt(t *testing.T) {
	s, err := Open(t.TempDir(), Options{SegmentBytes: 500, BlockBytes: 1, JournalBytes: 1})
	require.NoError(t, err)
	defer s.Close()
	add(t, s, 10)
	require.Empty(t, drain(t, s), "nothing is given out before it is durable")
	require.Equal(t, 10, s.Stats().Packs)

	refs := synced(t, s)
	require.Len(t, refs, 10)
	require.Equal(t, seqs(1, 10), drain(t, s))
	r, err := s.Read(refs[3])
	require.NoError(t, err)
	require.Equal(t, payload(4), r.Payload)
	require.Greater(t, s.Stats().Segments, 1)

	require.Equal(t, 4, s.Receipt([2]uint64{3, 6}))
	require.Equal(t, 0, s.Receipt([2]uint64{4, 5}), "a receipt twice is a receipt once")
	require.Equal(t, []uint64{1, 2, 7, 8, 9, 10}, drain(t, s))
	_, err = s.Read(refs[3])
	require.ErrorIs(t, err, ErrGone)
	require.Equal(t, 6, s.Receipt([2]uint64{0, ^uint64(0)}))
	require.Equal(t, 0, s.Stats().Packs)
	require.Zero(t, s.Stats().OldestMs)
	require.Equal(t, 1, s.Stats().Segments, "the newest stays and keeps the floor")
}

func TestCursorFollowsTheTail(t *testing.T) {
	s, err := Open(t.TempDir(), Options{SegmentBytes: 300, BlockBytes: 1, JournalBytes: 1})
	require.NoError(t, err)
	defer s.Close()
	c := s.Cursor()
	defer c.Close()
	want := uint64(1)
	for range 20 {
		add(t, s, 3)
		synced(t, s)
		for {
			r, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Equal(t, want, r.Seq)
			if want%3 == 0 {
				s.Receipt([2]uint64{want - 2, want})
			}
			want++
		}
	}
	require.Equal(t, uint64(61), want)
}

func TestSeqNeverRepeatsAcrossOpenings(t *testing.T) {
	s, err := Open(t.TempDir(), Options{SegmentBytes: 300, BlockBytes: 1, JournalBytes: 1})
	require.NoError(t, err)
	id := s.ID()
	seen := map[uint64]bool{}
	for round := range 6 {
		add(t, s, round) // none in the first round
		for _, r := range synced(t, s) {
			require.False(t, seen[r.Seq], "seq %d twice", r.Seq)
			seen[r.Seq] = true
		}
		s.Receipt([2]uint64{0, ^uint64(0)}) // drained each time
		s = reopen(t, s, Options{SegmentBytes: 300, BlockBytes: 1, JournalBytes: 1})
		require.Equal(t, id, s.ID())
		require.Zero(t, s.Stats().Packs, "nothing comes back after a clean stop of a drained spool")
	}
	require.NoError(t, s.Close())
}

func TestLostIDComesBackFromTheSegments(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	id := s.ID()
	add(t, s, 2)
	require.NoError(t, os.Remove(filepath.Join(s.dir, "id")))
	s = reopen(t, s, Options{})
	defer s.Close()
	require.Equal(t, id, s.ID())
}

func TestFullSpoolDropsTheOldest(t *testing.T) {
	s, err := Open(t.TempDir(), Options{SegmentBytes: 1000, MaxBytes: 5000, BlockBytes: 1, JournalBytes: 1})
	require.NoError(t, err)
	defer s.Close()
	for range 50 {
		add(t, s, 5)
		synced(t, s)
		require.LessOrEqual(t, s.Stats().Bytes, int64(5000))
	}
	st := s.Stats()
	require.Positive(t, st.Dropped)
	left := drain(t, s)
	require.Equal(t, uint64(250), left[len(left)-1], "the newest are kept")
	require.Equal(t, 250, len(left)+int(st.Dropped))
	require.Equal(t, len(left), st.Packs)
}

func TestSecondOpeningIsRefused(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	defer s.Close()
	_, err = Open(s.dir, Options{})
	require.ErrorIs(t, err, ErrInUse)
}

func TestTooLongAndFailedPacksTakeNoSeq(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Append("m", 1, func(uint64) ([]byte, error) { return make([]byte, MaxPayload+1), nil })
	require.ErrorContains(t, err, "make packs shorter")
	_, err = s.Append("m", 1, func(uint64) ([]byte, error) { return nil, io.ErrUnexpectedEOF })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	add(t, s, 1)
	require.Equal(t, uint64(1), synced(t, s)[0].Seq)
}

func TestReceiptsOfAHugeRangeAreCheap(t *testing.T) {
	g := newSegment(100)
	for seq := uint64(100); seq < 400; seq++ {
		g.add(seq, seq, 1)
	}
	require.Equal(t, 300, g.clear(0, ^uint64(0)))
	require.Equal(t, 0, g.pending)
	require.Equal(t, 0, newSegment(5).clear(0, 10))
}

// Packs that are just being written still count: an exit waits until the queue is empty.
func TestLenCountsWhatIsBeingWritten(t *testing.T) {
	d := &brokenDisk{room: -1}
	s, err := open(t.TempDir(), Options{}, d)
	require.NoError(t, err)
	defer s.Close()
	add(t, s, 3)
	d.onSync = func() {
		require.Equal(t, 3, s.Len())
		require.Equal(t, 3, s.Stats().Packs)
	}
	synced(t, s)
	require.Equal(t, 3, s.Len())
}
