package energy_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/energy"
	"karkhana/analytics/fold"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// Whatever a machine did and whoever used it: the energies of the states, of the tariff bands with the untariffed, and of
// the sessions with the time without one add up to the same, to the milliwatt-hour, and so do days and the whole.
func TestSumsAgreeToTheMilliWh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		r.config.Tariffs[0].ValidFromMs = midnight + rapid.SampledFrom([]int64{-day, 0, 7*hour + 15*minute, 5 * day}).Draw(t, "tariff from")
		at, wh := midnight+rapid.Int64Range(0, 3*hour).Draw(t, "begin"), 0.0
		var samples []fold.Sample
		for range rapid.IntRange(1, 60).Draw(t, "stretches") {
			watt := rapid.SampledFrom([]float64{0, 90, 300, 950, 2000.7, 9000}).Draw(t, "power")
			has := rapid.SampledFrom([]fold.Has{7, 7, 7, fold.HasSignal | fold.HasPower, fold.HasEnergy, fold.HasPower}).Draw(t, "has")
			step := rapid.SampledFrom([]int64{minute, 7_000}).Draw(t, "step")
			for range rapid.IntRange(1, 60).Draw(t, "samples") {
				samples = append(samples, fold.Sample{TimeMs: at, Signal: watt, PowerW: watt, EnergyWh: wh, Has: has & 7})
				at += step
				wh += watt * float64(step) / 3.6e6
			}
			gap := rapid.SampledFrom([]int64{0, 0, 5 * minute, 100 * minute, 9 * hour}).Draw(t, "gap")
			at, wh = at+gap, wh+watt*float64(gap)/3.6e6
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				wh = 0
			}
		}
		r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, samples)
		for start := midnight; start < at; {
			start += rapid.Int64Range(0, 4*hour).Draw(t, "until tap")
			length := rapid.Int64Range(1, 5*hour).Draw(t, "length")
			r.sessions = append(r.sessions, registry.Session{Site: site, Machine: "m", StartMs: start, EndMs: start + length, Group: "g"})
			start += rapid.Int64Range(0, length+hour).Draw(t, "next") // takeovers overlap
		}
		r.nowMs = at
		var whole int64
		for _, by := range []string{energy.ByAll, energy.ByDay, energy.ByHour} {
			var total int64
			uses, err := energy.Machine(context.Background(), r.deps(), site, "m", midnight, at+1, by, r.nowMs)
			require.NoError(t, err)
			for _, u := range uses {
				bands, sessions := u.UntariffedMwh, u.NoSessionMilliWh
				for _, b := range u.Bands {
					bands += b.MilliWh
				}
				for _, s := range u.Sessions {
					require.GreaterOrEqual(t, s.MilliWh, int64(0))
					sessions += s.MilliWh
				}
				require.Equal(t, u.MilliWh(), bands, "bands")
				require.Equal(t, u.MilliWh(), sessions, "sessions")
				require.GreaterOrEqual(t, u.NoSessionMilliWh, int64(0))
				total += u.MilliWh()
			}
			if by == energy.ByAll {
				whole = total
			}
			require.Equal(t, whole, total, by)
		}
	})
}

// A day at constant 6 kW under the Rajasthan bands: hours × 6 kWh × price of the band, to the paisa.
func TestBandsAndCostOfADay(t *testing.T) {
	r := newRig(t)
	r.machine(t, registry.Machine{ID: "m", Class: "furnace", RatedW: 12_000}, metered(load{midnight, midnight + day, 6000}))
	u := r.use(t, "m", midnight, midnight+day)
	require.Equal(t, int64(144_000_000), u.MilliWh())
	want := map[string][3]int64{ // milliWh, energy charge, time of day
		"normal": {84_000_000, 54_600, 0}, "morning": {12_000_000, 7_800, 390}, "solar": {24_000_000, 15_600, -1_560}, "evening": {24_000_000, 15_600, 1_560},
	}
	require.Len(t, u.Bands, 4)
	for _, b := range u.Bands {
		got := [3]int64{b.MilliWh, b.EnergyPaise, b.TimeOfDayPaise}
		require.Equal(t, want[b.Tariff.Bands[b.Band].ID], got, b.Tariff.Bands[b.Band].ID)
	}
	require.Equal(t, int64(93_600+390+14_400), *u.EnergyPaise, "energy, time of day, surcharge")
	require.Empty(t, u.Flags.Codes())

	require.Equal(t, int64(6000), u.PeakW)
	require.InDelta(t, 1, *u.LoadFactor, 1e-9)
	require.InDelta(t, 0.5, *u.Loading, 1e-9)
	require.Equal(t, int64(6_000_000), *u.MilliWhPerRunH)
	require.InDelta(t, 1, *u.Coverage, 1e-9)
	require.Zero(t, *u.IdleShare)
	require.Equal(t, int64(144*710), u.CO2Grams)
	require.Equal(t, 2026, u.CO2[0].Year)
	require.Equal(t, "CEA v21.0, Nov 2025", u.CO2[0].Factor.Version)
	require.Contains(t, u.Notes, energy.NoteFactorBefore, "2026-27 has no factor of its own yet")
}

// The register is read on the edges of bands: 05:59–06:00 at 60 kW does not leak into the morning.
func TestBandEdgeIsExact(t *testing.T) {
	r := newRig(t)
	six := midnight + 6*hour
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(load{six - hour, six, 60_000}, load{six, six + hour, 0}))
	u := r.use(t, "m", six-hour, six+hour)
	require.Len(t, u.Bands, 1)
	require.Equal(t, int64(60_000_000), u.Bands[0].MilliWh)
	require.Equal(t, "normal", u.Bands[0].Tariff.Bands[u.Bands[0].Band].ID)
}

func TestSessionsAndIdle(t *testing.T) {
	r := newRig(t)
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(
		load{midnight, midnight + 9*hour, 0}, load{midnight + 9*hour, midnight + 11*hour, 6000}, load{midnight + 11*hour, midnight + 13*hour, 600}, load{midnight + 13*hour, midnight + day, 0}))
	r.sessions = []registry.Session{
		{Machine: "m", StartMs: midnight + 9*hour, EndMs: midnight + 10*hour + 30*minute, Group: "a"},
		{Machine: "m", StartMs: midnight + 10*hour, EndMs: midnight + 11*hour, Group: "b"}, // takes over
	}
	u := r.use(t, "m", midnight, midnight+day)
	require.Equal(t, []int64{6_000_000, 6_000_000}, []int64{u.Sessions[0].MilliWh, u.Sessions[1].MilliWh})
	require.Equal(t, int64(1_200_000), u.NoSessionMilliWh, "who left it on")
	require.InDelta(t, 1.2/13.2, *u.IdleShare, 1e-9)
	require.Equal(t, int64(6_000_000), *u.MilliWhPerRunH)
}

// Before the first tariff energy has no price and says so; without coverage derived figures are not given.
func TestNoGuesses(t *testing.T) {
	r := newRig(t)
	r.config.Tariffs[0].ValidFromMs = midnight + 12*hour
	r.config.Emission = nil
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(load{midnight, midnight + 13*hour, 6000}))
	u := r.use(t, "m", midnight, midnight+day)
	require.Equal(t, int64(72_000_000), u.UntariffedMwh)
	require.Equal(t, int64(6*650-6*65+600), *u.EnergyPaise, "the hour with a price")
	require.ElementsMatch(t, []string{energy.NoteUntariffed, energy.NoteLowCoverage, energy.NoteNoFactor, energy.NoteNoRating}, u.Notes)
	require.Nil(t, u.LoadFactor)
	require.Nil(t, u.IdleShare)
	require.Zero(t, u.CO2Grams)
	r.config.Tariffs = nil
	u = r.use(t, "m", midnight, midnight+day)
	require.Nil(t, u.EnergyPaise)
	require.Contains(t, u.Notes, energy.NoteNoTariff)
}

// A tariff per kVAh: the rate over the power factor at the main meter; without one there is no cost.
func TestKVAhBasis(t *testing.T) {
	r := newRig(t)
	r.config.Tariffs[0].Basis = electricity.BasisKVAh
	r.config.Tariffs[0].Bands = []electricity.Band{{ID: "all-day", Quarters: all()}}
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(load{midnight, midnight + day, 6000}))
	u := r.use(t, "m", midnight, midnight+day)
	require.Nil(t, u.EnergyPaise)
	require.Contains(t, u.Notes, energy.NoteNoPF)

	r.machine(t, registry.Machine{ID: "main", Class: registry.ClassMainMeter}, metered(load{midnight, midnight + day, 6000}))
	r.factor(t, "main", midnight, midnight+day, 0.8)
	u = r.use(t, "m", midnight, midnight+day)
	require.Equal(t, int64(180*750), *u.EnergyPaise, "180 kVAh at ₹ 6.50 and ₹ 1")
	s := r.site(t, midnight, midnight+day)
	require.Equal(t, int64(800), s.Main.Apparent.Mill())
	require.Equal(t, int64(7500), s.Fixed[0].DemandVA)
}

func all() []int {
	out := make([]int, electricity.QuartersOfDay)
	for i := range out {
		out[i] = i
	}
	return out
}

// The power factor of a period is kWh ÷ kVAh, not the mean of power factors.
func TestPowerFactorIsWeighedByEnergy(t *testing.T) {
	r := newRig(t)
	r.machine(t, registry.Machine{ID: "m", Class: "furnace"}, metered(load{midnight, midnight + 12*hour, 9000}, load{midnight + 12*hour, midnight + day, 1000}))
	r.factor(t, "m", midnight, midnight+12*hour, 0.9)
	r.factor(t, "m", midnight+12*hour, midnight+day, 0.5)
	u := r.use(t, "m", midnight, midnight+day)
	require.Equal(t, int64(120_000*1000/144_000), u.Apparent.Mill(), "0.833, not 0.7")
}

// The fixed charge: 52 kVA of demand in 30 days at ₹ 300, one day of it, shared by rated power to the paisa.
func TestFixedChargeIsSharedByRatedPower(t *testing.T) {
	r := newRig(t)
	for i, rated := range []int64{12_000, 3_700, 0, 2_200} {
		r.machine(t, registry.Machine{ID: string(rune('a' + i)), Class: "furnace", RatedW: rated}, metered(load{midnight, midnight + day, 1500}))
	}
	r.machine(t, registry.Machine{ID: "main", Class: registry.ClassMainMeter}, metered(load{midnight, midnight + 9*hour, 5000}, load{midnight + 9*hour, midnight + 9*hour + 15*minute, 52_000}, load{midnight + 9*hour + 15*minute, midnight + day, 7000}))
	r.factor(t, "main", midnight, midnight+day, 1)
	s := r.site(t, midnight, midnight+day)
	require.Len(t, s.Fixed, 1)
	require.Equal(t, int64(52_000), s.Fixed[0].DemandW)
	require.Equal(t, midnight+9*hour, s.Fixed[0].DemandMs)
	require.Equal(t, int64(52*300_00/30), s.Fixed[0].Paise)
	var sum int64
	for _, m := range s.Machines {
		sum += *m.Use.FixedPaise
	}
	require.Equal(t, s.Fixed[0].Paise, sum, "nothing is lost in sharing")
	require.Zero(t, *s.Machines[2].Use.FixedPaise)
	require.Contains(t, s.Machines[2].Use.Notes, energy.NoteNoRating)
	r.config.Tariffs[0].ShareBy = electricity.KeyEnergy
	s = r.site(t, midnight, midnight+day)
	require.Equal(t, int64(13_000), *s.Machines[2].Use.FixedPaise, "all drew the same")
}

// The main meter against its machines: every part of the gap has its reason, and they add up.
func TestBalance(t *testing.T) {
	r := newRig(t)
	r.machine(t, registry.Machine{ID: "a", Class: "furnace"}, metered(load{midnight, midnight + 10*hour, 5000}))
	full := metered(load{midnight, midnight + 10*hour, 1000})
	var holed []fold.Sample
	for _, s := range full {
		if s.TimeMs <= midnight+4*hour || s.TimeMs >= midnight+5*hour {
			if s.TimeMs >= midnight+7*hour && s.TimeMs < midnight+8*hour+minute {
				s.Has |= fold.EnergyIsEstimated
			}
			holed = append(holed, s)
		}
	}
	r.machine(t, registry.Machine{ID: "b", Class: "cutting"}, holed)
	r.machine(t, registry.Machine{ID: "main", Class: registry.ClassMainMeter}, metered(load{midnight, midnight + 2*hour, 6500}, load{midnight + 2*hour, midnight + 3*hour, 4000}, load{midnight + 3*hour, midnight + 9*hour, 6500}))
	b := *r.site(t, midnight, midnight+10*hour).Balance
	require.Equal(t, int64(56_000_000), b.MainMilliWh, "8 h at 6.5 kW, 1 h at 4 kW")
	require.Equal(t, b.MainMilliWh-b.MachinesMilliWh, b.UnmeteredMilliWh+b.UnknownMilliWh+b.EstimatedMilliWh-b.OverMilliWh-b.MainSilentMilliWh)
	require.Equal(t, int64(2_000_000), b.OverMilliWh)
	require.Equal(t, int64(500_000), b.UnknownMilliWh)
	require.Positive(t, b.EstimatedMilliWh)
	require.Positive(t, b.MainSilentMilliWh)
}
