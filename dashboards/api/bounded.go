package api

import (
	"context"

	"karkhana/analytics/timeline"
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
