package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// segment is what memory holds of one file.
type segment struct {
	first, last uint64   // last is first-1 while it is empty
	size        int64    // durable bytes; what follows in the file is not ours
	oldestMs    int64    // oldest newest-sample time of its packs
	pending     int      // packs without a receipt
	gone        []uint64 // bit i: seq first+i is receipted or damaged; nil: none is
}

func newSegment(first uint64) *segment {
	return &segment{first: first, last: first - 1, size: fileHeaderSize, oldestMs: math.MaxInt64}
}

func (g *segment) name() string { return fmt.Sprintf("%020d.seg", g.first) }

func (g *segment) span() int { return int(g.last - g.first + 1) }

// add takes in a record that became durable, or was found at opening.
func (g *segment) add(seq uint64, timeMs int64) {
	g.last = seq
	g.pending++
	g.oldestMs = min(g.oldestMs, timeMs)
}

func (g *segment) isGone(seq uint64) bool {
	i := seq - g.first
	return i/64 < uint64(len(g.gone)) && g.gone[i/64]&(1<<(i%64)) != 0
}

// clear marks [from, to] as receipted or damaged and returns how many packs that were pending are not any more.
func (g *segment) clear(from, to uint64) int {
	from, to = max(from, g.first), min(to, g.last)
	if from > to || g.last < g.first {
		return 0
	}
	if need := (g.span() + 63) / 64; len(g.gone) < need {
		g.gone = append(g.gone, make([]uint64, need-len(g.gone))...)
	}
	n := 0
	for i, end := from-g.first, to-g.first; i <= end; {
		word, low := i/64, i%64
		width := min(64-low, end-i+1)
		mask := ^uint64(0)
		if width < 64 {
			mask = (1<<width - 1) << low
		}
		n += bits.OnesCount64(mask &^ g.gone[word])
		g.gone[word] |= mask
		i += width
	}
	g.pending -= n
	return n
}

// parseName returns the first seq of a segment file; bad tells that it was moved aside.
func parseName(name string) (first uint64, bad, ok bool) {
	name = filepath.Base(name)
	stem, isBad := strings.CutSuffix(name, badSuffix)
	digits, isSeg := strings.CutSuffix(stem, ".seg")
	if !isSeg || len(digits) != 20 {
		return 0, false, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, isBad, err == nil && first > 0 && first <= maxSeq
}

// maxSeq is the largest seq: on the wire it is a SenML number, exact to 2^53.
const maxSeq = 1<<53 - 1

const badSuffix = ".bad"

// scanned is what reading a segment at opening found.
type scanned struct {
	seg        *segment
	id         string // "" when the header is damaged
	damaged    int    // places that were stepped over
	damagedLen int64
	torn       int64 // bytes after the last good record
}

var errNothing = errors.New("no good header and no good record in it")

// scanFile reads a segment. Records from limit on belong to the next segment and are ignored.
// It trusts a good seal unless everything is set.
func scanFile(path string, first, limit uint64, everything bool) (scanned, error) {
	f, err := os.Open(path)
	if err != nil {
		return scanned{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return scanned{}, err
	}
	if !info.Mode().IsRegular() {
		return scanned{}, errors.New("not a regular file")
	}
	return scan(f, info.Size(), first, limit, everything)
}

func scan(r io.ReaderAt, size int64, first, limit uint64, everything bool) (scanned, error) {
	w := &window{r: r, limit: size}
	out := scanned{seg: newSegment(first)}
	head := w.peek(0, fileHeaderSize)
	id, err := parseFileHeader(head, first)
	off := int64(fileHeaderSize)
	switch {
	case errors.Is(err, errHeader):
		off, out.damaged = 0, 1
	case err != nil:
		return scanned{}, err
	default:
		out.id = id
		if !everything && sealed(r, out.seg, size, limit) {
			return out, nil
		}
	}
	want, good := first, 0
	for {
		f, ok := w.next(off, size, want, limit-1)
		if w.err != nil {
			return scanned{}, w.err
		}
		if !ok {
			break
		}
		if f.offset > off {
			out.damaged++
			out.damagedLen += f.offset - off
		}
		off = f.end()
		out.seg.size = off
		if f.kind == kindSeal {
			continue
		}
		if f.seq-first > uint64(size) { // more records than bytes: not one of this file
			continue
		}
		out.seg.add(f.seq, f.timeMs)
		if f.seq > want { // a hole: those packs are lost
			out.seg.pending += int(f.seq - want)
			out.seg.clear(want, f.seq-1)
		}
		want = f.seq + 1
		good++
	}
	out.torn = max(size-off, 0)
	if out.id == "" && good == 0 {
		return scanned{}, errNothing
	}
	return out, nil
}

// sealed fills g from the seal at the end of the file, if there is a good one over an undamaged segment.
func sealed(r io.ReaderAt, g *segment, size int64, limit uint64) bool {
	if size < fileHeaderSize+sealSize {
		return false
	}
	b := make([]byte, sealSize)
	if _, err := r.ReadAt(b, size-sealSize); err != nil {
		return false
	}
	h, ok := parseHeader(b)
	if !ok || h.kind != kindSeal || h.size() != sealSize || !h.verify(b) || h.seq < g.first || h.seq >= limit {
		return false
	}
	packs := binary.LittleEndian.Uint64(b[recordHeaderSize:])
	if packs != h.seq-g.first+1 || packs > uint64(size) {
		return false
	}
	g.last, g.size, g.oldestMs, g.pending = h.seq, size, h.timeMs, int(packs)
	return true
}

func appendSeal(b []byte, g *segment) []byte {
	payload := binary.LittleEndian.AppendUint64(nil, uint64(g.span()))
	return appendRecord(b, kindSeal, g.last, g.oldestMs, "", payload)
}
