package spool

import (
	"fmt"
	"slices"
)

// maxBuffered bounds what waits in memory when the disk does not take it.
const maxBuffered = 4 << 20

// Append queues one pack of a machine. build gets the pack's seq and returns its bytes; when it fails nothing is
// queued and the seq is not used. timeMs is the pack's newest sample, 0 when that is not known yet. The record is in
// memory until the next [Spool.Sync]; Append itself never waits for the disk.
func (s *Spool) Append(key string, timeMs int64, build func(seq uint64) ([]byte, error)) (uint64, error) {
	return s.AppendWith(key, timeMs, false, build)
}

// AppendWith is Append that says whether the pack is worth thinning when the disk is full.
func (s *Spool) AppendWith(key string, timeMs int64, precious bool, build func(seq uint64) ([]byte, error)) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	seq := s.next
	payload, err := build(seq)
	if err != nil {
		return 0, fmt.Errorf("build pack %d: %w", seq, err)
	}
	it := item{key: key, timeMs: timeMs, payload: payload, flags: preciousFlag(precious)}
	if err := checkSize(&it); err != nil {
		return 0, err
	}
	s.enqueue(&it)
	s.ops.append(&it)
	s.spare()
	return seq, nil
}

func preciousFlag(precious bool) byte {
	if precious {
		return flagPrecious
	}
	return 0
}

func checkSize(it *item) error {
	if len(it.payload) > MaxPayload || len(it.key) > MaxKey {
		return fmt.Errorf("a pack has %d bytes, key %d: the spool takes %d and %d; make packs shorter", len(it.payload), len(it.key), MaxPayload, MaxKey)
	}
	return nil
}

// enqueue gives a closed pack its seq. The caller holds mu.
func (s *Spool) enqueue(it *item) {
	it.seq = s.next
	s.next++
	s.stats.Appended++
	s.queue = append(s.queue, *it)
	s.queued += it.cost()
	s.fresh += it.cost()
}

// Note adds bytes to the open pack of a key and makes the open packs of the keys in drop void, both or neither. They
// are durable after the next [Spool.Sync], and after a crash they are still there: see [Spool.Open].
func (s *Spool) Note(key string, b []byte, drop ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(key) > MaxKey || len(s.open[key])+len(b) > MaxPayload/2:
		return fmt.Errorf("the open pack of %.40q is too long: close it earlier", key)
	}
	for _, k := range drop {
		if _, ok := s.open[k]; ok {
			delete(s.open, k)
			s.ops.drop(k)
		}
	}
	if len(b) > 0 {
		s.open[key] = append(s.open[key], b...)
		s.ops.note(key, b)
	}
	s.trim()
	return nil
}

// Finish closes the open pack of a key: its notes and tail are a pack from now on. timeMs is its newest sample, 0 when
// that is not known yet; precious says that it is worth thinning when the disk is full.
func (s *Spool) Finish(key string, timeMs int64, precious bool, tail []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	notes := s.open[key]
	it := item{key: key, timeMs: timeMs, flags: preciousFlag(precious), payload: append(notes[:len(notes):len(notes)], tail...)}
	if err := checkSize(&it); err != nil {
		return 0, err
	}
	delete(s.open, key)
	s.enqueue(&it)
	s.ops.finish(&it, tail)
	s.spare()
	return it.seq, nil
}

// Open returns the packs that are not closed, by key: after opening, those that a crash left. The bytes are copies.
func (s *Spool) Open() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	for k, b := range s.open {
		out[k] = append([]byte(nil), b...)
	}
	return out
}

// SetMark hands over a few bytes that go to the disk with the next samples. The newest is given back by
// [Spool.LastMark] after a crash.
func (s *Spool) SetMark(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marked = append(s.marked[:0], b...)
}

// LastMark returns the newest mark of the former opening, nil when there was none.
func (s *Spool) LastMark() []byte { return s.lastMark }

// spare gives operations up when a block is due anyway and they are many: the journal begins anew after it. The caller
// holds mu.
func (s *Spool) spare() {
	if s.queued >= s.opts.BlockBytes && int64(len(s.ops.b)) > s.opts.BlockBytes {
		s.ops, s.overflow = ops{}, true
	}
	s.trim()
}

// trim bounds what waits in memory when the disk does not take it: packs without anything precious go first. The
// caller holds mu.
func (s *Spool) trim() {
	if len(s.ops.b) > maxBuffered {
		s.ops, s.overflow = ops{}, true
	}
	for s.queued > maxBuffered && len(s.queue) > 1 {
		i := max(slices.IndexFunc(s.queue, func(it item) bool { return it.flags == 0 }), 0)
		s.queued -= s.queue[i].cost()
		s.queue = slices.Delete(s.queue, i, i+1)
		s.stats.Dropped++
		s.recount()
	}
}

// recount sums up what is not durable. The caller holds mu.
func (s *Spool) recount() {
	s.fresh = 0
	for i := len(s.queue) - 1; i >= 0 && s.queue[i].seq > s.durable; i-- {
		s.fresh += s.queue[i].cost()
	}
}
