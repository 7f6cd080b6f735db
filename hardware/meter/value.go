package meter

import (
	"fmt"
	"math"
)

// Value is one thing a meter told, in wire units (see package quantity) or the unit of its local name.
type Value struct {
	Name   string
	Number float64
	Wire   bool // Name is a wire quantity
}

// Decode takes a block of registers that begins at an address apart: the value of every row that lies wholly in it,
// in the order of addresses. One value that is not finite or not plausible refuses the block. A profile whose order of
// words is to be probed decodes nothing: fix the order first, see [Profile.In].
func (p *Profile) Decode(addr uint16, regs []uint16) ([]Value, error) {
	if p.Words == ByProbe {
		return nil, fmt.Errorf("%s: the order of words is not known: probe the meter, or set %s or %s", p.Name, HighFirst, LowFirst)
	}
	var out []Value
	for i := range p.Rows {
		r := &p.Rows[i]
		at := int(r.Address) - int(addr)
		if at < 0 || at+r.width() > len(regs) {
			continue
		}
		v, err := r.decode(p.Words, regs[at:])
		if err != nil {
			return nil, err
		}
		out = append(out, Value{r.Name, v, r.wire})
	}
	return out, nil
}

// decode takes the value from the first registers of regs.
func (r *Row) decode(w Words, regs []uint16) (float64, error) {
	var v float64
	switch r.Type {
	case Uint16:
		v = float64(regs[0])
	case Int16:
		v = float64(int16(regs[0]))
	case Uint32:
		v = float64(join(w, regs))
	case Int32:
		v = float64(int32(join(w, regs)))
	case Float32:
		v = float64(math.Float32frombits(join(w, regs)))
	}
	v = v * r.Times / r.Divide
	if r.Step > 0 {
		v = math.Round(v/r.Step) * r.Step
	}
	if !(v >= r.min && v <= r.max) { // NaN fails both
		return 0, &valueError{row: r, value: v}
	}
	return v, nil
}

// valueError says that a meter told a value that can't be.
type valueError struct {
	row   *Row
	value float64
}

// Error names the value, its register and what to look at.
func (e *valueError) Error() string {
	return fmt.Sprintf("%s at register %#x: %v is outside %v … %v: check the profile, the order of words and the wiring",
		e.row.Name, e.row.Address, e.value, e.row.min, e.row.max)
}

// Encode writes a value in wire units into the first registers of regs, as the meter would hold it: the inverse of
// decoding, for simulated meters and tests. What does not fit is cut to the largest or smallest that does.
func (p *Profile) Encode(r Row, v float64, regs []uint16) {
	v = v * r.Divide / r.Times
	switch r.Type {
	case Uint16:
		regs[0] = uint16(math.Round(min(max(v, 0), math.MaxUint16)))
	case Int16:
		regs[0] = uint16(int16(math.Round(min(max(v, math.MinInt16), math.MaxInt16))))
	case Uint32:
		split(p.Words, uint32(math.Round(min(max(v, 0), math.MaxUint32))), regs)
	case Int32:
		split(p.Words, uint32(int32(math.Round(min(max(v, math.MinInt32), math.MaxInt32)))), regs)
	case Float32:
		split(p.Words, math.Float32bits(float32(v)), regs)
	}
}

func join(w Words, regs []uint16) uint32 {
	if w == LowFirst {
		return uint32(regs[1])<<16 | uint32(regs[0])
	}
	return uint32(regs[0])<<16 | uint32(regs[1])
}

func split(w Words, v uint32, regs []uint16) {
	if w == LowFirst {
		regs[1], regs[0] = uint16(v>>16), uint16(v)
		return
	}
	regs[0], regs[1] = uint16(v>>16), uint16(v)
}
