package api_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api/apitest"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// From any figure the way leads down to the samples: all of them, in people's units, with what is doubtful said, without cards.
func TestSamplesTable(t *testing.T) {
	r := newRig(t)
	ms := r.Now().UnixMilli() - 40*24*3_600_000
	require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{
		{Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: "cutting-1", TimeMs: ms, Fields: []tsdb.Field{
			{Key: quantity.Field("power"), Value: 1234.5}, {Key: quantity.Field("vibration"), Value: 2.5}, {Key: quantity.Field(quantity.Card), Value: "ab"}}},
		{Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: "cutting-1", TimeMs: ms + 1500, Fields: []tsdb.Field{
			{Key: quantity.Field("power"), Value: 7.0}, {Key: quantity.Field("power") + "_q", Value: "estimated"}}},
	}))
	url := base + "/machines/cutting-1/samples.csv?" + span(r.Now().AddDate(0, 0, -40).Format("2006-01-02T15:04:05Z07:00"), r.Now().AddDate(0, 0, -39).Format("2006-01-02T15:04:05Z07:00"))
	w := r.call(http.MethodGet, url, "", r.as(registry.RoleViewer))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	rows, err := csv.NewReader(strings.NewReader(w.Body.String())).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"time", "power [W]", "vibration [mm/s]", "quality"}, rows[0])
	require.Equal(t, []string{"1234.5", "2.5", ""}, rows[1][1:])
	require.Equal(t, []string{"7", "", "power=estimated"}, rows[2][1:])
	require.Regexp(t, `^2026-10-\d\dT\d\d:\d\d:01\.500\+05:30$`, rows[2][0])

	refused(t, r.call(http.MethodGet, url, "", r.as(registry.RoleGroup)), http.StatusForbidden)
	long := base + "/machines/cutting-1/samples.csv?" + span("2026-11-01T00:00:00+05:30", "2026-11-03T00:00:00+05:30")
	refused(t, r.call(http.MethodGet, long, "", r.as(registry.RoleViewer)), http.StatusBadRequest, "smaller pieces")
}
