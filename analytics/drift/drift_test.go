package drift_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/drift"
	"karkhana/analytics/learn"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

const site, machine = "cfc", "lathe"

var begin = time.Date(2026, 8, 31, 18, 30, 0, 0, time.UTC) // midnight of 1 September in India

type rig struct {
	t     *testing.T
	store *tsdb.Memory
	db    *registry.DB
	k     *drift.Keeper
	now   time.Time
	day   int
	rnd   *rand.Rand
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db := registrytest.Open(t)
	def := registry.SiteDefinition{
		Site: registry.Site{ID: site, Name: registry.Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"},
		Machines: []registry.MachineDefinition{{
			Machine:  registry.Machine{ID: machine, Class: "polishing", Name: registry.Name{Hi: "खराद", En: "Lathe"}},
			Settings: []registry.Settings{{Signal: "power", IdleAbove: 100, RunAbove: 850, Hysteresis: 0.1, ReportMs: 300_000}},
		}},
	}
	require.NoError(t, db.Apply(t.Context(), def, "test", begin.UnixMilli()))
	r := &rig{t: t, store: tsdb.NewMemory(), db: db, rnd: rand.New(rand.NewPCG(1, 2))}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.k = drift.New(drift.Options{Store: r.store, Registry: r.db, Now: func() time.Time { return r.now }})
}

// days lets the machine work for n days at the given powers, with Sundays off, and judges each night.
func (r *rig) days(n int, idle, run float64) {
	r.t.Helper()
	for range n {
		var points []tsdb.Point
		for m := 0; m < 24*60; m += 5 {
			w := 0.0
			switch h := m / 60; {
			case r.day%7 == 6 || h < 9 || h >= 18:
			case m%60 < 20:
				w = idle * (0.97 + 0.06*r.rnd.Float64())
			default:
				w = run * (0.8 + 0.4*r.rnd.Float64())
			}
			points = append(points, tsdb.Point{
				Measurement: tsdb.Telemetry, Site: site, Machine: machine, TimeMs: begin.AddDate(0, 0, r.day).UnixMilli() + int64(m)*60_000,
				Fields: []tsdb.Field{{Key: "power_w", Value: w}},
			})
		}
		require.NoError(r.t, r.store.Write(r.t.Context(), points))
		r.day++
		for _, hour := range []time.Duration{time.Hour, 4 * time.Hour, 9 * time.Hour} { // too early, judged, judged already
			r.now = begin.AddDate(0, 0, r.day).Add(hour)
			require.NoError(r.t, r.k.Sweep(r.t.Context()))
		}
	}
}

func (r *rig) alarms() []registry.Alarm {
	r.t.Helper()
	a, err := r.db.Alarms(r.t.Context(), site, false, 0)
	require.NoError(r.t, err)
	return a
}

// confirm is what page and command line do.
func (r *rig) confirm(idle, run float64, keep bool) {
	r.t.Helper()
	rows, err := r.db.SettingsAt(r.t.Context(), site, machine)
	require.NoError(r.t, err)
	s := learn.InForce(rows, r.now.UnixMilli())
	if !keep {
		s = learn.Row(rows, begin.AddDate(0, 0, r.day-7).UnixMilli(), idle, run, 0)
	}
	require.NoError(r.t, r.db.ConfirmThresholds(r.t.Context(), s, registry.Confirmed{
		Site: site, Machine: machine, ValidFromMs: s.ValidFromMs, ConfirmedMs: r.now.UnixMilli(), Author: "manager", Signal: s.Signal,
		FromMs: begin.AddDate(0, 0, r.day-7).UnixMilli(), ToMs: begin.AddDate(0, 0, r.day).UnixMilli(),
	}))
}

// A machine that stays itself is never told of; a meter of half the ratio is told once, through restarts, until a person confirms; then the new
// powers are the usual ones.
func TestToldOnceAndEndedByConfirming(t *testing.T) {
	r := newRig(t)
	r.days(40, 430, 1900)
	require.Empty(t, r.alarms())
	r.days(8, 215, 950)
	require.Len(t, r.alarms(), 1)
	a := r.alarms()[0]
	require.Equal(t, registry.RuleThresholdDrift, a.Rule)
	require.Equal(t, "margin-run", a.Cause)
	require.True(t, a.Active)
	require.Greater(t, a.Value, a.Limit)
	r.restart()
	r.days(10, 215, 950)
	require.Len(t, r.alarms(), 1)
	require.EqualValues(t, 1, r.alarms()[0].Count, "told once")

	r.confirm(50, 420, false)
	a = r.alarms()[0]
	require.Equal(t, registry.AlarmResolved, a.State)
	require.False(t, a.Active)
	r.days(20, 215, 950)
	require.Len(t, r.alarms(), 1, "the new powers fit the new thresholds")
	r.days(8, 380, 1700) // idle grows towards the threshold of run
	require.Len(t, r.alarms(), 2)
	r.confirm(0, 0, true)
	r.days(10, 380, 1700)
	require.Len(t, r.alarms(), 2, "kept: the person stands for them")
}

// An alarm that a person closes without confirming is not raised again for the same drift.
func TestClosedByHand(t *testing.T) {
	r := newRig(t)
	r.days(20, 430, 1900)
	r.days(8, 860, 3800)
	require.Len(t, r.alarms(), 1)
	_, err := r.db.ResolveAlarm(t.Context(), site, r.alarms()[0].ID, "manager", "seen", r.now.UnixMilli())
	require.NoError(t, err)
	r.days(10, 860, 3800)
	require.Len(t, r.alarms(), 1)
}

// Holidays, a week without idle, too little work: nothing to tell.
func TestNotTold(t *testing.T) {
	r := newRig(t)
	r.days(20, 430, 1900)
	r.days(21, 0, 0) // closed
	r.days(8, 460, 1700)
	r.days(14, 0, 2100) // switched off instead of idling
	require.Empty(t, r.alarms())
}

// The stored days are what judging goes by: samples that are gone change nothing.
func TestDaysAreKept(t *testing.T) {
	r := newRig(t)
	r.days(30, 430, 1900)
	kept := tsdb.NewMemory()
	rows := 0
	require.NoError(t, r.store.Read(t.Context(), tsdb.Query{Measurement: tsdb.SignalDay, Site: site, Machine: machine, Fields: []string{"signal", "histogram"}, ToMs: r.now.UnixMilli()},
		func(row tsdb.Row) error {
			rows++
			return kept.Write(t.Context(), []tsdb.Point{{Measurement: tsdb.SignalDay, Site: site, Machine: machine, TimeMs: row.TimeMs,
				Fields: []tsdb.Field{{Key: "signal", Value: row.Values[0]}, {Key: "histogram", Value: row.Values[1]}}}})
		}))
	require.GreaterOrEqual(t, rows, 30)
	s, err := r.db.Site(t.Context(), site)
	require.NoError(t, err)
	want, _, known, err := drift.Judge(t.Context(), r.store, r.db, s, machine, r.now, false)
	require.NoError(t, err)
	require.True(t, known)
	got, _, _, err := drift.Judge(t.Context(), kept, r.db, s, machine, r.now, false)
	require.NoError(t, err)
	require.Equal(t, want.Recent.Sum.String(), got.Recent.Sum.String())
	require.Equal(t, want.Reference.String(), got.Reference.String())
}
