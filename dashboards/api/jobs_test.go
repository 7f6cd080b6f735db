package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

func TestJobs(t *testing.T) {
	factor := session.GridFactor{MicroKgPerKWh: 710_000, Version: "CEA v21.0, Nov 2025", Year: "2024-25", UsedFor: "2026-27"}
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	post := func(path, body string) session.JobSheet {
		return decoded[session.JobSheet](r, r.call(http.MethodPost, base+"/jobs"+path, body, technician))
	}
	job := decoded[api.Job](r, r.call(http.MethodPost, base+"/jobs", `{"number":"J-17","title":"Brass lamps","buyer":"Exporter","group":"meera-pg","weight_g":12500,"pieces":40}`, technician))
	require.Equal(t, "J-17", job.Number)
	s := post("/J-17/work", `{"machine":"furnace-1","from":"2026-11-19T11:10:00+05:30","to":"2026-11-19T12:10:00+05:30"}`)
	require.EqualValues(t, 3600_000, s.Total.RunMs)
	require.InDelta(t, 1, *s.Total.Coverage, 0)
	require.Positive(t, s.Total.MilliWh)
	require.Equal(t, (s.Total.MilliWh*710/1000+500)/1000, *s.Total.GramsCO2)
	require.Equal(t, []session.GridFactor{factor}, s.Factors)
	require.Equal(t, (2*s.Total.MilliWh+12500)/25000, *s.WhPerKg)
	require.NotEmpty(t, s.Stretches[0].Intervals)
	require.Equal(t, "technician one", s.Stretches[0].By)

	refused(t, r.call(http.MethodPost, base+"/jobs/J-17/work", `{"machine":"furnace-1","from":"2026-11-19T12:00:00+05:30","to":"2026-11-19T13:10:00+05:30"}`, technician), http.StatusConflict, "J-17")
	refused(t, r.call(http.MethodPost, base+"/jobs/J-17/work", `{"machine":"furnace-1","from":"2027-11-19T12:00:00+05:30"}`, technician), http.StatusBadRequest, "future")
	refused(t, r.call(http.MethodPost, base+"/jobs/J-18/work", `{"machine":"furnace-1"}`, technician), http.StatusNotFound, "J-18")
	refused(t, r.call(http.MethodPost, base+"/jobs", `{"number":"../x"}`, technician), http.StatusUnprocessableEntity, "letters")
	s = post("/J-17/work", `{"machine":"cutting-1"}`)
	require.Empty(t, s.Stretches[1:], "it has lasted no time yet")

	w := r.call(http.MethodGet, base+"/jobs/J-17.csv?lang=hi", "", technician)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "CEA v21.0")
	require.Contains(t, w.Body.String(), "उत्सर्जन")
	w = r.call(http.MethodGet, base+"/jobs/J-17.pdf?lang=hi", "", technician)
	require.Equal(t, "application/pdf", w.Header().Get("Content-Type"))
	require.Equal(t, "%PDF-", w.Body.String()[:5])
	refused(t, r.call(http.MethodGet, base+"/jobs/J-17", "", r.as(registry.RoleGroup)), http.StatusNotFound)
	require.Empty(t, get[struct{ Jobs []api.Job }](r, registry.RoleGroup, base+"/jobs").Jobs)
	list := get[struct {
		Jobs   []api.Job
		Metals []api.Metal
	}](r, registry.RoleManager, base+"/jobs")
	require.Len(t, list.Jobs, 1)
	require.Equal(t, "brass-70-30", list.Metals[0].ID)

	require.Equal(t, session.HeatNoMetal, s.Heat.Why)
	said := `{"number":"J-17","title":"Brass lamps","weight_g":12500,"metal":"brass-70-30","start_c":30,"end_c":650`
	refused(t, r.call(http.MethodPost, base+"/jobs", said+`}`, technician), http.StatusConflict, "reason")
	refused(t, r.call(http.MethodPost, base+"/jobs", `{"number":"J-18","metal":"gold","end_c":5}`, technician), http.StatusNotFound, "brass-70-30")
	refused(t, r.call(http.MethodPost, base+"/jobs", `{"number":"J-18","metal":"brass-70-30","start_c":50,"end_c":40}`, technician), http.StatusBadRequest, "end_c")
	changed := decoded[api.Job](r, r.call(http.MethodPost, base+"/jobs", said+`,"reason":"metal was missing"}`, technician))
	require.EqualValues(t, 650, changed.EndC)

	manager := r.as(registry.RoleManager)
	id := itoa(s.Stretches[0].ID)
	correct := func(body string) *httptest.ResponseRecorder {
		return r.call(http.MethodPost, base+"/jobs/J-17/corrections", body, manager)
	}
	refused(t, r.call(http.MethodPost, base+"/jobs/J-17/corrections", `{"work":`+id+`,"reason":"x"}`, technician), http.StatusForbidden)
	refused(t, correct(`{"work":`+id+`,"reason":" "}`), http.StatusBadRequest, "reason")
	refused(t, correct(`{"work":99,"reason":"x"}`), http.StatusNotFound, "99")
	refused(t, correct(`{"reason":"x"}`), http.StatusBadRequest, "name what is wrong")
	better := decoded[session.JobSheet](r, correct(`{"work":`+id+`,"reason":"began later","instead":{"machine":"furnace-1","from":"2026-11-19T11:40:00+05:30","to":"2026-11-19T12:10:00+05:30"}}`))
	require.Len(t, better.Stretches, 1)
	require.EqualValues(t, 1800_000, better.Total.RunMs)
	require.Equal(t, "began later", better.Corrections[1].Reason)
	require.Equal(t, "metal was missing", better.Corrections[0].Reason)
	require.NotNil(t, better.Heat.UsefulMilliWh)
	require.EqualValues(t, 818_056, *better.Heat.UsefulMilliWh, "12.5 kg × 0.38 kJ/(kg·K) × 620 K ÷ 3.6")
	refused(t, correct(`{"work":`+id+`,"reason":"again"}`), http.StatusNotFound)
	gone := decoded[session.JobSheet](r, correct(`{"work":`+itoa(better.Stretches[0].ID)+`,"reason":"not this job"}`))
	require.Empty(t, gone.Stretches)
	require.Nil(t, gone.Total.GramsCO2)
	require.NoError(t, r.Registry.VerifyAudit(t.Context()))
}

// TestJobCards: a new card is tapped, found, given to a job from its first tap on, taps the job out, is cut by a
// correction and freed.
func TestJobCards(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	card := strings.Repeat("ab", 16)
	in, out := r.Now().Add(-2*time.Hour), r.Now().Add(-time.Hour)
	for _, at := range []time.Time{in, out} {
		require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{
			Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: "furnace-1", TimeMs: at.UnixMilli(), Fields: []tsdb.Field{{Key: quantity.Field(quantity.Card), Value: card}},
		}}))
	}
	type unknown struct{ Cards []api.UnknownCard }
	found := get[unknown](r, registry.RoleTechnician, base+"/cards/unknown").Cards
	i := slices.IndexFunc(found, func(c api.UnknownCard) bool { return c.Card == card })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, "furnace-1", found[i].Machine)
	require.WithinDuration(t, in, found[i].First, time.Second)

	r.call(http.MethodPost, base+"/jobs", `{"number":"J-20"}`, technician)
	give := func(job, from string) *httptest.ResponseRecorder {
		return r.call(http.MethodPost, base+"/jobs/"+job+"/cards", `{"card":"`+card+`"`+from+`}`, technician)
	}
	refused(t, give("J-20", `,"from":"2026-01-01T00:00:00Z"`), http.StatusBadRequest, "24 hours")
	s := decoded[session.JobSheet](r, give("J-20", `,"from":"`+found[i].First.Format(time.RFC3339Nano)+`"`))
	require.Len(t, s.Stretches, 1)
	require.Equal(t, session.SourceTap, s.Stretches[0].Source)
	require.Equal(t, found[i].First, s.Stretches[0].From)
	require.Nil(t, s.Cards[0].To)
	require.False(t, slices.ContainsFunc(get[unknown](r, registry.RoleTechnician, base+"/cards/unknown").Cards, func(c api.UnknownCard) bool { return c.Card == card }))
	r.call(http.MethodPost, base+"/jobs", `{"number":"J-21"}`, technician)
	refused(t, give("J-21", `,"from":"`+found[i].First.Format(time.RFC3339Nano)+`"`), http.StatusConflict, "J-20")

	x := s.Stretches[0]
	cut := `{"machine":"furnace-1","from":"` + x.From.Format(time.RFC3339Nano) + `","to":"` + x.To.Format(time.RFC3339Nano) + `","reason":"trial"}`
	s = decoded[session.JobSheet](r, r.call(http.MethodPost, base+"/jobs/J-20/corrections", cut, r.as(registry.RoleAccountant)))
	require.Empty(t, s.Stretches)
	require.Equal(t, registry.JobCut, s.Corrections[0].Kind)

	again := r.Now().Add(-10 * time.Minute) // and is not tapped out
	require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{
		Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: "furnace-1", TimeMs: again.UnixMilli(), Fields: []tsdb.Field{{Key: quantity.Field(quantity.Card), Value: card}},
	}}))
	require.NoError(t, session.New(session.Options{Store: r.Store, Registry: r.Registry, Now: r.Now}).Rebuilt(t.Context(), apitest.Site, "furnace-1", again.UnixMilli(), 0))
	s = get[session.JobSheet](r, registry.RoleAccountant, base+"/jobs/J-20")
	require.Len(t, s.Stretches, 1)
	require.True(t, s.Stretches[0].Open)
	from := s.Stretches[0].From.Format(time.RFC3339Nano)
	ended := again.Add(4 * time.Minute).UTC().Format(time.RFC3339Nano)
	end := `{"machine":"furnace-1","from":"` + from + `","reason":"forgotten","instead":{"machine":"furnace-1","from":"` + from + `","to":"` + ended + `"}`
	refused(t, r.call(http.MethodPost, base+"/jobs/J-20/corrections", end+`,"to":"`+ended+`"}`, r.as(registry.RoleAccountant)), http.StatusNotFound, "J-20")
	s = decoded[session.JobSheet](r, r.call(http.MethodPost, base+"/jobs/J-20/corrections", end+`}`, r.as(registry.RoleAccountant)))
	require.Len(t, s.Stretches, 1)
	require.False(t, s.Stretches[0].Open)
	require.Equal(t, ended, s.Stretches[0].To.Format(time.RFC3339Nano))
	require.Nil(t, s.Corrections[1].To, "it went on")
	s = decoded[session.JobSheet](r, r.call(http.MethodPost, base+"/jobs/J-20/cards/"+card+"/end", `{}`, technician))
	require.NotNil(t, s.Cards[0].To)
	refused(t, r.call(http.MethodPost, base+"/jobs/J-20/cards/"+card+"/end", `{}`, technician), http.StatusNotFound)
}
