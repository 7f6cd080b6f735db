package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/billing"
	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Run time of a gateway without a time is held back on the statement, with its bounds, and billed once a person has confirmed it.
func TestBoundedTimeIsDecidedByAPerson(t *testing.T) {
	r := newRig(t)
	accountant := r.as(registry.RoleAccountant)
	rows := func() map[string]api.StatementRow {
		out := map[string]api.StatementRow{}
		for _, s := range decoded[statementList](r, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11"}`, accountant)).Statements {
			out[s.Group] = s
		}
		return out
	}
	before := rows()
	var line billing.Line
	for _, row := range before {
		s := get[api.StatementDetail](r, registry.RoleAccountant, base+"/statements/"+itoa(row.ID)).Statement
		if len(s.Lines) > 0 && s.Lines[0].RunS > 600 {
			line = s.Lines[0]
		}
	}
	require.NotEmpty(t, line.Machine)
	confirm := func(from, to time.Time) string {
		return `{"kind":"confirm","machine":"` + line.Machine + `","start":"` + from.Format(time.RFC3339Nano) + `","end":"` + to.Format(time.RFC3339Nano) + `","reason":"as the book says"}`
	}
	refused(t, r.call(http.MethodPost, base+"/corrections", confirm(line.From, line.To), accountant), http.StatusNotFound, "nothing is held back")

	require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{
		Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: line.Machine, TimeMs: line.From.UnixMilli() - 1000, Fields: []tsdb.Field{{Key: "power_w", Value: 1200.0}},
	}}))
	for at := line.From; at.Before(line.To); at = at.Add(10 * time.Second) {
		require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{
			Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: line.Machine, TimeMs: at.UnixMilli(),
			Fields: []tsdb.Field{{Key: "power_w", Value: 1200.0}, {Key: tsdb.TimeBounded, Value: int64(1)}},
		}}))
	}
	marked := func() (n int) {
		for _, s := range get[struct{ Sessions []api.Session }](r, registry.RoleManager, base+"/sessions?from="+line.From.Add(-24*time.Hour).UTC().Format(time.RFC3339)+"&to="+line.To.Add(24*time.Hour).UTC().Format(time.RFC3339)).Sessions {
			if s.Bounded {
				n++
				require.Equal(t, line.Machine, s.Machine)
			}
		}
		return n
	}
	require.Positive(t, marked())
	held := map[string]billing.HeldBack{}
	var sum int64
	for group, row := range rows() {
		sum += row.Total.HeldS
		require.LessOrEqual(t, row.Total.AmountPaise, before[group].Total.AmountPaise)
		for _, l := range get[api.StatementDetail](r, registry.RoleAccountant, base+"/statements/"+itoa(row.ID)).Statement.Lines {
			for _, h := range l.Held {
				held[h.From.String()] = h
			}
		}
	}
	require.GreaterOrEqual(t, sum, line.RunS)
	require.Len(t, held, 1)
	for _, h := range held {
		require.NotNil(t, h.NotBefore)
		made := decoded[correctedOnce](r, r.call(http.MethodPost, base+"/corrections", confirm(h.From, h.To), accountant))
		require.Equal(t, "applied", made.Correction.Status)
		require.Positive(t, made.Remade)
	}
	require.Zero(t, marked(), "confirmed")
	for group, row := range rows() {
		require.Equal(t, before[group].Total, row.Total, group)
	}
}

// A draft that something has changed under says so at once.
func TestStaleDraftSaysSo(t *testing.T) {
	r := newRig(t)
	accountant := r.as(registry.RoleAccountant)
	made := decoded[statementList](r, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11"}`, accountant)).Statements[0]
	require.False(t, made.Stale)
	require.NoError(t, r.Registry.MonthsChanged(t.Context(), []registry.SiteMonth{{Site: apitest.Site, Month: "2026-11"}}, made.Made.UnixMilli()))
	list := get[statementList](r, registry.RoleAccountant, base+"/statements?month=2026-11").Statements
	require.True(t, list[0].Stale)
	s := get[api.StatementDetail](r, registry.RoleAccountant, base+"/statements/"+itoa(made.ID)).Statement
	require.Equal(t, billing.ProblemStale, s.Problems[len(s.Problems)-1].Code)
	table := r.call(http.MethodGet, base+"/statements/"+itoa(made.ID)+".csv?lang=en", "", accountant).Body.String()
	require.Contains(t, table, "out of date")
}
