package analytics

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/fold"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	// batchMachines is how many machines go on together: one request reads them, one writes.
	batchMachines = 1000
	// batchSpanMs: a machine that lies further behind is read by itself.
	batchSpanMs = 10 * 60_000
	// rulesPerSecond bounds how often rules are read for machines that simply go on. With a few machines that happens at
	// every build.
	rulesPerSecond = 500
	mostRulesAge   = time.Minute
)

// batch lets machines go on together. Followers hear at once of a machine that changed its state or took a card, else
// when their turn comes. What was done comes back in the order of ds, nil where a machine can't go on with others.
func (s *Service) batch(ctx context.Context, ds []duty, machines int) ([]*built, error) {
	ms := make([]*machine, len(ds))
	for i, d := range ds {
		ms[i] = d.m
	}
	with := make([]*advance, len(ds))
	for i, src := range s.sources(ctx, ms, rulesAge(machines)) {
		a := &advance{duty: ds[i], src: src}
		a.alone = src == nil || len(src.texts) > 0 || a.m.tip.rules != src.rules.Identity() || a.toMs()-a.m.tip.fold.LastMs() > batchSpanMs
		with[i] = a
	}
	if err := s.readLive(ctx, with); err != nil {
		return nil, err
	}
	var points, checkpoints []tsdb.Point
	for _, a := range with {
		if a.alone {
			continue
		}
		if err := s.mine(a.m); err != nil {
			a.alone = true // work will find out by itself
			continue
		}
		a.built = a.m.tip.advance(a.samples, a.toMs())
		if a.built.samples == 0 {
			continue
		}
		a.m.noteWritten(a.built.fromMs)
		before := a.m.tip.newestPiece
		points = append(points, a.m.tip.changes()...)
		checkpoints = append(checkpoints, a.m.tip.out.takeCheckpoints()...)
		a.tell = a.tell || a.m.tip.newestPiece.changed(before, a.src.zone)
	}
	for _, p := range [][]tsdb.Point{points, checkpoints} {
		if err := s.writeAll(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := s.finishLive(ctx, with); err != nil {
		return nil, err
	}
	out := make([]*built, len(with))
	for i, a := range with {
		if !a.alone {
			out[i] = &a.built
		}
	}
	return out, nil
}

// rulesAge is how old rules may be with so many machines.
func rulesAge(machines int) time.Duration {
	return min(mostRulesAge, time.Duration(machines/rulesPerSecond)*time.Second)
}

// advance is a machine of a batch.
type advance struct {
	duty
	src     *source
	samples []fold.Sample
	built   built
	tell    bool // followers are to hear of it now
	alone   bool // not in the batch: the ordinary way
}

// toMs is the newest sample to be taken: what lies beyond has not been announced, or is not yet claimed.
func (a *advance) toMs() int64 {
	if a.live {
		return a.t.NewestMs
	}
	return a.t.ToMs
}

// readLive reads the new samples of all, site by site.
func (s *Service) readLive(ctx context.Context, with []*advance) error {
	var readings []*reading
	of := map[*reading]*advance{}
	for _, a := range with {
		if a.alone {
			continue
		}
		r := &reading{src: a.src, fromMs: a.m.tip.fold.LastMs() + 1, toMs: a.toMs() + 1, fn: func(x fold.Sample) error {
			a.samples = append(a.samples, x)
			return nil
		}}
		of[r] = a
		readings = append(readings, r)
	}
	err := readTogether(ctx, s.o.Store, readings)
	for r, a := range of {
		a.tell = r.tapped
	}
	if err != nil {
		return fmt.Errorf("read samples: %w", err)
	}
	return nil
}

// finishLive tells or owes the followers and takes the claims off the list.
func (s *Service) finishLive(ctx context.Context, with []*advance) error {
	var done []*machine
	claims := map[*machine]registry.Claim{}
	all := s.tellEvery() == 0
	for _, a := range with {
		if a.alone {
			continue
		}
		a.built.fromMs = min(a.built.fromMs, a.t.FromMs)
		if all || a.tell {
			if err := s.follow(ctx, a.m, a.built); err != nil {
				return err
			}
		} else {
			a.m.owe(a.built.fromMs)
		}
		if !a.live {
			done, claims[a.m] = append(done, a.m), a.t
		}
	}
	return s.done(ctx, done, claims)
}

// alone lets a tip go on by itself while its rebuild has to wait.
func (s *Service) alone(ctx context.Context, d duty) (built, error) {
	src, err := s.source(ctx, d.m)
	if err != nil || d.m.tip.rules != src.rules.Identity() {
		return built{mode: modeTip}, err
	}
	b, err := s.goOn(ctx, d.m, src, d.t.NewestMs)
	if err != nil {
		d.m.fail()
		return b, err
	}
	return b, s.follow(ctx, d.m, b)
}
