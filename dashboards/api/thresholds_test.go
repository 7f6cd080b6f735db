package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/learn"
	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
)

// A technician asks for thresholds, is told why there are none, and sets them by hand: the row is dated, the rest of the
// settings stays.
func TestThresholds(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	path := base + "/machines/polishing-1/"
	got := get[struct {
		Refused   *learn.Refusal
		Present   *api.Threshold
		Suggested *api.Threshold
		Histogram []learn.Bin
	}](r, registry.RoleTechnician, path+"threshold-suggestion?"+span("2026-11-07T00:00:00+05:30", "2026-11-21T00:00:00+05:30"))
	require.Equal(t, learn.TooShort, got.Refused.Code)
	require.Nil(t, got.Suggested)
	require.InDelta(t, 50, got.Present.IdleAbove, 0)
	require.NotEmpty(t, got.Histogram)

	body := `{"idle_above":200,"run_above":900,"pulse_s":15,"valid_from":"2026-11-10T00:00:00+05:30","learnt_from":"2026-11-07T00:00:00+05:30","learnt_to":"2026-11-21T00:00:00+05:30","classes":[{"state":"run","centre":1640,"low":1500,"high":1700,"share":0.3}]}`
	refused(t, r.call(http.MethodPost, path+"settings", body, r.as(registry.RoleViewer)), http.StatusForbidden)
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, path+"settings", body, technician).Code)
	rows, err := r.Registry.SettingsAt(t.Context(), apitest.Site, "polishing-1")
	require.NoError(t, err)
	require.Len(t, rows, 2)
	want := rows[0]
	want.ValidFromMs, want.IdleAbove, want.RunAbove, want.PulseMs = rows[1].ValidFromMs, 200, 900, 15_000
	require.Equal(t, want, rows[1])

	type suggested struct {
		Signal   string
		Unit     string
		Present  *api.Threshold
		Settings []api.ThresholdRow
	}
	now := get[suggested](r, registry.RoleTechnician, path+"threshold-suggestion?"+span("2026-11-07T00:00:00+05:30", "2026-11-21T00:00:00+05:30"))
	require.Len(t, now.Settings, 2, "what held before stays to be seen")
	require.Equal(t, "technician one", now.Settings[0].Author)
	require.InDelta(t, 200, now.Settings[0].IdleAbove, 0)
	require.Empty(t, now.Settings[1].Author, "from the site file")

	// Another signal is looked at, then chosen, from a day on.
	most := get[suggested](r, registry.RoleTechnician, path+"threshold-suggestion?signal=power_max&"+span("2026-11-07T00:00:00+05:30", "2026-11-21T00:00:00+05:30"))
	require.Equal(t, "power_max", most.Signal)
	require.Nil(t, most.Present, "thresholds of another signal say nothing here")
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, path+"settings", strings.Replace(strings.Replace(body, "11-10T", "11-12T", 1), "{", `{"signal":"power_max",`, 1), technician).Code)
	rows, err = r.Registry.SettingsAt(t.Context(), apitest.Site, "polishing-1")
	require.NoError(t, err)
	require.Equal(t, []string{"power", "power", "power_max"}, []string{rows[0].Signal, rows[1].Signal, rows[2].Signal})

	refused(t, r.call(http.MethodPost, path+"settings", `{"idle_above":900,"run_above":200,"pulse_s":0,"valid_from":"2026-11-12T00:00:00+05:30","learnt_from":"2026-11-07T00:00:00+05:30","learnt_to":"2026-11-21T00:00:00+05:30","classes":[]}`, technician),
		http.StatusUnprocessableEntity, "lies above")
	refused(t, r.call(http.MethodPost, base+"/machines/nobody/settings", body, technician), http.StatusNotFound)
}
