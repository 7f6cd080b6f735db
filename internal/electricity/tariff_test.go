package electricity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/kits"
	"karkhana/internal/electricity"
)

// example is the dated example configuration of docs/site.example.yaml: Rajasthan, order of 3 October 2025.
func example(t *testing.T) electricity.Config {
	t.Helper()
	def, err := kits.Load("../../docs/site.example.yaml")
	require.NoError(t, err)
	return def.Electricity
}

const kWh = int64(1_000_000)

func TestRajasthanBands(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	c := example(t)
	day := time.Date(2026, 11, 3, 0, 0, 0, 0, kolkata)
	tariff := c.At(day.UnixMilli())
	for _, row := range []struct {
		at     string
		band   string
		energy int64 // paise of 100 kWh
		tod    int64
	}{
		{"00:00", "normal", 65_000, 0}, {"05:59", "normal", 65_000, 0},
		{"06:00", "morning", 65_000, 3_250}, {"07:59", "morning", 65_000, 3_250}, {"08:00", "normal", 65_000, 0},
		{"11:59", "normal", 65_000, 0}, {"12:00", "solar", 65_000, -6_500}, {"15:59", "solar", 65_000, -6_500},
		{"16:00", "normal", 65_000, 0}, {"18:00", "evening", 65_000, 6_500}, {"21:59", "evening", 65_000, 6_500},
		{"22:00", "normal", 65_000, 0}, {"23:59", "normal", 65_000, 0},
	} {
		clock, err := time.Parse("15:04", row.at)
		require.NoError(t, err)
		at := day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute).UnixMilli()
		i := tariff.Band(electricity.QuarterOfDay(at, kolkata))
		require.Equal(t, row.band, tariff.Bands[i].ID, row.at)
		require.Equal(t, row.energy, tariff.EnergyCharge(100*kWh), row.at)
		require.Equal(t, row.tod, tariff.TimeOfDay(i, 100*kWh), row.at)
	}
	require.Equal(t, int64(10_000), tariff.SurchargeOn(100*kWh))
	require.Nil(t, c.At(day.AddDate(-2, 0, 0).UnixMilli()), "before the first tariff there is none")
}

// With zero use only the fixed charge is due: 75 % of 60 kVA at ₹ 300.
func TestDemandCharge(t *testing.T) {
	month := int64(30 * 24 * 3600_000)
	f := example(t).Tariffs[0].Fixed
	require.Equal(t, int64(45*300_00), f.Charge(0, month, month))
	require.Equal(t, int64(45*300_00), f.Charge(44_999, month, month))
	require.Equal(t, int64(52*300_00), f.Charge(52_000, month, month))
	require.Equal(t, int64(45*300_00/2), f.Charge(0, month/2, month))
	kw := electricity.Fixed{Per: electricity.PerHP, Paise: 120_00, Load: 37_500}
	require.Equal(t, int64(4_500_00), kw.Charge(99_000, month, month), "by sanctioned load whatever was drawn")
	require.Zero(t, electricity.Fixed{}.Charge(99_000, month, month))
}

// Every line is rounded once, half away from zero.
func TestRounding(t *testing.T) {
	tariff := electricity.Tariff{Energy: 500_000, Bands: []electricity.Band{{Percent: -1000}, {PerUnit: -500_000}}} // ₹ 5: 1 Wh is half a paisa
	for milliWh, want := range map[int64]int64{0: 0, 999: 0, 1000: 1, 2999: 1, 3000: 2} {
		require.Equal(t, want, tariff.EnergyCharge(milliWh), "%d mWh", milliWh)
		require.Equal(t, -want, tariff.TimeOfDay(0, 10*milliWh), "%d mWh", milliWh)
		require.Equal(t, -want, tariff.TimeOfDay(1, milliWh), "%d mWh", milliWh)
	}
	require.Equal(t, int64(50_000_000_000), tariff.EnergyCharge(100_000_000*kWh), "100 GWh")
}

func TestPowerFactorTable(t *testing.T) {
	tariff := electricity.Tariff{PowerFactor: []electricity.Step{{0, 900, 200}, {900, 950, 0}, {950, 1000, -100}}}
	for pf, want := range map[int64]int64{1: 200, 899: 200, 900: 0, 949: 0, 950: -100, 1000: -100, 1010: -100} {
		got, known := tariff.PowerFactorOn(100_00, pf)
		require.True(t, known)
		require.Equal(t, want, got, "power factor %d", pf)
	}
	_, known := tariff.PowerFactorOn(100_00, 0)
	require.False(t, known, "not measured: no price, not a guess")
	none, known := (&electricity.Tariff{}).PowerFactorOn(100_00, 0)
	require.True(t, known)
	require.Zero(t, none)
}

func TestDuty(t *testing.T) {
	tariff := electricity.Tariff{Duty: 600, DutyOn: []string{electricity.OnEnergy, electricity.OnSurcharge}}
	require.Equal(t, int64(72), tariff.DutyOf(1000, 9999, 200))
	require.Zero(t, (&electricity.Tariff{}).DutyOf(1000, 1000, 1000))
}

func TestEmissionFactorOfTheFiscalYear(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	c := example(t)
	for at, want := range map[time.Time]struct {
		grams int64
		own   bool
	}{
		time.Date(2024, 3, 31, 23, 59, 0, 0, kolkata): {72_700, true},
		time.Date(2024, 4, 1, 0, 0, 0, 0, kolkata):    {71_000, true},
		time.Date(2026, 11, 1, 0, 0, 0, 0, kolkata):   {71_000, false},
	} {
		f, own := c.Factor(electricity.YearOf(at.UnixMilli(), kolkata))
		require.Equal(t, want.own, own, at)
		require.Equal(t, want.grams, f.Grams(100*kWh), at)
	}
	f, _ := c.Factor(2020)
	require.Nil(t, f)
	require.Equal(t, "1999-00", electricity.FiscalYear(1999))
}

// The useful heats per kg of domain page §5.
func TestUsefulHeat(t *testing.T) {
	for _, m := range example(t).Metals {
		want := map[string]float64{"brass-70-30": 0.159, "aluminium": 0.30, "copper": 0.19}[m.ID]
		require.InDelta(t, want, float64(m.UsefulMilliWh(1000, 25, m.Pours))/1e6, 0.006, m.ID)
	}
	m := electricity.Metal{Solid: 380, Melts: 930, Latent: 168_000, Liquid: 490}
	require.Equal(t, int64(380*625*10/36), m.UsefulMilliWh(1000, 25, 650), "annealing melts nothing")
	require.Zero(t, m.UsefulMilliWh(1000, 25, 25))
	require.Zero(t, m.UsefulMilliWh(1000, 650, 25))
}

// However energy is cut, the charges of its parts differ from the charge of the whole by the rounding of the lines only.
func TestChargesOfPartsAddUp(t *testing.T) {
	tariff := example(t).Tariffs[0]
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.Int64Range(0, 1e12), 1, 20).Draw(t, "milliWh")
		band := rapid.IntRange(0, len(tariff.Bands)-1).Draw(t, "band")
		var units, paise, tod int64
		for _, p := range parts {
			units, paise, tod = units+p, paise+tariff.EnergyCharge(p), tod+tariff.TimeOfDay(band, p)
		}
		require.InDelta(t, tariff.EnergyCharge(units), paise, float64(len(parts)))
		require.InDelta(t, tariff.TimeOfDay(band, units), tod, float64(len(parts)))
	})
}
