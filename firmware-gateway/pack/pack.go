// Package pack is the form in which a pack lies in the spool: rows of samples as they were taken, then a tail that says
// in which boot that was and what is known of the time. It becomes a SenML pack ([wire.Pack]) when it is sent.
//
// Rows are written one by one, each instant when it is measured, so that a pack that is still open survives a power
// cut. Their times are milliseconds since the boot, which are right whatever the wall clock does; the tail, or later the
// clock, says what to add. Nothing here depends on the pack's sequence number.
//
// The format stands in spool/FORMAT.md. What was written stays readable: codes are never given a new meaning.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"karkhana/internal/quantity"
	"karkhana/internal/varint"
	"karkhana/internal/wire"
)

// Tail ends a pack: when and how well dated it is.
type Tail struct {
	Boot     string // the samples' boot
	Known    bool   // OffsetMs and Clock are settled
	OffsetMs int64  // added to the times of the rows it gives Unix ms, UTC
	Clock    wire.Clock
}

// Stored is a pack as it lies in the spool.
type Stored struct {
	Tail
	Samples []wire.Sample // times without the tail's offset
}

// ErrFormat says that bytes are not what this package writes.
var ErrFormat = errors.New("not a stored pack")

const (
	itemRow  = 1
	itemTail = 2
)

// codes are the quantities by their code. Append only: spools on disk hold these numbers.
var codes = []string{
	1: quantity.Power, 2: quantity.PowerMin, 3: quantity.PowerMax, 4: quantity.Energy, 5: quantity.Current, 6: quantity.Voltage,
	7: quantity.PowerFactor, 8: quantity.Frequency, 9: quantity.Temperature, 10: quantity.Setpoint, 11: quantity.Humidity,
	12: quantity.Vibration, 13: quantity.Accel, 14: quantity.Crest, 15: quantity.Kurtosis, 16: quantity.Speed,
	17: quantity.Pulses, 18: quantity.Card, 19: quantity.Supply,
}

var codeOf = func() map[string]byte {
	m := map[string]byte{}
	for i, name := range codes {
		if name != "" {
			m[name] = byte(i)
		}
	}
	return m
}()

// The low nibble of a sample's second byte says how the value is written, the high one what else follows.
const (
	formInt      = iota // zigzag varint
	formTenth           // zigzag varint, /10: what meters send as decimals is exact and short this way
	formHundreth        // /100
	formThousand        // /1000
	formFloat32
	formFloat64
	formText
	formFalse
	formTrue
	formNone // a fault has no value

	formMask    = 0x0f
	flagQuality = 0x10 // a text follows
	flagTime    = 0x20 // a zigzag varint follows: ms after the row's time
)

var decimals = [...]float64{formInt: 1, formTenth: 10, formHundreth: 100, formThousand: 1000}

// AppendRow appends samples that were taken together. They keep their order.
func AppendRow(b []byte, samples []wire.Sample) []byte {
	if len(samples) == 0 {
		return b
	}
	at := samples[0].TimeMs
	b = append(b, itemRow)
	b = binary.AppendVarint(b, at)
	b = binary.AppendUvarint(b, uint64(len(samples)))
	for i := range samples {
		b = appendSample(b, &samples[i], at)
	}
	return b
}

func appendSample(b []byte, s *wire.Sample, at int64) []byte {
	b = append(b, codeOf[s.Quantity])
	if codeOf[s.Quantity] == 0 {
		b = appendText(b, s.Quantity)
	}
	form, n := formOf(s)
	flags := form
	if s.Quality != "" {
		flags |= flagQuality
	}
	if s.TimeMs != at {
		flags |= flagTime
	}
	b = append(b, flags)
	if s.Quality != "" {
		b = appendText(b, s.Quality)
	}
	if s.TimeMs != at {
		b = binary.AppendVarint(b, s.TimeMs-at)
	}
	switch form {
	case formInt, formTenth, formHundreth, formThousand:
		b = binary.AppendVarint(b, n)
	case formFloat32:
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(s.Number)))
	case formFloat64:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.Number))
	case formText:
		b = appendText(b, s.Text)
	}
	return b
}

// formOf chooses the shortest form that gives back exactly the value.
func formOf(s *wire.Sample) (form byte, n int64) {
	if s.IsFault() {
		return formNone, 0
	}
	q, _ := quantity.Get(s.Quantity)
	switch q.Kind {
	case quantity.KindText:
		return formText, 0
	case quantity.KindBool:
		if s.Bool {
			return formTrue, 0
		}
		return formFalse, 0
	}
	single := float64(float32(s.Number)) == s.Number
	limit := float64(1 << 50)
	if single {
		limit = 1 << 26 // a varint of at most 4 bytes
	}
	for form, d := range decimals {
		if v := math.Round(s.Number * d); math.Abs(v) < limit && v/d == s.Number {
			return byte(form), int64(v)
		}
	}
	if single {
		return formFloat32, 0
	}
	return formFloat64, 0
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// AppendTail ends a pack.
func AppendTail(b []byte, t Tail) []byte {
	known := byte(0)
	if t.Known {
		known = 1
	}
	b = append(b, itemTail, known)
	b = appendText(b, t.Boot)
	if t.Known {
		b = binary.AppendVarint(b, t.OffsetMs)
		b = appendText(b, string(t.Clock))
	}
	return b
}

// Is reports whether b is of this package and not a SenML pack, as spools of former versions hold them.
func Is(b []byte) bool { return len(b) > 0 && (b[0] == itemRow || b[0] == itemTail) }

// Parse reads a pack. A pack without a tail has no boot.
func Parse(b []byte) (Stored, error) { return ParseInto(b, make([]wire.Sample, 0, len(b)/8)) }

// ParseInto is Parse that appends the samples to those given.
func ParseInto(b []byte, samples []wire.Sample) (Stored, error) {
	r := reader{varint.NewReader(b)}
	s := Stored{Samples: samples}
	for r.More() {
		switch r.Byte() {
		case itemRow:
			s.Samples = r.row(s.Samples)
		case itemTail:
			s.Tail = r.tail()
		default:
			r.Spoil()
		}
	}
	if r.Bad() {
		return Stored{}, fmt.Errorf("%w: byte %d of %d", ErrFormat, len(b)-r.Left(), len(b))
	}
	return s, nil
}

// reader is one that knows what a pack holds.
type reader struct{ *varint.Reader }

func (r reader) text() string { return string(r.Bytes()) }

func (r reader) row(out []wire.Sample) []wire.Sample {
	at := r.Varint()
	n := r.Uvarint()
	if n > uint64(r.Left())/2 { // a sample needs two bytes at least
		r.Spoil()
		return out
	}
	for range n {
		s := wire.Sample{TimeMs: at}
		if code := int(r.Byte()); code == 0 {
			s.Quantity = r.text()
		} else if code < len(codes) {
			s.Quantity = codes[code]
		} else {
			r.Spoil()
		}
		flags := r.Byte()
		if flags&flagQuality != 0 {
			s.Quality = r.text()
		}
		if flags&flagTime != 0 {
			s.TimeMs += r.Varint()
		}
		r.value(&s, flags&formMask)
		if r.Bad() {
			return out
		}
		out = append(out, s)
	}
	return out
}

func (r reader) value(s *wire.Sample, form byte) {
	switch form {
	case formInt, formTenth, formHundreth, formThousand:
		s.Number = float64(r.Varint()) / decimals[form]
	case formFloat32:
		if b := r.Take(4); b != nil {
			s.Number = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case formFloat64:
		if b := r.Take(8); b != nil {
			s.Number = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case formText:
		s.Text = r.text()
	case formFalse, formNone:
	case formTrue:
		s.Bool = true
	default:
		r.Spoil()
	}
}

func (r reader) tail() Tail {
	t := Tail{Known: r.Byte() == 1, Boot: r.text()}
	if t.Known {
		t.OffsetMs = r.Varint()
		t.Clock = wire.Clock(r.text())
	}
	return t
}
