package sampler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"karkhana/internal/wire"
)

// Source is something that can be read at any moment.
type Source interface {
	// Sense reads everything once, in wire units. at is the gateway's clock, which the samples carry; events that
	// happened since the last call carry their own time. An error means that there is no value.
	Sense(ctx context.Context, at time.Time) ([]wire.Sample, error)
	Close() error
}

// Rester is a source that finds things by itself, between readings.
type Rester interface {
	// Rest returns what was found since the last call of Sense. The source is not read any more.
	Rest(at time.Time) []wire.Sample
}

// Settings say how one machine is sampled.
type Settings struct {
	Machine string
	Every   time.Duration // between readings of a live source; at least 10 ms
	Report  time.Duration // window that becomes one sample; not longer than Every: each reading is sent
	Pack    time.Duration // longest time a sample waits in a pack
}

func (s Settings) windowMs() int64 {
	if s.Report <= s.Every {
		return 0
	}
	return s.Report.Milliseconds()
}

// Sampler runs one machine.
type Sampler struct {
	Settings
	Now     func() time.Time
	Sink    Sink
	Journal Journal      // of a live source; nil: a power cut costs what is in memory
	Logger  *slog.Logger // with the machine
}

// Live reads a source each Every, at whole multiples of it, first at once, until ctx ends. A source that fails or is
// slow harms only its own machine. What is collected is handed over at the end.
func (s *Sampler) Live(ctx context.Context, src Source) error {
	a := newAggregator(s.windowMs())
	a.joined = true
	p := &packer{sink: s.Sink, journal: s.Journal, machine: s.Machine, window: a.window}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var out []wire.Sample
	var next time.Time // when a reading is due
	failing := false
	for {
		select {
		case <-ctx.Done():
			out = out[:0]
			if r, ok := src.(Rester); ok {
				for _, sample := range r.Rest(s.Now().Truncate(time.Millisecond)) {
					out = a.add(sample, out)
				}
			}
			s.report(p.add(s.Now(), a.flush(out), s.keepsWindows()))
			s.report(p.flush())
			return ctx.Err()
		case <-timer.C:
		}
		at := s.due(next, s.Now()).Truncate(time.Millisecond)
		samples, err := s.sense(ctx, src, at)
		if err != nil && ctx.Err() == nil && !failing {
			s.Logger.Warn("reading failed, going on without a value", "err", err)
		} else if err == nil && failing {
			s.Logger.Info("reading works again")
		}
		failing = err != nil
		out = out[:0]
		closed := a.closed
		for _, sample := range samples {
			out = a.add(sample, out)
		}
		now := s.Now()
		s.report(p.add(now, out, s.keepsWindows() && a.closed > closed))
		if s.keepsWindows() && a.open {
			s.report(s.Journal.Window(s.Machine, collected(samples)))
		}
		next = now.Truncate(s.Every).Add(s.Every)
		if p.n > 0 && (p.urgent || next.After(p.since.Add(s.Pack)) || p.jumps.due(now, s.Pack)) {
			s.report(p.flush())
		}
		timer.Reset(next.Sub(now))
	}
}

// late is how much later than due a reading may begin and still count as that of its due time: a computer's timer, not
// more than the reading itself takes. Times at whole multiples take a byte on the wire, others three to five.
const late = 10 * time.Millisecond

// due returns the time of a reading that begins now.
func (s *Sampler) due(next, now time.Time) time.Time {
	if d := now.Sub(next); d >= 0 && d <= min(late, s.Every/20) {
		return next
	}
	return now
}

func (s *Sampler) keepsWindows() bool { return s.Journal != nil && s.windowMs() > 0 }

// collected returns the readings that wait in a window, without events, which don't.
func collected(readings []wire.Sample) []wire.Sample {
	var out []wire.Sample
	for _, r := range readings {
		if ruleOf(r.Quantity) != event {
			out = append(out, r)
		}
	}
	return out
}

// Recover makes of the readings of a window that a power cut left open what it would have been had it ended there.
func Recover(window time.Duration, readings []wire.Sample) []wire.Sample {
	a := newAggregator(window.Milliseconds())
	a.joined = true
	var out []wire.Sample
	for _, r := range readings {
		out = a.add(r, out)
	}
	return a.flush(out)
}

// slowest is how long one reading may take, unless readings are further apart.
const slowest = 5 * time.Second

func (s *Sampler) sense(ctx context.Context, src Source, at time.Time) ([]wire.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, max(s.Every, slowest))
	defer cancel()
	return src.Sense(ctx, at)
}

// report logs a pack that could not be queued.
func (s *Sampler) report(err error) {
	if err != nil {
		s.Logger.Error("pack lost", "err", err)
	}
}

// Validate returns everything that is wrong with the settings.
func (s Settings) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
		min   time.Duration
	}{{"every", s.Every, 10 * time.Millisecond}, {"pack", s.Pack, 0}, {"report", s.Report, 0}} {
		if d.value < d.min {
			errs = append(errs, fmt.Errorf("%s: %v is too short, use at least %v", d.name, d.value, d.min))
		}
	}
	return errors.Join(errs...)
}
