package spool

import (
	"fmt"
	"os"
	"slices"
)

// When MaxBytes is reached the oldest segment goes. What is precious in its packs (the owner says what: card taps,
// registers) is put in front of the disk again as new packs, with seqs of their own: a pack that may have been sent
// never changes.

// maxSalvage is how many segments one checkpoint may thin: what is kept of them waits in memory.
const maxSalvage = 4

// salvage thins the oldest segments until what is to be written fits below MaxBytes. It returns the segments that may
// be dropped once the queue is written.
func (s *Spool) salvage() []*segment {
	s.mu.Lock()
	oldest := slices.Clone(s.segments)
	limit := s.opts.MaxBytes - journals*s.opts.JournalBytes
	over := s.bytes + s.queued + s.opts.SegmentBytes/4 - limit
	thinned := int64(0)
	for _, g := range oldest {
		thinned += g.thinned
	}
	s.mu.Unlock()
	var doomed []*segment
	for _, g := range oldest {
		if over <= 0 || len(doomed) >= len(oldest)-1 {
			break
		}
		if len(doomed) < maxSalvage {
			thinned -= g.thinned
			kept := s.thin(g, thinned < limit/2)
			over += kept
		}
		over -= g.size
		doomed = append(doomed, g)
	}
	return doomed
}

// thin queues what is kept of a segment and returns its size. again: packs that were thinned already are kept, too.
func (s *Spool) thin(g *segment, again bool) (size int64) {
	var kept []item
	var thinned, dropped uint64
	err := s.each(g, func(it item) {
		switch {
		case it.flags&flagThinned != 0 && again:
		case it.flags&flagThinned == 0 && it.flags&flagPrecious != 0 && s.opts.Thin != nil:
			b, ok, err := s.opts.Thin(it.payload)
			if err != nil || !ok {
				dropped++
				return
			}
			it.payload, it.flags = b, flagThinned
			thinned++
		default:
			dropped++
			return
		}
		kept = append(kept, it)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Thinned += thinned
	s.stats.Dropped += dropped
	s.log.Warn("spool is full: the oldest samples went, cards and registers are kept", "file", g.name(), "thinned", thinned, "dropped", dropped, "err", err)
	for i := range kept {
		s.enqueue(&kept[i])
		s.stats.Appended--
		size += kept[i].cost()
	}
	s.overflow = s.overflow || len(kept) > 0 // they are in no frame
	return size
}

// each reads the packs of a segment that have no receipt.
func (s *Spool) each(g *segment, fn func(item)) error {
	f, err := os.Open(s.path(g))
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	defer f.Close()
	s.mu.Lock()
	w, v := window{r: f}, g.view(s)
	s.mu.Unlock()
	for off := int64(fileHeaderSize); ; {
		found, ok := w.next(off, v.size, 0, v.last)
		if !ok {
			return w.err
		}
		off = found.end()
		if found.kind == kindSeal {
			continue
		}
		items, err := found.items()
		if err != nil {
			continue
		}
		for _, it := range items {
			if s.Pending(it.seq) {
				fn(it)
			}
		}
	}
}

// dropSegments deletes segments that were thinned.
func (s *Spool) dropSegments(doomed []*segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range doomed {
		if i := slices.Index(s.segments, g); i >= 0 && i < len(s.segments)-1 {
			s.remove(i)
		}
	}
}
