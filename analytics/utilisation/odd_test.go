package utilisation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Shifts of odd lengths, stops that cut them and time before the first sample count as they are written, and what is not known
// gives no figure but a reason.
func TestOddCalendars(t *testing.T) {
	night := minutes(1320, 1320+480, 6) // Saturday 22:00 to Sunday 06:00
	for name, c := range map[string]struct {
		shift    registry.Shift
		stops    []registry.PlannedStop
		from, to int64 // asked, from midnight of Sunday, 1 November
		pbt      int64
		why      string
	}{
		"to 23:59, a minute is outside":             {minutes(0, 1439, 0), nil, 0, day, day - minute, ""},
		"fourteen hours":                            {minutes(360, 1200, 0), nil, 0, day, 14 * hour, ""},
		"over midnight, the day it ends":            {night, nil, 0, day, 6 * hour, ""},
		"over midnight, the day it begins":          {night, nil, 6 * day, 7 * day, 2 * hour, ""},
		"holiday on the day a night shift ends":     {night, []registry.PlannedStop{{Kind: registry.StopHoliday, FromMs: midnight, ToMs: midnight + day}}, 0, day, 0, utilisation.WhyNoPlannedTime},
		"holiday on the day a night shift begins":   {night, []registry.PlannedStop{{Kind: registry.StopHoliday, FromMs: midnight + 6*day, ToMs: midnight + 7*day}}, 6 * day, 8 * day, 6 * hour, ""},
		"the month before the first sample":         {minutes(360, 840, 0, 1, 2, 3, 4, 5, 6), nil, -31 * day, 0, 31 * 8 * hour, utilisation.WhyLowCoverage},
		"two holidays over each other are one stop": {minutes(0, 720, 0), []registry.PlannedStop{{Kind: registry.StopHoliday, FromMs: midnight, ToMs: midnight + 3*hour}, {Kind: registry.StopClosure, Machine: "lathe", FromMs: midnight + 2*hour, ToMs: midnight + 4*hour}}, 0, day, 8 * hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := tsdb.NewMemory()
			for h := range int64(8 * 24) {
				put(t, store, piece(timeline.StateRun, h*hour, (h+1)*hour, 3))
			}
			reg := &fakeRegistry{calendar: registry.Calendar{Weeks: []registry.CalendarWeek{{Shifts: []registry.Shift{c.shift}}}, Stops: c.stops}}
			q := utilisation.Asked{Site: "cfc", Machines: []string{"lathe"}, FromMs: midnight + c.from, ToMs: midnight + c.to, By: utilisation.ByYear, NowMs: midnight + 60*day}
			rows, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: store, Registry: reg}, q)
			require.NoError(t, err)
			require.Len(t, rows[0].KPIs, 1)
			k := rows[0].KPIs[0]
			require.Equal(t, c.pbt, k.PBTMs)
			require.Equal(t, k.RunMs-k.APTMs(), k.OutsideRunMs)
			require.Equal(t, c.why, k.Why[utilisation.FigureAvailability])
			require.Equal(t, c.why, k.Why[utilisation.FigureUtilization], "nothing known is not the same as nobody there")
			if c.why == "" {
				require.InDelta(t, 1.0, *k.Availability, 0)
			} else {
				require.Nil(t, k.Availability)
			}
		})
	}
}
