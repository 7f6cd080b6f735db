package apitest

import (
	"context"
	"time"

	"karkhana/internal/registry"
)

// workCalendar is Monday to Saturday from 09:00 to 18:00 with a break at noon; the furnace also works a late shift. The 14th is
// a holiday, and on the 17th the furnace was planned to be overhauled.
func workCalendar(zone *time.Location) *registry.CalendarDefinition {
	at := func(day, hour int) int64 { return time.Date(2026, 11, day, hour, 0, 0, 0, zone).UnixMilli() }
	week := []int{1, 2, 3, 4, 5, 6}
	shift := registry.Shift{ID: "day", Name: registry.Name{Hi: "दिन की पाली", En: "Day shift"}, Days: week, From: 540, To: 1080, Breaks: []registry.ShiftBreak{{From: 780, To: 810}}}
	late := registry.Shift{ID: "late", Name: registry.Name{Hi: "शाम की पाली", En: "Late shift"}, Days: week, From: 1080, To: 1260}
	return &registry.CalendarDefinition{
		Weeks: []registry.CalendarWeek{{Shifts: []registry.Shift{shift}}, {Machine: "furnace-1", Shifts: []registry.Shift{shift, late}}},
		Stops: []registry.PlannedStop{
			{Kind: registry.StopHoliday, FromMs: at(14, 0), ToMs: at(15, 0), Name: registry.Name{Hi: "बाल मेला", En: "Village fair"}},
			{Kind: registry.StopMaintenance, Machine: "furnace-1", FromMs: at(17, 9), ToMs: at(17, 12), Name: registry.Name{Hi: "तार की जाँच", En: "Element check"}},
		},
	}
}

// broken writes down two breakdowns: one mended, one not.
func (w *World) broken(ctx context.Context) error {
	at := func(day, hour int) int64 { return time.Date(2026, 11, day, hour, 0, 0, 0, w.zone).UnixMilli() }
	for _, b := range []registry.Breakdown{
		{Machine: "hammer-1", FromMs: at(12, 15), ToMs: at(13, 11), Note: "belt torn", EndedBy: "technician one"},
		{Machine: "polishing-2", FromMs: at(20, 15), Note: "does not start"},
	} {
		b.Site, b.Author, b.MadeMs = Site, "technician one", b.FromMs
		if _, err := w.Registry.AddBreakdown(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
