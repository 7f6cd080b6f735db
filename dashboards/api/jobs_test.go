package api_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

func TestJobs(t *testing.T) {
	factor := session.GridFactor{MicroKgPerKWh: 710_000, Version: "CEA v20"}
	r := newRig(t, func(o *api.Options) {
		o.Emissions = func(context.Context, string) (func(int64) *session.GridFactor, error) {
			return func(int64) *session.GridFactor { return &factor }, nil
		}
	})
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
	require.Contains(t, w.Body.String(), "CEA v20")
	require.Contains(t, w.Body.String(), "उत्सर्जन")
	refused(t, r.call(http.MethodGet, base+"/jobs/J-17", "", r.as(registry.RoleGroup)), http.StatusNotFound)
	require.Empty(t, get[struct{ Jobs []api.Job }](r, registry.RoleGroup, base+"/jobs").Jobs)
	require.Len(t, get[struct{ Jobs []api.Job }](r, registry.RoleManager, base+"/jobs").Jobs, 1)

	gone := decoded[session.JobSheet](r, r.call(http.MethodPost, base+"/jobs/J-17/work/"+itoa(s.Stretches[0].ID)+"/withdraw", `{}`, r.as(registry.RoleManager)))
	require.Empty(t, gone.Stretches)
	require.Nil(t, gone.Total.GramsCO2)
}
