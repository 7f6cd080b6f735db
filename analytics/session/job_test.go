package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// jobRig is a furnace at 12 kW from the hour to two hours later, its register read every ten seconds: the first hour at
// 18 kW, the second at 6 kW, told as one long piece of run.
func jobRig(t *testing.T) (JobDeps, *registry.DB, int64) {
	ctx := t.Context()
	db := registrytest.Open(t)
	const from = int64(1_792_000_800_000) // some hour's edge in October 2026
	def := registry.SiteDefinition{
		Site: registry.Site{ID: "s", Zone: "Asia/Kolkata"},
		Machines: []registry.MachineDefinition{
			{Machine: registry.Machine{ID: "f", Class: "furnace"}, Settings: []registry.Settings{{Signal: "power", IdleAbove: 50, RunAbove: 1000, ReportMs: 10_000}}},
			{Machine: registry.Machine{ID: "p", Class: "polishing"}, Settings: []registry.Settings{{Signal: "power", IdleAbove: 50, RunAbove: 1000, ReportMs: 10_000}}},
		},
		Electricity: electricity.Config{
			Emission: []electricity.Emission{{Year: 2024, MicroKgPerKWh: 710_000, Version: "v21"}},
			Metals:   []electricity.Metal{{ID: "brass", Solid: 380, Melts: 930, Latent: 168_000, Liquid: 490, Pours: 1050}},
		},
	}
	require.NoError(t, db.Apply(ctx, def, "test", from))
	store := tsdb.NewMemory()
	var points []tsdb.Point
	wh := 5000.0
	for at := from; at <= from+2*hourMs; at += 10_000 {
		points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: "s", Machine: "f", TimeMs: at, Fields: []tsdb.Field{{Key: quantity.Field(quantity.Energy), Value: wh}}})
		if at < from+hourMs {
			wh += 50
		} else {
			wh += 50.0 / 3
		}
	}
	points = append(points, timeline.Interval{State: timeline.StateRun, StartMs: from, EndMs: from + 2*hourMs, EnergyMilliWh: 24_000_000}.Point("s", "f"),
		timeline.Interval{State: timeline.StateOff, StartMs: from + 2*hourMs, EndMs: from + 3*hourMs}.Point("s", "f"),
		timeline.Interval{State: timeline.StateRun, StartMs: from, EndMs: from + 2*hourMs, EnergyMilliWh: 2_000_000, EnergyEstimated: true}.Point("s", "p"))
	require.NoError(t, store.Write(ctx, points))
	return JobDeps{Store: store, Registry: db}, db, from
}

const hourMs = int64(3600_000)

// TestJobEnergyIsTheRegisters: a job that begins and ends within a piece has what the register counted meanwhile, not a
// share by time.
func TestJobEnergyIsTheRegisters(t *testing.T) {
	d, db, from := jobRig(t)
	ctx := t.Context()
	require.NoError(t, db.SaveJob(ctx, registry.Job{Site: "s", Number: "J", WeightG: 100_000, Heat: electricity.Heat{Metal: "brass", StartC: 30, EndC: 650}}, ""))
	work := func(machine string, a, b int64) {
		_, err := db.AddJobWork(ctx, registry.JobWork{Site: "s", Job: "J", Machine: machine, FromMs: a, ToMs: b, Author: "asha"})
		require.NoError(t, err)
	}
	work("f", from+5_000, from+1800_000) // between two readings, on one
	s, err := Sheet(ctx, d, "s", "J", from+3*hourMs)
	require.NoError(t, err)
	require.EqualValues(t, 8_975_000, s.Total.MilliWh, "18 kW for 29 min 55 s, by hand: 5000+8975 at the end less 5025 between readings")
	require.False(t, s.Total.EnergyEstimated)
	require.InDelta(t, 5025, s.Stretches[0].Register.FromWh, 1e-6)
	require.InDelta(t, 14_000, s.Stretches[0].Register.ToWh, 1e-6)
	require.EqualValues(t, 6372, *s.Total.GramsCO2, "8.975 kWh × 0.710")
	require.Equal(t, []GridFactor{{710_000, "v21", "2024-25", "2026-27"}}, s.Factors)
	require.EqualValues(t, 100_000*380*620/3600, *s.Heat.UsefulMilliWh, "kg × kJ/(kg·K) × K ÷ 3.6 = 6.544 kWh")
	require.InDelta(t, 6.544444/8.975, *s.Heat.Efficiency, 1e-6)

	work("p", from, from+hourMs)
	s, err = Sheet(ctx, d, "s", "J", from+3*hourMs)
	require.NoError(t, err)
	require.Nil(t, s.Stretches[0].Register, "no register")
	require.EqualValues(t, 1_000_000, s.Stretches[0].EstimatedMwh, "a share by time of what is estimated")
	require.EqualValues(t, 9_975_000, s.Total.MilliWh)
	require.EqualValues(t, 1_000_000, s.Total.EstimatedMwh)
	require.EqualValues(t, 8_975_000, s.Heat.FurnaceMilliWh, "the lathe heats nothing")

	all, err := Sheets(ctx, d, "s", []string{"f"}, from, from+hourMs, from+3*hourMs)
	require.NoError(t, err)
	require.Equal(t, []JobSheet{s}, all)
	all, err = Sheets(ctx, d, "s", []string{"f"}, from+hourMs, from+2*hourMs, from+3*hourMs)
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestHeatUndefined: every reason why an efficiency is not given.
func TestHeatUndefined(t *testing.T) {
	for why, change := range map[string]func(j *registry.Job, w *registry.JobWork){
		HeatNoWeight:    func(j *registry.Job, _ *registry.JobWork) { j.WeightG = 0 },
		HeatNoMetal:     func(j *registry.Job, _ *registry.JobWork) { j.Heat.Metal = "" },
		HeatNoSuchMetal: func(j *registry.Job, _ *registry.JobWork) { j.Heat.Metal = "gold" },
		HeatNone:        func(j *registry.Job, _ *registry.JobWork) { j.Heat.EndC = 30 },
		HeatOver:        func(j *registry.Job, _ *registry.JobWork) { j.WeightG *= 1000 },
		HeatOpen:        func(_ *registry.Job, w *registry.JobWork) { w.ToMs = 0 },
		HeatCoverage:    func(_ *registry.Job, w *registry.JobWork) { w.FromMs, w.ToMs = w.FromMs-5*hourMs, w.ToMs+hourMs },
		HeatNoEnergy:    func(_ *registry.Job, w *registry.JobWork) { w.FromMs, w.ToMs = w.FromMs+2*hourMs, w.FromMs+3*hourMs },
		HeatShared:      nil,
	} {
		d, db, from := jobRig(t)
		ctx := t.Context()
		j := registry.Job{Site: "s", Number: "J", WeightG: 10_000, Heat: electricity.Heat{Metal: "brass", StartC: 30, EndC: 650}}
		w := registry.JobWork{Site: "s", Job: "J", Machine: "f", FromMs: from, ToMs: from + hourMs}
		if change != nil {
			change(&j, &w)
		} else {
			require.NoError(t, db.SaveJob(ctx, registry.Job{Site: "s", Number: "K"}, ""))
			require.NoError(t, db.ReplaceJobTaps(ctx, "s", "f", 0, []registry.Session{{Site: "s", Machine: "f", StartMs: from, EndMs: from + 1000, Group: "K", CardHash: "c"}}))
		}
		require.NoError(t, db.SaveJob(ctx, j, ""))
		_, err := db.AddJobWork(ctx, w)
		require.NoError(t, err)
		s, err := Sheet(ctx, d, "s", "J", from+3*hourMs)
		require.NoError(t, err)
		require.Equal(t, why, s.Heat.Why)
		require.Nil(t, s.Heat.Efficiency)
	}
	d, db, from := jobRig(t)
	require.NoError(t, db.SaveJob(t.Context(), registry.Job{Site: "s", Number: "J", WeightG: 5}, ""))
	s, err := Sheet(t.Context(), d, "s", "J", from)
	require.NoError(t, err)
	require.Nil(t, s.Heat, "on no furnace")
}
