package wire

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"karkhana/internal/quantity"
)

// Sort orders the samples by quantity and time, which is the order that encodes smallest. Samples of the same quantity
// and time keep their order: the last one is what gets stored.
func (p *Pack) Sort() {
	slices.SortStableFunc(p.Samples, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Quantity, b.Quantity), cmp.Compare(a.TimeMs, b.TimeMs))
	})
}

// Encode writes the pack as SenML. The samples are written in the given order; decoding gives them back exactly,
// except that a sample with a fault comes back without its value. The same pack gives the same bytes.
//
// The error says what the contract does not allow: a bad id, an unknown quantity, a value that is not finite or out
// of range, an absurd time, or more than MaxRecords or MaxPackBytes.
func (p *Pack) Encode(f Format) ([]byte, error) {
	recs, err := p.records()
	if err != nil {
		return nil, fmt.Errorf("encode pack %d of %s/%s: %w", p.Seq, p.Site, p.Machine, err)
	}
	var out []byte
	if f == FormatJSON {
		out, err = encodeJSON(recs)
	} else {
		out = encodeCBOR(recs)
	}
	if err != nil {
		return nil, fmt.Errorf("encode pack %d of %s/%s: %w", p.Seq, p.Site, p.Machine, err)
	}
	if len(out) > MaxPackBytes {
		return nil, fmt.Errorf("encode pack %d of %s/%s: %d bytes, at most %d are allowed: put fewer samples in a pack", p.Seq, p.Site, p.Machine, len(out), MaxPackBytes)
	}
	return out, nil
}

// outRecord is a SenML record to be written. The pointers make a present zero differ from an absent field.
type outRecord struct {
	Bn string   `json:"bn,omitempty"`
	Bt *float64 `json:"bt,omitempty"`
	N  string   `json:"n,omitempty"`
	V  *float64 `json:"v,omitempty"`
	Vs *string  `json:"vs,omitempty"`
	Vb *bool    `json:"vb,omitempty"`
	T  float64  `json:"t,omitempty"`
}

// runForBase is how many samples of one quantity must follow each other to be written under a base name of their own
// ({site}/{machine}/{quantity}), which then saves the name in each.
const runForBase = 4

func (p *Pack) records() ([]outRecord, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	prefix := p.Site + "/" + p.Machine + "/"
	seq, clock := float64(p.Seq), string(p.Clock)
	recs := make([]outRecord, 0, 4+len(p.Samples))
	recs = append(recs,
		outRecord{Bn: prefix, N: nameSeq, V: &seq},
		outRecord{N: nameSpool, Vs: &p.Spool},
		outRecord{N: nameBoot, Vs: &p.Boot},
		outRecord{N: nameClock, Vs: &clock})
	if len(p.Samples) == 0 {
		return recs, nil
	}
	base := p.Samples[0].TimeMs
	bt := float64(base) / 1000
	recs[0].Bt = &bt
	bn := prefix
	for i := 0; i < len(p.Samples); {
		run := i + 1
		for run < len(p.Samples) && p.Samples[run].Quantity == p.Samples[i].Quantity {
			run++
		}
		want, name := prefix, p.Samples[i].Quantity
		if run-i >= runForBase {
			want, name = prefix+name, ""
		}
		for ; i < run; i++ {
			s := &p.Samples[i]
			t := float64(s.TimeMs-base) / 1000
			first := len(recs)
			if !s.IsFault() {
				r := outRecord{N: name, T: t}
				switch q, _ := quantity.Get(s.Quantity); q.Kind {
				case quantity.KindNumber:
					v := s.Number
					if v == 0 {
						v = 0 // −0 means nothing here and is lost when a base value is added
					}
					r.V = &v
				case quantity.KindText:
					r.Vs = &s.Text
				case quantity.KindBool:
					r.Vb = &s.Bool
				}
				recs = append(recs, r)
			}
			if s.Quality != "" {
				recs = append(recs, outRecord{N: name + qualitySuffix, Vs: &s.Quality, T: t})
			}
			if bn != want {
				recs[first].Bn, bn = want, want
			}
		}
	}
	if len(recs) > MaxRecords {
		return nil, fmt.Errorf("%d records, at most %d are allowed: put fewer samples in a pack", len(recs), MaxRecords)
	}
	return recs, nil
}

// check returns the first thing that Decode would refuse.
func (p *Pack) check() error {
	if err := errors.Join(CheckID("site", p.Site), CheckID("machine", p.Machine), checkToken("spool", p.Spool), checkToken("boot", p.Boot)); err != nil {
		return err
	}
	if p.Seq < 1 || p.Seq > MaxSeq {
		return fmt.Errorf("seq %d: want 1 to 2^53−1", p.Seq)
	}
	if !p.Clock.Valid() {
		return fmt.Errorf("clock %q: want synced, rtc, repaired or bounded", p.Clock)
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		q, ok := quantity.Get(s.Quantity)
		if !ok {
			return fmt.Errorf("sample %d: %q is not a quantity", i, s.Quantity)
		}
		if s.TimeMs < relativeBelow*1000 || s.TimeMs >= timeBelow*1000 {
			return fmt.Errorf("sample %d: %s at %d ms is no time of this age", i, s.Quantity, s.TimeMs)
		}
		if s.Quality != "" {
			if err := checkQuality(s.Quality); err != nil {
				return fmt.Errorf("sample %d: %w", i, err)
			}
		}
		if s.IsFault() {
			continue
		}
		if q.Kind == quantity.KindNumber {
			if err := q.Check(s.Number); err != nil {
				return fmt.Errorf("sample %d: %w", i, err)
			}
		}
		if err := checkText(s.Text); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
	}
	return nil
}

func encodeJSON(recs []outRecord) ([]byte, error) { return json.Marshal(recs) }

func encodeCBOR(recs []outRecord) []byte {
	out := make([]byte, 0, 128+16*len(recs))
	out = appendHead(out, majorArray, uint64(len(recs)))
	bt := 0.0
	for i := range recs {
		r := &recs[i]
		at, n := len(out), byte(0)
		out = append(out, 0)
		field := func(l byte) {
			out = append(out, l)
			n++
		}
		if r.Bn != "" {
			field(0x21) // −2
			out = appendText(out, r.Bn)
		}
		if r.Bt != nil {
			bt = *r.Bt
			field(0x22) // −3
			out = appendNumber(out, bt)
		}
		if r.N != "" {
			field(0x00)
			out = appendText(out, r.N)
		}
		switch {
		case r.V != nil:
			field(0x02)
			out = appendNumber(out, *r.V)
		case r.Vs != nil:
			field(0x03)
			out = appendText(out, *r.Vs)
		case r.Vb != nil && *r.Vb:
			field(0x04)
			out = append(out, 0xf5)
		case r.Vb != nil:
			field(0x04)
			out = append(out, 0xf4)
		}
		if r.T != 0 {
			field(0x06)
			out = appendTime(out, bt, r.T)
		}
		out[at] = majorMap<<5 | n // at most 5 fields
	}
	return out
}

func appendHead(out []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(out, major|byte(n))
	case n <= math.MaxUint8:
		return append(out, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(out, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(out, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(out, major|27), n)
	}
}

func appendText(out []byte, s string) []byte {
	return append(appendHead(out, majorText, uint64(len(s))), s...)
}

// appendNumber writes v in the fewest bytes that give back exactly v: an integer, or a float of 2, 4 or 8 bytes.
func appendNumber(out []byte, v float64) []byte {
	half, isHalf := floatToHalf(v)
	single := float64(float32(v)) == v
	whole := v == math.Trunc(v) && math.Abs(v) <= MaxSeq
	switch {
	case whole && v >= 0 && (v <= math.MaxUint32 || !single):
		return appendHead(out, majorUint, uint64(v))
	case whole && v < 0 && (v >= -math.MaxUint32 || !single):
		return appendHead(out, majorNegative, uint64(-v)-1)
	case isHalf:
		return binary.BigEndian.AppendUint16(append(out, 0xf9), half)
	case single:
		return binary.BigEndian.AppendUint32(append(out, 0xfa), math.Float32bits(float32(v)))
	default:
		return binary.BigEndian.AppendUint64(append(out, 0xfb), math.Float64bits(v))
	}
}

// appendTime writes t, seconds after bt, in the fewest bytes that still give the same millisecond: a float of 2 or 4
// bytes may be off by less than half a millisecond.
func appendTime(out []byte, bt, t float64) []byte {
	if t == math.Trunc(t) {
		return appendNumber(out, t)
	}
	want, _ := timeMs(bt + t)
	same := func(v float64) bool {
		ms, err := timeMs(bt + v)
		return err == nil && ms == want
	}
	if h, ok := floatToHalf(roundToHalf(t)); ok && same(roundToHalf(t)) {
		return binary.BigEndian.AppendUint16(append(out, 0xf9), h)
	}
	if v := float32(t); same(float64(v)) {
		return appendNumber(out, float64(v))
	}
	return appendNumber(out, t)
}

// roundToHalf rounds to a multiple of the spacing that half-precision floats have at v.
func roundToHalf(v float64) float64 {
	_, exp := math.Frexp(v) // v = f × 2^exp, ½ ≤ |f| < 1: 11 bits of mantissa
	step := math.Ldexp(1, max(exp-11, -24))
	return math.Round(v/step) * step
}

// floatToHalf gives the half-precision float equal to v, if there is one.
func floatToHalf(v float64) (uint16, bool) {
	sign := uint16(0)
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	if v == 0 {
		return sign, true
	}
	frac, exp := math.Frexp(v) // v = frac × 2^exp
	if exp > 16 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	if exp < -13 { // subnormal: multiples of 2^−24
		m := math.Ldexp(v, 24)
		return sign | uint16(m), m == math.Trunc(m)
	}
	m := math.Ldexp(frac, 11) // 1024 … 2047 when exact
	return sign | uint16(exp+14)<<10 | uint16(m)&0x3ff, m == math.Trunc(m)
}
