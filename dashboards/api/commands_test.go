package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
)

func TestCommands(t *testing.T) {
	r := newRig(t)
	gateways, err := r.Registry.Gateways(t.Context(), apitest.Site)
	require.NoError(t, err)
	gw := gateways[0].ID
	url := base + "/gateways/" + gw + "/commands"
	send := func(role registry.Role, body string) *api.Command {
		t.Helper()
		w := r.call(http.MethodPost, url, body, r.as(role))
		require.Equal(t, http.StatusAccepted, w.Code, w.Body)
		var c api.Command
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &c))
		return &c
	}
	first := send(registry.RoleTechnician, `{"kind":"self-test"}`)
	require.Equal(t, "queued", first.State)
	require.Equal(t, 10*time.Minute, first.Expires.Sub(first.Queued))
	second := send(registry.RoleManager, `{"kind":"replay","from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00+05:30","valid_s":60}`)
	require.Equal(t, time.Minute, second.Expires.Sub(second.Queued))
	require.Greater(t, second.ID, first.ID)
	stored, err := r.Registry.Command(t.Context(), apitest.Site, gw, second.ID)
	require.NoError(t, err)
	require.JSONEq(t, `{"from_ms":1793491200000,"to_ms":1793557800000}`, stored.Body)
	log, err := r.Registry.AuditLog(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "command to gateway", log[0].What)

	require.NoError(t, r.Registry.EndCommand(t.Context(), apitest.Site, gw, first.ID, registry.CommandFailed, "FAULT: open wire", time.Now().UnixMilli()))
	all := get[struct{ Commands []api.Command }](r, registry.RoleTechnician, url).Commands
	require.Len(t, all, 2)
	require.Equal(t, second.ID, all[0].ID)
	require.Equal(t, time.UnixMilli(1793491200000).UTC(), all[0].From.UTC())
	require.Equal(t, "failed", all[1].State)
	require.Equal(t, "FAULT: open wire", all[1].Detail)
	require.NotNil(t, all[1].Ended)
	require.Len(t, get[struct{ Commands []api.Command }](r, registry.RoleManager, url+"?limit=1").Commands, 1)

	for body, want := range map[string]int{
		`{"kind":"open-door"}`:                            http.StatusUnprocessableEntity,
		`{"kind":"allow-list"}`:                           http.StatusUnprocessableEntity,
		`{"kind":"reload","from":"2026-11-01T00:00:00Z"}`: http.StatusBadRequest,
		`{"kind":"replay","from":"2026-11-02T00:00:00Z","to":"2026-11-01T00:00:00Z"}`: http.StatusBadRequest,
		`{"kind":"replay","from":"1066-11-02T00:00:00Z"}`:                             http.StatusBadRequest,
		`{"kind":"reload","valid_s":1}`:                                               http.StatusUnprocessableEntity,
	} {
		require.Equal(t, want, r.call(http.MethodPost, url, body, r.as(registry.RoleAdmin)).Code, body)
	}
	for _, kind := range []string{"reload", "replay"} {
		refused(t, r.call(http.MethodPost, url, `{"kind":"`+kind+`"}`, r.as(registry.RoleTechnician)), http.StatusForbidden, "self-test only")
	}
	refused(t, r.call(http.MethodPost, base+"/gateways/gw-none/commands", `{"kind":"reload"}`, r.as(registry.RoleAdmin)), http.StatusNotFound, "known gateways", gw)
	for range 19 {
		send(registry.RoleAdmin, `{"kind":"reload"}`)
	}
	refused(t, r.call(http.MethodPost, url, `{"kind":"reload"}`, r.as(registry.RoleAdmin)), http.StatusTooManyRequests, "twenty")
}
