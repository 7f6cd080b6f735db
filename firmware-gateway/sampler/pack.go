package sampler

import (
	"context"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// MaxSamples is the most samples in a pack: about 5 kB on the wire.
const MaxSamples = 400

// Sink takes finished packs.
type Sink interface {
	// Add queues a pack of samples. newestMs is when the newest of them was complete: the end of its window.
	// The slice is the caller's again when Add returns. Add does not wait.
	Add(machine string, newestMs int64, samples []wire.Sample) error
	// WaitRoom waits while the queue is too long for samples that can wait themselves (recordings, history).
	WaitRoom(ctx context.Context) error
}

// packer collects samples of one machine into packs.
type packer struct {
	sink    Sink
	machine string
	window  int64 // ms that a sample covers
	samples []wire.Sample
	since   time.Time // when the first sample of the pack came, gateway's clock
	newest  int64
	urgent  bool // holds an event
	supply  bool // last one seen
}

// add takes samples; a full pack is handed over first.
func (p *packer) add(now time.Time, samples []wire.Sample) error {
	if len(p.samples) > 0 && len(p.samples)+len(samples) > MaxSamples {
		if err := p.flush(); err != nil {
			return err
		}
	}
	for _, s := range samples {
		if len(p.samples) == MaxSamples {
			if err := p.flush(); err != nil {
				return err
			}
		}
		if len(p.samples) == 0 {
			p.since = now
		}
		complete := s.TimeMs
		if r := ruleOf(s.Quantity); r != last && r != event {
			complete += p.window
		}
		p.samples = append(p.samples, s)
		p.newest = max(p.newest, complete)
		switch s.Quantity {
		case quantity.Card:
			p.urgent = true
		case quantity.Supply:
			p.urgent = p.urgent || s.Bool != p.supply
			p.supply = s.Bool
		}
	}
	return nil
}

// fits reports whether n more samples go into the open pack.
func (p *packer) fits(n int) bool { return len(p.samples)+n <= MaxSamples }

// flush hands the open pack over. On an error its samples are gone: a pack that can't be queued now can't be later.
func (p *packer) flush() error {
	if len(p.samples) == 0 {
		return nil
	}
	err := p.sink.Add(p.machine, p.newest, p.samples)
	p.samples, p.newest, p.urgent = p.samples[:0], 0, false
	return err
}
