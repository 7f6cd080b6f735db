package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

// Cursor walks through the durable records without a receipt, oldest first. It holds one open file, 64 KiB and a block.
// It is used by one goroutine; the spool may change meanwhile.
type Cursor struct {
	s     *Spool
	after uint64 // every record up to it was given out or skipped
	first uint64 // segment that is open
	f     *os.File
	win   window
	pos   int64
	items []item // of the block at pos, those behind after
}

// Cursor returns a cursor before the oldest record.
func (s *Spool) Cursor() *Cursor { return &Cursor{s: s} }

// Rewind puts the cursor before the oldest record again.
func (c *Cursor) Rewind() {
	c.after, c.items = 0, nil
	c.closeFile()
}

// view is a segment as it was when it was looked up.
type view struct {
	first, last uint64
	size        int64
	path        string
}

func (g *segment) view(s *Spool) view {
	return view{first: g.first, last: g.last, size: g.size, path: s.path(g)}
}

// find returns the first segment that holds a pending record behind after, or else the first such record that is in
// no segment yet.
func (s *Spool) find(after uint64) (v view, it Record, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last > after })
	for ; i < len(s.segments); i++ {
		if g := s.segments[i]; g.pending > 0 {
			return g.view(s), Record{}, true
		}
	}
	i = sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq > after })
	if i < len(s.queue) && s.queue[i].seq <= s.durable {
		return view{}, s.queue[i].record(), true
	}
	return view{}, Record{}, false
}

// Next returns the next record. io.EOF says that there is none now; a later call may find one.
// What can't be read is counted as lost and stepped over.
func (c *Cursor) Next() (Record, error) {
	for {
		v, r, ok := c.s.find(c.after)
		switch {
		case !ok:
			return Record{}, io.EOF
		case v.first == 0:
			c.after = r.Seq
			c.closeFile()
			return r, nil
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
	c.closeFile()
	f, err := os.Open(v.path)
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	c.f, c.first, c.pos, c.items, c.win = f, v.first, fileHeaderSize, nil, window{r: f, buf: c.win.buf[:0]}
	return nil
}

// within returns the next pending record of the open segment; ok is false when it has no more.
func (c *Cursor) within(v view) (Record, bool) {
	for c.after < v.last {
		for len(c.items) > 0 {
			it := c.items[0]
			c.items = c.items[1:]
			if it.seq > c.after+1 {
				c.s.lose(v.first, c.after+1, it.seq-1, nil)
			}
			c.after = it.seq
			if c.s.Pending(it.seq) {
				return it.record(), true
			}
		}
		if c.after >= v.last {
			break
		}
		f, ok := c.win.next(c.pos, v.size, 0, v.last)
		if !ok {
			c.s.lose(v.first, c.after+1, v.last, c.win.err)
			c.after = v.last
			break
		}
		c.pos = f.end()
		if f.kind == kindSeal {
			continue
		}
		items, err := f.items()
		if err != nil {
			continue // the next one tells what is lost
		}
		for len(items) > 0 && items[0].seq <= c.after {
			items = items[1:]
		}
		c.items = items
	}
	return Record{}, false
}

func (c *Cursor) closeFile() {
	if c.f != nil {
		_ = c.f.Close()
		c.f = nil
	}
}

// Close closes the cursor's file.
func (c *Cursor) Close() { c.closeFile() }

// Pending reports whether a durable record still waits for its receipt.
func (s *Spool) Pending(seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.holds(seq); g != nil {
		return !g.isGone(seq)
	}
	return s.queuedItem(seq) != nil
}

// holds returns the segment of a seq, or nil. The caller holds mu.
func (s *Spool) holds(seq uint64) *segment {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last >= seq })
	if i < len(s.segments) && s.segments[i].first <= seq {
		return s.segments[i]
	}
	return nil
}

// queuedItem returns a durable pack that is in no segment, or nil. The caller holds mu.
func (s *Spool) queuedItem(seq uint64) *item {
	i := sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq >= seq })
	if i < len(s.queue) && s.queue[i].seq == seq && seq <= s.durable {
		return &s.queue[i]
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

// shelf keeps the block that was read last: packs that are sent again mostly follow each other.
type shelf struct {
	segment uint64
	items   []item
}

// Read reads a record again. [ErrGone] says that it has left the queue.
func (s *Spool) Read(ref Ref) (Record, error) {
	s.mu.Lock()
	if it := s.queuedItem(ref.Seq); it != nil {
		defer s.mu.Unlock()
		return it.record(), nil
	}
	g := s.holds(ref.Seq)
	if g == nil || g.isGone(ref.Seq) {
		s.mu.Unlock()
		return Record{}, ErrGone
	}
	v := g.view(s)
	s.mu.Unlock()

	s.reading.Lock()
	defer s.reading.Unlock()
	if s.shelf.segment == v.first {
		if r, ok := pick(s.shelf.items, ref.Seq); ok {
			return r, nil
		}
	}
	f, err := os.Open(v.path)
	if errors.Is(err, os.ErrNotExist) {
		s.lose(v.first, ref.Seq, ref.Seq, err)
		return Record{}, ErrGone
	}
	if err != nil {
		return Record{}, fmt.Errorf("read spool: %w", err)
	}
	defer f.Close()
	w := window{r: f}
	for off := int64(fileHeaderSize); ; {
		found, ok := w.next(off, v.size, 0, v.last)
		if w.err != nil {
			return Record{}, fmt.Errorf("read spool %s: %w", g.name(), w.err)
		}
		if !ok || found.kind != kindSeal && found.seq > ref.Seq {
			s.lose(v.first, ref.Seq, ref.Seq, errors.New("record is damaged"))
			return Record{}, ErrGone
		}
		off = found.end()
		if found.kind == kindSeal || found.kind == kindPack && found.seq < ref.Seq {
			continue
		}
		if h, ok := parseBlockHead(found.seq, found.body[recordHeaderSize:]); found.kind == kindBlock && (!ok || h.last < ref.Seq) {
			continue
		}
		items, err := found.items()
		if err != nil {
			continue
		}
		if r, ok := pick(items, ref.Seq); ok {
			s.shelf.segment, s.shelf.items = v.first, items
			return r, nil
		}
	}
}

func pick(items []item, seq uint64) (Record, bool) {
	i := sort.Search(len(items), func(i int) bool { return items[i].seq >= seq })
	if i < len(items) && items[i].seq == seq {
		return items[i].record(), true
	}
	return Record{}, false
}
