package sampler

import (
	"context"
	"errors"
	"io"

	"karkhana/internal/wire"
)

// Backlog is a source that yields its samples by itself, in the order of their time: a recording, a simulated past.
type Backlog interface {
	// Next returns the next samples, all of one instant. io.EOF says that there are no more.
	// When ctx ends while it waits it can be called again and loses nothing.
	Next(ctx context.Context) ([]wire.Sample, error)
	// Paced reports whether Next waits between samples, because the backlog has a pace of its own.
	Paced() bool
	// Position says where the next call of Next begins, for going on there after a restart: a value of its own that
	// can be written as JSON.
	Position() any
	Close() error
}

// Backlog runs a backlog to its end through the same windows and packs as a live source. mark is called after packs
// were handed over, with the position that everything before went into them.
func (s *Sampler) Backlog(ctx context.Context, b Backlog, mark func(position any)) error {
	a := newAggregator(s.windowMs())
	p := &packer{sink: s.Sink, machine: s.Machine, window: a.window}
	clean := b.Position() // everything before it has left the aggregator
	var out []wire.Sample
	flush := func() {
		if p.n > 0 {
			s.report(p.flush())
			mark(clean)
		}
	}
	for {
		if err := s.Sink.WaitRoom(ctx); err != nil {
			flush() // an open window is left out: it is read again after a restart
			return err
		}
		before, closed := b.Position(), a.closed
		samples, err := s.next(ctx, b, p)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // the pack has waited long enough
			flush()
			continue
		}
		if errors.Is(err, io.EOF) {
			s.report(p.add(s.Now(), a.flush(out[:0]), false))
			clean = b.Position()
			s.report(p.flush())
			mark(clean)
			return nil
		}
		if err != nil {
			flush() // an open window is left out: it is read again after a restart
			return err
		}
		out = out[:0]
		for _, sample := range samples {
			out = a.add(sample, out)
		}
		if !p.fits(len(out)) {
			flush()
		}
		s.report(p.add(s.Now(), out, false))
		switch {
		case !a.open:
			clean = b.Position()
		case a.closed > closed:
			clean = before
		}
		if p.n > 0 && (p.urgent && s.fresh(p.newest) || s.Now().Sub(p.since) >= s.Pack) {
			flush()
		}
	}
}

// next calls Next, but not for longer than the open pack may still wait.
func (s *Sampler) next(ctx context.Context, b Backlog, p *packer) ([]wire.Sample, error) {
	if !b.Paced() || p.n == 0 {
		return b.Next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, p.since.Add(s.Pack).Sub(s.Now()))
	defer cancel()
	return b.Next(ctx)
}

// fresh reports whether somebody may be waiting for a sample of that time.
func (s *Sampler) fresh(ms int64) bool { return s.Now().UnixMilli()-ms < 30_000 }
