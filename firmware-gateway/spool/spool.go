package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
)

// Spool is an open queue. All methods may be called at once from several goroutines.
type Spool struct {
	dir  string
	opts Options
	disk disk
	lock io.Closer
	log  *slog.Logger
	id   string

	syncing sync.Mutex // held by Sync and Close; guards active
	active  file       // the newest segment when it was begun by this opening

	mu       sync.Mutex
	segments []*segment // ascending; the newest is never removed: it keeps the floor of the seqs
	bytes    int64      // sum of segment sizes
	pending  int        // sum of segment pendings
	buffer   []entry    // appended, not yet durable
	buffered int64      // bytes in buffer
	writing  []entry    // taken from buffer by a Sync that is under way
	next     uint64     // seq of the next record
	stats    Stats
	closed   bool
}

// entry is an encoded record that waits for the next Sync.
type entry struct {
	seq    uint64
	timeMs int64
	bytes  []byte
}

// maxBuffered bounds what waits in memory when the disk does not take it.
const maxBuffered = 4 << 20

// Stats describe the queue. Counters count since opening.
type Stats struct {
	Packs    int   // packs without a receipt, durable or not
	Bytes    int64 // size of the files
	Segments int
	OldestMs int64 // newest sample of the oldest pack, exact to a segment; 0 when the queue is empty
	Buffered int64 // bytes that wait for the next Sync

	Appended       uint64
	Receipted      uint64
	Dropped        uint64 // packs that went because the disk was full
	DamagedRecords uint64 // places in files that were stepped over
	LostPacks      uint64 // packs that can't be read any more
	TornBytes      uint64 // cut at opening
	BadFiles       uint64 // moved aside
	SyncErrors     uint64
}

// ErrGone says that a record is not in the queue any more: receipted, dropped or damaged.
var ErrGone = errors.New("record is not in the spool any more")

// ErrClosed is returned by calls on a closed spool.
var ErrClosed = errors.New("spool is closed")

// ID is the random id of this queue: 16 hex digits.
func (s *Spool) ID() string { return s.id }

// Append queues one pack of a machine. build gets the pack's seq and returns its bytes; when it fails nothing is
// queued and the seq is not used. timeMs is the pack's newest sample. The record is in memory until the next [Spool.Sync];
// Append itself never waits for the disk.
func (s *Spool) Append(key string, timeMs int64, build func(seq uint64) ([]byte, error)) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	seq := s.next
	payload, err := build(seq)
	switch {
	case err != nil:
		return 0, fmt.Errorf("build pack %d: %w", seq, err)
	case len(payload) > MaxPayload || len(key) > MaxKey:
		return 0, fmt.Errorf("pack %d has %d bytes, key %d: the spool takes %d and %d; make packs shorter", seq, len(payload), len(key), MaxPayload, MaxKey)
	}
	e := entry{seq: seq, timeMs: timeMs, bytes: appendRecord(nil, kindPack, seq, timeMs, key, payload)}
	s.next++
	s.stats.Appended++
	s.buffer = append(s.buffer, e)
	s.buffered += int64(len(e.bytes))
	s.trimBuffer()
	return seq, nil
}

// trimBuffer drops the oldest packs that the disk would not take.
func (s *Spool) trimBuffer() {
	for s.buffered > maxBuffered && len(s.buffer) > 1 {
		s.buffered -= int64(len(s.buffer[0].bytes))
		s.buffer = s.buffer[1:]
		s.stats.Dropped++
	}
}

// Sync writes what was appended and waits until it is durable. It returns the places of the records that became
// durable, in order. On an error the records stay in memory (up to 4 MiB) for the next call.
func (s *Spool) Sync() ([]Ref, error) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	return s.sync()
}

func (s *Spool) sync() ([]Ref, error) {
	s.mu.Lock()
	batch := s.buffer
	s.buffer, s.buffered, s.writing = nil, 0, batch
	s.mu.Unlock()
	var refs []Ref
	for len(batch) > 0 {
		g, n, err := s.writeSome(batch)
		if err != nil {
			s.unwritten(batch)
			return refs, err
		}
		refs = s.committed(refs, g, batch[:n])
		batch = batch[n:]
	}
	return refs, nil
}

// unwritten puts a batch that the disk refused back in front of the queue.
func (s *Spool) unwritten(batch []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.SyncErrors++
	s.writing = nil
	s.buffer = append(slices.Clip(batch), s.buffer...)
	s.buffered = 0
	for _, e := range s.buffer {
		s.buffered += int64(len(e.bytes))
	}
	s.trimBuffer()
}

// writeSome writes as much of the batch as the newest segment takes and syncs it.
func (s *Spool) writeSome(batch []entry) (*segment, int, error) {
	g, err := s.room(batch[0].seq, int64(len(batch[0].bytes)))
	if err != nil {
		return nil, 0, err
	}
	var b []byte
	n := 0
	for n < len(batch) && (n == 0 || g.size+int64(len(b)+len(batch[n].bytes)) <= s.opts.SegmentBytes) {
		if n > 0 && batch[n].seq != batch[n-1].seq+1 { // packs were dropped in between: seqs of a segment are consecutive
			break
		}
		b = append(b, batch[n].bytes...)
		n++
	}
	s.mu.Lock()
	s.makeSpace(int64(len(b)))
	s.mu.Unlock()
	if _, err := s.active.WriteAt(b, g.size); err != nil {
		return nil, 0, fmt.Errorf("write %s: %w", g.name(), err) // the next try writes over it
	}
	if err := s.active.Sync(); err != nil {
		s.abandon(g)
		return nil, 0, fmt.Errorf("sync %s: %w", g.name(), err)
	}
	return g, n, nil
}

// room returns the newest segment when it takes a record of that seq and size, else a new one.
func (s *Spool) room(seq uint64, size int64) (*segment, error) {
	s.mu.Lock()
	var g *segment
	if n := len(s.segments); s.active != nil && n > 0 {
		g = s.segments[n-1]
		full := g.size+size > s.opts.SegmentBytes
		drained := g.pending == 0 && g.size > s.opts.SegmentBytes/4
		if g.last+1 == seq && (g.last < g.first || !full && !drained) {
			s.mu.Unlock()
			return g, nil
		}
	}
	s.mu.Unlock()

	if s.active != nil {
		s.seal(g)
	}
	fresh := newSegment(seq)
	f, err := create(s.disk, s.path(fresh), appendFileHeader(nil, s.id, seq))
	if err != nil {
		return nil, err
	}
	s.active = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, fresh)
	s.bytes += fresh.size
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

// committed takes a written batch into the books.
func (s *Spool) committed(refs []Ref, g *segment, batch []entry) []Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range batch {
		refs = append(refs, Ref{Seq: e.seq, TimeMs: e.timeMs, segment: g.first, offset: g.size, size: int32(len(e.bytes))})
		g.add(e.seq, e.timeMs)
		g.size += int64(len(e.bytes))
		s.bytes += int64(len(e.bytes))
		s.pending++
	}
	s.writing = s.writing[len(batch):]
	return refs
}

// makeSpace drops the oldest segments until more bytes fit below MaxBytes. The caller holds mu.
func (s *Spool) makeSpace(more int64) {
	for s.bytes+more > s.opts.MaxBytes && len(s.segments) > 1 {
		g := s.segments[0]
		if g.pending > 0 {
			s.stats.Dropped += uint64(g.pending)
			s.log.Warn("spool is full: dropped its oldest segment", "file", g.name(), "packs", g.pending)
		}
		s.remove(0)
	}
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

// Receipt marks packs as stored (or refused): closed ranges of seq. It returns how many packs left the queue.
// Seqs that are unknown, or were never synced, are ignored. A segment of which everything is receipted is deleted.
func (s *Spool) Receipt(ranges ...[2]uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, drained := 0, false
	for _, r := range ranges {
		i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last >= r[0] })
		for ; i < len(s.segments) && s.segments[i].first <= r[1]; i++ {
			n += s.segments[i].clear(r[0], r[1])
			drained = drained || s.segments[i].pending == 0
		}
	}
	s.pending -= n
	s.stats.Receipted += uint64(n)
	if drained {
		s.reap()
	}
	return n
}

// Len is how many packs are without a receipt, durable or not.
func (s *Spool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending + len(s.writing) + len(s.buffer)
}

// Buffered is how many bytes wait for the next Sync.
func (s *Spool) Buffered() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffered
}

// Stats returns the state of the queue.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Packs, out.Bytes, out.Segments, out.Buffered = s.pending+len(s.writing)+len(s.buffer), s.bytes, len(s.segments), s.buffered
	oldest := int64(0)
	for _, g := range s.segments {
		if g.pending > 0 && (oldest == 0 || g.oldestMs < oldest) {
			oldest = g.oldestMs
		}
	}
	for _, e := range slices.Concat(s.writing, s.buffer) {
		if oldest == 0 || e.timeMs < oldest {
			oldest = e.timeMs
		}
	}
	out.OldestMs = oldest
	return out
}

// Close syncs and closes the spool. A drained newest segment is replaced by an empty one, so that nothing is sent
// again after the next opening.
func (s *Spool) Close() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	_, err := s.sync()

	s.mu.Lock()
	n := len(s.segments)
	drained := n > 0 && s.segments[n-1].pending == 0 && s.segments[n-1].last >= s.segments[n-1].first
	next := s.next
	s.mu.Unlock()
	if s.active != nil {
		s.seal(s.segments[n-1])
	}
	if drained && err == nil {
		fresh := newSegment(next)
		var f file
		if f, err = create(s.disk, s.path(fresh), appendFileHeader(nil, s.id, next)); err == nil {
			err = f.Close()
			s.mu.Lock()
			s.segments = append(s.segments, fresh)
			s.reap()
			s.mu.Unlock()
		}
	}
	return errors.Join(err, s.lock.Close())
}

func (s *Spool) path(g *segment) string { return filepath.Join(s.dir, g.name()) }
