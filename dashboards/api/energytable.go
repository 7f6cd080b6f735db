package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/energy"
	"karkhana/internal/spreadsheet"
)

func (a *API) routeEnergyTable() {
	table := operation("get-energy-csv", http.MethodGet, "/sites/{site}/energy.csv", "The energy of a site as a table for spreadsheets",
		"A row for each machine, period and tariff band, and one for what has no tariff. Times are the site's; rupees to the paisa.")
	table = giving(table, "The table", "text/csv")
	huma.Register(a.huma, table, func(ctx context.Context, in *siteEnergyInput) (*fileOutput, error) {
		periods, err := a.siteEnergy(ctx, in)
		if err != nil {
			return nil, err
		}
		loc, err := a.zone(ctx, in.Site)
		if err != nil {
			return nil, err
		}
		return file(csvType, in.Site+"-energy.csv", energyTable(periods, loc)), nil
	})
}

func energyTable(periods []energy.SiteUse, loc *time.Location) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"machine", "from", "to", "tariff", "band", "kwh", "energy_rupees", "time_of_day_rupees", "power_factor_rupees", "surcharge_rupees",
		"duty_rupees", "sum_rupees", "coverage", "flags", "notes"}}
	const form = "2006-01-02 15:04"
	for _, p := range periods {
		add := func(machine string, u *energy.Use) {
			coverage := ""
			if u.Coverage != nil {
				coverage = strconv.FormatFloat(*u.Coverage, 'f', 3, 64)
			}
			row := func(cells ...string) {
				rows = append(rows, append(append([]string{machine, at(p.FromMs).In(loc).Format(form), at(p.ToMs).In(loc).Format(form)}, cells...),
					coverage, strings.Join(u.Flags.Codes(), " "), strings.Join(u.Notes, " ")))
			}
			for _, x := range u.Bands {
				sum := ""
				if x.Paise != nil {
					sum = rupees(*x.Paise)
				}
				row(spreadsheet.Text(x.Tariff.Order), x.Tariff.Bands[x.Band].ID, kilowattHours(x.MilliWh), rupees(x.EnergyPaise), rupees(x.TimeOfDayPaise),
					rupees(x.PowerFactorPaise), rupees(x.SurchargePaise), rupees(x.DutyPaise), sum)
			}
			if u.UntariffedMwh > 0 || len(u.Bands) == 0 {
				row("", "", kilowattHours(u.UntariffedMwh), "", "", "", "", "", "")
			}
			if u.FixedPaise != nil {
				row("", "fixed", "", "", "", "", "", "", rupees(*u.FixedPaise))
			}
		}
		for i := range p.Machines {
			add(p.Machines[i].Machine.ID, &p.Machines[i].Use)
		}
		if p.Main != nil {
			add("main", p.Main)
		}
	}
	_ = w.WriteAll(rows) // a buffer does not fail
	return b.Bytes()
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
