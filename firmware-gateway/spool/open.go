package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

// Options of a spool. The zero value of a number takes its default.
type Options struct {
	MaxBytes     int64 // the disk it may use; default 1 GiB, at least four segments and the journals
	SegmentBytes int64 // size at which a new file is begun; default 1 MiB
	BlockBytes   int64 // packs, before compression, that go to a segment together; default 64 KiB
	JournalBytes int64 // size of each of the two journals; default 1 MiB
	// Thin returns what is kept of a pack when the disk is full; ok is false when that is nothing. nil keeps nothing.
	Thin   func(payload []byte) (kept []byte, ok bool, err error)
	Logger *slog.Logger
}

const (
	defaultMaxBytes     = 1 << 30
	defaultSegmentBytes = 1 << 20
	defaultBlockBytes   = 64 << 10
	defaultJournalBytes = 1 << 20
	maxBlockBytes       = 256 << 10
	journalUnit         = 4 << 10
	minJournalBytes     = 16 << 10
	// restartGap is how many seqs are left out at each opening, for disks that lose what they said was synced.
	restartGap = 1000
	// lease is how many seqs are given away before the file that says so is written again.
	lease = 1 << 20
)

// ErrInUse says that another process has the spool open.
var ErrInUse = errors.New("spool is in use by another process: stop the other gateway, or give this one its own data directory")

// Open opens or makes the spool in dir and repairs what a crash left: it cuts the torn tail of the newest segment,
// steps over damaged records and moves unreadable files aside. It fails when dir can't be made or read, or when
// another process holds it ([ErrInUse]).
func Open(dir string, o Options) (*Spool, error) { return open(dir, o, osDisk{}) }

func open(dir string, o Options, d disk) (*Spool, error) {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.BlockBytes <= 0 {
		o.BlockBytes = defaultBlockBytes
	}
	if o.JournalBytes <= 0 {
		o.JournalBytes = defaultJournalBytes
	}
	o.BlockBytes = min(o.BlockBytes, maxBlockBytes)
	o.JournalBytes = roundUp(max(o.JournalBytes, minJournalBytes), journalUnit)
	o.MaxBytes = max(o.MaxBytes, 4*o.SegmentBytes+journals*o.JournalBytes)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make spool directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, opts: o, disk: d, lock: lock, log: o.Logger, jobs: &journal{dir: dir, disk: d, size: o.JournalBytes}, stale: true}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open spool %s: %w", dir, err)
	}
	return s, nil
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock spool: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock spool %s: %w", dir, err)
	}
	return f, nil
}

// load reads the directory into s and sets the next seq.
func (s *Spool) load() error {
	names, err := list(s.dir)
	if err != nil {
		return err
	}
	for _, tmp := range names.temporary {
		_ = s.disk.Remove(filepath.Join(s.dir, tmp)) // a creation that a crash interrupted
	}
	segmentID, floor := "", uint64(0)
	for i, n := range names.segments {
		limit := ^uint64(0)
		if i+1 < len(names.segments) {
			limit = names.segments[i+1]
		}
		path := s.path(newSegment(n))
		got, err := scanFile(path, n, limit, false)
		if err != nil {
			size := int64(0)
			if info, statErr := os.Stat(path); statErr == nil {
				size = info.Size()
			}
			floor = max(floor, n+uint64(size)/recordHeaderSize)
			s.setAside(path, err)
			continue
		}
		if got.damaged > 0 {
			s.stats.DamagedRecords += uint64(got.damaged)
			s.log.Warn("spool: stepped over damage", "file", filepath.Base(path), "places", got.damaged, "bytes", got.damagedLen)
		}
		if i == len(names.segments)-1 {
			s.settle(path, got)
		}
		if got.id != "" {
			segmentID = got.id
		}
		s.stats.LostPacks += uint64(got.lost)
		s.segments = append(s.segments, got.seg)
		s.bytes += got.seg.size
		floor = max(floor, got.seg.last+uint64(got.torn)/recordHeaderSize)
	}
	for _, n := range names.bad {
		info, err := os.Stat(filepath.Join(s.dir, newSegment(n).name()+badSuffix))
		if err == nil {
			floor = max(floor, n+uint64(info.Size())/recordHeaderSize)
		}
	}
	if err := s.loadID(segmentID); err != nil {
		return err
	}
	s.loadJournal(floor)
	s.reap()
	return nil
}

// loadJournal takes over what the journal holds and sets the next seq. floor is the highest seq that may stand in the
// segments.
func (s *Spool) loadJournal(floor uint64) {
	r := readJournals(s.dir)
	s.jobs.generation, s.jobs.at = r.generation, r.newest
	written := uint64(0)
	if n := len(s.segments); n > 0 {
		written = s.segments[n-1].last
	}
	s.open, s.lastMark = r.state.open, r.state.mark
	for key, b := range r.state.scraps {
		s.open[key] = append(b, s.open[key]...)
	}
	for _, g := range r.state.gone {
		s.clear(g[0], g[1])
	}
	for _, it := range r.state.queue {
		if it.seq > written {
			s.queue = append(s.queue, it)
			s.queued += it.cost()
		}
	}
	if r.damaged > 0 {
		s.stats.DamagedRecords += uint64(r.damaged)
		s.log.Warn("spool: the journal is damaged, went on with what is good", "places", r.damaged)
	}
	ceiling, leased := s.readLease()
	floor = max(floor, r.state.next, 1) - 1
	switch {
	case floor == 0 && !leased:
		s.next = 1
	case r.damaged > 0 || !r.found && leased:
		s.next = max(floor+1+restartGap, ceiling)
	default:
		s.next = floor + 1 + restartGap
	}
	s.durable = s.next - 1
	s.renewLease(s.next)
}

func (s *Spool) leasePath() string { return filepath.Join(s.dir, "seq") }

// readLease returns the seq below which all may have been given away.
func (s *Spool) readLease() (uint64, bool) {
	b, err := os.ReadFile(s.leasePath())
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n <= maxSeq
}

// renewLease writes down that seqs up to a million from next on may be given away.
func (s *Spool) renewLease(next uint64) {
	f, err := create(s.disk, s.leasePath(), []byte(strconv.FormatUint(next+lease, 10)+"\n"))
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.log.Error("spool: could not write the file seq, going on", "err", err)
		return
	}
	s.ceiling = next + lease
}

// settle cuts the torn tail of the newest segment and makes the rest durable: a killed process may have left it in
// the page cache only, and it is about to be sent.
func (s *Spool) settle(path string, got scanned) {
	f, err := s.disk.Open(path)
	if err == nil {
		defer f.Close()
		if got.torn > 0 {
			s.stats.TornBytes += uint64(got.torn)
			s.log.Warn("spool: cut a torn tail", "file", filepath.Base(path), "bytes", got.torn)
			err = f.Truncate(got.seg.size)
		}
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		s.log.Error("spool: could not settle the newest segment, going on", "file", filepath.Base(path), "err", err)
	}
}

// setAside renames a file that can't be read to *.bad.
func (s *Spool) setAside(path string, why error) {
	s.stats.BadFiles++
	err := s.disk.Rename(path, path+badSuffix)
	s.log.Error("spool: moved an unreadable file aside, going on", "file", filepath.Base(path)+badSuffix, "err", errors.Join(why, err))
}

// loadID reads the spool's id; a lost one is taken from the newest segment, and only an empty spool gets a new one.
func (s *Spool) loadID(fromSegment string) error {
	path := filepath.Join(s.dir, "id")
	b, err := os.ReadFile(path)
	id := strings.TrimSpace(string(b))
	if err == nil && validID(id) {
		s.id = id
		return nil
	}
	if s.id = fromSegment; s.id == "" {
		var r [idLength / 2]byte
		if _, err := rand.Read(r[:]); err != nil {
			return fmt.Errorf("make spool id: %w", err)
		}
		s.id = hex.EncodeToString(r[:])
	}
	f, err := create(s.disk, path, []byte(s.id+"\n"))
	if err != nil {
		return err
	}
	return f.Close()
}

func validID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == idLength
}

type listing struct {
	segments, bad []uint64 // first seqs, ascending
	temporary     []string
}

func list(dir string) (listing, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return listing{}, err
	}
	var l listing
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			l.temporary = append(l.temporary, e.Name())
		} else if first, bad, ok := parseName(e.Name()); ok && bad {
			l.bad = append(l.bad, first)
		} else if ok {
			l.segments = append(l.segments, first)
		}
	}
	sort.Slice(l.segments, func(i, j int) bool { return l.segments[i] < l.segments[j] })
	return l, nil
}
