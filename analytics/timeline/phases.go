package timeline

import (
	"context"

	"karkhana/internal/tsdb"
)

// PhaseTotal is what a furnace did in one phase over some time.
type PhaseTotal struct {
	Ms, MilliWh, DoorDips int64
	EnergyEstimated       bool
}

// Phases returns the totals of [fromMs, toMs) by phase; "" holds what has none. Sums over adjoining ranges add up to that of
// the whole, since pieces are cut at hours and shared out in integers. Door dips count where their interval begins.
func Phases(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs, nowMs, gapLimitMs int64) (map[string]PhaseTotal, error) {
	intervals, err := ReadPhases(ctx, s, site, machine, fromMs, toMs, nowMs, gapLimitMs)
	if err != nil {
		return nil, err
	}
	out := map[string]PhaseTotal{}
	for _, iv := range Clip(intervals, fromMs, toMs) {
		t := out[iv.Phase]
		t.Ms += iv.EndMs - iv.StartMs
		t.MilliWh += iv.EnergyMilliWh
		t.DoorDips += iv.DoorDips
		t.EnergyEstimated = t.EnergyEstimated || iv.EnergyEstimated && iv.EnergyMilliWh != 0
		out[iv.Phase] = t
	}
	return out, nil
}
