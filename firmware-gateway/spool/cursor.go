package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
)

// Cursor walks through the durable records without a receipt, oldest first. It holds one open file and 64 KiB.
// It is used by one goroutine; the spool may change meanwhile.
type Cursor struct {
	s     *Spool
	after uint64 // every record up to it was given out or skipped
	first uint64 // segment that is open
	f     *os.File
	win   window
	pos   int64
}

// Cursor returns a cursor before the oldest record.
func (s *Spool) Cursor() *Cursor { return &Cursor{s: s} }

// view is a segment as it was when it was looked up.
type view struct {
	first, last uint64
	size        int64
	path        string
}

// find returns the first segment that holds a pending record behind after.
func (s *Spool) find(after uint64) (view, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last > after })
	for ; i < len(s.segments); i++ {
		if g := s.segments[i]; g.pending > 0 {
			return view{first: g.first, last: g.last, size: g.size, path: s.path(g)}, true
		}
	}
	return view{}, false
}

// Next returns the next record. io.EOF says that there is none now; a later call may find one.
// What can't be read is counted as lost and stepped over.
func (c *Cursor) Next() (Record, error) {
	for {
		v, ok := c.s.find(c.after)
		if !ok {
			return Record{}, io.EOF
		}
		if err := c.enter(v); err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				return Record{}, err
			}
			c.s.lose(v.first, v.first, v.last, err)
			c.after = v.last
			continue
		}
		c.after = max(c.after, v.first-1)
		if r, ok := c.within(v); ok {
			return r, nil
		}
	}
}

// enter opens the segment, if it is not the open one.
func (c *Cursor) enter(v view) error {
	if c.f != nil && c.first == v.first {
		return nil
	}
	c.Close()
	f, err := os.Open(v.path)
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	c.f, c.first, c.pos, c.win = f, v.first, 0, window{r: f, buf: c.win.buf[:0]}
	return nil
}

// within returns the next pending record of the open segment; ok is false when it has no more.
func (c *Cursor) within(v view) (Record, bool) {
	if c.pos == 0 {
		c.pos = fileHeaderSize
	}
	for c.after < v.last {
		f, ok := c.win.next(c.pos, v.size, c.after+1, v.last)
		if !ok {
			c.s.lose(v.first, c.after+1, v.last, c.win.err)
			c.after = v.last
			break
		}
		c.pos = f.end()
		if f.kind == kindSeal {
			continue
		}
		if f.seq > c.after+1 {
			c.s.lose(v.first, c.after+1, f.seq-1, nil)
		}
		c.after = f.seq
		if c.s.Pending(f.seq) {
			return f.record(v.first), true
		}
	}
	return Record{}, false
}

// Close closes the cursor's file.
func (c *Cursor) Close() {
	if c.f != nil {
		_ = c.f.Close()
		c.f = nil
	}
}

// Pending reports whether a durable record still waits for its receipt.
func (s *Spool) Pending(seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.holds(seq)
	return g != nil && !g.isGone(seq)
}

// holds returns the segment of a seq, or nil. The caller holds mu.
func (s *Spool) holds(seq uint64) *segment {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last >= seq })
	if i < len(s.segments) && s.segments[i].first <= seq {
		return s.segments[i]
	}
	return nil
}

// lose takes packs that can't be read out of the books.
func (s *Spool) lose(first, from, to uint64, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.holds(from)
	if g == nil || g.first != first {
		return // dropped or receipted meanwhile
	}
	n := g.clear(from, to)
	if n == 0 {
		return
	}
	s.pending -= n
	s.stats.LostPacks += uint64(n)
	s.stats.DamagedRecords++
	s.log.Error("spool: packs can't be read, going on without them", "file", g.name(), "seq", from, "packs", n, "err", why)
	s.reap()
}

// Read reads a record again. [ErrGone] says that it has left the queue.
func (s *Spool) Read(ref Ref) (Record, error) {
	if !s.Pending(ref.Seq) {
		return Record{}, ErrGone
	}
	f, err := os.Open(filepath.Join(s.dir, newSegment(ref.segment).name()))
	if errors.Is(err, os.ErrNotExist) {
		s.lose(ref.segment, ref.Seq, ref.Seq, err)
		return Record{}, ErrGone
	}
	if err != nil {
		return Record{}, fmt.Errorf("read spool: %w", err)
	}
	defer f.Close()
	b := make([]byte, ref.size)
	if _, err := f.ReadAt(b, ref.offset); err != nil && !errors.Is(err, io.EOF) {
		return Record{}, fmt.Errorf("read spool %s: %w", filepath.Base(f.Name()), err)
	}
	h, ok := parseHeader(b)
	if !ok || h.seq != ref.Seq || h.size() != int64(len(b)) || !h.verify(b) {
		s.lose(ref.segment, ref.Seq, ref.Seq, errors.New("record is damaged"))
		return Record{}, ErrGone
	}
	return found{header: h, offset: ref.offset, body: b}.record(ref.segment), nil
}
