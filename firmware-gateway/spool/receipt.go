package spool

import (
	"errors"
	"os"
	"slices"
	"sort"
)

// Receipt marks packs as stored (or refused): closed ranges of seq. It returns how many packs left the queue.
// Seqs that are unknown, or were never synced, are ignored. A segment of which everything is receipted is deleted.
func (s *Spool) Receipt(ranges ...[2]uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, r := range ranges {
		to := min(r[1], s.next-1)
		if n := s.clear(r[0], to); n > 0 {
			s.ops.receipt(r[0], to)
			total += n
		}
	}
	s.stats.Receipted += uint64(total)
	s.trim()
	return total
}

// clear takes packs out of the books. The caller holds mu, or is alone.
func (s *Spool) clear(from, to uint64) int {
	n, drained := 0, false
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last >= from })
	for ; i < len(s.segments) && s.segments[i].first <= to; i++ {
		n += s.segments[i].clear(from, to)
		drained = drained || s.segments[i].pending == 0
	}
	s.pending -= n
	a := sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq >= from })
	b := sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq > min(to, s.durable) })
	for i := a; i < b; i++ {
		s.queued -= s.queue[i].cost()
		n++
	}
	if a < b {
		s.queue = slices.Delete(s.queue, a, b)
	}
	if drained {
		s.reap()
	}
	return n
}

// reap removes the segments of which everything is receipted, but never the newest. The caller holds mu.
func (s *Spool) reap() {
	s.pending = 0
	for i := 0; i < len(s.segments); {
		if s.segments[i].pending == 0 && i < len(s.segments)-1 {
			s.remove(i)
			continue
		}
		s.pending += s.segments[i].pending
		i++
	}
}

// remove deletes a segment. A file that can't be removed is sent again after the next opening, which is harmless.
func (s *Spool) remove(i int) {
	g := s.segments[i]
	if err := s.disk.Remove(s.path(g)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("spool: remove segment", "file", g.name(), "err", err)
	}
	s.bytes -= g.size
	s.pending -= g.pending
	s.segments = slices.Delete(s.segments, i, i+1)
}
