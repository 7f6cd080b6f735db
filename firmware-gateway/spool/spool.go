package spool

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
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

// ErrGone says that a record is not in the queue any more: receipted, dropped or damaged.
var ErrGone = errors.New("record is not in the spool any more")

// ErrClosed is returned by calls on a closed spool.
var ErrClosed = errors.New("spool is closed")

// ID is the random id of this queue: 16 hex digits.
func (s *Spool) ID() string { return s.id }

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
