package billing

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// What a gateway without a time has measured is not billed until somebody confirms the times, and says why; confirmed, the
// bill is what it was without the mark, to the paisa.
func TestBoundedTimeIsHeldBackUntilConfirmed(t *testing.T) {
	const minute = 60_000
	d, f := november(t)
	now := ist(t, "2026-12-05 00:00:00")
	before, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)

	sample := func(at string, bounded bool) {
		fields := []tsdb.Field{{Key: "power_w", Value: 900.0}}
		if bounded {
			fields = append(fields, tsdb.Field{Key: tsdb.TimeBounded, Value: int64(1)})
		}
		require.NoError(t, d.Store.Write(t.Context(), []tsdb.Point{{Measurement: tsdb.Telemetry, Site: "jodhpur-cfc", Machine: "lathe-1", TimeMs: ist(t, at), Fields: fields}}))
	}
	sample("2026-11-02 10:50:00", false) // pg-2 holds the lathe until 11:00, pg-1 from then on
	sample("2026-11-02 10:55:00", true)
	sample("2026-11-02 11:05:00", true)
	sample("2026-11-02 11:10:00", false)

	lathe := func(s Statement) Line {
		for _, l := range s.Lines {
			if l.Machine == "lathe-1" {
				return l
			}
		}
		t.Fatal("no line")
		return Line{}
	}
	held, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)
	l := lathe(held)
	require.Equal(t, int64(20*minute), l.RunMs, "11:10 to 11:30")
	require.Equal(t, int64(10*minute), l.HeldMs)
	require.Equal(t, int64(600), held.Total.HeldS)
	require.Equal(t, lathe(before).RunS-600, l.RunS)
	require.Equal(t, ist(t, "2026-11-02 10:50:00"), l.Held[0].NotBefore.UnixMilli())
	require.Equal(t, ist(t, "2026-11-02 11:10:00"), l.Held[0].NotAfter.UnixMilli())
	require.Contains(t, held.Problems, Problem{ProblemBounded, "lathe-1", l.Held[0].NotBefore, l.Held[0].NotAfter})
	for _, b := range held.Balance {
		require.True(t, b.Balanced, "%+v", b)
	}
	require.Equal(t, int64(20*minute), held.Balance[1].HeldRunMs, "of both groups")
	var table bytes.Buffer
	require.NoError(t, held.WriteCSV(&table, "en"))
	rows, err := csv.NewReader(&table).ReadAll()
	require.NoError(t, err)
	require.Contains(t, rows[len(rows)-2][len(rows[0])-1], "02-11-2026 10:50:00 – 02-11-2026 11:10:00")

	f.corrections = []registry.Correction{{
		ID: 7, Machine: "lathe-1", Kind: session.KindConfirm, FromMs: l.Held[0].From.UnixMilli(), ToMs: l.Held[0].To.UnixMilli(), Author: "Sita", Reason: "the register of the workshop says so",
	}}
	confirmed, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)
	require.Equal(t, before.Total, confirmed.Total)
	require.Equal(t, int64(7), lathe(confirmed).Corrections[0].ID, "the line says who confirmed it")

	sample("2026-11-02 10:54:00", true) // late data: more than was confirmed
	grown, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)
	require.Equal(t, held.Total.HeldS, grown.Total.HeldS)

	f.corrections[0].FromMs -= minute
	f.corrections = append(f.corrections, registry.Correction{ID: 8, Machine: "lathe-1", Kind: session.KindReverse, Reverses: 7})
	reversed, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)
	require.Equal(t, held.Total.HeldS, reversed.Total.HeldS)
}

// While no sample with a known time has come since, everything after the last one is held back.
func TestBoundedTimeWithoutAnEnd(t *testing.T) {
	d, _ := november(t)
	for _, at := range []string{"2026-11-02 11:19:00", "2026-11-02 11:20:00"} {
		require.NoError(t, d.Store.Write(t.Context(), []tsdb.Point{{Measurement: tsdb.Telemetry, Site: "jodhpur-cfc", Machine: "lathe-1", TimeMs: ist(t, at), Fields: []tsdb.Field{
			{Key: "power_w", Value: 900.0}, {Key: tsdb.TimeBounded, Value: int64(1)}}}}))
	}
	s, err := Make(t.Context(), d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-12-05 00:00:00"))
	require.NoError(t, err)
	for _, l := range s.Lines {
		if l.Machine != "lathe-1" {
			continue
		}
		require.Zero(t, l.RunS)
		require.Zero(t, l.AmountPaise)
		require.Equal(t, int64(1800), l.HeldS)
		require.Nil(t, l.Held[0].NotBefore)
		require.Nil(t, l.Held[0].NotAfter)
	}
}
