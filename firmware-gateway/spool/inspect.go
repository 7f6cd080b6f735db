package spool

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// FileReport is what reading one segment completely found.
type FileReport struct {
	Name        string
	First, Last uint64
	Packs       int // good records without a receipt
	Bytes       int64
	OldestMs    int64
	Damaged     int   // places that are stepped over
	Torn        int64 // bytes after the last good record
	Err         error // can't be read at all
}

// Good reports whether every byte of the file is as it was written.
func (r FileReport) Good() bool { return r.Err == nil && r.Damaged == 0 && r.Torn == 0 }

// Inspection is the state of a spool directory as a reader finds it.
type Inspection struct {
	ID    string
	Files []FileReport
	Bad   int // files moved aside earlier

	Journal FileReport // closed packs that are in no segment, as far as the journal knows
	Open    int        // packs that are not closed
}

// Inspect reads every record of the spool in dir and changes nothing. A gateway may have it open: then the newest
// segment may look torn.
func Inspect(dir string) (Inspection, error) {
	l, err := list(dir)
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect spool: %w", err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "id"))
	in := Inspection{ID: strings.TrimSpace(string(b)), Bad: len(l.bad)}
	jr := readJournals(dir)
	for i, n := range l.segments {
		limit := ^uint64(0)
		if i+1 < len(l.segments) {
			limit = l.segments[i+1]
		}
		g := newSegment(n)
		r := FileReport{Name: g.name(), First: n}
		if got, err := scanFile(filepath.Join(dir, g.name()), n, limit, true); err != nil {
			r.Err = err
		} else {
			for _, g := range jr.state.gone {
				got.seg.clear(g[0], g[1])
			}
			r.Last, r.Packs, r.Bytes = got.seg.last, got.seg.pending, got.seg.size+got.torn
			r.Damaged, r.Torn = got.damaged, got.torn
			if r.Packs > 0 && got.seg.oldestMs < math.MaxInt64 {
				r.OldestMs = got.seg.oldestMs
			}
		}
		in.Files = append(in.Files, r)
	}
	in.journal(jr)
	return in, nil
}

// journal sums up what the journals hold beside the segments.
func (in *Inspection) journal(r replayed) {
	written := uint64(0)
	for _, f := range in.Files {
		written = max(written, f.Last)
	}
	in.Journal = FileReport{Name: "journal", Damaged: r.damaged}
	for _, it := range r.state.queue {
		if it.seq <= written {
			continue
		}
		in.Journal.Packs++
		in.Journal.Bytes += it.cost()
		in.Journal.Last = it.seq
		if in.Journal.First == 0 {
			in.Journal.First = it.seq
		}
		if it.timeMs > 0 && (in.Journal.OldestMs == 0 || it.timeMs < in.Journal.OldestMs) {
			in.Journal.OldestMs = it.timeMs
		}
	}
	in.Open = len(r.state.open)
}
