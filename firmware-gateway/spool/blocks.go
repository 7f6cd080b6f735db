package spool

import (
	"fmt"
	"slices"
	"sort"
)

// batchBytes is how much is written with one fsync.
const batchBytes = 256 << 10

// page is what a file system writes at least.
const page = 4 << 10

// blocks writes the queue to segments.
func (s *Spool) blocks() error {
	s.mu.Lock()
	items := slices.Clone(s.queue)
	s.mu.Unlock()
	for len(items) > 0 {
		n, err := s.writeBlocks(items)
		if err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// blockLength is how many of the items go into the next block. A short rest goes with it.
func (s *Spool) blockLength(items []item) int {
	n, half, raw := 0, 0, int64(0)
	for n < len(items) && items[n].seq-items[0].seq < maxSpan {
		raw += items[n].cost()
		if n > 0 && raw > 2*s.opts.BlockBytes {
			return max(half, 1)
		}
		n++
		if raw <= s.opts.BlockBytes {
			half = n
		}
	}
	return n
}

// block is one that was written, or is about to be.
type block struct {
	items []item
	size  int64
}

// writeBlocks appends blocks to the newest segment, as many as it takes or one fsync is for, and waits until they are
// durable. It returns how many items that were.
func (s *Spool) writeBlocks(items []item) (int, error) {
	n := s.blockLength(items)
	b := packBlock(items[:n])
	g, err := s.room(items[0].seq, items[n-1].seq, int64(len(b)))
	if err != nil {
		return 0, err
	}
	blocks := []block{{items[:n], int64(len(b))}}
	for n < len(items) && len(b) < batchBytes {
		more := s.blockLength(items[n:])
		next := packBlock(items[n : n+more])
		if g.size+int64(len(b)+len(next)) > s.opts.SegmentBytes || items[n+more-1].seq-g.first >= maxSpan {
			break
		}
		b = append(b, next...)
		blocks = append(blocks, block{items[n : n+more], int64(len(next))})
		n += more
	}
	if _, err := s.active.WriteAt(b, g.size); err != nil {
		return 0, fmt.Errorf("write %s: %w", g.name(), err) // the next try writes over it
	}
	if err := s.active.Sync(); err != nil {
		s.abandon(g)
		return 0, fmt.Errorf("sync %s: %w", g.name(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.BytesWritten += uint64(roundUp(int64(len(b)), page)) + page
	for _, w := range blocks {
		s.committed(g, w.items, w.size)
	}
	return n, nil
}

// room returns the newest segment when it takes packs of those seqs and that size, else a new one.
func (s *Spool) room(first, last uint64, size int64) (*segment, error) {
	s.mu.Lock()
	var g *segment
	if n := len(s.segments); s.active != nil && n > 0 {
		g = s.segments[n-1]
		full := g.size+size > s.opts.SegmentBytes || last-g.first >= maxSpan
		drained := g.pending == 0 && g.size > s.opts.SegmentBytes/4
		if g.last < g.first && g.first == first || g.last >= g.first && !full && !drained {
			s.mu.Unlock()
			return g, nil
		}
	}
	s.mu.Unlock()

	if s.active != nil {
		s.seal(g)
	}
	fresh := newSegment(first)
	f, err := create(s.disk, s.path(fresh), appendFileHeader(nil, s.id, first))
	if err != nil {
		return nil, err
	}
	s.active = f
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.segments); n > 0 && s.segments[n-1].first == first { // empty, left by a crash: the file is ours now
		s.bytes -= s.segments[n-1].size
		s.segments = s.segments[:n-1]
	}
	s.segments = append(s.segments, fresh)
	s.bytes += fresh.size
	s.stats.BytesWritten += 2 * page // the file and its name
	s.reap()
	return fresh, nil
}

// seal closes the newest segment with a record that spares the next opening a scan. A lost seal costs only that.
func (s *Spool) seal(g *segment) {
	if g.last >= g.first {
		b := appendSeal(nil, g)
		if _, err := s.active.WriteAt(b, g.size); err == nil {
			s.mu.Lock()
			g.size += int64(len(b))
			s.bytes += int64(len(b))
			s.mu.Unlock()
		}
	}
	if err := s.active.Close(); err != nil {
		s.log.Warn("spool: close segment", "file", g.name(), "err", err)
	}
	s.active = nil
}

// abandon leaves a segment whose sync failed: the kernel may have dropped its pages, so nothing more goes into it.
func (s *Spool) abandon(g *segment) {
	_ = s.active.Truncate(g.size)
	_ = s.active.Close()
	s.active = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.last < g.first { // nothing durable in it: the next one takes its name
		s.segments = s.segments[:len(s.segments)-1]
		s.bytes -= g.size
	}
}

// committed takes a written block into the books. The caller holds mu.
func (s *Spool) committed(g *segment, items []item, size int64) {
	g.addItems(items)
	thinned, raw := int64(0), int64(0)
	for i := range items {
		raw += items[i].cost()
		if items[i].flags&flagThinned != 0 {
			thinned += items[i].cost()
		}
		s.moved = append(s.moved, items[i].ref())
	}
	g.thinned += size * thinned / max(raw, 1)
	g.size += size
	s.bytes += size
	s.pending += len(items)
	// What is not in the queue any more had its receipt meanwhile, or was dropped.
	last := items[len(items)-1].seq
	n := sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq > last })
	kept := s.queue[:n]
	for i := range items {
		if len(kept) > 0 && kept[0].seq == items[i].seq {
			s.queued -= kept[0].cost()
			kept = kept[1:]
		} else {
			s.pending -= g.clear(items[i].seq, items[i].seq)
		}
	}
	s.queue = slices.Delete(s.queue, 0, n)
	s.recount()
}
