package registry

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func hot(atMs int64) Alarm {
	return Alarm{Site: site, Machine: "furnace-1", Rule: "temperature-high", Component: "temperature", OpenedMs: atMs, Value: 960, Limit: 950}
}

func TestAlarmLife(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		a, isNew, err := d.RaiseAlarm(ctx, hot(1000))
		require.NoError(t, err)
		require.True(t, isNew)
		want := hot(1000)
		want.ID, want.State, want.Active, want.Count = 1, AlarmOpen, true, 1
		require.Equal(t, want, a)

		again := hot(2000)
		again.Value = 970
		a, isNew, err = d.RaiseAlarm(ctx, again)
		require.NoError(t, err)
		require.False(t, isNew)
		want.Value, want.Count = 970, 2
		require.Equal(t, want, a, "opened stays the first time")

		other := hot(2000)
		other.Component = "setpoint"
		b, isNew, err := d.RaiseAlarm(ctx, other)
		require.NoError(t, err)
		require.True(t, isNew)
		require.EqualValues(t, 2, b.ID)

		unnotified, err := d.UnnotifiedAlarms(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, []Alarm{a, b}, unnotified)
		require.NoError(t, d.AlarmNotified(ctx, a.ID, 2500))
		unnotified, err = d.UnnotifiedAlarms(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, []Alarm{b}, unnotified)

		a, err = d.AcknowledgeAlarm(ctx, site, a.ID, "meena", 3000)
		require.NoError(t, err)
		require.Equal(t, AlarmAcknowledged, a.State)
		a, err = d.AcknowledgeAlarm(ctx, site, a.ID, "suresh", 3500)
		require.NoError(t, err)
		require.Equal(t, "meena", a.AcknowledgedBy, "the first one keeps it")
		require.EqualValues(t, 3000, a.AcknowledgedMs)

		require.NoError(t, d.ClearAlarm(ctx, site, "furnace-1", "temperature-high", "temperature", 4000))
		a, isNew, err = d.RaiseAlarm(ctx, hot(5000))
		require.NoError(t, err)
		require.False(t, isNew)
		require.Equal(t, AlarmAcknowledged, a.State, "raised again it stays acknowledged")
		require.True(t, a.Active)
		require.Zero(t, a.ClearedMs)
		require.NoError(t, d.ClearAlarm(ctx, site, "furnace-1", "temperature-high", "temperature", 6000))
		require.NoError(t, d.ClearAlarm(ctx, site, "furnace-1", "temperature-high", "temperature", 7000))

		a, err = d.ResolveAlarm(ctx, site, a.ID, "meena", "door seal replaced", 8000)
		require.NoError(t, err)
		require.Equal(t, AlarmResolved, a.State)
		require.False(t, a.Active)
		require.EqualValues(t, 6000, a.ClearedMs, "cleared once")
		require.Equal(t, "door seal replaced", a.Note)

		_, err = d.AcknowledgeAlarm(ctx, site, a.ID, "suresh", 9000)
		require.ErrorIs(t, err, ErrState)
		require.ErrorContains(t, err, "acknowledge alarm 1 of jodhpur-cfc: not possible in this state: it was resolved by meena at 1970-01-01T00:00:08Z")
		_, err = d.ResolveAlarm(ctx, site, a.ID, "suresh", "", 9000)
		require.ErrorIs(t, err, ErrState)
		_, err = d.AcknowledgeAlarm(ctx, "elsewhere", b.ID, "suresh", 9000)
		require.ErrorIs(t, err, ErrNotFound, "an alarm of another site is none")

		all, err := d.Alarms(ctx, site, false, 0)
		require.NoError(t, err)
		require.Equal(t, []Alarm{b, a}, all, "newest first")
		unresolved, err := d.Alarms(ctx, site, true, 10)
		require.NoError(t, err)
		require.Equal(t, []Alarm{b}, unresolved)
		one, err := d.Alarms(ctx, site, false, 1)
		require.NoError(t, err)
		require.Len(t, one, 1)
	})
}

func TestAlarmReopens(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		first, _, err := d.RaiseAlarm(ctx, hot(1000))
		require.NoError(t, err)
		require.NoError(t, d.AlarmNotified(ctx, first.ID, 1500))
		_, err = d.ResolveAlarm(ctx, site, first.ID, "meena", "swept", 2000)
		require.NoError(t, err)

		a, isNew, err := d.RaiseAlarm(ctx, hot(2000+alarmReopenMs-1))
		require.NoError(t, err)
		require.False(t, isNew)
		require.Equal(t, first.ID, a.ID)
		require.Equal(t, AlarmOpen, a.State)
		require.EqualValues(t, 2, a.Count)
		require.Zero(t, a.ResolvedMs)
		require.Zero(t, a.NotifiedMs, "to be told again")
		require.Equal(t, "swept", a.Note, "what was tried stays to be read")

		_, err = d.ResolveAlarm(ctx, site, a.ID, "meena", "swept", 10_000_000)
		require.NoError(t, err)
		b, isNew, err := d.RaiseAlarm(ctx, hot(10_000_000+alarmReopenMs))
		require.NoError(t, err)
		require.True(t, isNew, "after ten minutes it is a new one")
		require.NotEqual(t, first.ID, b.ID)
	})
}

func TestOneUnresolvedAlarmHoweverManyRaise(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		const callers = 16
		var made atomic.Int64
		raiseAll := func(atMs int64) {
			var g errgroup.Group
			for range callers {
				g.Go(func() error {
					_, isNew, err := d.RaiseAlarm(t.Context(), hot(atMs))
					if isNew {
						made.Add(1)
					}
					return err
				})
			}
			require.NoError(t, g.Wait())
		}
		raiseAll(1000)
		require.EqualValues(t, 1, made.Load())
		_, err := d.ResolveAlarm(t.Context(), site, 1, "meena", "", 2000)
		require.NoError(t, err)
		raiseAll(3000)
		require.EqualValues(t, 1, made.Load(), "reopened, not made anew")
		all, err := d.Alarms(t.Context(), site, false, 0)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.EqualValues(t, 2*callers, all[0].Count)
	})
}

func TestAlarmValuesMustBeFinite(t *testing.T) {
	d := open(t, "sqlite://"+t.TempDir()+"/r.db")
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		a := hot(1)
		a.Value = v
		_, _, err := d.RaiseAlarm(t.Context(), a)
		require.ErrorContains(t, err, "is not finite")
	}
}
