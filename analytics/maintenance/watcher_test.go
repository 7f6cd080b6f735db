package maintenance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

func TestTemperatureHighIsRaisedOnceAndCleared(t *testing.T) {
	r := newRig(t)
	r.pass(30, func() { r.alive() })
	hot := func(c float64) func() { return func() { r.alive(); r.hot(c) } }
	begin := r.now.Add(time.Second)
	r.pass(60, hot(905))
	require.Empty(t, r.alarms(), "59 s are not 60")
	r.pass(1, hot(905))
	a := r.only()
	require.Equal(t, RuleTemperatureHigh, a.Rule)
	require.Equal(t, "temperature", a.Component)
	require.Equal(t, "furnace", a.Machine)
	require.Equal(t, begin.Add(60*time.Second).UnixMilli(), a.OpenedMs, "event time")
	require.InDelta(t, 905, a.Value, 0)
	require.InDelta(t, 900, a.Limit, 0)
	// Flapping around the limit, inside the deadband of 9 °C.
	r.pass(30, func() { r.alive(); r.hot(899 - 2*float64(r.now.Second()%2)) })
	r.pass(200, func() { r.alive(); r.hot(895 + float64(r.now.Second()%12)) })
	a = r.only()
	require.EqualValues(t, 1, a.Count)
	require.True(t, a.Active)
	r.pass(5, hot(891))
	require.True(t, r.only().Active, "891 is not below 900 − 9")
	r.pass(5, hot(890.9))
	a = r.only()
	require.False(t, a.Active)
	require.Equal(t, registry.AlarmOpen, a.State, "handling is apart from the condition")
	// Comes back: the same alarm, counted.
	r.pass(120, hot(950))
	require.EqualValues(t, 2, r.only().Count)
}

func TestSparseSamplesRaise(t *testing.T) {
	r := newRig(t)
	r.pass(150, func() {
		if r.now.Second() == 0 {
			r.hot(950)
		}
		r.shake(0, 0)
	})
	require.Equal(t, RuleTemperatureHigh, r.only().Rule)
}

// Samples of one pack arrive at once; every one of them must be looked at.
func TestPacksAreReadWhole(t *testing.T) {
	r := newRig(t)
	r.pass(120, func() {
		r.shake(0, 0)
		if r.now.Second()%10 == 0 {
			for i := range 10 {
				c := 950.0
				if i == 5 && r.now.Equal(noon.Add(30*time.Second)) {
					c = 500 // one cool sample in the middle of a pack ends the on-delay
				}
				r.write("furnace", r.now.Add(time.Duration(i-9)*time.Second), number64("temperature_c", c))
			}
		}
	})
	a := r.only()
	require.EqualValues(t, 1, a.Count)
	require.Equal(t, noon.Add((30-9+6+60)*time.Second).UnixMilli(), a.OpenedMs)
}

func TestOldBufferedDataRaisesNothing(t *testing.T) {
	r := newRig(t)
	for s := 16 * 60; s < 3*3600; s += 10 {
		r.write("furnace", r.now.Add(-time.Duration(s)*time.Second), number64("temperature_c", 1200))
	}
	r.pass(5, func() {})
	// The backlog goes on arriving behind live values.
	r.pass(300, func() {
		r.alive()
		for i := range 20 {
			r.write("furnace", r.now.Add(-4*time.Hour+time.Duration(i)*time.Second), number64("temperature_c", 1200))
		}
	})
	require.Empty(t, r.alarms())
}

func TestFaultySensorIsNotJudged(t *testing.T) {
	r := newRig(t)
	for _, quality := range []string{"fault:open", "stale"} {
		r.pass(200, func() {
			r.shake(0, 0)
			r.write("furnace", r.now, number64("temperature_c", 2000), tsdb.Field{Key: "temperature_c_q", Value: quality})
		})
		require.Empty(t, r.alarms())
	}
	r.pass(200, func() {
		r.shake(0, 0)
		r.write("furnace", r.now, number64("temperature_c", 2000), tsdb.Field{Key: "temperature_c_q", Value: "saturated"})
	})
	require.Len(t, r.alarms(), 1)
}

func TestRestart(t *testing.T) {
	hot := func(r *rig) func() { return func() { r.alive(); r.hot(950) } }
	t.Run("a standing alarm is not raised twice", func(t *testing.T) {
		r := newRig(t)
		r.pass(300, func() { r.alive() })
		r.pass(120, hot(r))
		r.restart()
		r.pass(120, hot(r))
		a := r.only()
		require.EqualValues(t, 1, a.Count)
		require.True(t, a.Active)
	})
	t.Run("a running on-delay is not forgotten", func(t *testing.T) {
		r := newRig(t)
		r.pass(50, hot(r))
		r.restart()
		begin := noon.Add(time.Second)
		r.pass(11, hot(r))
		require.Equal(t, begin.Add(time.Minute).UnixMilli(), r.only().OpenedMs)
	})
	t.Run("what went while it was down is cleared", func(t *testing.T) {
		r := newRig(t)
		r.pass(120, hot(r))
		for range 60 {
			r.now = r.now.Add(time.Second)
			r.alive()
		}
		gone := r.now.Add(-59 * time.Second)
		r.restart()
		r.pass(2, func() { r.alive() })
		a := r.only()
		require.False(t, a.Active)
		require.Equal(t, gone.UnixMilli(), a.ClearedMs)
	})
	t.Run("what came while it was down is raised", func(t *testing.T) {
		r := newRig(t)
		r.pass(10, func() { r.alive() })
		for range 90 {
			r.now = r.now.Add(time.Second)
			hot(r)()
		}
		r.restart()
		r.pass(1, func() { r.alive() })
		a := r.only()
		require.EqualValues(t, 1, a.Count)
		require.False(t, a.Active, "and it is over already")
	})
	t.Run("an alarm cleared before is not counted again", func(t *testing.T) {
		r := newRig(t)
		r.pass(120, hot(r))
		r.pass(60, func() { r.alive() })
		for range 3 {
			r.restart()
			r.pass(5, func() { r.alive() })
		}
		require.EqualValues(t, 1, r.only().Count)
	})
	t.Run("a long silence is neither raised twice nor cleared", func(t *testing.T) {
		r := newRig(t)
		r.pass(200, func() { r.hot(20) })
		require.Equal(t, "lathe", r.only().Machine)
		r.restart()
		r.pass(300, func() { r.hot(20) })
		a := r.only()
		require.EqualValues(t, 1, a.Count)
		require.True(t, a.Active)
	})
	t.Run("so is a gateway's", func(t *testing.T) {
		r := newRig(t)
		r.gateway("gw-1", false)
		r.pass(200, nil)
		require.Equal(t, CauseGateway, r.only().Cause)
		r.restart()
		r.pass(300, nil)
		a := r.only()
		require.EqualValues(t, 1, a.Count)
		require.True(t, a.Active)
	})
}

func TestARegistryThatFailsIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.db.err = errDisk
	r.pass(100, func() { r.alive(); r.hot(950) })
	require.Empty(t, r.alarms())
	r.db.err = nil
	r.pass(1, func() { r.alive(); r.hot(950) })
	require.EqualValues(t, 1, r.only().Count)
	r.db.err = errDisk
	r.pass(10, func() { r.alive() })
	r.pass(70, func() { r.alive(); r.hot(950) })
	r.db.err = nil
	r.pass(1, func() { r.alive(); r.hot(950) })
	a := r.only()
	require.EqualValues(t, 2, a.Count, "clear and second raise were carried over in order")
	require.True(t, a.Active)
}

func TestAcknowledgeResolveReopen(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	hot := func() { r.alive(); r.hot(950) }
	r.pass(61, hot)
	a := r.only()
	_, err := r.db.AcknowledgeAlarm(ctx, "cfc", a.ID, "tech", r.now.UnixMilli())
	require.NoError(t, err)
	r.pass(10, hot)
	require.Equal(t, registry.AlarmAcknowledged, r.only().State)
	r.pass(10, func() { r.alive() })
	_, err = r.db.ResolveAlarm(ctx, "cfc", a.ID, "tech", "door seal changed", r.now.UnixMilli())
	require.NoError(t, err)
	r.pass(61, hot)
	again := r.only()
	require.Equal(t, a.ID, again.ID, "within ten minutes it is the same alarm")
	require.Equal(t, registry.AlarmOpen, again.State)
	require.EqualValues(t, 2, again.Count)
	r.pass(10, func() { r.alive() })
	_, err = r.db.ResolveAlarm(ctx, "cfc", a.ID, "tech", "", r.now.UnixMilli())
	require.NoError(t, err)
	r.pass(601, func() { r.alive() })
	r.pass(61, hot)
	require.Len(t, r.alarms(), 2)
}

func TestARuleTakenAwayClears(t *testing.T) {
	r := newRig(t)
	r.pass(61, func() { r.alive(); r.hot(950) })
	require.True(t, r.only().Active)
	r.apply(func(d *registry.SiteDefinition) { d.Machines[0].Settings[0].TemperatureMaxC = 0 })
	r.pass(61, func() { r.alive(); r.hot(950) })
	require.False(t, r.only().Active)
}

func TestNewChecksItsOptions(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "Store and Registry are needed")
	_, err = New(Options{Store: tsdb.NewMemory(), Registry: &registry.DB{}, Every: -1})
	require.ErrorContains(t, err, "positive duration")
}
