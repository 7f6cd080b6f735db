package spool

import (
	"math"
)

// Stats describe the queue. Counters count since opening.
type Stats struct {
	Packs    int   // packs without a receipt, durable or not
	Bytes    int64 // size of the files
	Segments int
	OldestMs int64 // newest sample of the oldest pack, exact to a segment; 0 when the queue is empty
	Buffered int64 // bytes that wait for the next Sync
	Open     int   // packs that are not closed yet

	Appended       uint64
	Receipted      uint64
	Dropped        uint64 // packs that went unsent because the disk was full
	Thinned        uint64 // packs that lost their raw samples for the same reason; cards and registers are kept
	BytesWritten   uint64 // to the disk, in the units in which it was written
	DamagedRecords uint64 // places in files that were stepped over
	LostPacks      uint64 // packs that can't be read any more
	TornBytes      uint64 // cut at opening
	BadFiles       uint64 // moved aside
	SyncErrors     uint64
}

// Len is how many packs are without a receipt, durable or not.
func (s *Spool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending + len(s.queue)
}

// Buffered is how many bytes wait for the next Sync.
func (s *Spool) Buffered() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffered()
}

func (s *Spool) buffered() int64 {
	if s.ops.minor() {
		return s.fresh
	}
	return max(s.fresh, int64(len(s.ops.b)))
}

// Stats returns the state of the queue.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Packs, out.Bytes, out.Segments, out.Buffered, out.Open = s.pending+len(s.queue), s.bytes, len(s.segments), s.buffered(), len(s.open)
	oldest := int64(math.MaxInt64)
	for _, g := range s.segments {
		if g.pending > 0 {
			oldest = min(oldest, g.oldestMs)
		}
	}
	for _, it := range s.queue {
		if it.timeMs > 0 {
			oldest = min(oldest, it.timeMs)
		}
	}
	if oldest < math.MaxInt64 {
		out.OldestMs = oldest
	}
	return out
}
