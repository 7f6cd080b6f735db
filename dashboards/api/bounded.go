package api

import (
	"context"
	"fmt"

	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// stretches are stretches of samples whose time is bounded, closed [first, last] Unix ms, ascending.
type stretches [][2]int64

// within tells whether a sample of a stretch lies in [fromMs, toMs), or the stretch goes across it.
func (s stretches) within(fromMs, toMs int64) bool {
	for _, x := range s {
		if x[0] < toMs && x[1] >= fromMs {
			return true
		}
	}
	return false
}

const (
	boundedPieces = 2000 // how finely stretches are looked for
	boundedExact  = 50   // stretches whose edges are read; more are as long as their pieces
)

// bounded finds where the intervals rest on samples of a gateway that had no time. It counts in the store and reads two
// samples for each stretch, however long they are.
func (a *API) bounded(ctx context.Context, site, machine string, pieces []timeline.Interval) (stretches, error) {
	if len(pieces) == 0 {
		return nil, nil
	}
	fromMs, toMs := pieces[0].StartMs, pieces[len(pieces)-1].EndMs
	step := stepFor(fromMs, toMs, boundedPieces)
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{tsdb.TimeBounded}, FromMs: fromMs, ToMs: toMs}
	buckets, err := a.store.Buckets(ctx, q, step)
	if err != nil {
		return nil, fmt.Errorf("count samples with a bounded time: %w", err)
	}
	var out stretches
	for _, b := range buckets {
		last := b.FromMs + step - 1
		if n := len(out); n > 0 && out[n-1][1] >= b.FromMs-1 {
			out[n-1][1] = last
		} else {
			out = append(out, [2]int64{b.FromMs, last})
		}
	}
	if len(out) > boundedExact {
		return out, nil
	}
	for i := range out {
		q.FromMs, q.ToMs, q.Limit = max(fromMs, out[i][0]), min(toMs, out[i][1]+1), 1
		for edge, descending := range []bool{false, true} {
			q.Descending = descending
			err := a.store.Read(ctx, q, func(r tsdb.Row) error {
				out[i][edge] = r.TimeMs
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("read a sample with a bounded time: %w", err)
			}
		}
	}
	return out, nil
}
