package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/pack"
	"karkhana/internal/wire"
)

// newestJournal returns the file that is being written and how much of it is frames.
func newestJournal(t testing.TB, dir string) (path string, used int) {
	t.Helper()
	r := readJournals(dir)
	path = filepath.Join(dir, journalName(r.newest))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, f := range framesIn(b) {
		if f.generation == r.generation {
			used = int(f.end)
		}
	}
	return path, used
}

// diary notes n times to the open packs of two machines, syncs after each, closes one of them every fifth time and
// gives receipts now and then. It returns what was noted and what was closed, as it stood after each sync.
type moment struct {
	noted  map[string]string // by machine, everything ever noted
	closed map[uint64]string
	gone   map[uint64]bool
}

func diary(t testing.TB, s *Spool, n int) []moment {
	t.Helper()
	at := moment{noted: map[string]string{}, closed: map[uint64]string{}, gone: map[uint64]bool{}}
	openOf := map[string]string{}
	var out []moment
	keep := func() {
		c := moment{noted: map[string]string{}, closed: map[uint64]string{}, gone: map[uint64]bool{}}
		for k, v := range at.noted {
			c.noted[k] = v
		}
		for k, v := range at.closed {
			c.closed[k] = v
		}
		for k := range at.gone {
			c.gone[k] = true
		}
		out = append(out, c)
	}
	for i := range n {
		for _, m := range []string{"a", "b"} {
			text := fmt.Sprintf("%s%04d;", m, i)
			require.NoError(t, s.Note(m, []byte(text)))
			at.noted[m] += text
			openOf[m] += text
		}
		if i%5 == 4 {
			m := string("ab"[i/5%2])
			seq, err := s.Finish(m, int64(1000+i), false, []byte("."))
			require.NoError(t, err)
			at.closed[seq] = openOf[m] + "."
			openOf[m] = ""
		}
		synced(t, s)
		if i%12 == 11 {
			var first uint64
			for seq := range at.closed {
				if !at.gone[seq] && (first == 0 || seq < first) {
					first = seq
				}
			}
			if s.Receipt([2]uint64{first, first}) == 1 {
				at.gone[first] = true
			}
		}
		keep()
	}
	return out
}

// everything returns all notes that a spool still has, by machine, in order; it closes what is open.
func everything(t testing.TB, s *Spool) (noted map[string]string, packs map[uint64]string) {
	t.Helper()
	packs = map[uint64]string{}
	for key := range s.Open() {
		_, err := s.Finish(key, 0, false, []byte("!"))
		require.NoError(t, err)
	}
	synced(t, s)
	noted = map[string]string{}
	c := s.Cursor()
	defer c.Close()
	for {
		r, err := c.Next()
		if err != nil {
			return noted, packs
		}
		packs[r.Seq] = string(r.Payload)
		noted[r.Key] += strings.TrimRight(string(r.Payload), ".!")
	}
}

// The newest journal cut at every byte: what was synced before the cut is there, closed packs are what they were, and
// no seq is used again.
func TestJournalCutAtEveryByte(t *testing.T) {
	s, err := open(t.TempDir(), Options{JournalBytes: 1}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	moments := diary(t, s, 14)
	path, used := newestJournal(t, s.dir)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	frames := framesIn(whole[:used])
	require.Len(t, frames, len(moments), "one frame a sync, none began the journal anew")
	for cut := range used {
		survived := -1
		for i, f := range frames {
			begin := int(f.end) - int(roundUp(int64(frameHeader+len(f.ops)), sector))
			if begin+frameHeader+len(f.ops) <= cut {
				survived = i
			}
		}
		b := append([]byte(nil), whole...)
		clear(b[cut:])
		noted, packs := told(replay([journals][]byte{b}))
		where := fmt.Sprintf("cut at byte %d", cut)
		if survived >= 0 {
			moments[survived].holds(t, noted, packs, where)
		}
		if cut%512 != 5 {
			continue
		}
		got, err := open(copySpool(t, s.dir, path, b), Options{JournalBytes: 1}, fastDisk{})
		require.NoError(t, err)
		noted, packs = everything(t, got)
		if survived >= 0 {
			moments[survived].holds(t, noted, packs, where)
		}
		noSeqAgain(t, moments[len(moments)-1].closed, packs)
		require.NoError(t, got.Close())
	}
}

// told is what a journal alone gives back, like everything.
func told(r replayed) (noted map[string]string, packs map[uint64]string) {
	noted, packs = map[string]string{}, map[uint64]string{}
	for _, it := range r.state.queue {
		packs[it.seq] = string(it.payload)
		noted[it.key] += strings.TrimRight(string(it.payload), ".")
	}
	for _, m := range []map[string][]byte{r.state.scraps, r.state.open} {
		for key, b := range m {
			noted[key] += string(b)
		}
	}
	return noted, packs
}

// holds wants everything that was noted until then, and every closed pack as it was.
func (m moment) holds(t testing.TB, noted map[string]string, packs map[uint64]string, where string) {
	t.Helper()
	gone := map[string]string{}
	for seq := range m.gone {
		gone[m.closed[seq][:1]] += strings.TrimRight(m.closed[seq], ".")
	}
	for machine, text := range m.noted {
		got := noted[machine]
		if !strings.HasPrefix(got, text) { // else the receipt came after
			got = gone[machine] + got
		}
		require.True(t, strings.HasPrefix(got, text), "%s: machine %s: want %s, got %s", where, machine, text, got)
	}
	for seq, text := range m.closed {
		if p, ok := packs[seq]; ok {
			require.Equal(t, text, p, "%s: pack %d changed", where, seq)
		}
	}
}

func noSeqAgain(t testing.TB, closed, packs map[uint64]string) {
	t.Helper()
	for seq, text := range packs {
		if old, was := closed[seq]; was {
			require.Equal(t, old, text)
			continue
		}
		for old := range closed {
			require.Greater(t, seq, old, "seq again")
		}
	}
}

// joined is what a machine has: what had its receipt, unless that was forgotten with the last frames, and the rest.
func joined(gone, noted map[string]string, m, want string) string {
	if noted[m] == want {
		return want
	}
	return gone[m] + noted[m]
}

// One flipped bit in the journal costs at most the second it sits in, changes no pack that may have been sent, and no
// seq is used again.
func TestJournalFlippedBits(t *testing.T) {
	s, err := open(t.TempDir(), Options{JournalBytes: 1}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	moments := diary(t, s, 11)
	last := moments[len(moments)-1]
	path, used := newestJournal(t, s.dir)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	fine := func(i int, noted map[string]string, packs map[uint64]string) {
		for m, text := range last.noted {
			require.GreaterOrEqual(t, len(noted[m]), len(text)-len("a0000;"), "bit in byte %d: machine %s has %s", i, m, noted[m])
			for _, part := range strings.SplitAfter(noted[m], ";") {
				require.Contains(t, text, part, "nothing is made up")
			}
		}
		for seq, p := range packs {
			if text, was := last.closed[seq]; was {
				require.Equal(t, text, p, "bit in byte %d: pack %d changed", i, seq)
			}
		}
	}
	for i := range used {
		b := append([]byte(nil), whole...)
		b[i] ^= 1 << (i % 8)
		noted, packs := told(replay([journals][]byte{b}))
		fine(i, noted, packs)
		if i%199 != 0 {
			continue
		}
		got, err := open(copySpool(t, s.dir, path, b), Options{JournalBytes: 1}, fastDisk{})
		require.NoError(t, err)
		noted, packs = everything(t, got)
		fine(i, noted, packs)
		noSeqAgain(t, last.closed, packs)
		require.NoError(t, got.Close())
	}
}

// A power cut at any time in a long run, with journals that fill again and again and blocks that go to segments.
func TestPowerCutAtAnySecond(t *testing.T) {
	s, err := open(t.TempDir(), Options{JournalBytes: 1, BlockBytes: 700, SegmentBytes: 4000}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	all, gone := "", ""
	for i := range 300 {
		text := fmt.Sprintf("a%04d%s;", i, randomText(60))
		require.NoError(t, s.Note("a", []byte(text)))
		all += text
		if i%7 == 6 {
			_, err := s.Finish("a", int64(i+1), false, nil)
			require.NoError(t, err)
		}
		if i%50 == 49 {
			c := s.Cursor()
			for range 3 {
				if r, err := c.Next(); err == nil {
					gone += string(r.Payload)
					s.Receipt([2]uint64{r.Seq, r.Seq})
				}
			}
			c.Close()
		}
		synced(t, s)
		if i%9 != 0 {
			continue
		}
		got, err := open(copyOf(t, s.dir), Options{JournalBytes: 1}, fastDisk{})
		require.NoError(t, err)
		noted, _ := everything(t, got)
		require.Equal(t, all, joined(map[string]string{"a": gone}, noted, "a", all), "second %d", i)
		require.NoError(t, got.Close())
	}
	require.Greater(t, s.Stats().Segments, 1)
}

func TestDropAndNoteHappenTogether(t *testing.T) {
	s, err := open(t.TempDir(), Options{}, fastDisk{})
	require.NoError(t, err)
	require.NoError(t, s.Note("a/window", []byte("readings")))
	synced(t, s)
	require.NoError(t, s.Note("a", []byte("mean"), "a/window"))
	s.SetMark([]byte("12:00"))
	require.Equal(t, map[string][]byte{"a": []byte("mean")}, s.Open())
	got, err := open(copyOf(t, s.dir), Options{}, fastDisk{})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"a/window": []byte("readings")}, got.Open(), "not synced: neither")
	require.NoError(t, got.Close())
	synced(t, s)
	got, err = open(copyOf(t, s.dir), Options{}, fastDisk{})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"a": []byte("mean")}, got.Open())
	require.Equal(t, []byte("12:00"), got.LastMark())
	got = reopen(t, got, Options{})
	require.Equal(t, map[string][]byte{"a": []byte("mean")}, got.Open(), "a clean stop leaves them, too")
	require.Equal(t, []byte("12:00"), got.LastMark())
	require.NoError(t, got.Close())
	require.NoError(t, s.Close())
}

func TestReceiptsSurviveAPowerCut(t *testing.T) {
	s, err := open(t.TempDir(), Options{SegmentBytes: 4000, BlockBytes: 500, JournalBytes: 1}, fastDisk{})
	require.NoError(t, err)
	for range 20 {
		add(t, s, 5)
		synced(t, s)
	}
	require.Equal(t, 3, s.Receipt([2]uint64{7, 9}))
	require.Equal(t, 5, s.Receipt([2]uint64{94, 98}))
	add(t, s, 1) // a frame is written for samples, not for receipts
	synced(t, s)
	got, err := open(copyOf(t, s.dir), Options{}, fastDisk{})
	require.NoError(t, err)
	require.Equal(t, append(append(seqs(1, 6), seqs(10, 93)...), 99, 100, 101), drain(t, got))
	require.NoError(t, got.Close())
	require.NoError(t, s.Close())
}

// With the link up nothing ever goes to a segment.
func TestNothingIsWrittenTwiceWhileReceiptsCome(t *testing.T) {
	s, err := open(t.TempDir(), Options{JournalBytes: 1, BlockBytes: 2000}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	for range 200 {
		add(t, s, 3)
		refs := synced(t, s)
		require.Len(t, refs, 3)
		require.Equal(t, 3, s.Receipt([2]uint64{refs[0].Seq, refs[2].Seq}))
	}
	require.Empty(t, segmentFiles(t, s.dir))
	require.Zero(t, s.Len())
}

func TestLostJournalsNeverRepeatASeq(t *testing.T) {
	s, err := open(t.TempDir(), Options{}, fastDisk{})
	require.NoError(t, err)
	add(t, s, 5000)
	refs := synced(t, s)
	s.Receipt([2]uint64{1, 5000})
	dir := copyOf(t, s.dir)
	require.NoError(t, s.Close())
	for i := range journals {
		_ = os.Remove(filepath.Join(dir, journalName(i)))
	}
	for _, f := range segmentFiles(t, dir) {
		require.NoError(t, os.Remove(f))
	}
	s, err = open(dir, Options{}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	add(t, s, 1)
	require.Greater(t, synced(t, s)[0].Seq, refs[len(refs)-1].Seq)
}

// keepX keeps the part of a test pack from its first X on.
func keepX(b []byte) ([]byte, bool, error) {
	i := strings.IndexByte(string(b), 'X')
	if i < 0 {
		return nil, false, nil
	}
	return b[i:], true, nil
}

// A full spool drops raw samples first; what is precious outlives many times the disk's size, until it fills half.
func TestPreciousOutlivesRaw(t *testing.T) {
	s, err := open(t.TempDir(), Options{SegmentBytes: 8000, MaxBytes: 100_000, BlockBytes: 2000, JournalBytes: 1, Thin: keepX}, fastDisk{})
	require.NoError(t, err)
	limit := s.opts.MaxBytes
	taps := 0
	for i := range 3000 {
		body := randomText(700)
		precious := i%20 == 0
		if precious {
			taps++
			body += fmt.Sprintf("X tap %d", i)
		}
		_, err := s.AppendWith("m", int64(i+1), precious, func(uint64) ([]byte, error) { return []byte(body), nil })
		require.NoError(t, err)
		synced(t, s)
		require.LessOrEqual(t, s.Stats().Bytes+journals*s.opts.JournalBytes, limit)
	}
	st := s.Stats()
	require.Positive(t, st.Thinned)
	require.Positive(t, st.Dropped)
	check := func(s *Spool) {
		found, seen := 0, map[uint64]bool{}
		c := s.Cursor()
		defer c.Close()
		for {
			r, err := c.Next()
			if err != nil {
				break
			}
			require.False(t, seen[r.Seq])
			seen[r.Seq] = true
			if strings.Contains(string(r.Payload), "X tap ") {
				found++
			}
		}
		require.Equal(t, taps, found, "every tap is there")
		require.Len(t, seen, s.Len())
	}
	check(s)
	got, err := open(copyOf(t, s.dir), Options{}, fastDisk{})
	require.NoError(t, err)
	check(got)
	require.NoError(t, got.Close())
	require.NoError(t, s.Close())
}

// Even what is precious does not break the bound.
func TestOnlyPreciousIsBounded(t *testing.T) {
	s, err := open(t.TempDir(), Options{SegmentBytes: 8000, MaxBytes: 100_000, BlockBytes: 2000, JournalBytes: 1, Thin: keepX}, fastDisk{})
	require.NoError(t, err)
	defer s.Close()
	for i := range 1500 {
		_, err := s.AppendWith("m", int64(i+1), true, func(uint64) ([]byte, error) { return []byte("X" + randomText(500)), nil })
		require.NoError(t, err)
		synced(t, s)
		require.LessOrEqual(t, s.Stats().Bytes+journals*s.opts.JournalBytes, s.opts.MaxBytes)
	}
	require.Positive(t, s.Stats().Dropped)
	require.Positive(t, s.Len())
}

// A spool that version 1 wrote and a crash left is read, thinned and gone on with.
func TestUpgradeFromVersion1(t *testing.T) {
	dir := copyOf(t, "testdata/version1")
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 20, s.Len())
	require.Zero(t, s.Stats().DamagedRecords)
	c := s.Cursor()
	defer c.Close()
	for want := uint64(1); want <= 20; want++ {
		r, err := c.Next()
		require.NoError(t, err)
		p, err := wire.Decode(r.Payload)
		require.NoError(t, err)
		require.Equal(t, want, p.Seq)
		require.Equal(t, s.ID(), p.Spool)
		require.Equal(t, "furnace-1", r.Key)
		again, err := s.Read(r.Ref())
		require.NoError(t, err)
		require.Equal(t, r, again)
	}
	require.Equal(t, 4, s.Receipt([2]uint64{1, 4}))
	seq, err := s.Append("m", 1, func(uint64) ([]byte, error) { return []byte("new"), nil })
	require.NoError(t, err)
	require.Greater(t, seq, uint64(20))
	synced(t, s)
	r, err := c.Next()
	require.NoError(t, err)
	require.Equal(t, seq, r.Seq)

	s.opts.Thin = pack.Thin
	s.mu.Lock()
	oldest := s.segments[0]
	s.mu.Unlock()
	s.thin(oldest, true)
	require.Equal(t, uint64(2), s.Stats().Thinned, "two of its six packs have no receipt")
}

func randomText(n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		randomState = randomState*6364136223846793005 + 1442695040888963407
		b = append(b, "abcdefghijklmnopqrstuvwxyz012345"[randomState>>59])
	}
	return string(b)
}

var randomState uint64 = 1

// Whatever stands in a journal, replaying it ends without a panic.
func FuzzJournal(f *testing.F) {
	var o ops
	o.reset(7)
	o.note("a", []byte("note"))
	o.finish(&item{key: "a", seq: 7, timeMs: 5, payload: []byte("notetail")}, []byte("tail"))
	o.append(&item{key: "b", seq: 8, payload: []byte("whole")})
	o.receipt(7, 7)
	o.drop("a")
	o.mark([]byte("m"))
	f.Add(o.b, true)
	f.Add(appendFrameHeader(nil, 3, 0, methodNone, o.b), false)
	f.Add([]byte{opFinish, 255, 255, 255}, true)
	f.Fuzz(func(t *testing.T, b []byte, framed bool) {
		if framed {
			z := s2.Encode(nil, b)
			first := append(appendFrameHeader(nil, 1, 0, methodS2, z), z...)
			first = append(first, make([]byte, (sector-len(first)%sector)%sector)...)
			b = append(append(first, appendFrameHeader(nil, 1, 1, methodNone, b)...), b...)
		}
		var s state
		s.init()
		for _, fr := range framesIn(b) {
			s.apply(fr.ops)
		}
		for i := 1; i < len(s.queue); i++ {
			require.Less(t, s.queue[i-1].seq, s.queue[i].seq)
		}
	})
}

// Whatever stands in a block, unpacking it ends without a panic and gives rising seqs or an error.
func FuzzBlock(f *testing.F) {
	b := packBlock([]item{{seq: 5, key: "a", timeMs: 3, payload: []byte("one")}, {seq: 9, key: "b", payload: []byte("two"), flags: flagThinned}})
	f.Add(uint64(5), b[recordHeaderSize:])
	f.Add(uint64(1), []byte("short"))
	f.Fuzz(func(t *testing.T, first uint64, body []byte) {
		items, err := unpackBlock(first, body)
		if err != nil {
			return
		}
		for i := 1; i < len(items); i++ {
			require.Less(t, items[i-1].seq, items[i].seq)
		}
	})
}
