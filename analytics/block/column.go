package block

import (
	"encoding/binary"
	"math"

	"karkhana/internal/varint"
)

// The forms of a column's values.
const (
	formBits = 0 // any float64
	// formWhole + k: whole numbers of 10^-k.
	formWhole = 1
	decimals  = 3
)

var scales = [decimals + 1]float64{1, 10, 100, 1000}

// whole returns v as a whole number of 1/scale, if that gives the same bits again.
func whole(v, scale float64) (int64, bool) {
	r := math.Round(v * scale)
	if !(math.Abs(r) < 1<<53) || math.Float64bits(float64(int64(r))/scale) != math.Float64bits(v) {
		return 0, false
	}
	return int64(r), true
}

// form returns the shortest form that holds every value.
func (c *column) form() byte {
	k := 0
	for _, v := range c.values {
		if math.IsNaN(v) {
			continue
		}
		for {
			if _, ok := whole(v, scales[k]); ok {
				break
			}
			if k++; k > decimals {
				return formBits
			}
		}
	}
	// A value that fits a short scale may not fit a longer one: numbers near 2^53.
	for _, v := range c.values {
		if _, ok := whole(v, scales[k]); !ok && !math.IsNaN(v) {
			return formBits
		}
	}
	return byte(formWhole + k)
}

// append packs a column.
func (c *column) append(b []byte) []byte {
	n := len(c.values)
	b = c.appendPresence(b)
	form := c.form()
	b = append(b, form)
	if form == formBits {
		var last uint64
		at := len(b)
		for _, v := range c.values {
			if bits := math.Float64bits(v); !math.IsNaN(v) {
				b = binary.BigEndian.AppendUint64(b, bits^last)
				last = bits
			}
		}
		transpose(b[at:])
	} else {
		var last int64
		for _, v := range c.values {
			if r, ok := whole(v, scales[form-formWhole]); ok && !math.IsNaN(v) {
				b = binary.AppendVarint(b, r-last)
				last = r
			}
		}
	}
	if !c.marked {
		return append(b, 0)
	}
	b = append(b, 1)
	for i := 0; i < n; {
		k := i
		for k < n && c.quality[k] == c.quality[i] {
			k++
		}
		b = appendText(binary.AppendUvarint(b, uint64(k-i)), c.quality[i])
		i = k
	}
	return b
}

// appendPresence packs which rows have a value: 0 for all of them, else 1 and a bit for each.
func (c *column) appendPresence(b []byte) []byte {
	at, all := len(b), true
	b = append(b, 1)
	b = append(b, make([]byte, (len(c.values)+7)/8)...)
	for i, v := range c.values {
		if math.IsNaN(v) {
			all = false
		} else {
			b[at+1+i/8] |= 1 << (i % 8)
		}
	}
	if all {
		b = append(b[:at], 0)
	}
	return b
}

// read unpacks a column of n rows.
func (c *column) read(r *varint.Reader, n int) {
	var present []byte
	if r.Byte() != 0 {
		present = r.Take(uint64(n+7) / 8)
	}
	form := r.Byte()
	if r.Bad() || form > formWhole+decimals {
		r.Spoil()
		return
	}
	values := n
	if present != nil {
		values = 0
		for i := range n {
			values += int(present[i/8] >> (i % 8) & 1)
		}
	}
	var plane []byte
	if form == formBits {
		plane = r.Take(8 * uint64(values))
		if r.Bad() {
			return
		}
	}
	var bits uint64
	var number int64
	for i, k := 0, 0; i < n; i++ {
		if present != nil && present[i/8]>>(i%8)&1 == 0 {
			c.values = append(c.values, math.NaN())
			continue
		}
		if form == formBits {
			var x uint64
			for p := range 8 {
				x = x<<8 | uint64(plane[p*values+k])
			}
			bits ^= x
			c.values = append(c.values, math.Float64frombits(bits))
		} else {
			number += r.Varint()
			c.values = append(c.values, float64(number)/scales[form-formWhole])
		}
		k++
	}
	c.readQuality(r, n)
}

func (c *column) readQuality(r *varint.Reader, n int) {
	c.marked = r.Byte() != 0
	for len(c.quality) < n && !r.Bad() {
		run, q := n, ""
		if c.marked {
			run, q = int(r.Uvarint()), string(r.Bytes())
		}
		if run <= 0 || run > n-len(c.quality) {
			r.Spoil()
			return
		}
		for range run {
			c.quality = append(c.quality, q)
		}
	}
}

// transpose turns rows of eight bytes into eight rows of their first, second … bytes: the high ones hardly change.
func transpose(b []byte) {
	n := len(b) / 8
	out := make([]byte, len(b))
	for i := range n {
		for p := range 8 {
			out[p*n+i] = b[8*i+p]
		}
	}
	copy(b, out)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
