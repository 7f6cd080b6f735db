package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

type calendarAnswer struct {
	Calendar  string
	Weeks     []api.CalendarWeek
	Stops     []api.PlannedStop
	Stretches []api.PlannedStretch
}

func TestCalendarIsReadAndChanged(t *testing.T) {
	r := newRig(t)
	manager := r.as(registry.RoleManager)
	const span = "from=2026-11-14T00:00:00%2B05:30&to=2026-11-18T00:00:00%2B05:30"
	got := get[calendarAnswer](r, registry.RoleViewer, base+"/calendar?machine=furnace-1&"+span)
	require.Equal(t, "set", got.Calendar)
	require.Len(t, got.Weeks, 2)
	require.Len(t, got.Stops, 2)
	kinds := []string{}
	for _, s := range got.Stretches {
		kinds = append(kinds, s.Kind)
	}
	require.Equal(t, strings.Fields("outside holiday holiday outside work break work work outside maintenance work break work work outside"), kinds)

	const flood = `{"kind":"closure","from":"2026-11-18T00:00:00+05:30","to":"2026-11-20T00:00:00+05:30","name":{"hi":"बाढ़","en":""}}`
	added := decoded[api.PlannedStop](r, r.call(http.MethodPost, base+"/calendar/stops", flood, manager))
	require.Equal(t, []any{"person", "manager one", "closure"}, []any{added.Source, added.Author, added.Kind})
	refused(t, r.call(http.MethodPost, base+"/calendar/stops", flood, manager), http.StatusConflict, "overlaps")
	day := func() api.KPI {
		return get[struct{ KPIs []api.KPI }](r, registry.RoleViewer, base+"/machines/hammer-1/kpis?by=day&from=2026-11-18T00:00:00%2B05:30&to=2026-11-19T00:00:00%2B05:30").KPIs[0]
	}
	k := day()
	require.Equal(t, []any{0.0, 9.0 * 3600, 9.0 * 3600, "no-planned-time"}, []any{k.PBTS, k.POTS, k.ClosureS, k.Why["availability"]})
	require.InDelta(t, k.RunS, k.OutsideRunS, 0, "told apart")
	id := base + "/calendar/stops/" + itoa(added.ID) + "/remove"
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, id, "{}", manager).Code)
	refused(t, r.call(http.MethodPost, id, "{}", manager), http.StatusNotFound)
	require.InDelta(t, 8.5*3600, day().PBTS, 0)
	refused(t, r.call(http.MethodPost, base+"/calendar/stops/"+itoa(got.Stops[0].ID)+"/remove", "{}", manager), http.StatusConflict, "site file")

	for body, words := range map[string]string{
		`{"kind":"closure","from":"2026-11-18T00:00:00Z","to":"2026-11-17T00:00:00Z","name":{"hi":"x","en":""}}`:               "before",
		`{"kind":"closure","from":"2026-11-18T00:00:00Z","to":"2028-11-17T00:00:00Z","name":{"hi":"x","en":""}}`:               "at most 366",
		`{"kind":"closure","from":"2026-11-18T00:00:00Z","to":"2026-11-19T00:00:00Z","name":{"hi":" ","en":""}}`:               "name",
		`{"kind":"closure","machine":"x","from":"2026-11-18T00:00:00Z","to":"2026-11-19T00:00:00Z","name":{"hi":"x","en":""}}`: "no machine",
	} {
		w := r.call(http.MethodPost, base+"/calendar/stops", body, manager)
		require.Contains(t, []int{400, 404}, w.Code)
		require.Contains(t, w.Body.String(), words)
	}
	log, err := r.Registry.AuditLog(t.Context(), 3)
	require.NoError(t, err)
	require.Contains(t, log[0].What+log[1].What+log[2].What, "closure removed")
}

func TestBreakdownsMakeMTBF(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	month := func(machine string) api.KPI {
		return get[struct{ KPIs []api.KPI }](r, registry.RoleViewer, base+"/machines/"+machine+"/kpis?by=month&from=2026-11-01T00:00:00%2B05:30&to=2026-12-01T00:00:00%2B05:30").KPIs[0]
	}
	k := month("hammer-1")
	require.EqualValues(t, 1, k.Failures)
	require.InDelta(t, 5.0*3600, *k.MTTRS, 0, "15:00 to 18:00, 09:00 to 11:00")
	require.InDelta(t, k.AUBTS, *k.MTBFS, 0)
	k = month("cutting-1")
	require.Zero(t, k.Failures)
	require.Equal(t, "no-failures", k.Why["mtbf_s"])

	refused(t, r.call(http.MethodPost, base+"/breakdowns", `{"machine":"polishing-2","from":"2026-11-20T15:10:00+05:30","note":"again"}`, technician), http.StatusConflict, "already")
	refused(t, r.call(http.MethodPost, base+"/breakdowns", `{"machine":"cutting-1","from":"2026-11-29T15:10:00+05:30","note":"x"}`, technician), http.StatusBadRequest, "future")
	b := decoded[api.Breakdown](r, r.call(http.MethodPost, base+"/breakdowns", `{"machine":"cutting-1","from":"2026-11-20T13:00:00+05:30","note":"blade"}`, technician))
	refused(t, r.call(http.MethodPost, base+"/breakdowns/"+itoa(b.ID)+"/end", `{"at":"2026-11-20T12:00:00+05:30"}`, technician), http.StatusConflict)
	require.EqualValues(t, 1, month("cutting-1").OpenFailures)
	b = decoded[api.Breakdown](r, r.call(http.MethodPost, base+"/breakdowns/"+itoa(b.ID)+"/end", `{"at":"2026-11-20T14:00:00+05:30"}`, technician))
	require.Equal(t, "technician one", b.EndedBy)
	require.InDelta(t, 1800, *month("cutting-1").MTTRS, 0, "the break does not count")
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, base+"/breakdowns/"+itoa(b.ID)+"/remove", "{}", r.as(registry.RoleManager)).Code)
	require.Zero(t, month("cutting-1").Failures)
	rows := get[struct{ Breakdowns []api.Breakdown }](r, registry.RoleViewer, base+"/breakdowns?from=2026-11-13T00:00:00Z&to=2026-11-21T00:00:00Z").Breakdowns
	require.Len(t, rows, 2)
}

func TestSiteKPIs(t *testing.T) {
	r := newRig(t)
	type answer struct {
		Machines []api.MachineKPIs
		Reasons  map[string]registry.Name
	}
	const span = "from=2026-11-01T00:00:00%2B05:30&to=2026-12-01T00:00:00%2B05:30"
	got := get[answer](r, registry.RoleViewer, base+"/kpis?by=month&"+span)
	require.Len(t, got.Machines, 6, "without the main meter")
	for _, m := range got.Machines {
		require.Len(t, m.KPIs, 1)
		one := get[struct{ KPIs []api.KPI }](r, registry.RoleViewer, base+"/machines/"+m.Machine+"/kpis?by=month&"+span).KPIs
		require.Equal(t, one, m.KPIs, "alone as with the others")
		k := m.KPIs[0]
		require.InDelta(t, *k.Availability, *k.AllocationEffncy**k.UtilizationEff, 1e-12)
		require.Greater(t, *k.Coverage, 0.9)
		require.Greater(t, *k.CapacityRatio, 0.0)
	}
	require.Greater(t, got.Machines[0].KPIs[0].POTS, got.Machines[1].KPIs[0].POTS, "the furnace has a late shift")
	require.NotEmpty(t, got.Reasons["low-coverage"].Hi)

	shifts := get[struct{ KPIs []api.KPI }](r, registry.RoleViewer, base+"/machines/furnace-1/kpis?by=shift&from=2026-11-18T00:00:00%2B05:30&to=2026-11-19T00:00:00%2B05:30").KPIs
	require.Len(t, shifts, 4)
	require.Equal(t, []string{"", "day", "late", ""}, []string{shifts[0].Shift, shifts[1].Shift, shifts[2].Shift, shifts[3].Shift})

	csv := r.call(http.MethodGet, base+"/kpis.csv?lang=hi&by=month&"+span, "", r.as(registry.RoleManager))
	require.Equal(t, http.StatusOK, csv.Code)
	lines := strings.Split(strings.TrimSpace(csv.Body.String()), "\r\n")
	require.Len(t, lines, 7)
	require.Contains(t, lines[0], "उपलब्धता APT/PBT")
	require.Contains(t, lines[1], "MTBF, MTTR: कोई खराबी दर्ज नहीं हुई")
	refused(t, r.call(http.MethodGet, base+"/kpis?by=hour&"+span, "", r.as(registry.RoleViewer)), http.StatusBadRequest, "at most 2")
}
