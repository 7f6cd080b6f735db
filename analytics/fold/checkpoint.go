package fold

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"karkhana/analytics/timeline"
)

// ErrOtherRules means that a checkpoint was made under other rules, another zone or by another version of the fold:
// it says nothing about what the fold would be now.
var ErrOtherRules = errors.New("the checkpoint was made under other rules")

// A checkpoint is everything that the samples so far can still do to what comes after an hour edge, and nothing else:
// times as distances from the edge, energies as distances from the cursor. So two folds with different pasts and
// the same present have the same checkpoint, byte for byte. The text is base64 of: version, identity of the
// rules (8 bytes), then varints in the order of (*Fold).fields.

// encode returns the checkpoint at an edge after all samples so far.
func (f *Fold) encode(edge int64) string {
	w := codec{edge: edge, origin: f.tail.c, buf: make([]byte, 0, 160)}
	w.buf = append(w.buf, version)
	w.buf = binary.BigEndian.AppendUint64(w.buf, f.rules.identityBefore(edge))
	f.fields(&w)
	return base64.RawStdEncoding.EncodeToString(w.buf)
}

// Restore returns the fold that gave the checkpoint at the hour edge. Rules must be the list in force now: if it differs
// from the one then in what held before the edge, the error is ErrOtherRules.
func Restore(rules *Rules, out Sink, edge int64, checkpoint string) (*Fold, error) {
	raw, err := base64.RawStdEncoding.DecodeString(checkpoint)
	if err != nil || len(raw) < 9 {
		return nil, fmt.Errorf("checkpoint at %d: not one of this program (%d characters)", edge, len(checkpoint))
	}
	if raw[0] != version || binary.BigEndian.Uint64(raw[1:9]) != rules.identityBefore(edge) {
		return nil, ErrOtherRules
	}
	f := New(rules, out)
	r := codec{edge: edge, buf: raw[9:], reading: true}
	f.fields(&r)
	if r.bad || len(r.buf) != 0 {
		return nil, fmt.Errorf("checkpoint at %d: cut short or damaged", edge)
	}
	f.tail.piece.State, f.tail.piece.Phase = f.tail.state.String(), f.tail.phase.String()
	f.tail.hourEnd = timeline.NextHour(f.tail.hour, rules.zone)
	f.hourEnd, f.quarterEnd = timeline.NextHour(f.lastMs, rules.zone), timeline.NextQuarter(f.lastMs)
	f.tail.piece.EnergyEstimated = f.tail.piece.Flags.Estimated()
	f.takeRule(f.lastMs)
	return f, nil
}

// fields passes every field of the fold through c, in the one order of the format.
func (f *Fold) fields(c *codec) {
	e, p := &f.energy, &f.tail
	c.states(&f.state, &f.level, &f.near.to, &f.far.to, &p.state)
	c.flags(&e.integrating, &e.hasReg, &e.hasPower, &f.heat.on)
	c.energyFlags(&e.open, &e.seen, &p.flags, &p.piece.Flags)
	c.times(&f.lastMs, &f.near.sinceMs, &f.far.sinceMs, &f.peakMs, &p.ms, &p.piece.StartMs, &p.hour, &e.knownMs, &e.regMs, &e.powerMs)
	c.levels(&e.c)
	c.numbers(&e.reg, &e.booked, &e.w, &e.measured, &e.cover, &e.power, &p.piece.EnergyMilliWh)
	c.numbers(&p.times[0], &p.times[1], &p.times[2], &p.times[3])
	c.numbers(&p.energies[0], &p.energies[1], &p.energies[2], &p.energies[3])
	c.numbers(&p.quarters[0], &p.quarters[1], &p.quarters[2], &p.quarters[3])
	c.states(&p.partState)
	c.numbers(&p.partMs)
	c.text(&p.parts, timeline.MostParts)
	c.numbers(&e.compared.register, &e.compared.power, &e.compared.ms, &e.compared.step)
	f.heat.fields(c, p)
	f.sig.fields(c)
	n := int64(len(f.marks))
	c.numbers(&n)
	if c.reading && (n < 0 || n > int64(len(c.buf))) {
		c.bad = true
		return
	}
	if c.reading && n > 0 {
		f.marks = make([]mark, n)
	}
	for i := range f.marks {
		f.marks[i].fields(c)
	}
}

// fields passes a mark; of its energies only those that count.
func (m *mark) fields(c *codec) {
	c.small((*uint8)(&m.kind), (*uint8)(&m.to), (*uint8)(&m.trend))
	if m.to > Run {
		m.to, c.bad = Unknown, true
	}
	c.flags(&m.known)
	c.energyFlags(&m.flags)
	c.times(&m.ms)
	if m.known {
		c.levels(&m.c)
	} else {
		c.numbers(&m.w, &m.u)
	}
}

// codec reads or writes fields.
type codec struct {
	edge, origin int64
	buf          []byte
	reading, bad bool
}

// times passes instants before the edge; 0 stands for never.
func (c *codec) times(ts ...*int64) {
	for _, t := range ts {
		if c.reading {
			if d := c.take(); d != 0 {
				*t = c.edge - d
			}
		} else if *t == 0 {
			c.put(0)
		} else {
			c.put(c.edge - *t)
		}
	}
}

// levels passes cumulative energies; read, the cursor stands at 0.
func (c *codec) levels(vs ...*int64) {
	for _, v := range vs {
		if c.reading {
			*v = c.take()
		} else {
			c.put(*v - c.origin)
		}
	}
}

func (c *codec) numbers(vs ...*int64) {
	for _, v := range vs {
		if c.reading {
			*v = c.take()
		} else {
			c.put(*v)
		}
	}
}

// text passes a text of at most so many bytes.
func (c *codec) text(v *string, most int) {
	n := int64(len(*v))
	if c.numbers(&n); !c.reading {
		c.buf = append(c.buf, *v...)
		return
	}
	if n < 0 || n > int64(min(most, len(c.buf))) {
		c.bad, c.buf = true, nil
		return
	}
	*v, c.buf = string(c.buf[:n]), c.buf[n:]
}

func (c *codec) energyFlags(vs ...*timeline.EnergyFlags) {
	for _, v := range vs {
		c.numbers((*int64)(v))
	}
}

func (c *codec) states(vs ...*State) {
	for _, v := range vs {
		if c.small((*uint8)(v)); *v > Run {
			*v, c.bad = Unknown, true
		}
	}
}

// small passes values of a short list: states, kinds, trends, phases.
func (c *codec) small(vs ...*uint8) {
	for _, v := range vs {
		if !c.reading {
			c.put(int64(*v))
			continue
		}
		n := c.take()
		if n < 0 || n > mostSmall {
			c.bad = true
			return
		}
		*v = uint8(n)
	}
}

// mostSmall is the largest value of a short list.
const mostSmall = int64(markQuarter)

func (c *codec) flags(vs ...*bool) {
	var bits int64
	if c.reading {
		bits = c.take()
	}
	for i, v := range vs {
		if c.reading {
			*v = bits>>i&1 == 1
		} else if *v {
			bits |= 1 << i
		}
	}
	if !c.reading {
		c.put(bits)
	}
}

func (c *codec) put(v int64) { c.buf = binary.AppendVarint(c.buf, v) }

func (c *codec) take() int64 {
	v, n := binary.Varint(c.buf)
	if n <= 0 {
		c.bad, c.buf = true, nil
		return 0
	}
	c.buf = c.buf[n:]
	return v
}
