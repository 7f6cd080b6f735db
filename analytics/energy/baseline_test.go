package energy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/energy"
	"karkhana/internal/registry"
)

// points are days with the given run-hours and energies.
func points(x, y []float64) []energy.Point {
	out := make([]energy.Point, len(x))
	for i := range x {
		out[i] = energy.Point{RunHours: x[i], Wh: y[i]}
	}
	return out
}

func TestFit(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	line := make([]float64, len(x))
	for i := range x {
		line[i] = 2000 + 500*x[i]
	}
	m := energy.Fit(points(x, line))
	require.Empty(t, m.Refused)
	require.Empty(t, m.Doubts)
	require.InDelta(t, 2000, m.B0, 1e-6)
	require.InDelta(t, 500, m.Terms[0].B, 1e-6)
	require.InDelta(t, 1, m.R2, 1e-9)

	// Worked by hand: x̄ = 5.5, ȳ = 11.3, Σ(x−x̄)² = 82.5, Σ(x−x̄)(y−ȳ) = 156.5, SST = 310.1.
	m = energy.Fit(points(x, []float64{3, 3, 8, 8, 11, 12, 16, 14, 18, 20}))
	require.InDelta(t, 156.5/82.5, m.Terms[0].B, 1e-9)
	require.InDelta(t, 11.3-156.5/82.5*5.5, m.B0, 1e-9)
	require.InDelta(t, 156.5*156.5/82.5/310.1, m.R2, 1e-9)

	require.Equal(t, energy.BaselineFewPeriods, energy.Fit(points(x[:9], line[:9])).Refused)
	same := []float64{6, 6.1, 6, 5.9, 6, 6, 6.1, 6, 5.9, 6}
	require.Equal(t, energy.BaselineNoSpread, energy.Fit(points(same, line)).Refused)
	require.Equal(t, energy.BaselineNoSpread, energy.Fit(points(make([]float64, 12), make([]float64, 12))).Refused, "a machine that never ran")
	noise := []float64{9, 1, 7, 2, 9, 1, 8, 2, 9, 1}
	require.Contains(t, energy.Fit(points(x, noise)).Doubts, energy.BaselineLowR2)
	falling := []float64{20, 19, 18, 17, 16, 15, 14, 13, 12, 11}
	require.Equal(t, []string{energy.BaselineNegative}, energy.Fit(points(x, falling)).Doubts)
}

// Twelve days as the base, then three days with 1 kWh more each: the CUSUM falls by 1 kWh a day. A day beyond the base's
// run-hours is flagged, a day with little coverage left out.
func TestBaselineAndCusum(t *testing.T) {
	r := newRig(t)
	var loads []load
	for d := range int64(16) {
		begin := midnight + d*day
		run := (2 + d%5) * hour
		standby := 100.0
		if d >= 12 {
			standby = 142.0 // idle, see below
		}
		if d == 15 {
			run = 12 * hour
		}
		if d == 14 {
			loads = append(loads, load{begin, begin + run, 6000})
			continue // not heard for the rest of the day
		}
		loads = append(loads, load{begin, begin + run, 6000}, load{begin + run, begin + day, standby})
	}
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(loads...))
	r.nowMs = midnight + 16*day
	m, got, err := energy.Baseline(t.Context(), r.deps(), site, "m", nil, [2]int64{midnight, midnight + 12*day}, [2]int64{midnight, midnight + 16*day}, r.nowMs)
	require.NoError(t, err)
	require.Empty(t, m.Refused)
	require.Equal(t, 12, m.N)
	require.InDelta(t, 2400, m.B0, 5, "standby of the day")
	require.InDelta(t, 5900, m.Terms[0].B, 5)
	require.Greater(t, m.R2, 0.999)
	require.Len(t, got, 15, "the day that was hardly heard is left out")
	require.True(t, got[0].InBase)
	require.False(t, got[12].InBase)
	require.InDelta(t, 0, *got[11].Cusum, 10, "within the base the savings cancel out")
	require.InDelta(t, -42*20, *got[12].Saving, 30)
	require.Less(t, *got[13].Cusum, *got[12].Cusum)
	require.Empty(t, got[13].Outside)
	require.Equal(t, []string{energy.RunHours}, got[14].Outside)

	m, got, err = energy.Baseline(t.Context(), r.deps(), site, "m", nil, [2]int64{midnight, midnight + 5*day}, [2]int64{midnight, midnight + 7*day}, r.nowMs)
	require.NoError(t, err)
	require.Equal(t, energy.BaselineFewPeriods, m.Refused)
	require.Nil(t, got[6].Predicted, "no line, no prediction")
}
