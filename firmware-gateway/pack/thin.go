package pack

import (
	"fmt"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// Precious reports whether a pack holds what outlives raw samples on a full disk: card taps and registers.
func Precious(samples []wire.Sample) bool {
	for i := range samples {
		if keep(samples[i].Quantity) {
			return true
		}
	}
	return false
}

// keep tells the quantities that money hangs on: who was at the machine, and what a meter counted.
func keep(name string) bool {
	switch name {
	case quantity.Card, quantity.Energy, quantity.Pulses:
		return true
	}
	return false
}

// Thin returns what is kept of a pack (stored, or SenML of a former version) when the disk is full: every card tap,
// and of each register its last good reading. ok is false when that is nothing. The kept samples are unchanged, so that
// storing both the whole pack and the thinned one changes nothing.
func Thin(b []byte) (thin []byte, ok bool, err error) {
	s, err := parseEither(b)
	if err != nil {
		return nil, false, err
	}
	last := map[string]int{}
	for i := range s.Samples {
		if !s.Samples[i].IsFault() {
			last[s.Samples[i].Quantity] = i
		}
	}
	for i := range s.Samples {
		if q := s.Samples[i].Quantity; q == quantity.Card || keep(q) && last[q] == i && !s.Samples[i].IsFault() {
			thin = AppendRow(thin, s.Samples[i:i+1])
		}
	}
	if len(thin) == 0 {
		return nil, false, nil
	}
	return AppendTail(thin, s.Tail), true, nil
}

func parseEither(b []byte) (Stored, error) {
	if Is(b) {
		return Parse(b)
	}
	p, err := wire.Decode(b)
	if err != nil {
		return Stored{}, fmt.Errorf("thin a pack: %w", err)
	}
	return Stored{Tail: Tail{Boot: p.Boot, Known: true, Clock: p.Clock}, Samples: p.Samples}, nil
}

// Shorten rounds what is measured at an instant to the seven digits of a float of 4 bytes, which is more than any meter
// resolves (6e-8 of the value) and half of what 8 bytes cost on a SIM. Registers, which bills are made of, stay exact.
// The same samples always become the same, so a pack that is sent again does not change.
func Shorten(samples []wire.Sample) {
	for i := range samples {
		if s := &samples[i]; !keep(s.Quantity) {
			s.Number = float64(float32(s.Number))
		}
	}
}
