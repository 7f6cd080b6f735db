package maintenance

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/hardware/sim"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// TestWornBearingOfTheSimulatedWorkshop lets the simulated workshop run for up to 45 days, a reading a minute, through
// store, baselines and watcher with the limits of the kits: the lathe's bearing must be told well before it fails and not
// while it is sound, and nothing may be told of the other machines. After the first week only the hours from 10 to 15 of
// each day are played; KARKHANA_LONG=1 plays all of them, and a second workshop.
func TestWornBearingOfTheSimulatedWorkshop(t *testing.T) {
	if testing.Short() {
		t.Skip("a month takes some seconds")
	}
	long := os.Getenv("KARKHANA_LONG") != ""
	seeds := []uint64{7}
	if long {
		seeds = append(seeds, 42)
	}
	for _, seed := range seeds {
		epoch := noon.AddDate(0, 0, -60)
		w, err := sim.New(sim.Options{Seed: seed, Epoch: epoch})
		require.NoError(t, err)
		r := newRig(t)
		r.now = epoch
		r.apply(func(d *registry.SiteDefinition) {
			base := d.Machines[0].Settings[0]
			base.ValidFromMs, base.TemperatureMaxC, base.SilentAfterMs, base.ReportMs = epoch.UnixMilli(), 0, 300_000, 60_000
			for i := range d.Machines { // the rig's own are not there
				s := &d.Machines[i].Settings[0]
				s.SilentAfterMs, s.TemperatureMaxC, s.VibrationRatio = 0, 0, 0
			}
			for _, kind := range sim.Kinds() {
				s := base
				switch kind {
				case sim.Furnace:
					s.TemperatureMaxC, s.IdleAbove, s.RunAbove = 1050, 40, 2000
				case sim.Polishing:
					s.TemperatureMaxC, s.IdleAbove, s.RunAbove = 85, 150, 800
					s.VibrationRatio, s.AccelerationRatio, s.KurtosisRise = 2.5, 2.5, 1.5
				}
				d.Machines = append(d.Machines, registry.MachineDefinition{
					Machine: registry.Machine{ID: kind + "-1", Class: kind, Name: registry.Name{Hi: kind, En: kind}}, Settings: []registry.Settings{s},
				})
			}
		})
		r.gateway("gw-1", true)
		r.restart()
		machines := map[string]*sim.Machine{}
		for _, kind := range sim.Kinds() {
			machines[kind], err = w.Machine(kind)
			require.NoError(t, err)
		}
		var (
			piece     timeline.Interval // of the lathe, the last one
			told      registry.Alarm
			wear      float64
			failedDay int
			failed    bool
		)
		for minute := 0; minute < 45*24*60 && !failed; minute++ {
			r.now = epoch.Add(time.Duration(minute) * time.Minute)
			if hour := minute / 60 % 24; !long && minute > 8*24*60 && (hour < 10 || hour >= 15) {
				continue
			}
			var points []tsdb.Point
			for _, kind := range sim.Kinds() {
				if kind != sim.Polishing && minute%4 != 0 {
					continue // often enough for their rules
				}
				m := machines[kind]
				samples, err := m.Sense(r.now)
				require.NoError(t, err)
				p := tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: kind + "-1", TimeMs: r.now.UnixMilli()}
				for _, s := range samples {
					if q, _ := quantity.Get(s.Quantity); q.Kind == quantity.KindNumber {
						v := s.Number
						if s.Quantity == quantity.Vibration {
							v *= 1000
						}
						p.Fields = append(p.Fields, tsdb.Field{Key: q.Field, Value: v})
					}
				}
				points = append(points, p)
				if kind != sim.Polishing {
					continue
				}
				truth, err := m.Truth(r.now)
				require.NoError(t, err)
				if minute%(24*60) == 10*60 && wear > truth.Wear {
					failed, failedDay = true, minute/(24*60) // changed because it was done for
				}
				if minute%(24*60) == 10*60 {
					wear = truth.Wear
				}
				if piece.State != truth.State || piece.EndMs != r.now.UnixMilli() {
					piece = timeline.Interval{State: truth.State, StartMs: r.now.UnixMilli()}
				}
				piece.EndMs = r.now.Add(time.Minute).UnixMilli()
				points = append(points, piece.Point("cfc", kind+"-1")) // grows, as analytics writes it
			}
			require.NoError(t, r.store.Write(t.Context(), points))
			if minute%60 != 0 {
				r.w.reloaded = r.now // settings do not change; reading them each minute is most of the time
			}
			if minute%2 == 0 {
				r.w.evaluate(t.Context())
			}
			if minute%60 != 0 {
				continue
			}
			for _, a := range r.alarms() {
				require.Equal(t, "polishing-1", a.Machine, "day %d: a false alarm: %+v", minute/(24*60), a)
				require.Equal(t, RuleVibrationHigh, a.Rule)
				if told.ID == 0 {
					told = a
					truth, err := machines[sim.Polishing].Truth(r.now)
					require.NoError(t, err)
					t.Logf("seed %d: told on day %d, wear %.2f (6 is the end), cause %s: %+v", seed, minute/(24*60), truth.Wear, a.Cause, a.Rises)
					require.Greater(t, truth.Wear, 1.2, "the bearing is sound")
				}
			}
		}
		require.True(t, failed, "the bearing should have worn out")
		require.NotZero(t, told.ID)
		toldDay := int(time.UnixMilli(told.OpenedMs).Sub(epoch).Hours() / 24)
		t.Logf("seed %d: worn out on day %d, %d days after the alarm; raised %d times; other machines: 0 alarms in %d days",
			seed, failedDay, failedDay-toldDay, r.only().Count, failedDay)
		require.GreaterOrEqual(t, failedDay, 30)
		require.GreaterOrEqual(t, failedDay-toldDay, 7, "a week to get a bearing")
	}
}
