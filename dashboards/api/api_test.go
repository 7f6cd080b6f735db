package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// rig is an API over a made-up CFC.
type rig struct {
	*apitest.World
	t   *testing.T
	api *api.API
}

func newRig(t *testing.T, change ...func(*api.Options)) *rig {
	t.Helper()
	w, err := apitest.New(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Registry.Close()) })
	reg := prometheus.NewRegistry()
	o := api.Options{Store: w.Store, Registry: w.Registry, Logger: slog.New(slog.DiscardHandler), Now: w.Now, Version: "test", Registerer: reg, Gatherer: reg}
	for _, c := range change {
		c(&o)
	}
	a, err := api.New(o)
	require.NoError(t, err)
	return &rig{World: w, t: t, api: a}
}

// with changes a request before it is sent.
type with func(*http.Request)

// as signs a request in the name of a role; "" is nobody.
func (r *rig) as(role registry.Role) with {
	return func(q *http.Request) {
		if role != "" {
			q.Header.Set("Authorization", "Bearer "+r.Tokens[role])
		}
	}
}

func header(k, v string) with { return func(q *http.Request) { q.Header.Set(k, v) } }

func (r *rig) call(method, path, body string, changes ...with) *httptest.ResponseRecorder {
	r.t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	q := httptest.NewRequestWithContext(r.t.Context(), method, path, b)
	q.RemoteAddr = "192.0.2.7:4711"
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/json")
	}
	for _, c := range changes {
		c(q)
	}
	w := httptest.NewRecorder()
	r.api.Handler().ServeHTTP(w, q)
	return w
}

// get calls as a role, wants 200 and returns the decoded answer.
func get[T any](r *rig, role registry.Role, path string) T {
	r.t.Helper()
	return decoded[T](r, r.call(http.MethodGet, path, "", r.as(role)))
}

func decoded[T any](r *rig, w *httptest.ResponseRecorder) T {
	r.t.Helper()
	require.Equal(r.t, http.StatusOK, w.Code, w.Body.String())
	var v T
	require.NoError(r.t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

// refused wants a problem document with the status and words in it.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	for _, word := range words {
		require.Contains(t, w.Body.String(), word)
	}
}

const base = "/api/v1/sites/" + apitest.Site

func span(from, to string) string {
	return "from=" + strings.ReplaceAll(from, "+", "%2B") + "&to=" + strings.ReplaceAll(to, "+", "%2B")
}

// today is the world's last day up to its clock's start.
func today() string { return span("2026-11-20T00:00:00+05:30", "2026-11-21T00:00:00+05:30") }

func TestNewRefusesBrokenOptions(t *testing.T) {
	r := newRig(t)
	whole := api.Options{Store: r.Store, Registry: r.Registry, Logger: slog.New(slog.DiscardHandler)}
	for name, broken := range map[string]func(*api.Options){
		"Registry":  func(o *api.Options) { o.Registry = nil },
		"anonymous": func(o *api.Options) { o.AnonymousRole = "boss" },
		"http":      func(o *api.Options) { o.Broker.Announce = "http://cfc.example" },
		"32":        func(o *api.Options) { o.SessionKey = []byte("short") },
	} {
		o := whole
		broken(&o)
		_, err := api.New(o)
		require.ErrorContains(t, err, name)
	}
}

func TestMachines(t *testing.T) {
	r := newRig(t)
	got := get[struct {
		Cursor   string
		Machines []api.Machine
	}](r, registry.RoleViewer, base+"/machines")
	require.Len(t, got.Machines, 7)
	require.NotEmpty(t, got.Cursor)
	byID := map[string]api.Machine{}
	for _, m := range got.Machines {
		byID[m.ID] = m
		require.InDelta(t, r.Now().Sub(m.Today.From).Seconds(), m.Today.RunS+m.Today.IdleS+m.Today.OffS+m.Today.UnknownS, 0.001, "the day of %s has no hole", m.ID)
	}

	furnace := byID["furnace-1"]
	require.Equal(t, "run", furnace.Live.State)
	require.Equal(t, "2026-11-20T07:50:00Z", furnace.Live.Since.Format(time.RFC3339), "13:20 in Jodhpur")
	require.InDelta(t, 11800, *furnace.Live.Values.PowerW, 300)
	require.InDelta(t, 648, *furnace.Live.Values.TemperatureC, 5)
	require.Nil(t, furnace.Live.Values.VibrationMMS, "not measured is absent, not zero")
	require.Equal(t, "meera-pg", furnace.Live.Group.ID)
	require.False(t, furnace.Live.Stale)
	require.Equal(t, "2026-11-19T18:30:00Z", furnace.Today.From.Format(time.RFC3339), "the day begins at local midnight")
	require.Len(t, furnace.Today.Spark.MeanW, 60)

	silent := byID["polishing-2"]
	require.Equal(t, "unknown", silent.Live.State)
	require.Equal(t, "no-data", silent.Live.Why)
	require.True(t, silent.Live.Stale)
	require.InDelta(t, 40*60, silent.Live.AgeS, 31)
	require.Nil(t, silent.Live.Values.PowerW, "an old number is not shown as if it were now")
	require.Equal(t, 1, silent.Live.Alarms)

	require.Nil(t, byID["polishing-1"].Live.Group, "it runs without a card")
	require.True(t, byID["incomer"].Meter)
}

func TestStateOfManyDaysKeepsItsBegin(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.SetState(t.Context(), "cutting-1", "off"))
	for range 30 { // more than a day without a change, a sample now and then
		require.NoError(t, r.Advance(t.Context(), time.Hour))
	}
	for _, m := range get[struct{ Machines []api.Machine }](r, registry.RoleViewer, base+"/machines").Machines {
		if m.ID == "cutting-1" {
			require.Equal(t, "off", m.Live.State)
			require.Equal(t, apitest.Begin.Format(time.RFC3339), m.Live.Since.Format(time.RFC3339))
		}
	}
}

func TestIntervals(t *testing.T) {
	r := newRig(t)
	type answer struct{ Intervals []api.Interval }
	path := base + "/machines/cutting-1/intervals?" + today()

	clipped := get[answer](r, registry.RoleManager, path+"&clip=true").Intervals
	require.Equal(t, "2026-11-19T18:30:00Z", clipped[0].Start.Format(time.RFC3339))
	for i, iv := range clipped {
		require.InDelta(t, iv.End.Sub(iv.Start).Seconds(), iv.DurationS, 0.0005)
		if i > 0 {
			require.Equal(t, clipped[i-1].End, iv.Start, "no holes")
		}
	}
	last := clipped[len(clipped)-1]
	require.Equal(t, r.Now().UTC(), last.End, "time that has not come is not given")
	require.Equal(t, "idle", last.State)
	require.Equal(t, "pital-shg", last.Sessions[0].Group)

	whole := get[answer](r, registry.RoleManager, path).Intervals
	require.Equal(t, "2026-11-19T11:20:00Z", whole[0].Start.Format(time.RFC3339), "whole: off since 16:50 of the day before")

	for _, iv := range get[answer](r, registry.RoleViewer, path).Intervals {
		require.Empty(t, iv.Sessions, "a viewer does not learn who used a machine in the past")
	}
	require.Empty(t, get[answer](r, registry.RoleViewer, base+"/machines/cutting-1/intervals?"+span("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z")).Intervals)
}

func TestBadSpansAndNames(t *testing.T) {
	r := newRig(t)
	viewer := r.as(registry.RoleViewer)
	for name, c := range map[string]struct {
		path   string
		status int
		words  []string
	}{
		"from after to":      {base + "/machines/furnace-1/intervals?" + span("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"), 400, []string{"must lie before"}},
		"too long":           {base + "/machines/furnace-1/intervals?" + span("2025-01-01T00:00:00Z", "2026-11-01T00:00:00Z"), 400, []string{"669 days", "at most 100"}},
		"absurd year":        {base + "/machines/furnace-1/series?quantity=power&" + span("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"), 400, []string{"mistyped"}},
		"no time":            {base + "/machines/furnace-1/intervals?from=yesterday&to=today", 422, []string{"query.from"}},
		"missing":            {base + "/machines/furnace-1/intervals", 422, []string{"query.from", "required"}},
		"hours over a year":  {base + "/machines/furnace-1/kpis?by=hour&" + span("2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z"), 400, []string{"at most 32"}},
		"unknown period":     {base + "/machines/furnace-1/kpis?by=week&" + today(), 422, []string{"query.by"}},
		"unknown quantity":   {base + "/machines/furnace-1/series?quantity=powr&" + today(), 400, []string{"known quantities", "temperature"}},
		"a text quantity":    {base + "/machines/furnace-1/series?quantity=card&" + today(), 400, []string{"known quantities"}},
		"too many points":    {base + "/machines/furnace-1/series?quantity=power&points=100000&" + today(), 422, []string{"query.points"}},
		"unknown machine":    {base + "/machines/furnace-9/intervals?" + today(), 404, []string{"furnace-9", "known machines", "furnace-1"}},
		"unknown site":       {"/api/v1/sites/nowhere/machines", 404, []string{"nowhere", "known sites: jodhpur-cfc"}},
		"unknown path":       {"/api/v1/nothing", 404, []string{"openapi.json"}},
		"endless machine id": {base + "/machines/" + strings.Repeat("x", 500) + "/intervals?" + today(), 422, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			refused(t, r.call(http.MethodGet, c.path, "", viewer), c.status, c.words...)
		})
	}
}

func TestKPIs(t *testing.T) {
	r := newRig(t)
	type answer struct{ KPIs []api.KPI }
	days := get[answer](r, registry.RoleViewer, base+"/machines/hammer-1/kpis?by=day&"+span("2026-11-19T00:00:00+05:30", "2026-11-20T00:00:00+05:30")).KPIs
	require.Len(t, days, 1)
	require.InDelta(t, (30+68+60)*60, days[0].RunS, 0.001)
	require.InDelta(t, 20*60, days[0].IdleS, 0.001)
	require.InDelta(t, days[0].RunWh+days[0].IdleWh+days[0].OffWh+days[0].UnknownWh, days[0].EnergyWh, 0.0005)
	hours := get[answer](r, registry.RoleViewer, base+"/machines/hammer-1/kpis?by=hour&"+span("2026-11-19T00:00:00+05:30", "2026-11-20T00:00:00+05:30")).KPIs
	require.Len(t, hours, 24)
}

func TestSeriesKeepsPeaks(t *testing.T) {
	r := newRig(t)
	got := get[api.Series](r, registry.RoleViewer, base+"/machines/cutting-1/series?quantity=power&points=24&"+today())
	require.Equal(t, "W", got.Unit)
	require.InDelta(t, 3600, got.StepS, 0.001)
	var largest float64
	for _, p := range got.Points {
		require.LessOrEqual(t, p.Min, p.Mean)
		require.LessOrEqual(t, p.Mean, p.Max)
		largest = max(largest, p.Max)
	}
	require.Greater(t, largest, 3300.0, "the peak of a half-minute survives in an hour's piece")
	require.Equal(t, "°C", get[api.Series](r, registry.RoleViewer, base+"/machines/furnace-1/series?quantity=temperature&"+today()).Unit)
}

func TestGatewaysAndQuarantine(t *testing.T) {
	r := newRig(t)
	gateways := get[struct{ Gateways []api.Gateway }](r, registry.RoleViewer, base+"/gateways").Gateways
	require.Len(t, gateways, 2)
	require.True(t, gateways[0].Online)
	require.Equal(t, "synced", gateways[0].Clock)
	require.False(t, gateways[1].Online)

	require.NoError(t, r.Registry.Quarantine(t.Context(), registry.Quarantined{
		ReceivedMs: r.Now().UnixMilli(), Topic: "cfc/v1/jodhpur-cfc/gw-1/lathe-9/telemetry", Site: apitest.Site, Gateway: "gw-1", Machine: "lathe-9",
		Reason: "unknown-machine", Detail: "machine lathe-9 is not registered", Payload: []byte(strings.Repeat("x", 9000)), Count: 1,
	}))
	list := get[struct{ Quarantined []api.Quarantined }](r, registry.RoleTechnician, base+"/quarantine").Quarantined
	require.Len(t, list, 1)
	require.Equal(t, "unknown-machine", list[0].Reason)
	require.EqualValues(t, 9000, list[0].Bytes)
	require.Len(t, list[0].Payload, 4096)
}

func TestHealth(t *testing.T) {
	r := newRig(t)
	require.Equal(t, "ok\n", r.call(http.MethodGet, "/healthz", "").Body.String())
	require.Equal(t, http.StatusOK, r.call(http.MethodGet, "/readyz", "").Code)

	refused(t, r.call(http.MethodGet, "/metrics", ""), http.StatusUnauthorized, "role admin")
	refused(t, r.call(http.MethodGet, "/metrics", "", r.as(registry.RoleManager)), http.StatusUnauthorized)
	require.Contains(t, r.call(http.MethodGet, "/metrics", "", r.as(registry.RoleAdmin)).Body.String(), "karkhana_http_requests_total")
	local := func(q *http.Request) { q.RemoteAddr = "127.0.0.1:9" }
	require.Equal(t, http.StatusOK, r.call(http.MethodGet, "/metrics", "", local).Code)
	refused(t, r.call(http.MethodGet, "/metrics", "", local, header("X-Forwarded-For", "198.51.100.1")), http.StatusUnauthorized)
}

func TestReadyzSaysWhatIsMissing(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := r.call(http.MethodGet, "/readyz", "", func(q *http.Request) { *q = *q.WithContext(ctx) })
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), `"store":"does not answer"`)
}

// hungStore takes connections and never answers, as a stopped InfluxDB does.
type hungStore struct{ tsdb.Store }

func (hungStore) Ping(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestReadyzBlamesOnlyWhatHangs(t *testing.T) {
	r := newRig(t, func(o *api.Options) { o.Store = hungStore{o.Store} })
	w := r.call(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"store":"does not answer","registry":"ok"}`, w.Body.String())
}
