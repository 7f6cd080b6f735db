package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
)

const week = "from=2026-11-02T00:00:00%2B05:30&to=2026-11-09T00:00:00%2B05:30"

func TestEnergyOfASite(t *testing.T) {
	r := newRig(t)
	p := get[struct{ Periods []api.SiteEnergy }](r, registry.RoleViewer, base+"/energy?"+week).Periods
	require.Len(t, p, 1)
	var machines, fixed float64
	for _, m := range p[0].Machines {
		bands := m.UntariffedWh
		for _, b := range m.Bands {
			bands += b.EnergyWh
		}
		require.InDelta(t, m.EnergyWh, bands, 1e-6)
		require.InDelta(t, m.EnergyWh, m.OffWh+m.IdleWh+m.RunWh+m.UnknownWh, 1e-6)
		require.NotNil(t, m.EnergyPaise)
		machines += m.EnergyWh
		fixed += float64(*m.FixedPaise)
	}
	require.Len(t, p[0].Fixed, 1)
	require.InDelta(t, float64(p[0].Fixed[0].Paise), fixed, 0)
	require.InDelta(t, machines, p[0].Balance.MachinesWh, 1e-6)
	require.InDelta(t, 7*24*420, p[0].Balance.MainWh-p[0].Balance.MachinesWh, 0.1)
	require.InDelta(t, 7*24*420, p[0].Balance.UnmeteredWh+p[0].Balance.EstimatedWh+p[0].Balance.UnknownWh, 0.1)
	require.Equal(t, "CEA v21.0, Nov 2025", p[0].Main.CO2[0].Version)
	require.Equal(t, []string{"2026-27", "2024-25"}, []string{p[0].Main.CO2[0].Year, p[0].Main.CO2[0].FactorYear})

	require.Len(t, get[struct{ Periods []api.SiteEnergy }](r, registry.RoleAccountant, base+"/energy?by=day&"+week).Periods, 7)
	refused(t, r.call(http.MethodGet, base+"/energy?by=hour&from=2026-11-01T00:00:00Z&to=2026-11-21T00:00:00Z", "", r.as(registry.RoleManager)), http.StatusBadRequest, "8")

	csv := r.call(http.MethodGet, base+"/energy.csv?"+week, "", r.as(registry.RoleManager))
	require.Equal(t, http.StatusOK, csv.Code)
	lines := strings.Split(strings.TrimSpace(csv.Body.String()), "\n")
	require.True(t, strings.HasPrefix(lines[0], "machine,from,to,tariff,band,kwh,"), lines[0])
	require.True(t, strings.HasPrefix(lines[1], `furnace-1,2026-11-02 00:00,2026-11-09 00:00,"Example order, medium industry",normal,`), lines[1])
}

func TestEnergyOfAMachine(t *testing.T) {
	r := newRig(t)
	uses := get[struct{ Periods []api.EnergyUse }](r, registry.RoleViewer, base+"/machines/furnace-1/energy?"+week).Periods
	require.Len(t, uses, 1)
	sum := uses[0].NoSessionWh
	for _, s := range uses[0].Sessions {
		sum += s.EnergyWh
	}
	require.NotEmpty(t, uses[0].Sessions)
	require.InDelta(t, uses[0].EnergyWh, sum, 1e-6)
	require.InDelta(t, 11_800, *uses[0].WhPerRunHour, 1)
	refused(t, r.call(http.MethodGet, base+"/machines/none/energy?"+week, "", r.as(registry.RoleManager)), http.StatusNotFound)
}

func TestEnergyBaseline(t *testing.T) {
	r := newRig(t)
	const asked = base + "/machines/furnace-1/baseline?from=2026-11-01T00:00:00%2B05:30&to=2026-11-20T00:00:00%2B05:30&base_from=2026-11-01T00:00:00%2B05:30&base_to="
	b := get[api.EnergyBaseline](r, registry.RoleViewer, asked+"2026-11-13T00:00:00%2B05:30")
	require.Empty(t, b.Refused)
	require.Equal(t, 12, b.Days)
	require.Greater(t, b.R2, 0.9)
	require.Len(t, b.Points, 19)
	require.NotNil(t, b.Points[18].CusumWh)
	few := get[api.EnergyBaseline](r, registry.RoleViewer, asked+"2026-11-05T00:00:00%2B05:30")
	require.Equal(t, "few-periods", few.Refused)
	require.Nil(t, few.Points[0].PredictedWh)
	refused(t, r.call(http.MethodGet, asked+"2026-10-05T00:00:00%2B05:30", "", r.as(registry.RoleManager)), http.StatusBadRequest)
}

// A job of each day with its own weight: kg come in; the furnace is cold every morning it runs, so cold starts go with its hours.
func TestEnergyBaselineWithWeights(t *testing.T) {
	r := newRig(t)
	first := time.Date(2026, 11, 1, 9, 0, 0, 0, time.FixedZone("IST", 19800))
	for d := range 19 {
		number := fmt.Sprintf("w-%d", d)
		require.NoError(t, r.Registry.SaveJob(t.Context(), registry.Job{Site: apitest.Site, Number: number, WeightG: int64(20+d*7%13) * 1000, Author: "test", MadeMs: 1}, ""))
		_, err := r.Registry.AddJobWork(t.Context(), registry.JobWork{Site: apitest.Site, Job: number, Machine: "furnace-1",
			FromMs: first.AddDate(0, 0, d).UnixMilli(), ToMs: first.AddDate(0, 0, d).Add(9 * time.Hour).UnixMilli(), Author: "test", MadeMs: 1})
		require.NoError(t, err)
	}
	const span = "?from=2026-11-01T00:00:00%2B05:30&to=2026-11-20T00:00:00%2B05:30&base_from=2026-11-01T00:00:00%2B05:30&base_to=2026-11-20T00:00:00%2B05:30"
	b := get[api.EnergyBaseline](r, registry.RoleViewer, base+"/machines/furnace-1/baseline"+span)
	require.Empty(t, b.Refused)
	require.Equal(t, []api.OmittedVariable{{Variable: "cold-starts", Why: "few-periods"}}, b.Omitted, "19 days; three variables need 20")
	require.Equal(t, "kg", b.Variables[1].Variable)
	require.True(t, b.Variables[1].MayBeChance, "the weights were made up")
	require.Contains(t, b.Doubts, "not-significant")
	require.InDelta(t, 27, *b.Points[1].Kg, 1e-9)
	require.InDelta(t, 1, *b.Points[1].ColdStarts, 0)
	require.InDelta(t, 0, *b.Points[0].ColdStarts, 0, "a Sunday")

	alike := get[api.EnergyBaseline](r, registry.RoleViewer, base+"/machines/furnace-1/baseline"+span+"&variables=run-hours,cold-starts")
	require.Equal(t, []api.OmittedVariable{{Variable: "cold-starts", Why: "collinear"}}, alike.Omitted)
	require.Nil(t, alike.Points[1].Kg, "not asked for")
	none := get[api.EnergyBaseline](r, registry.RoleViewer, base+"/machines/cutting-1/baseline"+span)
	require.Equal(t, []api.OmittedVariable{{Variable: "kg", Why: "no-figures"}, {Variable: "cold-starts", Why: "no-figures"}}, none.Omitted)
	refused(t, r.call(http.MethodGet, base+"/machines/furnace-1/baseline"+span+"&variables=weather", "", r.as(registry.RoleManager)), http.StatusUnprocessableEntity)

	csv := r.call(http.MethodGet, base+"/machines/furnace-1/baseline.csv"+span, "", r.as(registry.RoleManager))
	require.Equal(t, http.StatusOK, csv.Code)
	lines := strings.Split(strings.TrimSpace(csv.Body.String()), "\n")
	require.Len(t, lines, 20)
	require.Equal(t, "day,run_hours,kg,cold_starts,kwh,estimated,predicted_kwh,saving_kwh,cusum_kwh,outside_base_range,missing,in_base", lines[0])
	require.Regexp(t, `^2026-11-02,6\.7333,27\.000,1,[0-9.]+,false,[0-9.]+,-?[0-9.]+,-?[0-9.]+,,,true$`, lines[2])
}
