package learn

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// driftDay is a day of off, idle and run at the given powers, in hours.
func driftDay(n int, hours map[float64]float64) Day {
	h := NewHistogram(0)
	for v, hour := range hours {
		h.ms[binOf(v)] += hour * 3.6e6
		h.known += int64(hour * 3.6e6)
	}
	return Day{FromMs: int64(n) * 24 * 3_600_000, Histogram: h}
}

func driftDays(from, n int, hours map[float64]float64) []Day {
	var out []Day
	for i := range n {
		out = append(out, driftDay(from+i, hours))
	}
	return out
}

// Thresholds 100 and 850 W, hysteresis a tenth: the stretch around run is 680 to 935 W.
func TestFindDrift(t *testing.T) {
	s := registry.Settings{IdleAbove: 100, RunAbove: 850, Hysteresis: 0.1}
	reference := driftDays(0, 10, map[float64]float64{0: 15, 430: 3, 1900: 6})
	for _, x := range []struct {
		name  string
		days  []Day
		known bool
		code  string
		state string
	}{
		{name: "the same", days: driftDays(10, 8, map[float64]float64{0: 15, 430: 3, 1900: 6}), known: true},
		{name: "too few working days", days: driftDays(10, 4, map[float64]float64{0: 15, 860: 3, 3800: 6})},
		{name: "too little work", days: driftDays(10, 20, map[float64]float64{0: 23, 860: 0.5, 3800: 0.4})},
		{name: "less run, more idle", days: driftDays(10, 8, map[float64]float64{0: 15, 440: 7, 1800: 2}), known: true},
		{name: "no idle any more", days: driftDays(10, 8, map[float64]float64{0: 18, 1900: 6}), known: true},
		{name: "another load", days: driftDays(10, 8, map[float64]float64{0: 15, 430: 3, 2700: 6}), known: true},
		{name: "idle near run", days: driftDays(10, 8, map[float64]float64{0: 15, 720: 3, 1900: 6}), known: true, code: DriftMargin, state: "run"},
		{name: "standby near idle", days: driftDays(10, 8, map[float64]float64{95: 15, 430: 3, 1900: 6}), known: true, code: DriftMargin, state: "idle"},
		{name: "idle beyond run", days: driftDays(10, 8, map[float64]float64{0: 15, 1290: 3, 5700: 6}), known: true, code: DriftVanished, state: "idle"},
		{name: "all below run", days: driftDays(10, 8, map[float64]float64{0: 15, 120: 3, 530: 6}), known: true, code: DriftVanished, state: "run"},
		{name: "another transformer, states still right", days: driftDays(10, 8, map[float64]float64{0: 15, 645: 3, 2850: 6}), known: true, code: DriftScaled},
		{name: "one day only", days: append(driftDays(10, 8, map[float64]float64{0: 15, 430: 3, 1900: 6}), driftDay(18, map[float64]float64{0: 15, 720: 8})), known: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			j := FindDrift(reference, x.days, s)
			require.Equal(t, x.known, j.Known)
			if x.code == "" {
				require.Nil(t, j.Drift)
				return
			}
			require.NotNil(t, j.Drift)
			require.Equal(t, x.code, j.Drift.Code)
			require.Equal(t, x.state, j.Drift.State)
		})
	}
}

func TestHistogramText(t *testing.T) {
	h := NewHistogram(10_000)
	for i, v := range []float64{0, 5, 5, 4000, 0} {
		h.Add(int64(1000+i*1500), v)
	}
	got, err := ParseHistogram(h.String())
	require.NoError(t, err)
	require.Equal(t, h.ms, got.ms)
	require.Equal(t, h.KnownMs(), got.KnownMs())
	for _, bad := range []string{"x", "1", "1:x", "-1:5", "999:5", "1:-5"} {
		_, err := ParseHistogram(bad)
		require.Error(t, err, bad)
	}
}
