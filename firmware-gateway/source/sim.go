package source

import (
	"context"
	"fmt"
	"io"
	"time"

	"karkhana/hardware/sim"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// SimOptions describe a simulated machine.
type SimOptions struct {
	Seed  uint64
	Epoch time.Time // when the simulated world begins
	Kind  string    // see sim.Kinds
	Card  func(string) (string, error)
}

func (o SimOptions) machine() (*sim.Machine, error) {
	w, err := sim.New(sim.Options{Seed: o.Seed, Epoch: o.Epoch})
	if err != nil {
		return nil, err
	}
	return w.Machine(o.Kind)
}

// Sim is a simulated machine that is read live. It is a sampler.Source.
type Sim struct {
	o SimOptions
	m *sim.Machine
}

// OpenSim returns the machine as it stands at from: what happened before is not read.
func OpenSim(o SimOptions, from time.Time) (*Sim, error) {
	m, err := o.machine()
	if err != nil {
		return nil, err
	}
	if from.After(o.Epoch) {
		if err := m.Seek(from); err != nil {
			return nil, fmt.Errorf("simulate %s: %w", o.Kind, err)
		}
	}
	return &Sim{o: o, m: m}, nil
}

// Sense reads the machine at the given moment.
func (s *Sim) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	return sense(s.m, s.o, at)
}

// Close does nothing.
func (s *Sim) Close() error { return nil }

// sense reads a simulated machine and hashes its cards.
func sense(m *sim.Machine, o SimOptions, at time.Time) ([]wire.Sample, error) {
	samples, err := m.Sense(at)
	if err != nil {
		return nil, fmt.Errorf("simulate %s: %w", o.Kind, err)
	}
	for i := range samples {
		if samples[i].Quantity != quantity.Card {
			continue
		}
		if samples[i].Text, err = o.Card(samples[i].Text); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// History is the past of a simulated machine, read in steps. It is a sampler.Backlog.
type History struct {
	o    SimOptions
	m    *sim.Machine
	step time.Duration
	at   HistoryPosition
}

// HistoryPosition is what a restart goes on with. The span is fixed when it is first begun: no past is made up for
// the time in which a gateway was off.
type HistoryPosition struct {
	NextMs int64 `json:"next_ms"` // next reading
	EndMs  int64 `json:"end_ms"`  // before it the history ends
}

// NewHistoryPosition returns the position of a history of that span up to end, which begins not before the epoch.
func NewHistoryPosition(epoch, end time.Time, span, step time.Duration) HistoryPosition {
	start := end.Add(-span)
	if start.Before(epoch) {
		start = epoch
	}
	return HistoryPosition{NextMs: start.Truncate(step).Add(step).UnixMilli(), EndMs: end.UnixMilli()}
}

// Left is how much of the history is yet to come.
func (p HistoryPosition) Left() time.Duration {
	return time.Duration(max(p.EndMs-p.NextMs, 0)) * time.Millisecond
}

// OpenHistory goes on with a history.
func OpenHistory(o SimOptions, step time.Duration, at HistoryPosition) (*History, error) {
	m, err := o.machine()
	if err != nil {
		return nil, err
	}
	if before := time.UnixMilli(at.NextMs).Add(-step); before.After(o.Epoch) {
		if err := m.Seek(before); err != nil {
			return nil, fmt.Errorf("simulate %s: %w", o.Kind, err)
		}
	}
	return &History{o: o, m: m, step: step, at: at}, nil
}

// Next reads the next step.
func (h *History) Next(ctx context.Context) ([]wire.Sample, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.at.NextMs >= h.at.EndMs {
		return nil, io.EOF
	}
	samples, err := sense(h.m, h.o, time.UnixMilli(h.at.NextMs).UTC())
	if err != nil {
		return nil, err
	}
	h.at.NextMs += h.step.Milliseconds()
	return samples, nil
}

// Paced is false: Next never waits.
func (h *History) Paced() bool { return false }

// Position says which reading is next.
func (h *History) Position() any { return h.at }

// Close does nothing.
func (h *History) Close() error { return nil }
