package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
)

const days = "from=2026-11-18T00:00:00%2B05:30&to=2026-11-21T00:00:00%2B05:30"

func TestGapLedger(t *testing.T) {
	r := newRig(t)
	gaps := get[struct{ Gaps []api.Gap }](r, registry.RoleViewer, base+"/gaps?"+days).Gaps
	require.Len(t, gaps, 9)
	for _, g := range gaps[:6] {
		require.Equal(t, []any{"supply", "site", 42.0 * 60, false}, []any{g.Cause, g.Evidence, g.DurationS, g.Open}, "%+v", g)
	}
	require.Equal(t, []any{"furnace-1", "sensor", "fault", "fault:open"}, []any{gaps[6].Machine, gaps[6].Cause, gaps[6].Evidence, gaps[6].Fault})
	require.Equal(t, []any{"furnace-1", "link", "filled"}, []any{gaps[7].Machine, gaps[7].Cause, gaps[7].Evidence})
	require.NotNil(t, gaps[7].Filled)
	open := gaps[8]
	require.Equal(t, []any{"polishing-2", "gw-2", "unknown", "not-heard", true, 2400.0}, []any{open.Machine, open.Gateway, open.Cause, open.Evidence, open.Open, open.DurationS})
	require.NotNil(t, open.Since)

	// It grows with the clock, without anything being written.
	require.NoError(t, r.Advance(t.Context(), 10*time.Minute))
	mine := get[struct{ Gaps []api.Gap }](r, registry.RoleViewer, base+"/gaps?machine=polishing-2&"+days).Gaps
	require.Len(t, mine, 2)
	require.InDelta(t, 3000, mine[1].DurationS, 0.001)

	csv := r.call(http.MethodGet, base+"/gaps.csv?"+days, "", r.as(registry.RoleManager))
	require.Equal(t, http.StatusOK, csv.Code)
	lines := strings.Split(strings.TrimSpace(csv.Body.String()), "\n")
	require.Len(t, lines, 10)
	require.Equal(t, "furnace-1,gw-1,2026-11-19 07:05:00,2026-11-19 07:48:00,2580,false,sensor,fault,fault:open,", lines[7])

	refused(t, r.call(http.MethodGet, base+"/gaps?machine=none&"+days, "", r.as(registry.RoleManager)), http.StatusNotFound)
	refused(t, r.call(http.MethodGet, base+"/gaps?from=2026-01-01T00:00:00Z&to=2026-11-21T00:00:00Z", "", r.as(registry.RoleManager)), http.StatusBadRequest, "100")
}

func TestUnknownIntervalsSayWhy(t *testing.T) {
	r := newRig(t)
	rows := get[struct{ Intervals []api.Interval }](r, registry.RoleViewer, base+"/machines/polishing-2/intervals?"+days).Intervals
	last := rows[len(rows)-1]
	require.Equal(t, []any{"unknown", "unknown", "not-heard"}, []any{last.State, last.Cause, last.Evidence})
}

func TestQuarantineIsSearchedTriedAgainAndDropped(t *testing.T) {
	r := newRig(t)
	for i, q := range []registry.Quarantined{
		{Machine: "lathe-9", Reason: "unknown-machine", Payload: []byte("a")},
		{Machine: "lathe-9", Reason: "absurd-time", Payload: []byte("b")},
		{Machine: "furnace-1", Reason: "absurd-time", Payload: []byte("c")},
		{Machine: "furnace-1", Reason: "too-large", Payload: []byte("d"), Length: 10 << 20, SHA256: "ab"},
	} {
		q.Site, q.Topic, q.ReceivedMs = apitest.Site, "t", r.Now().UnixMilli()+int64(i)*1000
		require.NoError(t, r.Registry.Quarantine(t.Context(), q))
	}
	list := func(query string) (ids []int64) {
		for _, q := range get[struct{ Quarantined []api.Quarantined }](r, registry.RoleTechnician, base+"/quarantine?"+query).Quarantined {
			ids = append(ids, q.ID)
		}
		return ids
	}
	require.Equal(t, []int64{4, 3, 2, 1}, list(""))
	require.Equal(t, []int64{3, 2}, list("reason=absurd-time"))
	require.Equal(t, []int64{2, 1}, list("machine=lathe-9"))
	require.Equal(t, []int64{2, 1}, list("before=3"))
	require.Equal(t, []int64{4}, list("since="+r.Now().Add(3*time.Second).UTC().Format(time.RFC3339Nano)))

	type acted struct{ Packs, Cut int64 }
	act := func(what, body string) acted {
		w := r.call(http.MethodPost, base+"/quarantine/"+what, body, r.as(registry.RoleManager))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		return decoded[acted](r, w)
	}
	require.Equal(t, acted{Packs: 2}, act("replay", `{"reason":"absurd-time"}`))
	require.Equal(t, acted{Cut: 1}, act("replay", `{"ids":[4]}`))
	counts := get[struct{ Counts []api.QuarantineCount }](r, registry.RoleTechnician, base+"/quarantine/counts").Counts
	require.Len(t, counts, 4)
	var waiting, cut int64
	for _, c := range counts {
		waiting, cut = waiting+c.Waiting, cut+c.Cut
	}
	require.Equal(t, []int64{2, 1}, []int64{waiting, cut})
	require.Equal(t, acted{Packs: 1}, act("drop", `{"machine":"lathe-9","reason":"unknown-machine"}`))
	require.Equal(t, []int64{4, 3, 2}, list(""))
	refused(t, r.call(http.MethodPost, base+"/quarantine/drop", `{}`, r.as(registry.RoleManager)), http.StatusBadRequest, "say which")
	refused(t, r.call(http.MethodPost, base+"/quarantine/drop", `{"reason":"x"}`, r.as(registry.RoleTechnician)), http.StatusForbidden)
}
