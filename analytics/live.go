package analytics

import (
	"context"
	"slices"
	"time"

	"karkhana/analytics/fold"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	// batchMachines is how many machines go on together: one request reads them, one writes.
	batchMachines = 1000
	// batchSpanMs: a machine that lies further behind is read by itself.
	batchSpanMs = 10 * 60_000
	// rulesPerSecond and tellsPerSecond bound how often rules are read and followers called for machines that simply go on.
	// With a few machines both happen at every build.
	rulesPerSecond = 500
	tellsPerSecond = 200
	mostRulesAge   = time.Minute
)

// batch lets machines go on together. Followers hear at once of a machine that changed its state or took a card, else
// when their turn comes. What was done comes back in the order of ds, nil where a machine can't go on with others.
func (s *Service) batch(ctx context.Context, ds []duty, machines int) ([]*built, error) {
	var with []*advance
	rulesAge := min(mostRulesAge, time.Duration(machines/rulesPerSecond)*time.Second)
	for _, d := range ds {
		src := d.m.src
		if now := s.o.Now(); src == nil || now.Sub(d.m.srcAt) >= rulesAge {
			var err error
			if src, err = s.source(ctx, d.m); err != nil {
				with = append(with, &advance{duty: d, alone: true}) // it will fail by itself and hold up no other one
				continue
			}
		}
		a := &advance{duty: d, src: src}
		if len(src.texts) > 0 || d.m.tip.rules != src.rules.Identity() || a.toMs()-d.m.tip.fold.LastMs() > batchSpanMs {
			a.alone = true
		}
		with = append(with, a)
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
		a.m.wroteMs = a.built.fromMs
		before := a.m.tip.newestPiece
		points = append(points, a.m.tip.changes()...)
		checkpoints = append(checkpoints, a.m.tip.out.takeCheckpoints()...)
		a.tell = a.tell || before != a.m.tip.newestPiece
	}
	for _, p := range [][]tsdb.Point{points, checkpoints} {
		for len(p) > 0 {
			n := min(len(p), writeBatch)
			if err := s.store(ctx, p[:n]); err != nil {
				return nil, err
			}
			p = p[n:]
		}
	}
	if err := s.finishLive(ctx, with, tellEvery(machines)); err != nil {
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

// tellEvery is how long followers of a machine that simply goes on wait, so that they are not asked too much.
func tellEvery(machines int) time.Duration {
	if machines <= tellsPerSecond {
		return 0
	}
	return time.Duration(machines) * time.Second / tellsPerSecond
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
	card := quantity.Field(quantity.Card)
	var queries []tsdb.SiteQuery
	var byMachine []map[string]*advance
	sites := map[string]int{}
	for _, a := range with {
		if a.alone {
			continue
		}
		i, ok := sites[a.m.site]
		fromMs, toMs := a.m.tip.fold.LastMs()+1, a.toMs()+1
		if !ok {
			i = len(queries)
			sites[a.m.site] = i
			queries = append(queries, tsdb.SiteQuery{Measurement: tsdb.Telemetry, Site: a.m.site, FromMs: fromMs, ToMs: toMs, Fields: []string{card}})
			byMachine = append(byMachine, map[string]*advance{})
		}
		q := &queries[i]
		q.FromMs, q.ToMs = min(q.FromMs, fromMs), max(q.ToMs, toMs)
		q.Machines = append(q.Machines, a.m.id)
		for _, f := range a.src.fields {
			for _, f := range []string{f, f + "_q"} {
				if !slices.Contains(q.Fields, f) {
					q.Fields = append(q.Fields, f)
				}
			}
		}
		byMachine[i][a.m.id] = a
	}
	var values []float64
	var quality []string
	return tsdb.ReadSites(ctx, s.o.Store, queries, func(i int, r tsdb.Row) error {
		a := byMachine[i][r.Machine]
		if a == nil || r.TimeMs <= a.m.tip.fold.LastMs() || r.TimeMs > a.toMs() {
			return nil
		}
		a.tell = a.tell || r.Values[0] != nil
		values, quality = values[:0], quality[:0]
		for _, f := range a.src.fields {
			k := slices.Index(queries[i].Fields, f)
			v, q := tsdb.QualifiedNumber(r.Values[k], r.Values[k+1])
			values, quality = append(values, v), append(quality, q)
		}
		if x := a.src.sample(r.TimeMs, values, quality, nil); x.Has != 0 {
			a.samples = append(a.samples, x)
		}
		return nil
	})
}

// finishLive tells the followers and takes the claims off the list.
func (s *Service) finishLive(ctx context.Context, with []*advance, tellEvery time.Duration) error {
	done := map[string][]registry.Claim{}
	for _, a := range with {
		if a.alone {
			continue
		}
		a.built.fromMs = min(a.built.fromMs, a.t.FromMs)
		if a.tell || s.o.Now().Sub(a.m.told) >= tellEvery {
			if err := s.follow(ctx, a.m, a.built); err != nil {
				return err
			}
		} else if a.m.owedMs == 0 || a.built.fromMs < a.m.owedMs {
			a.m.owedMs = a.built.fromMs
		}
		if !a.live {
			done[a.m.grant.Holder] = append(done[a.m.grant.Holder], a.t)
		}
	}
	for holder, claims := range done {
		if err := s.o.Registry.ClaimsDone(ctx, holder, claims...); err != nil {
			return err
		}
	}
	return nil
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
