package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
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

	syncing sync.Mutex // held by Sync and Close; guards the next five
	active  file       // the newest segment when it was begun by this opening
	jobs    *journal
	stale   bool   // the journal must begin anew: it lacks something
	ceiling uint64 // seqs below it may be given away

	reading sync.Mutex // guards shelf
	shelf   shelf

	mu       sync.Mutex
	segments []*segment // ascending; the newest is never removed
	bytes    int64      // sum of segment sizes
	pending  int        // sum of segment pendings
	queue    []item     // closed packs that are in no segment, ascending
	queued   int64      // their cost
	fresh    int64      // of those that are not durable
	open     map[string][]byte
	ops      ops    // not yet in the journal
	marked   []byte // newest mark
	lastMark []byte // of the former opening
	moved    []Ref  // went to segments since the last Sync returned
	overflow bool   // operations were given up: the journal must begin anew
	next     uint64 // seq of the next pack
	durable  uint64 // packs of the queue up to it are durable
	stats    Stats
	closed   bool
}

// page is what a file system writes at least.
const page = 4 << 10

// maxBuffered bounds what waits in memory when the disk does not take it.
const maxBuffered = 4 << 20

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

// ErrGone says that a record is not in the queue any more: receipted, dropped or damaged.
var ErrGone = errors.New("record is not in the spool any more")

// ErrClosed is returned by calls on a closed spool.
var ErrClosed = errors.New("spool is closed")

// ID is the random id of this queue: 16 hex digits.
func (s *Spool) ID() string { return s.id }

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

// recount sums up what is not durable. The caller holds mu.
func (s *Spool) recount() {
	s.fresh = 0
	for i := len(s.queue) - 1; i >= 0 && s.queue[i].seq > s.durable; i-- {
		s.fresh += s.queue[i].cost()
	}
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

// batchBytes is how much is written with one fsync.
const batchBytes = 256 << 10

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

// Close makes everything durable and closes the spool. Closed packs go to the segments, so that the journal holds only
// open ones and receipts.
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
	_, err := s.sync(true)
	if s.active != nil {
		s.seal(s.segments[len(s.segments)-1])
	}
	s.jobs.close()
	return errors.Join(err, s.lock.Close())
}

func (s *Spool) path(g *segment) string { return filepath.Join(s.dir, g.name()) }
