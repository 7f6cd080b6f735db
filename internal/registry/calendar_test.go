package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func calendarOf() *CalendarDefinition {
	day := Shift{ID: "day", Name: Name{Hi: "दिन", En: "Day"}, Days: []int{1, 2, 3, 4, 5, 6}, From: 540, To: 1080, Breaks: []ShiftBreak{{780, 810}}}
	night := Shift{ID: "night", Name: Name{Hi: "रात", En: "Night"}, Days: []int{1}, From: 1320, To: 1800}
	return &CalendarDefinition{
		Weeks: []CalendarWeek{
			{Site: site, ValidFromMs: 0, Shifts: []Shift{day}},
			{Site: site, ValidFromMs: 5000, Shifts: []Shift{day, night}},
			{Site: site, Machine: "furnace-1", ValidFromMs: 7000, LikeSite: true},
		},
		Rules: []KPIRule{{HoursPerYear: 2400, MinCoverage: 0.8}},
		Stops: []PlannedStop{{Kind: StopHoliday, FromMs: 100, ToMs: 200, Name: Name{Hi: "दिवाली", En: "Diwali"}}},
	}
}

func TestCalendarIsAppliedWhole(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		c, err := d.Calendar(ctx, site, 0, 10_000)
		require.NoError(t, err)
		require.Equal(t, Calendar{}, c, "none yet")

		def := definition()
		def.Calendar = calendarOf()
		require.NoError(t, d.Apply(ctx, def, "asha", 1000))
		audits := func() int {
			rows, err := d.AuditLog(ctx, 0)
			require.NoError(t, err)
			return len(rows)
		}
		before := audits()
		require.NoError(t, d.Apply(ctx, def, "asha", 2000))
		require.Equal(t, before, audits(), "the same again changes nothing")
		c, err = d.Calendar(ctx, site, 0, 10_000)
		require.NoError(t, err)
		require.Equal(t, def.Calendar.Weeks, c.Weeks)
		require.Equal(t, def.Calendar.Rules, c.Rules)
		require.Len(t, c.Stops, 1)
		require.Equal(t, []any{StopFromFile, "asha", int64(1000)}, []any{c.Stops[0].Source, c.Stops[0].Author, c.Stops[0].MadeMs})

		own, err := d.AddPlannedStop(ctx, PlannedStop{Site: site, Kind: StopClosure, FromMs: 150, ToMs: 250, Name: Name{En: "Flood"}, Source: StopFromPerson, Author: "meera", MadeMs: 3000})
		require.NoError(t, err, "of another kind: may lie over a holiday")
		_, err = d.AddPlannedStop(ctx, PlannedStop{Site: site, Kind: StopClosure, FromMs: 249, ToMs: 260, Source: StopFromPerson})
		require.ErrorIs(t, err, ErrOverlap)
		_, err = d.AddPlannedStop(ctx, PlannedStop{Site: site, Machine: "furnace-1", Kind: StopClosure, FromMs: 250, ToMs: 260, Source: StopFromPerson})
		require.NoError(t, err)

		// The file without the second week and with the holiday a day later.
		def.Calendar.Weeks = def.Calendar.Weeks[:1]
		def.Calendar.Stops[0].ToMs = 210
		require.NoError(t, d.Apply(ctx, def, "asha", 4000))
		c, err = d.Calendar(ctx, site, 0, 10_000)
		require.NoError(t, err)
		require.Len(t, c.Weeks, 1)
		require.Len(t, c.Stops, 3)
		require.EqualValues(t, 210, c.Stops[0].ToMs)
		c, err = d.Calendar(ctx, site, 210, 250)
		require.NoError(t, err)
		require.Len(t, c.Stops, 1, "half-open")

		_, err = d.RemovePlannedStop(ctx, site, own.ID, "meera", 5000)
		require.NoError(t, err)
		_, err = d.RemovePlannedStop(ctx, site, own.ID, "meera", 5000)
		require.ErrorIs(t, err, ErrNotFound)
		all, err := d.Calendar(ctx, site, 0, 10_000)
		require.NoError(t, err)
		_, err = d.RemovePlannedStop(ctx, site, all.Stops[0].ID, "meera", 5000)
		require.ErrorIs(t, err, ErrState, "the file's own")

		def.Calendar = nil
		require.NoError(t, d.Apply(ctx, def, "asha", 6000))
		c, err = d.Calendar(ctx, site, 0, 10_000)
		require.NoError(t, err)
		require.Len(t, c.Weeks, 1, "a file without a calendar leaves it alone")
	})
}

func TestBreakdowns(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		const later = int64(1_800_000_000_000) // beyond 32 bits
		b, err := d.AddBreakdown(ctx, Breakdown{Site: site, Machine: "furnace-1", FromMs: later, Note: "element", Author: "ravi", MadeMs: later + 5})
		require.NoError(t, err)
		_, err = d.AddBreakdown(ctx, Breakdown{Site: site, Machine: "furnace-1", FromMs: later + 100, ToMs: later + 200})
		require.ErrorIs(t, err, ErrOverlap, "the first is still open")
		_, err = d.AddBreakdown(ctx, Breakdown{Site: site, Machine: "furnace-1", FromMs: later - 100, ToMs: later})
		require.NoError(t, err)
		_, err = d.AddBreakdown(ctx, Breakdown{Site: site, Machine: "cutter-2", FromMs: later + 100, ToMs: later + 200})
		require.NoError(t, err)
		_, err = d.EndBreakdown(ctx, site, b.ID, later-1, "ravi")
		require.ErrorIs(t, err, ErrState)
		b, err = d.EndBreakdown(ctx, site, b.ID, later+50, "meera")
		require.NoError(t, err)
		require.Equal(t, []any{later + 50, "meera"}, []any{b.ToMs, b.EndedBy})
		_, err = d.EndBreakdown(ctx, site, b.ID, later+60, "meera")
		require.ErrorIs(t, err, ErrState)

		rows, err := d.Breakdowns(ctx, site, "", later, later+101)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		rows, err = d.Breakdowns(ctx, site, "furnace-1", 0, later+101)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		_, err = d.RemoveBreakdown(ctx, site, b.ID, "meera", later+70)
		require.NoError(t, err)
		_, err = d.RemoveBreakdown(ctx, site, b.ID, "meera", later+70)
		require.ErrorIs(t, err, ErrNotFound)
	})
}
