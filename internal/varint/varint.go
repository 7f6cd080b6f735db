// Package varint reads bytes that were put together from varints and lengths, as a gateway's packs and queue and the
// copies of hours are.
package varint

import "encoding/binary"

// Reader reads from a slice until something is wrong; from then on everything is zero. What it gives out points into the
// slice.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// More says whether bytes are left and nothing was wrong.
func (r *Reader) More() bool { return !r.bad && len(r.rest) > 0 }

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.rest) }

// Bad says whether something was wrong: too few bytes, or what the caller found.
func (r *Reader) Bad() bool { return r.bad }

// Spoil says that the caller found something wrong.
func (r *Reader) Spoil() { r.bad = true }

// Take reads n bytes; nil: so many are not there.
func (r *Reader) Take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uvarint reads a number without sign.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.skip(n) {
		return 0
	}
	return v
}

// Varint reads a number with sign (zigzag).
func (r *Reader) Varint() int64 {
	if !r.bad && len(r.rest) > 0 && r.rest[0] < 0x80 { // mostly
		b := int64(r.rest[0])
		r.rest = r.rest[1:]
		return b>>1 ^ -(b & 1)
	}
	v, n := binary.Varint(r.rest)
	if !r.skip(n) {
		return 0
	}
	return v
}

func (r *Reader) skip(n int) bool {
	if r.bad || n <= 0 {
		r.bad = true
		return false
	}
	r.rest = r.rest[n:]
	return true
}

// Bytes reads a length and as many bytes.
func (r *Reader) Bytes() []byte { return r.Take(r.Uvarint()) }

// Count reads a number of things that take a byte each at least: more than there can be is wrong.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}
