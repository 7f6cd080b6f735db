package sampler

import (
	"context"
	"time"

	"karkhana/firmware-gateway/pack"
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

// Journal takes samples of packs and windows that are still open, so that a power cut costs a second and not a pack.
// Its calls don't wait for the disk.
type Journal interface {
	// Note adds samples to the machine's open pack. windowDone: they stand for the machine's open window, which is
	// void.
	Note(machine string, samples []wire.Sample, windowDone bool) error
	// Window adds readings to the machine's open window.
	Window(machine string, readings []wire.Sample) error
	// Finish makes what was noted a pack. oldestMs is its oldest sample, newestMs when the newest was complete;
	// precious says that it holds what outlives raw samples.
	Finish(machine string, oldestMs, newestMs int64, precious bool) error
}

// packer collects samples of one machine into packs.
type packer struct {
	sink    Sink
	journal Journal // nil: the samples can be had again, and wait in memory
	machine string
	window  int64 // ms that a sample covers
	samples []wire.Sample
	n       int
	oldest  int64
	worth   bool      // holds what outlives raw samples
	since   time.Time // when the first sample of the pack came, gateway's clock
	newest  int64
	urgent  bool // holds an event
	supply  bool // last one seen
	jumps   jumps
}

// add takes samples; a full pack is handed over first.
func (p *packer) add(now time.Time, samples []wire.Sample, windowDone bool) error {
	if p.n > 0 && !p.fits(len(samples)) {
		if err := p.flush(); err != nil {
			return err
		}
	}
	for len(samples) > 0 || windowDone {
		if p.n == MaxSamples {
			if err := p.flush(); err != nil {
				return err
			}
		}
		n := min(len(samples), MaxSamples-p.n)
		if err := p.take(now, samples[:n], windowDone); err != nil {
			return err
		}
		samples, windowDone = samples[n:], false
	}
	return nil
}

// take adds samples that fit.
func (p *packer) take(now time.Time, samples []wire.Sample, windowDone bool) error {
	for i := range samples {
		s := &samples[i]
		p.jumps.see(s)
		if p.n == 0 {
			p.since, p.oldest = now, s.TimeMs
		}
		complete := s.TimeMs
		if r := ruleOf(s.Quantity); r != last && r != event {
			complete += p.window
		}
		p.n++
		p.newest, p.oldest = max(p.newest, complete), min(p.oldest, s.TimeMs)
		switch s.Quantity {
		case quantity.Card:
			p.urgent = true
		case quantity.Supply:
			p.urgent = p.urgent || s.Bool != p.supply
			p.supply = s.Bool
		}
	}
	if p.journal == nil {
		p.samples = append(p.samples, samples...)
		return nil
	}
	p.worth = p.worth || pack.Precious(samples)
	return p.journal.Note(p.machine, samples, windowDone)
}

// fits reports whether n more samples go into the open pack.
func (p *packer) fits(n int) bool { return p.n+n <= MaxSamples }

// flush hands the open pack over. On an error its samples are gone: a pack that can't be queued now can't be later.
func (p *packer) flush() error {
	if p.n == 0 {
		return nil
	}
	var err error
	if p.journal == nil {
		err = p.sink.Add(p.machine, p.newest, p.samples)
	} else {
		err = p.journal.Finish(p.machine, p.oldest, p.newest, p.worth)
	}
	p.jumps.handedOver()
	p.samples, p.n, p.newest, p.urgent, p.worth = p.samples[:0], 0, 0, false, false
	return err
}
