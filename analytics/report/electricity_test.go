package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/energy"
	"karkhana/analytics/report"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// late is a tariff that begins on 11 October: ten days of the month have no price.
func late() []electricity.Tariff {
	var normal, solar []int
	for q := range 96 {
		if q >= 48 && q < 64 {
			solar = append(solar, q)
		} else {
			normal = append(normal, q)
		}
	}
	return []electricity.Tariff{{
		ValidFromMs: october + 10*day, Order: "Order 7", Basis: electricity.BasisKWh, Energy: 650_000, Surcharge: 100_000, ShareBy: electricity.KeyEnergy,
		Bands: []electricity.Band{{ID: "normal", Hi: "सामान्य", En: "Normal", Quarters: normal}, {ID: "solar", Hi: "दोपहर", En: "Solar", Quarters: solar, Percent: -1000}},
		Fixed: electricity.Fixed{Per: electricity.PerKW, Paise: 100_00, Load: 10_000},
	}}
}

func words(t *testing.T, r *report.Report, lang string) string {
	p, err := r.Page(lang)
	require.NoError(t, err)
	var table bytes.Buffer
	require.NoError(t, p.WriteCSV(&table))
	require.NoError(t, p.WritePDF(&bytes.Buffer{}))
	require.Empty(t, untranslated.FindString(table.String()))
	out := table.String()
	for _, part := range p.Parts {
		for _, row := range part.Rows {
			out += strings.Join(row, "|") + "\n"
		}
	}
	return out
}

// TestElectricity holds the costs of a machine against a calculation by hand: 3 kWh an hour from 9 to 12 and 0.5 kWh
// from 12 to 13, on 31 days, of which 21 have a tariff.
func TestElectricity(t *testing.T) {
	rig := newRigWith(t, 1, late())
	// The last machine of the rig is heard from 16 October on, but for the 20th: 15 days, all within the tariff.
	r := rig.make(t, report.KindMonth, "")
	m := r.Electricity.Machines[0]
	require.EqualValues(t, 15*9_500_000, m.EnergyMilliWh)
	require.Zero(t, m.UntariffedMwh)
	require.EqualValues(t, 135_000_000, m.Bands[0].EnergyMilliWh)
	require.EqualValues(t, 7_500_000, m.Bands[1].EnergyMilliWh)
	require.EqualValues(t, 135*650, m.Bands[0].EnergyPaise)
	require.EqualValues(t, -488, m.Bands[1].TimeOfDayPaise, "7.5 × 6.50 × 10 % = 4.875")
	require.EqualValues(t, 135*650+4875-488+142_50, *m.EnergyPaise, "charge 877.50 + 48.75, time of day −4.88, surcharge 142.50")
	require.EqualValues(t, 67742, *m.FixedPaise, "10 kW × ₹100 × 21 days of 31: nothing before the tariff began")
	require.EqualValues(t, 142_500*71/100, m.CO2Grams)

	rig = newRigWith(t, 2, late())
	r = rig.make(t, report.KindMonth, "")
	m = r.Electricity.Machines[0]
	require.EqualValues(t, 31*9_500_000, m.EnergyMilliWh)
	require.EqualValues(t, 10*9_500_000, m.UntariffedMwh)
	require.EqualValues(t, 189*750+6825-683+1050, *m.EnergyPaise, "189 kWh at 7.50, 10.5 kWh at 6.50 − 10 % + 1.00")
	require.Equal(t, r.Total.EnergyMilliWh, r.Electricity.Total.EnergyMilliWh)
	require.Equal(t, *m.EnergyPaise+*r.Electricity.Machines[1].EnergyPaise, *r.Electricity.Total.EnergyPaise)
	require.EqualValues(t, 67742, *r.Electricity.Total.FixedPaise, "the shares add up")
	require.EqualValues(t, 45*3_000_000, r.Electricity.Machines[1].EstimatedMwh)
	shown := words(t, r, "en")
	require.Contains(t, shown, "₹1,489.42 †", "a cost that leaves energy out says so")
	require.Contains(t, shown, "No tariff is in force before 11-10-2026: 95.00 kWh")
	require.Contains(t, shown, "No tariff|95.00|||||")
	require.Contains(t, shown, "† without 95.00 kWh", "in the table for spreadsheets as well")
	words(t, r, "hi")
	one := words(t, rig.make(t, report.KindMonth, "cutting-0"), "en")
	require.Contains(t, one, "Solar|10.50|₹68.25|-₹6.83|₹0.00|₹10.50|₹0.00|₹71.92")
	require.Contains(t, one, "95.00 kWh have no price")

	none := words(t, newRig(t, 2).make(t, report.KindMonth, ""), "en")
	require.Contains(t, none, "the site file has no electricity tariff")
}

// TestMeterReport holds the balance of a month against a calculation by hand. The main meter has 420 Wh an hour more
// than the machines; it was silent for an hour on the 5th and shows 2 kWh too little in one of the 6th.
func TestMeterReport(t *testing.T) {
	rig := newRigWith(t, 2, late())
	silent, over := october+4*day+10*hour, october+5*day+10*hour
	var points []tsdb.Point
	for from := october; from < november; from += hour {
		var sum int64
		for _, id := range []string{"cutting-0", "cutting-1"} {
			hours, err := timeline.ReadHours(t.Context(), rig.Store, site, id, from, from+hour)
			require.NoError(t, err)
			for _, h := range hours {
				sum += h.MilliWh()
			}
		}
		h := timeline.Hour{StartMs: from, RunMs: hour, RunMilliWh: sum + 420_000}
		switch from {
		case silent:
			continue
		case over:
			h.RunMilliWh = sum - 2_000_000
		}
		points = append(points, h.Point(site, "incomer"))
	}
	require.NoError(t, rig.Store.Write(t.Context(), points))
	r := rig.make(t, report.KindMeter, "")
	b := r.MainMeter.Total
	require.EqualValues(t, 3_000_000, b.MainSilentMilliWh)
	require.EqualValues(t, 2_000_000, b.OverMilliWh)
	require.EqualValues(t, 382*420_000, b.UnknownMilliWh, "cutting-1 was not heard for 16 days, less two hours that count elsewhere")
	require.EqualValues(t, 45*420_000, b.EstimatedMilliWh, "three estimated hours on 15 days")
	require.EqualValues(t, 315*420_000, b.UnmeteredMilliWh)
	require.Equal(t, b.UnmeteredMilliWh+b.UnknownMilliWh+b.EstimatedMilliWh-b.OverMilliWh-b.MainSilentMilliWh, b.MainMilliWh-b.MachinesMilliWh)
	var days energy.MeterBalance
	for _, d := range r.MainMeter.Days {
		days.MainMilliWh += d.MainMilliWh
		days.UnmeteredMilliWh += d.UnmeteredMilliWh
		days.UnknownMilliWh += d.UnknownMilliWh
	}
	require.Equal(t, [3]int64{b.MainMilliWh, b.UnmeteredMilliWh, b.UnknownMilliWh}, [3]int64{days.MainMilliWh, days.UnmeteredMilliWh, days.UnknownMilliWh})
	shown := words(t, r, "en")
	require.Contains(t, shown, "Difference: main meter − machines|306.64|")
	require.Contains(t, shown, "In 1 hours the machines show more")
	require.Contains(t, shown, "no price")
	words(t, r, "hi")

	empty := registrytest.Open(t)
	def := registry.SiteDefinition{Site: registry.Site{ID: site, Zone: "Asia/Kolkata"}, Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "m", Class: "kiln"}}}}
	require.NoError(t, empty.Apply(t.Context(), def, "test", november))
	bare, err := report.Make(t.Context(), report.Deps{Store: tsdb.NewMemory(), Registry: empty}, report.Asked{Kind: report.KindMeter, Site: site, Month: "2026-10", NowMs: november})
	require.NoError(t, err)
	require.Contains(t, words(t, bare, "en"), "no main meter")
}
