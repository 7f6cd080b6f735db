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
	oldestMs    int64    // oldest newest-sample time of its packs, of those that have one
	thinned     int64    // bytes of it that are packs which were thinned already
	pending     int      // packs without a receipt
	packs       int      // packs written into it
	gone        []uint64 // bit i: seq first+i is receipted or damaged; nil: none is
}

func newSegment(first uint64) *segment {
	return &segment{first: first, last: first - 1, size: fileHeaderSize, oldestMs: math.MaxInt64}
}

func (g *segment) name() string { return fmt.Sprintf("%020d.seg", g.first) }

func (g *segment) span() int { return int(g.last - g.first + 1) }

// add takes in consecutive packs that became durable, or were found at opening. Seqs between those it has and first
// are no packs of it.
func (g *segment) add(first, last uint64, oldestMs int64) {
	if from := g.last + 1; from < first {
		g.last = first - 1
		g.pending += int(first - from)
		g.clear(from, first-1)
	}
	g.last = last
	g.pending += int(last - first + 1)
	g.packs += int(last - first + 1)
	if oldestMs > 0 {
		g.oldestMs = min(g.oldestMs, oldestMs)
	}
}

// addItems takes in packs whose seqs may have holes.
func (g *segment) addItems(items []item) {
	for _, it := range items {
		g.add(it.seq, it.seq, it.timeMs)
	}
}

// eachGone calls fn for each run of packs that are gone.
func (g *segment) eachGone(fn func(from, to uint64)) {
	if g.last < g.first || len(g.gone) == 0 {
		return
	}
	for seq := g.first; seq <= g.last; seq++ {
		if !g.isGone(seq) {
			continue
		}
		from := seq
		for seq < g.last && g.isGone(seq+1) {
			seq++
		}
		fn(from, seq)
	}
}

// maxSpan is how many seqs a segment may span: its bits are in memory.
const maxSpan = 1 << 20

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
	lost       int   // packs that stood in damaged places
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
	good := 0
	for {
		f, ok := w.next(off, size, out.seg.last+1, limit-1)
		if w.err != nil {
			return scanned{}, w.err
		}
		if !ok {
			break
		}
		if f.seq-first > maxSpan { // not one of this file
			off++
			continue
		}
		if f.offset > off {
			out.damaged++
			out.damagedLen += f.offset - off
		}
		// A hole is damage in a file of packs and behind damage; else its packs had their receipts.
		hole := f.kind == kindPack || f.offset > off
		off = f.end()
		out.seg.size = off
		if f.kind == kindSeal {
			continue
		}
		if hole && f.seq > out.seg.last+1 {
			out.lost += int(f.seq - out.seg.last - 1)
		}
		good++
		if err := out.take(f); err != nil {
			out.damaged++
		}
	}
	out.torn = max(size-off, 0)
	if out.id == "" && good == 0 {
		return scanned{}, errNothing
	}
	return out, nil
}

// take adds the packs of a record to the segment.
func (s *scanned) take(f found) error {
	if f.kind == kindPack {
		s.seg.add(f.seq, f.seq, f.timeMs)
		return nil
	}
	h, ok := parseBlockHead(f.seq, f.body[recordHeaderSize:])
	if !ok {
		return errBlock
	}
	s.seg.thinned += f.size() * int64(h.thinned) / int64(max(h.raw, 1))
	if h.whole(f.seq) {
		s.seg.add(f.seq, h.last, f.timeMs)
		return nil
	}
	items, err := f.items()
	if err != nil {
		return err
	}
	s.seg.addItems(items)
	return nil
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
	g.add(g.first, h.seq, h.timeMs)
	g.size = size
	return true
}

func appendSeal(b []byte, g *segment) []byte {
	payload := binary.LittleEndian.AppendUint64(nil, uint64(g.packs))
	return appendRecord(b, kindSeal, g.last, g.oldestMs, "", payload)
}
