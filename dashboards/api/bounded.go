package api

import (
	"context"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// stretches are stretches of samples whose time is bounded, ascending.
type stretches []timeline.Bounded

// within tells whether a sample of a stretch lies in [fromMs, toMs), or the stretch goes across it.
func (s stretches) within(fromMs, toMs int64) bool {
	for _, x := range s {
		if x.FirstMs < toMs && x.LastMs >= fromMs {
			return true
		}
	}
	return false
}

// bounded finds where the intervals rest on samples of a gateway that had no time.
func (a *API) bounded(ctx context.Context, site, machine string, pieces []timeline.Interval) (stretches, error) {
	if len(pieces) == 0 {
		return nil, nil
	}
	return timeline.ReadBounded(ctx, a.store, site, machine, pieces[0].StartMs, pieces[len(pieces)-1].EndMs)
}

// boundedBefore is how far before a session a gateway's boot without a time may have begun.
const boundedBefore = 32 * day

// boundedSessions tells of each session whether part of it is held back because its time is bounded and nobody has
// confirmed it. One question finds the machines that have such samples at all.
func (a *API) boundedSessions(ctx context.Context, site string, rows []session.Held, told []session.Told) ([]bool, error) {
	out := make([]bool, len(rows))
	if len(rows) == 0 {
		return out, nil
	}
	type span struct{ fromMs, toMs int64 }
	end := func(s session.Held) int64 {
		if s.EndMs == 0 {
			return a.now().UnixMilli()
		}
		return s.EndMs
	}
	spans := map[string]span{}
	all := span{rows[0].StartMs, end(rows[0])}
	for _, s := range rows {
		of, ok := spans[s.Machine]
		if !ok {
			of = span{s.StartMs, end(s)}
		}
		of.fromMs, of.toMs = min(of.fromMs, s.StartMs), max(of.toMs, end(s))
		spans[s.Machine] = of
		all.fromMs, all.toMs = min(all.fromMs, of.fromMs), max(all.toMs, of.toMs)
	}
	before := boundedBefore.Milliseconds()
	marked, err := a.store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Fields: []string{tsdb.TimeBounded}, FromMs: all.fromMs - before, ToMs: all.toMs + before,
	})
	if err != nil {
		return nil, a.fail(ctx, "find samples with a bounded time", err)
	}
	for _, m := range marked {
		of, ok := spans[m.Machine]
		if !ok {
			continue
		}
		found, err := timeline.ReadBounded(ctx, a.store, site, m.Machine, of.fromMs-before, of.toMs+before)
		if err != nil {
			return nil, a.fail(ctx, "find samples with a bounded time", err)
		}
		var own []session.Told
		for _, t := range told {
			if t.Machine == m.Machine {
				own = append(own, t)
			}
		}
		for _, b := range found {
			from, to := b.Stretch()
			if session.Confirmed(own, b) {
				continue
			}
			for i, s := range rows {
				out[i] = out[i] || s.Machine == m.Machine && s.StartMs < to && end(s) > from
			}
		}
	}
	return out, nil
}
