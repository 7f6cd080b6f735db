package api_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

func TestBaselines(t *testing.T) {
	r := newRig(t)
	type list struct{ Baselines []api.Baseline }
	got := get[list](r, registry.RoleViewer, base+"/machines/hammer-1/baselines").Baselines
	require.Len(t, got, 3)
	v := got[0]
	require.Equal(t, "vibration", v.Quantity)
	require.Equal(t, "mm/s", v.Unit)
	require.True(t, v.Known)
	require.InDelta(t, 1.36, *v.Usual, 0.1)
	require.InDelta(t, 2.5**v.Usual, *v.Limit, 1e-9)
	require.Greater(t, *v.Present, *v.Limit)
	require.Less(t, *got[2].Present, *got[2].Limit, "kurtosis did not rise")
	require.Empty(t, get[list](r, registry.RoleViewer, base+"/machines/cutting-1/baselines").Baselines, "it has no such sensor")
	refused(t, r.call(http.MethodGet, base+"/machines/nothing/baselines", "", r.as(registry.RoleViewer)), http.StatusNotFound, "nothing")
}

func TestServices(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	type list struct{ Services []api.Service }
	all := get[list](r, registry.RoleViewer, base+"/services").Services
	require.True(t, slices.IsSortedFunc(all, func(a, b api.Service) int { return int(1e6 * (b.Share - a.Share)) }), "the most used up first")
	find := func(rows []api.Service, id string) api.Service {
		i := slices.IndexFunc(rows, func(s api.Service) bool { return s.ID == id })
		require.GreaterOrEqual(t, i, 0, id)
		return rows[i]
	}
	dust := find(all, "polishing-1.dust")
	require.Equal(t, "overdue", dust.State)
	require.False(t, dust.Recorded)
	require.InDelta(t, 50*3600, *dust.IntervalS, 0)
	require.Greater(t, dust.RunS, 60*3600.0)
	require.NotEmpty(t, dust.Do.Hi)

	refused(t, r.call(http.MethodPost, base+"/services/polishing-1.dust/done", `{"note":"  "}`, technician), http.StatusBadRequest, "note")
	refused(t, r.call(http.MethodPost, base+"/services/polishing-1.oil/done", `{"note":"x"}`, technician), http.StatusNotFound, "oil")
	refused(t, r.call(http.MethodPost, base+"/services/polishing-1.dust/done", `{"note":"x","at":"2036-01-01T00:00:00Z"}`, technician), http.StatusBadRequest, "future")
	done := decoded[api.Service](r, r.call(http.MethodPost, base+"/services/polishing-1.dust/done", `{"note":"grille cleaned"}`, technician))
	require.Equal(t, "ok", done.State)
	require.Zero(t, done.RunS)
	require.Equal(t, "technician one", done.LastBy)
	require.Equal(t, "grille cleaned", find(get[list](r, registry.RoleViewer, base+"/services").Services, "polishing-1.dust").LastNote)
	early := r.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	refused(t, r.call(http.MethodPost, base+"/services/polishing-1.dust/done", `{"note":"x","at":"`+early+`"}`, technician), http.StatusConflict, "later")
}

func TestShelving(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	type list struct{ Alarms []api.Alarm }
	open := get[list](r, registry.RoleViewer, base+"/alarms").Alarms
	path := base + "/alarms/" + itoa(open[0].ID)
	refused(t, r.call(http.MethodPost, path+"/shelve", `{"hours":48,"reason":"part on order"}`, technician), http.StatusUnprocessableEntity, "24")
	refused(t, r.call(http.MethodPost, path+"/shelve", `{"hours":1,"reason":" "}`, technician), http.StatusBadRequest, "reason")
	got := decoded[api.Alarm](r, r.call(http.MethodPost, path+"/shelve", `{"hours":2,"reason":"part on order"}`, technician))
	require.Equal(t, "part on order", got.ShelveReason)
	require.Equal(t, "technician one", got.ShelvedBy)
	require.WithinDuration(t, r.Now().Add(2*time.Hour), *got.ShelvedUntil, time.Minute)
	left, err := r.Registry.UnnotifiedAlarms(t.Context(), r.Now().UnixMilli())
	require.NoError(t, err)
	require.Len(t, left, 1, "a shelved alarm is not delivered")
	require.Len(t, get[list](r, registry.RoleViewer, base+"/alarms?unresolved=true").Alarms, 2, "and stays in the list")
	left, err = r.Registry.UnnotifiedAlarms(t.Context(), r.Now().Add(3*time.Hour).UnixMilli())
	require.NoError(t, err)
	require.Len(t, left, 2, "its time is over")
	got = decoded[api.Alarm](r, r.call(http.MethodPost, path+"/unshelve", `{}`, technician))
	require.Nil(t, got.ShelvedUntil)

	hot, _, err := r.Registry.RaiseAlarm(t.Context(), registry.Alarm{Site: "jodhpur-cfc", Machine: "furnace-1", Rule: "temperature-high", Component: "temperature", OpenedMs: r.Now().UnixMilli(), Value: 1100, Limit: 1050})
	require.NoError(t, err)
	refused(t, r.call(http.MethodPost, base+"/alarms/"+itoa(hot.ID)+"/shelve", `{"hours":1,"reason":"x"}`, technician), http.StatusConflict, "too hot")
}

func TestGatewayProblems(t *testing.T) {
	r := newRig(t)
	g := get[struct{ Gateways []api.Gateway }](r, registry.RoleViewer, base+"/gateways").Gateways
	require.Equal(t, []string{"config-error", "undervoltage-before"}, g[0].Problems)
	require.Contains(t, g[0].ConfigError, "gateway.yaml:14")
	require.NotNil(t, g[0].DiskFree)
	require.Equal(t, []string{"offline"}, g[1].Problems)
}
