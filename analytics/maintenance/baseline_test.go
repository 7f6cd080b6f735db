package maintenance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// healthyDays writes days of lathe history ending yesterday: each day so many run minutes at 2 mm/s and as many idle
// minutes at 0.3 mm/s; after the first week the vibration has doubled.
func (r *rig) healthyDays(days, minutes int) {
	r.t.Helper()
	var points []tsdb.Point
	for d := range days {
		start := noon.AddDate(0, 0, d-days)
		mmS := 2.0
		if d >= 7 {
			mmS = 4
		}
		for m := range 2 * minutes {
			v := mmS
			if m >= minutes {
				v = 0.3
			}
			for s := 0; s < 60; s += 20 {
				points = append(points, tsdb.Point{
					Measurement: tsdb.Telemetry, Site: "cfc", Machine: "lathe",
					TimeMs: start.Add(time.Duration(m*60+s) * time.Second).UnixMilli(),
					Fields: []tsdb.Field{{Key: "vibration_mm_s", Value: v}},
				})
			}
		}
		mid, end := start.Add(time.Duration(minutes)*time.Minute), start.Add(time.Duration(2*minutes)*time.Minute)
		for _, iv := range []timeline.Interval{
			{State: timeline.StateRun, StartMs: start.UnixMilli(), EndMs: mid.UnixMilli()},
			{State: timeline.StateIdle, StartMs: mid.UnixMilli(), EndMs: end.UnixMilli()},
			{State: timeline.StateOff, StartMs: end.UnixMilli(), EndMs: start.AddDate(0, 0, 1).UnixMilli()},
		} {
			points = append(points, iv.Point("cfc", "lathe"))
		}
	}
	require.NoError(r.t, r.store.Write(context.Background(), points))
}

func TestVibrationHigh(t *testing.T) {
	r := newRig(t)
	r.healthyDays(20, 60)
	r.pass(2, func() { r.alive() })
	b := r.w.Baselines()
	require.Len(t, b, 1)
	require.True(t, b[0].Known)
	require.InDelta(t, 2, b[0].Usual, 0)
	require.Equal(t, 7*60, b[0].RunMinutes)

	shake := func(powerW, mmS float64) func() { return func() { r.hot(20); r.shake(powerW, mmS) } }
	r.pass(400, shake(800, 4.99))
	require.Empty(t, r.alarms(), "below 2.5 × 2")
	r.pass(400, shake(499, 9))
	require.Empty(t, r.alarms(), "not running")
	r.pass(119-r.now.Second(), shake(0, 0.1))
	since := r.now.Add(time.Second)
	r.pass(180, shake(800, 5))
	require.Empty(t, r.alarms(), "the third minute may still get samples")
	r.pass(11, shake(800, 5))
	a := r.only()
	require.Equal(t, RuleVibrationHigh, a.Rule)
	require.Equal(t, "vibration", a.Component)
	require.Equal(t, CauseImbalance, a.Cause)
	require.Equal(t, []registry.Rise{{Quantity: "vibration", Value: 5, Baseline: 2, Limit: 5, SinceMs: since.UnixMilli()}}, a.Rises)
	require.InDelta(t, 5, a.Limit, 0)
	r.pass(500, shake(0, 0.1))
	require.True(t, r.only().Active, "a machine that stands says nothing of its bearings")
	r.pass(500, shake(800, 4.5))
	require.True(t, r.only().Active, "4.5 is not below nine tenths of 5")
	r.pass(320, shake(800, 4.49))
	require.False(t, r.only().Active)
	require.EqualValues(t, 1, r.only().Count)
}

// The signal may come at other instants than the vibration.
func TestVibrationIsJudgedByTheSignalHeardLast(t *testing.T) {
	r := newRig(t)
	r.healthyDays(8, 60)
	r.pass(400, func() {
		r.hot(20)
		if r.now.Second() == 0 && r.now.Minute() < 5 {
			r.write("lathe", r.now, number64("power_w", 800))
		}
		r.write("lathe", r.now, number64("vibration_mm_s", 9))
	})
	require.Len(t, r.alarms(), 1)
	r = newRig(t)
	r.healthyDays(8, 60)
	r.pass(400, func() { // power last heard at 12:00:05, known for three minutes
		r.hot(20)
		if r.now.Minute() == 0 && r.now.Second() < 6 {
			r.write("lathe", r.now, number64("power_w", 800))
		}
		if r.now.Minute() > 3 {
			r.write("lathe", r.now, number64("vibration_mm_s", 9))
		} else {
			r.write("lathe", r.now, number64("vibration_mm_s", 1))
		}
	})
	require.Empty(t, r.alarms())
}

func TestNoBaselineNoAlarmButSaysSo(t *testing.T) {
	r := newRig(t)
	r.healthyDays(3, 60)
	r.pass(200, func() { r.hot(20); r.shake(800, 50) })
	require.Empty(t, r.alarms())
	b := r.w.Baselines()
	require.Len(t, b, 1)
	require.False(t, b[0].Known)
	require.Equal(t, "lathe", b[0].Machine)
	require.Equal(t, 180, b[0].RunMinutes)
	require.Equal(t, 240, b[0].NeedMinutes)
	// The backlog arrives: the baseline is found within a minute.
	r.healthyDays(20, 60)
	r.pass(61, func() { r.hot(20); r.shake(800, 1) })
	require.True(t, r.w.Baselines()[0].Known)
}

func TestBaselineOfAMachineWithoutData(t *testing.T) {
	b, err := LearnBaseline(context.Background(), tsdb.NewMemory(), "cfc", "lathe", quantity.Vibration, 0, noon)
	require.NoError(t, err)
	require.False(t, b.Known)
	require.InDelta(t, 2, median([]float64{3, 1, 2, 4}), 0)
}
