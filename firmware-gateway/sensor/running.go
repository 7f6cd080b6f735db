package sensor

import (
	"context"
	"time"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// TestRunning judges the sensors of sets that run, after having let them read for a while. last gives the newest sample of
// a quantity of a machine. A meter that answers is asked for all it knows in a gap between two rounds. ctx ends it early.
func TestRunning(ctx context.Context, sets []*Set, last func(machine, quantity string) (wire.Sample, bool), lasts time.Duration) []Verdict {
	pause(ctx, lasts)
	var out []Verdict
	for _, s := range sets {
		out = append(out, s.judge(ctx, last, lasts)...)
	}
	return out
}

// judge judges the sensors as they are now.
func (s *Set) judge(ctx context.Context, last func(machine, quantity string) (wire.Sample, bool), lasts time.Duration) []Verdict {
	out := make([]Verdict, len(s.items))
	for i, m := range s.items {
		st := m.State()
		seen := map[string]wire.Sample{}
		for _, q := range m.Quantities {
			if x, ok := last(m.machine, q); ok {
				seen[q] = x
			}
		}
		if m.Meter != "" && st.Err == nil && ctx.Err() == nil {
			for _, x := range s.askAll(ctx, m) {
				if _, ok := seen[x.Quantity]; !ok {
					st.Sensor.Quantities = append(st.Sensor.Quantities[:len(st.Sensor.Quantities):len(st.Sensor.Quantities)], x.Quantity)
				}
				seen[x.Quantity] = x
			}
		}
		out[i] = judge(st, seen, lasts)
		out[i].Machine = m.machine
	}
	return out
}

// askAll asks a meter for everything; nothing when it does not answer now, which its own reading tells.
func (s *Set) askAll(ctx context.Context, m *item) []wire.Sample {
	l := s.at(m.Line.URL)
	profile, err := meter.LoadProfile(m.Meter)
	if l == nil || err != nil {
		return nil
	}
	r, err := meter.New(guest{l}, meter.Opts{Profile: profile, Words: meter.Words(m.Words), Unit: m.Unit})
	if err != nil {
		return nil
	}
	values, err := r.Sense(ctx, nil)
	if err != nil {
		return nil
	}
	var out []wire.Sample
	for _, v := range values {
		if _, ok := quantity.Get(v.Name); ok && v.Wire {
			out = append(out, wire.Sample{Quantity: v.Name, Number: v.Number})
		}
	}
	return out
}
