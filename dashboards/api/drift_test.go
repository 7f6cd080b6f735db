package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"

	"karkhana/analytics/learn"
)

// While an alarm of drift stands, the suggestion is that of the newest days, beside the histogram of those that the thresholds were made for; keeping the
// thresholds ends the alarm and changes no settings.
func TestDriftShownAndKept(t *testing.T) {
	r := newRig(t)
	const machine = "polishing-1"
	site, err := r.Registry.Site(t.Context(), apitest.Site)
	require.NoError(t, err)
	zone, err := site.Location()
	require.NoError(t, err)
	now := r.Now().In(zone)
	// 34 days of work by the day, at eight times the power in the last 10.
	for n := -34; n < 0; n++ {
		begin := time.Date(now.Year(), now.Month(), now.Day()+n, 0, 0, 0, 0, zone)
		h := learn.NewHistogram(600_000)
		for m := range int64(24 * 60) {
			w := 0.0
			if m > 540 && m < 1080 {
				if w = 1900; m%60 < 20 {
					w = 80
				}
				if n >= -10 {
					w *= 8
				}
			}
			h.Add(begin.UnixMilli()+m*60_000, w)
		}
		require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{Measurement: tsdb.SignalDay, Site: apitest.Site, Machine: machine, TimeMs: begin.UnixMilli(),
			Fields: []tsdb.Field{{Key: "signal", Value: "power"}, {Key: "histogram", Value: h.String()}}}}))
	}
	type suggestion struct {
		Present   *api.Threshold
		Suggested *api.Threshold
		Drift     *api.DriftFound
		Histogram []learn.Bin
	}
	path := base + "/machines/" + machine + "/"
	query := path + "threshold-suggestion?" + span("2026-11-07T00:00:00+05:30", "2026-11-21T00:00:00+05:30")
	require.Nil(t, get[suggestion](r, registry.RoleTechnician, query).Drift, "no alarm, no drift")
	_, _, err = r.Registry.RaiseAlarm(t.Context(), registry.Alarm{Site: apitest.Site, Machine: machine, Rule: registry.RuleThresholdDrift, Component: "power", OpenedMs: r.Now().UnixMilli(), Cause: "scaled"})
	require.NoError(t, err)
	got := get[suggestion](r, registry.RoleTechnician, query)
	require.NotNil(t, got.Drift)
	require.NotEmpty(t, got.Drift.Histogram)
	require.NotNil(t, got.Suggested)
	require.Greater(t, got.Suggested.RunAbove, 640.0)

	before, err := r.Registry.SettingsAt(t.Context(), apitest.Site, machine)
	require.NoError(t, err)
	body := `{"keep":true,"idle_above":1,"run_above":2,"pulse_s":0,"valid_from":"2026-11-10T00:00:00+05:30","learnt_from":"2026-11-10T00:00:00+05:30","learnt_to":"2026-11-20T00:00:00+05:30","classes":[]}`
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, path+"settings", body, r.as(registry.RoleTechnician)).Code)
	after, err := r.Registry.SettingsAt(t.Context(), apitest.Site, machine)
	require.NoError(t, err)
	require.Equal(t, before, after)
	open, err := r.Registry.Alarms(t.Context(), apitest.Site, true, 0)
	require.NoError(t, err)
	for _, a := range open {
		require.NotEqual(t, registry.RuleThresholdDrift, a.Rule)
	}
}
