package billing

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// kept is the fake with what the keeping of drafts needs.
type kept struct {
	others []registry.Site
	*fake
	statements []registry.Statement
	changes    map[string]int64
	noted      int
}

func (k *kept) Sites(context.Context) ([]registry.Site, error) {
	return append([]registry.Site{{ID: "jodhpur-cfc", Zone: "Asia/Kolkata"}}, k.others...), nil
}

func (k *kept) Statements(_ context.Context, _, month string) ([]registry.Statement, error) {
	return slices.DeleteFunc(slices.Clone(k.statements), func(s registry.Statement) bool { return s.Month != month }), nil
}

func (k *kept) SaveStatement(_ context.Context, s registry.Statement) (registry.Statement, error) {
	k.statements = slices.DeleteFunc(k.statements, func(o registry.Statement) bool { return o.Group == s.Group && o.Month == s.Month })
	k.statements = append(k.statements, s)
	return s, nil
}

func (k *kept) MonthsChanged(_ context.Context, months []registry.SiteMonth, untilMs int64) error {
	k.noted++
	for _, m := range months {
		k.changes[m.Month] = max(k.changes[m.Month], untilMs)
	}
	return nil
}

func (k *kept) StaleMonths(context.Context) ([]registry.StaleMonth, error) {
	var out []registry.StaleMonth
	for _, s := range k.statements {
		if until, ok := k.changes[s.Month]; ok && s.MadeMs <= until {
			out = append(out, registry.StaleMonth{Site: s.Site, Month: s.Month, OldestMs: s.MadeMs, UntilMs: until})
		}
	}
	return out, nil
}

// A backlog that comes after the month is over changes the run time: the draft is out of date at once, for whoever asks and
// after a crash as well, and is made anew when the data has come, with what it said before.
func TestLateDataMakesDraftsAnew(t *testing.T) {
	d, f := november(t)
	k := &kept{fake: f, changes: map[string]int64{}}
	now := time.UnixMilli(ist(t, "2026-12-05 10:00:00"))
	o := DraftOptions{Store: d.Store, Registry: k, Now: func() time.Time { return now }}
	keeper := NewDrafts(o)
	first, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-2", now.UnixMilli())
	require.NoError(t, err)
	row, err := first.Row()
	require.NoError(t, err)
	k.statements = []registry.Statement{row}
	require.NoError(t, keeper.Sweep(t.Context()))
	require.Equal(t, row, k.statements[0], "nothing changed")

	now = now.Add(time.Minute)
	require.NoError(t, keeper.Rebuilt(t.Context(), "jodhpur-cfc", "lathe-1", ist(t, "2026-12-03 10:00:00"), now.UnixMilli()))
	stale, _ := k.StaleMonths(t.Context())
	require.Empty(t, stale, "this month's data")
	late := timeline.Interval{State: timeline.StateOff, StartMs: ist(t, "2026-11-02 10:30:00"), EndMs: ist(t, "2026-11-02 10:40:00")}
	require.NoError(t, d.Store.Write(t.Context(), []tsdb.Point{late.Point("jodhpur-cfc", "lathe-1")}))
	for range 50 { // machine by machine
		require.NoError(t, keeper.Rebuilt(t.Context(), "jodhpur-cfc", "lathe-1", late.StartMs, late.EndMs))
	}
	require.Equal(t, 2, k.noted, "the end of November, and this; data that pours in is noted a few times a minute")
	stale, _ = k.StaleMonths(t.Context())
	require.Len(t, stale, 1)
	require.NoError(t, keeper.Sweep(t.Context()))
	require.Equal(t, row, k.statements[0], "more may come")

	keeper = NewDrafts(o) // killed: another process takes over
	now = now.Add(time.Minute)
	require.NoError(t, keeper.Sweep(t.Context()))
	again, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-2", now.UnixMilli())
	require.NoError(t, err)
	require.NotEqual(t, first.Total, again.Total)
	again.Was = &Was{Made: first.Made, RunS: first.Total.RunS, AmountPaise: first.Total.AmountPaise}
	want, err := again.Row()
	require.NoError(t, err)
	require.Equal(t, []registry.Statement{want}, k.statements)
	stale, _ = k.StaleMonths(t.Context())
	require.Empty(t, stale)
}

// A draft of the month under way is made anew when the month is over.
func TestDraftOfAMonthThatEnds(t *testing.T) {
	d, f := november(t)
	k := &kept{fake: f, changes: map[string]int64{}}
	now := time.UnixMilli(ist(t, "2026-11-20 10:00:00"))
	keeper := NewDrafts(DraftOptions{Store: d.Store, Registry: k, Now: func() time.Time { return now }})
	draft, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now.UnixMilli())
	require.NoError(t, err)
	row, err := draft.Row()
	require.NoError(t, err)
	k.statements = []registry.Statement{row}
	require.NoError(t, keeper.Sweep(t.Context()))
	require.Equal(t, row, k.statements[0])
	now = time.UnixMilli(ist(t, "2026-12-01 00:00:30"))
	require.NoError(t, keeper.Sweep(t.Context()))
	require.Equal(t, now.UnixMilli(), k.statements[0].MadeMs)
	require.Contains(t, k.statements[0].BodyJSON, `"complete":true`)
}

func TestMonthsOver(t *testing.T) {
	at := func(s string) time.Time { return time.UnixMilli(ist(t, s)).In(time.FixedZone("IST", 19_800)) }
	require.Empty(t, monthsOver("s", at("2026-12-01 00:00:00"), at("2026-12-05 00:00:00")))
	require.Equal(t, []registry.SiteMonth{{Site: "s", Month: "2026-11"}}, monthsOver("s", at("2026-11-30 23:59:59"), at("2026-12-01 00:00:00")))
	require.Equal(t, []registry.SiteMonth{{Site: "s", Month: "2025-12"}, {Site: "s", Month: "2026-01"}}, monthsOver("s", at("2025-12-31 00:00:00"), at("2026-02-28 00:00:00")))
	require.Len(t, monthsOver("s", time.UnixMilli(0), at("2026-02-28 00:00:00")), 120)
}

// That a month is over is noted of all sites at once, and once: a note for each site kept ingest waiting for the registry.
func TestMonthsEndsAreNotedTogether(t *testing.T) {
	k := &kept{changes: map[string]int64{}}
	for i := range 50 {
		k.others = append(k.others, registry.Site{ID: fmt.Sprint("s-", i), Zone: "Asia/Kolkata"})
	}
	d := NewDrafts(DraftOptions{Store: tsdb.NewMemory(), Registry: k, Now: func() time.Time { return time.UnixMilli(ist(t, "2026-12-05 00:00:00")) }})
	require.NoError(t, d.Sweep(t.Context()))
	require.NoError(t, d.Sweep(t.Context()))
	require.Equal(t, 1, k.noted)
	require.Equal(t, map[string]int64{"2026-11": ist(t, "2026-12-01 00:00:00")}, k.changes)
}
