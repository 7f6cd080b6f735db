// Package live keeps what was read last of each machine, and how it went in the last minutes, for people who stand beside
// the gateway. It is bounded, has no goroutine, and nothing of it is ever sent.
package live

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// The course of a quantity: the last value of each Step, the newest last.
const (
	Points = 30
	Step   = 10 * time.Second
)

// maxQuantities bounds what is kept of one machine; no kit gives nearly as many.
const maxQuantities = 64

// Board holds the newest values. Its zero value is ready.
type Board struct {
	Now func() time.Time // monotonic; nil: time.Now

	mu       sync.Mutex
	machines []*Machine
}

// Machine is one machine on the board.
type Machine struct {
	board  *Board
	id     string
	values []*value
}

type value struct {
	quantity string
	seen     bool
	sample   wire.Sample
	at       time.Time // when the sample was true, by the board's clock
	ring     [Points]float32
	slot     int64 // of the newest point
}

// Value is a quantity as it stands.
type Value struct {
	Quantity string        `json:"quantity"`
	Seen     bool          `json:"seen"` // false: nothing has come yet, and the rest is empty
	Sample   wire.Sample   `json:"sample"`
	Age      time.Duration `json:"age_ns"`
	Course   []float32     `json:"-"` // up to Points, oldest first; NaN where nothing good was read
}

// Watch puts a machine on the board, with the quantities that are expected of it. One that is there already begins anew.
func (b *Board) Watch(id string, expected []string) *Machine {
	m := &Machine{board: b, id: id}
	for _, q := range expected {
		m.values = append(m.values, newValue(q))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.machines = append(slices.DeleteFunc(b.machines, func(o *Machine) bool { return o.id == id }), m)
	return m
}

// Done takes the machine off the board.
func (m *Machine) Done() {
	m.board.mu.Lock()
	defer m.board.mu.Unlock()
	m.board.machines = slices.DeleteFunc(m.board.machines, func(o *Machine) bool { return o == m })
}

// Source returns src, with what it gives noted on the board.
func (m *Machine) Source(src sampler.Source) sampler.Source { return noted{src, m} }

type noted struct {
	sampler.Source
	machine *Machine
}

// Sense reads the source and notes what it gave.
func (n noted) Sense(ctx context.Context, at time.Time) ([]wire.Sample, error) {
	samples, err := n.Source.Sense(ctx, at)
	if err == nil {
		n.machine.note(at, samples)
	}
	return samples, err
}

// Rest returns what the source found last, noted, if it can say so (sampler.Rester).
func (n noted) Rest(at time.Time) []wire.Sample {
	r, ok := n.Source.(sampler.Rester)
	if !ok {
		return nil
	}
	samples := r.Rest(at)
	n.machine.note(at, samples)
	return samples
}

func (m *Machine) note(at time.Time, samples []wire.Sample) {
	m.board.mu.Lock()
	defer m.board.mu.Unlock()
	now := m.board.now()
	for _, s := range samples {
		v := m.value(s.Quantity)
		if v == nil {
			continue
		}
		v.seen, v.sample = true, s
		v.at = now.Add(-max(0, time.Duration(at.UnixMilli()-s.TimeMs)*time.Millisecond))
		v.forward(slotOf(now))
		if q, ok := quantity.Get(s.Quantity); ok && q.Kind == quantity.KindNumber && !s.IsFault() {
			v.ring[v.slot%Points] = float32(s.Number)
		}
	}
}

func (m *Machine) value(q string) *value {
	for _, v := range m.values {
		if v.quantity == q {
			return v
		}
	}
	if len(m.values) == maxQuantities {
		return nil
	}
	v := newValue(q)
	m.values = append(m.values, v)
	return v
}

func newValue(q string) *value {
	v := &value{quantity: q}
	v.clear()
	return v
}

func (v *value) clear() {
	for i := range v.ring {
		v.ring[i] = float32(math.NaN())
	}
}

// forward moves the course on to a slot.
func (v *value) forward(slot int64) {
	if slot-v.slot >= Points {
		v.clear()
	} else {
		for s := v.slot + 1; s <= slot; s++ {
			v.ring[s%Points] = float32(math.NaN())
		}
	}
	v.slot = max(v.slot, slot)
}

func slotOf(t time.Time) int64 { return t.UnixNano() / int64(Step) }

func (b *Board) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// Values returns what is known of a machine, in the order in which it was expected or first seen; nil: not on the board.
func (b *Board) Values(id string) []Value {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.machines, func(m *Machine) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	now := b.now()
	out := make([]Value, 0, len(b.machines[i].values))
	for _, v := range b.machines[i].values {
		x := Value{Quantity: v.quantity, Seen: v.seen}
		if v.seen {
			x.Sample, x.Age = v.sample, max(0, now.Sub(v.at))
			v.forward(slotOf(now))
			x.Course = make([]float32, Points)
			for k := range x.Course {
				x.Course[k] = v.ring[(v.slot+1+int64(k))%Points]
			}
		}
		out = append(out, x)
	}
	return out
}

// Newest returns the newest good sample of a quantity on any machine, and its age; false: there is none.
func (b *Board) Newest(quantity string) (wire.Sample, time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var newest *value
	for _, m := range b.machines {
		for _, v := range m.values {
			if v.quantity == quantity && v.seen && v.sample.Quality == "" && (newest == nil || v.at.After(newest.at)) {
				newest = v
			}
		}
	}
	if newest == nil {
		return wire.Sample{}, 0, false
	}
	return newest.sample, max(0, b.now().Sub(newest.at)), true
}
