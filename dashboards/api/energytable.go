package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/energy"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/spreadsheet"
)

func (a *API) routeEnergyTable() {
	csv := operation("get-energy-csv", http.MethodGet, "/sites/{site}/energy.csv", "The energy of a site as a table for spreadsheets",
		"A row for each machine, period and tariff band, and one for what has no tariff. Times are the site's; rupees to the paisa.")
	huma.Register(a.huma, giving(csv, "The table", "text/csv"), func(ctx context.Context, in *struct {
		SiteEnergyInput
		TableInput
	}) (*fileOutput, error) {
		periods, err := a.siteEnergy(ctx, &in.SiteEnergyInput)
		if err != nil {
			return nil, err
		}
		t, err := a.newTable(ctx, in.Site, in.Lang, energyColumns...)
		if err != nil {
			return nil, err
		}
		return file(csvType, in.Site+"-energy.csv", t.energy(periods)), nil
	})
}

var energyColumns = []string{
	"machine", "from", "to", "tariff", "band", "kwh", "energy_rupees", "time_of_day_rupees", "power_factor_rupees", "surcharge_rupees", "duty_rupees", "sum_rupees",
	"coverage", "flags", "notes",
}

func (t *table) energy(periods []energy.SiteUse) []byte {
	for _, p := range periods {
		add := func(machine string, u *energy.Use) {
			coverage := ""
			if u.Coverage != nil {
				coverage = strconv.FormatFloat(*u.Coverage, 'f', 3, 64)
			}
			row := func(cells ...string) {
				t.row(append(append([]string{machine, t.time(at(p.FromMs), minuteForm), t.time(at(p.ToMs), minuteForm)}, cells...),
					coverage, t.flags(u.Flags), t.codes("note.", u.Notes))...)
			}
			for _, x := range u.Bands {
				sum := ""
				if x.Paise != nil {
					sum = rupees(*x.Paise)
				}
				band := x.Tariff.Bands[x.Band]
				row(spreadsheet.Text(x.Tariff.Order), t.name(registry.Name{Hi: band.Hi, En: band.En}, band.ID), kilowattHours(x.MilliWh), rupees(x.EnergyPaise),
					rupees(x.TimeOfDayPaise), rupees(x.PowerFactorPaise), rupees(x.SurchargePaise), rupees(x.DutyPaise), sum)
			}
			if u.UntariffedMwh > 0 || len(u.Bands) == 0 {
				band := ""
				if t.words != nil {
					band = t.words["band.none"]
				}
				row("", band, kilowattHours(u.UntariffedMwh), "", "", "", "", "", "")
			}
			if u.FixedPaise != nil {
				row("", t.word("band.", "fixed"), "", "", "", "", "", "", rupees(*u.FixedPaise))
			}
		}
		for i := range p.Machines {
			add(t.machine(p.Machines[i].Machine.ID), &p.Machines[i].Use)
		}
		if p.Main != nil {
			add(t.word("", "main"), p.Main)
		}
	}
	return t.bytes()
}

// flags are codes for programs, words for people.
func (t *table) flags(f timeline.EnergyFlags) string {
	if t.words == nil {
		return t.codes("", f.Codes())
	}
	return t.flagWords.Join(f.Codes())
}

// rupees writes paise exactly: -12.05.
func rupees(paise int64) string {
	sign := ""
	if paise < 0 {
		sign, paise = "-", -paise
	}
	return fmt.Sprintf("%s%d.%02d", sign, paise/100, paise%100)
}

// kilowattHours writes milliwatt-hours exactly.
func kilowattHours(milliWh int64) string {
	sign := ""
	if milliWh < 0 {
		sign, milliWh = "-", -milliWh
	}
	return fmt.Sprintf("%s%d.%06d", sign, milliWh/1e6, milliWh%1e6)
}
