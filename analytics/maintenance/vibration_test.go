package maintenance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// minutes of one quantity through a track: limit 10, three of five.
func TestTrackPersistenceAndHysteresis(t *testing.T) {
	var k track
	at := int64(0)
	feed := func(values ...float64) bool {
		for _, v := range values {
			at += minuteMs
			k.step(line{rule: true, known: true, limit: 10}, 3, 5, at, v)
		}
		return k.raised
	}
	require.False(t, feed(5, 12, 5, 12, 5), "two of five")
	require.False(t, feed(5, 5, 12, 5, 5, 12))
	require.True(t, feed(5, 12, 12), "12, 5, 12, 12: three of five, with a pause between")
	require.True(t, feed(9.5, 9.5, 9.5, 9.5, 9.5), "within a tenth below the limit nothing changes")
	require.True(t, feed(8, 12, 8))
	require.False(t, feed(8))
	k = track{}
	at += 10 * minuteMs
	require.False(t, feed(12, 12))
	at += 20 * minuteMs
	require.False(t, feed(12), "what is older than 15 minutes does not count")
}

// fine is one sample of the lathe with acceleration and kurtosis.
func (r *rig) fine(at time.Time, powerW, mmS, acceleration, kurtosis float64) {
	r.write("lathe", at, number64("power_w", powerW), number64("vibration_mm_s", mmS),
		number64("acceleration_m_s2", acceleration), number64("kurtosis", kurtosis))
}

// withAcceleration gives the lathe all three rules and healthy days of all three.
func (r *rig) withAcceleration() {
	r.t.Helper()
	r.apply(func(d *registry.SiteDefinition) {
		d.Machines[1].Settings[0].AccelerationRatio, d.Machines[1].Settings[0].KurtosisRise = 2.5, 1.5
	})
	r.healthyDays(8, 60)
	for d := range 8 {
		for m := range 60 {
			at := noon.AddDate(0, 0, d-8).Add(time.Duration(m) * time.Minute)
			r.write("lathe", at, number64("acceleration_m_s2", 4), number64("kurtosis", 3))
		}
	}
}

// Several quantities of one bearing rise one after another: one alarm, that says more as more rises.
func TestOneAlarmForOneBearing(t *testing.T) {
	r := newRig(t)
	r.withAcceleration()
	state := func(mmS, acceleration, kurtosis float64) func() {
		return func() { r.hot(20); r.fine(r.now, 800, mmS, acceleration, kurtosis) }
	}
	r.pass(300, state(2, 9.9, 4.4))
	require.Empty(t, r.alarms())
	r.pass(300, state(2, 9.9, 5))
	a := r.only()
	require.Equal(t, CauseBearing, a.Cause)
	require.Len(t, a.Rises, 1)
	require.Equal(t, registry.Rise{Quantity: quantity.Kurtosis, Value: 5, Baseline: 3, Limit: 4.5, SinceMs: a.Rises[0].SinceMs}, a.Rises[0])
	r.pass(300, state(2, 20, 5))
	a = r.only()
	require.Len(t, a.Rises, 2)
	require.Equal(t, quantity.Accel, a.Rises[0].Quantity, "the one furthest over its limit first")
	require.InDelta(t, 10, a.Limit, 0)
	require.Equal(t, CauseBearing, a.Cause)
	r.restart()
	r.pass(300, state(9, 20, 5))
	a = r.only()
	require.Len(t, a.Rises, 3)
	require.Equal(t, CauseWear, a.Cause)
	require.EqualValues(t, 1, a.Count, "it is the same alarm, told once")
	r.pass(300, state(2, 4, 5))
	require.True(t, r.only().Active, "kurtosis still stands")
	r.pass(300, state(2, 4, 3))
	require.False(t, r.only().Active)
}

func TestCauses(t *testing.T) {
	rise := func(names ...string) (out []registry.Rise) {
		for _, n := range names {
			out = append(out, registry.Rise{Quantity: n})
		}
		return out
	}
	require.Equal(t, CauseImbalance, causeOf(rise("vibration", "acceleration"), true))
	require.Equal(t, CauseBearing, causeOf(rise("acceleration"), true))
	require.Equal(t, CauseShaking, causeOf(rise("acceleration"), false))
	require.Equal(t, CauseShaking, causeOf(rise("kurtosis"), false))
	require.Equal(t, CauseWear, causeOf(rise("kurtosis", "vibration"), true))
}

// A backlog of days with a worn bearing raises nothing when it arrives.
func TestBufferedVibrationRaisesNothing(t *testing.T) {
	r := newRig(t)
	r.withAcceleration()
	for s := range 3 * 3600 {
		if s%10 == 0 {
			r.fine(r.now.Add(-16*time.Minute-time.Duration(s)*time.Second), 800, 20, 80, 9)
		}
	}
	r.pass(300, func() { r.hot(20); r.fine(r.now, 800, 2, 4, 3) })
	require.Empty(t, r.alarms())
}

// A new wheel: the baseline is learnt anew from its day on.
func TestBaselineFrom(t *testing.T) {
	r := newRig(t)
	r.healthyDays(20, 60) // 2 mm/s in the first week, 4 mm/s later
	from := noon.AddDate(0, 0, -10)
	b, err := LearnBaseline(context.Background(), r.store, "cfc", "lathe", quantity.Vibration, from.UnixMilli(), r.now)
	require.NoError(t, err)
	require.True(t, b.Known)
	require.InDelta(t, 4, b.Usual, 0)
	require.InDelta(t, 10, b.Limit(registry.Settings{VibrationRatio: 2.5}), 0)
	require.InDelta(t, 4.8, b.Limit(registry.Settings{VibrationRatio: 1.1}), 1e-9, "never closer than 1.2 times what is usual at times")
	require.Zero(t, b.Limit(registry.Settings{}))
}

func TestCompare(t *testing.T) {
	r := newRig(t)
	r.healthyDays(20, 60)
	s := registry.Settings{VibrationRatio: 2.5}
	c, err := Compare(context.Background(), r.store, s, "cfc", "lathe", r.now)
	require.NoError(t, err)
	require.Len(t, c, 1, "quantities never sent are left out")
	require.InDelta(t, 2, c[0].Usual, 0)
	require.InDelta(t, 5, c[0].Limit, 0)
	require.InDelta(t, 4, c[0].Present, 0)
	require.Equal(t, noon.AddDate(0, 0, -1).Add(time.Hour).UnixMilli(), c[0].PresentMs)
	c, err = Compare(context.Background(), tsdb.NewMemory(), s, "cfc", "lathe", r.now)
	require.NoError(t, err)
	require.Empty(t, c)
}

func TestVibrationWords(t *testing.T) {
	w, err := loadWords()
	require.NoError(t, err)
	a := registry.Alarm{Site: "cfc", Machine: "lathe", Rule: RuleVibrationHigh, Component: "vibration", Cause: CauseBearing, Active: true,
		OpenedMs: noon.UnixMilli(), Rises: []registry.Rise{{Quantity: "acceleration", Value: 12, Baseline: 4, Limit: 10, SinceMs: noon.UnixMilli()}}}
	m := w.message(a, registry.Site{ID: "cfc"}, registry.Machine{ID: "lathe"}, time.UTC)
	require.Equal(t, "lathe: bearing sounds worn", m.Title.En)
	require.Contains(t, m.Text.En, "acceleration 12.00 m/s², 3.0 times the usual 4.00 m/s², limit 10.00 m/s², since 20-11-2026 12:00")
	require.Contains(t, m.Text.Hi, "सामान्य 4.00 m/s² का 3.0 गुना")
	for _, cause := range []string{"", CauseBearing, CauseImbalance, CauseWear, CauseShaking} {
		a.Cause = cause
		m := w.message(a, registry.Site{ID: "cfc"}, registry.Machine{ID: "lathe"}, time.UTC)
		require.NotEmpty(t, m.Title.Hi)
		require.NotContains(t, m.Text.Hi+m.Text.En+m.Title.Hi, "{")
	}
}
