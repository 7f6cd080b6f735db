package spool

import (
	"errors"
)

// Sync makes everything so far durable. It returns the packs that became durable, in order, also beside an error. What
// the disk refuses stays in memory (up to 4 MiB) for the next call.
func (s *Spool) Sync() ([]Ref, error) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	return s.sync(false)
}

// sync writes a frame, or blocks and a new generation. all sends every closed pack to the segments.
func (s *Spool) sync(all bool) ([]Ref, error) {
	s.mu.Lock()
	before := s.durable
	s.stale = s.stale || s.overflow
	s.overflow = false
	cut := s.queued >= s.opts.BlockBytes || all && len(s.queue) > 0
	idle := s.ops.minor() && !s.stale || len(s.ops.b) == 0 && len(s.queue) == 0 && len(s.open) == 0
	next := s.next
	s.mu.Unlock()
	if next+lease/2 > s.ceiling {
		s.renewLease(next)
	}
	var err error
	switch {
	case cut:
		err = s.checkpoint()
	case all:
		err = s.begin()
	case idle:
	case s.stale:
		err = s.begin()
	default:
		err = s.frame()
	}
	if err != nil {
		s.mu.Lock()
		s.stats.SyncErrors++
		s.mu.Unlock()
	}
	return s.newlyDurable(before), err
}

// newlyDurable returns what became durable since before and is still wanted.
func (s *Spool) newlyDurable(before uint64) []Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	var refs []Ref
	for _, w := range s.moved {
		if w.Seq > before {
			refs = append(refs, w)
		}
	}
	s.moved = nil
	for _, it := range s.queue {
		if it.seq > before && it.seq <= s.durable {
			refs = append(refs, it.ref())
		}
	}
	return refs
}

// frame writes what happened since the last one.
func (s *Spool) frame() error {
	s.mu.Lock()
	if s.marked != nil {
		s.ops.mark(s.marked)
	}
	b, upto := s.ops.b, s.next-1
	if s.stale || !s.jobs.room(len(b)) {
		s.mu.Unlock()
		return s.begin()
	}
	s.ops = ops{}
	s.mu.Unlock()
	if err := s.jobs.write(b); err != nil {
		s.stale = true
		return err
	}
	s.nowDurable(upto)
	return nil
}

// begin starts a new generation of the journal, which holds everything that is not in a segment.
func (s *Spool) begin() error {
	s.mu.Lock()
	b, upto := s.snapshot(), s.next-1
	s.mu.Unlock()
	s.stale = true
	if err := s.jobs.begin(b); err != nil {
		return err
	}
	s.stale = false
	s.nowDurable(upto)
	return nil
}

func (s *Spool) nowDurable(upto uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable = max(s.durable, upto)
	s.recount()
	s.stats.BytesWritten += uint64(s.jobs.last)
}

// snapshot returns everything that the journal must hold, and forgets the operations that led to it. The caller holds
// mu.
func (s *Spool) snapshot() []byte {
	s.ops = ops{}
	o := &s.ops
	o.reset(s.next)
	if s.marked != nil {
		o.mark(s.marked)
	} else if s.lastMark != nil {
		o.mark(s.lastMark)
	}
	for _, g := range s.segments {
		g.eachGone(o.receipt)
	}
	for i := range s.queue {
		o.append(&s.queue[i])
	}
	for key, b := range s.open {
		o.note(key, b)
	}
	b := o.b
	s.ops = ops{}
	return b
}

// checkpoint moves the closed packs to the segments, in blocks, and begins the journal anew. While that fails the
// journal goes on, as long as it has room.
func (s *Spool) checkpoint() error {
	doomed := s.salvage()
	err := s.blocks()
	if err != nil && len(doomed) > 0 { // no room even for moving: make it first
		s.dropSegments(doomed)
		doomed = nil
		err = s.blocks()
	}
	if err != nil {
		return errors.Join(err, s.frame())
	}
	s.dropSegments(doomed)
	return s.begin()
}
