// Package block packs the samples of one machine and one hour into a text, small enough to be one value of the time-series
// store. A text is a copy: whoever reads it compares it with the samples first (see Sums).
//
// The text is base64 of a version byte and a zstd frame with its checksum, and in that, all numbers as varints: the
// hour's start, the number of rows, their times as changes of the distance between them, the number of fields, and for each field
// its name, which rows have a value, the values and the qualities. Values that are short decimals, as meters give them, are
// whole numbers of tenths, hundredths or thousandths and stored as differences; others are stored bit by bit, each against the one
// before. Every value comes back with the same bits.
package block

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"

	"karkhana/internal/varint"
)

// Ms is the length of a block's hour. Blocks begin at hours of UTC, whatever the site's zone is.
const Ms = int64(3_600_000)

// version is the first byte of what is in the base64.
const version = 1

// mostBytes bounds what a text may unpack to.
const mostBytes = 8 << 20

var (
	// ErrOtherFields means that a sound block lacks a field that is wanted.
	ErrOtherFields = errors.New("the block does not have every field that is wanted")
	// ErrDamaged means that a text is no block of this program and hour.
	ErrDamaged = errors.New("not a block of this program, or damaged")
)

// Hour holds the rows of an hour. Make it with New; it is not safe for concurrent use.
type Hour struct {
	fields  []string
	times   []int64
	columns []column
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	buf     []byte
	packed  []byte
	skipped column // a field that is in a block and not wanted
}

type column struct {
	values  []float64 // NaN: none
	quality []string  // "": none
	marked  bool      // some quality is there
}

// Sum is what a store can tell of a field in an hour without giving out its samples.
type Sum struct {
	Count, Qualities int64   // values and qualities
	Total            float64 // of the values, added in the order of time
}

// New returns an empty hour of these fields.
func New(fields []string) (*Hour, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("packer of samples: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostBytes))
	if err != nil {
		return nil, fmt.Errorf("unpacker of samples: %w", err)
	}
	return &Hour{fields: fields, columns: make([]column, len(fields)), enc: enc, dec: dec}, nil
}

// Close gives up what packing and unpacking need.
func (h *Hour) Close() { h.dec.Close() }

// Reset forgets all rows.
func (h *Hour) Reset() {
	h.times = h.times[:0]
	for i := range h.columns {
		h.columns[i].reset()
	}
}

func (c *column) reset() { c.values, c.quality, c.marked = c.values[:0], c.quality[:0], false }

// Len is the number of rows.
func (h *Hour) Len() int { return len(h.times) }

// Add appends a row, later than the one before: the value (NaN: none) and quality of each field.
func (h *Hour) Add(timeMs int64, values []float64, quality []string) {
	h.times = append(h.times, timeMs)
	for i := range h.columns {
		c := &h.columns[i]
		c.values, c.quality = append(c.values, values[i]), append(c.quality, quality[i])
		c.marked = c.marked || quality[i] != ""
	}
}

// Row copies row i into values and quality and returns its time.
func (h *Hour) Row(i int, values []float64, quality []string) int64 {
	for k := range h.columns {
		values[k], quality[k] = h.columns[k].values[i], h.columns[k].quality[i]
	}
	return h.times[i]
}

// Sums appends the sum of each field to dst.
func (h *Hour) Sums(dst []Sum) []Sum {
	for i := range h.columns {
		var s Sum
		for _, v := range h.columns[i].values {
			if !math.IsNaN(v) {
				s.Count++
				s.Total += v
			}
		}
		if h.columns[i].marked {
			for _, q := range h.columns[i].quality {
				if q != "" {
					s.Qualities++
				}
			}
		}
		dst = append(dst, s)
	}
	return dst
}

// Pack returns the rows, all within the hour that begins at startMs, as a text.
func (h *Hour) Pack(startMs int64) string {
	b := binary.AppendVarint(h.buf[:0], startMs)
	b = binary.AppendUvarint(b, uint64(len(h.times)))
	last, step := startMs, int64(0)
	for _, t := range h.times {
		b = binary.AppendVarint(b, t-last-step)
		last, step = t, t-last
	}
	b = binary.AppendUvarint(b, uint64(len(h.fields)))
	for i, field := range h.fields {
		b = appendText(b, field)
		b = h.columns[i].append(b)
	}
	h.buf = b
	h.packed = h.enc.EncodeAll(b, append(h.packed[:0], version))
	return base64.RawStdEncoding.EncodeToString(h.packed)
}

// Unpack replaces the rows by those of a text that Pack gave for the hour.
func (h *Hour) Unpack(startMs int64, text string) error {
	h.Reset()
	var err error
	if h.packed, err = base64.RawStdEncoding.Strict().AppendDecode(h.packed[:0], []byte(text)); err != nil || len(h.packed) == 0 || h.packed[0] != version {
		return ErrDamaged
	}
	if h.buf, err = h.dec.DecodeAll(h.packed[1:], h.buf[:0]); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err = h.unpack(startMs); err != nil {
		h.Reset()
	}
	return err
}

func (h *Hour) unpack(startMs int64) error {
	r := varint.NewReader(h.buf)
	if r.Varint() != startMs {
		return ErrDamaged
	}
	n := r.Count() // of rows: each takes a byte at least
	last, step := startMs, int64(0)
	for i := range n {
		step += r.Varint()
		last += step
		if last < startMs || last >= startMs+Ms || i > 0 && step <= 0 {
			return ErrDamaged
		}
		h.times = append(h.times, last)
	}
	found := 0
	for range r.Count() {
		name, c := string(r.Bytes()), &h.skipped
		for i := range h.fields {
			if h.fields[i] == name && len(h.columns[i].values) == 0 {
				c = &h.columns[i]
				found++
			}
		}
		c.reset()
		c.read(r, n)
		if r.Bad() {
			return ErrDamaged
		}
	}
	switch {
	case r.Bad() || r.Left() != 0 || n == 0:
		return ErrDamaged
	case found != len(h.fields):
		return ErrOtherFields
	}
	return nil
}
