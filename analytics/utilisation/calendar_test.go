package utilisation_test

import (
	"context"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/calendar"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

func minutes(from, to int64, days ...int) registry.Shift {
	return registry.Shift{ID: "day", From: from, To: to, Days: days}
}

// 1 November 2026 is a Sunday. The centre works Monday to Saturday from 09:15 to 18:00 with a break from 13:00 to 13:30.
func weekdays() registry.Calendar {
	s := minutes(555, 1080, 1, 2, 3, 4, 5, 6)
	s.Breaks = []registry.ShiftBreak{{From: 780, To: 810}}
	return registry.Calendar{Weeks: []registry.CalendarWeek{{Shifts: []registry.Shift{s}}}}
}

func TestWithinAndOutsideTheCalendar(t *testing.T) {
	store := tsdb.NewMemory()
	monday := day
	fill := func(state string, from, to int64) { // minutes of Monday, cut at hours
		for at := from; at < to; {
			end := min(to, (at/60+1)*60)
			put(t, store, piece(state, monday+at*minute, monday+end*minute, 60))
			at = end
		}
	}
	fill("off", 0, 540)
	fill("run", 540, 720)   // 09:00–12:00: a quarter of an hour early
	fill("idle", 720, 780)  // 12:00–13:00
	fill("run", 780, 840)   // 13:00–14:00: half of it in the break
	fill("off", 840, 1110)  // 14:00–18:30
	fill("run", 1110, 1140) // 18:30–19:00
	fill("off", 1140, 1440)
	reg := &fakeRegistry{
		calendar: weekdays(),
		sessions: []registry.Session{{StartMs: midnight + monday + 600*minute, EndMs: midnight + monday + 795*minute}}, // 10:00–13:15
		broken: []registry.Breakdown{
			{Machine: "lathe", FromMs: midnight + monday + 900*minute, ToMs: midnight + 2*day + 600*minute}, // 15:00 to Tuesday 10:00
			{Machine: "press", FromMs: midnight + monday, ToMs: midnight + monday + hour},
		},
	}
	// The hours made by put hold only what was put last: make them anew from the pieces.
	whole(t, store, monday, monday+day)
	d := utilisation.Deps{Store: store, Registry: reg}
	of := func(by string, from, to int64) []utilisation.KPI {
		got, err := kpis(t.Context(), d, "cfc", "lathe", midnight+from, midnight+to, by, midnight+40*day)
		require.NoError(t, err)
		return got
	}
	k := of(utilisation.ByDay, monday, monday+day)[0]
	require.Equal(t, "set", k.Calendar)
	require.Equal(t, []int64{525 * minute, 495 * minute}, []int64{k.POTMs, k.PBTMs})
	require.Equal(t, 30*minute, k.KindMs[calendar.KindBreak])
	require.Equal(t, utilisation.Times{OffMs: 240 * minute, IdleMs: 60 * minute, RunMs: 195 * minute}, k.Planned)
	require.Equal(t, []int64{270 * minute, 75 * minute}, []int64{k.RunMs, k.OutsideRunMs}, "early, in the break, in the evening")
	require.Equal(t, []int64{180 * minute, 75 * minute, 255 * minute}, []int64{k.SessionMs, k.UnattributedMs, k.AUBTMs})
	require.InDelta(t, 195.0/495, *k.Availability, 1e-12)
	require.Equal(t, int64(1), k.Failures)
	require.Equal(t, (180+45)*minute, k.RepairMs, "15:00 to 18:00 and on Tuesday 09:15 to 10:00")
	require.InDelta(t, 255*60_000, *k.MTBFMs, 0)
	require.InDelta(t, 225*60_000, *k.MTTRMs, 0)
	require.InDelta(t, 270.0/(2400*60.0/365), *k.CapacityRatio, 1e-8)
	require.Equal(t, int64(2400), k.CapacityPerYearH)
	require.False(t, k.EnergyEstimated, "no hour is cut by a day")
	require.Empty(t, k.Why)

	sunday := of(utilisation.ByDay, 0, day)[0]
	require.Nil(t, sunday.Availability)
	require.Equal(t, utilisation.WhyNoPlannedTime, sunday.Why[utilisation.FigureAvailability])
	require.Equal(t, utilisation.WhyNoPlannedTime, sunday.Why[utilisation.FigureUtilization])
	require.Equal(t, utilisation.WhyLowCoverage, sunday.Why[utilisation.FigureCapacity])
	require.Equal(t, utilisation.WhyNoFailures, sunday.Why[utilisation.FigureMTBF])
	require.Equal(t, utilisation.WhyLowCoverage, of(utilisation.ByDay, 2*day, 3*day)[0].Why[utilisation.FigureAvailability])

	shifts := of(utilisation.ByShift, monday, monday+day)
	require.Len(t, shifts, 3, "before, the shift, after")
	require.Nil(t, shifts[0].Shift)
	require.Equal(t, "day", shifts[1].Shift.Shift)
	require.Equal(t, 525*minute, shifts[1].ToMs-shifts[1].FromMs)
	require.Equal(t, k.Planned, shifts[1].Planned)
	require.Equal(t, 15*minute, shifts[0].RunMs)
	require.True(t, shifts[1].EnergyEstimated, "its first hour is cut")
	require.Equal(t, k.RunMilliWh, shifts[0].RunMilliWh+shifts[1].RunMilliWh+shifts[2].RunMilliWh)

	// Rules of its own: hours a year and coverage.
	reg.calendar.Rules = []registry.KPIRule{{HoursPerYear: 3650, MinCoverage: 0}, {ValidFromMs: midnight + monday + 12*hour, HoursPerYear: 7300}}
	k = of(utilisation.ByDay, monday, monday+day)[0]
	require.Equal(t, 15*hour, k.CapacityMs, "half a day at 10 hours, half a day at 20")
	require.NotNil(t, of(utilisation.ByDay, 2*day, 3*day)[0].Availability, "coverage is not asked for")

	months := of(utilisation.ByYear, 0, 40*day)
	require.Len(t, months, 1)
	require.Equal(t, k.RunMs, months[0].RunMs)
}

// whole writes the hours of [from, to) after midnight anew from the stored pieces.
func whole(t require.TestingT, store tsdb.Store, from, to int64) {
	pieces, err := timeline.Pieces(context.Background(), store, "cfc", "lathe", midnight+from, midnight+to)
	require.NoError(t, err)
	put(t, store, pieces...)
}

func TestWithoutACalendar(t *testing.T) {
	store := tsdb.NewMemory()
	put(t, store, piece("run", 0, hour, 3))
	reg := &fakeRegistry{}
	d := utilisation.Deps{Store: store, Registry: reg}
	rows, err := utilisation.SiteKPIs(t.Context(), d, utilisation.Asked{Site: "cfc", FromMs: midnight, ToMs: midnight + hour, By: utilisation.ByHour, NowMs: midnight + day})
	require.NoError(t, err)
	require.Len(t, rows, 2, "main meters are left out")
	k := rows[0].KPIs[0]
	require.Equal(t, []any{"none", hour, hour}, []any{k.Calendar, k.PBTMs, k.POTMs})
	require.InDelta(t, 1.0, *k.Availability, 0)
	require.Equal(t, utilisation.WhyLowCoverage, rows[1].KPIs[0].Why[utilisation.FigureAvailability])

	shifts, err := kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, utilisation.ByShift, midnight+day)
	require.NoError(t, err)
	require.Len(t, shifts, 1, "no shift, one stretch between")
	require.Nil(t, shifts[0].Shift)

	meter, err := kpis(t.Context(), d, "cfc", "main", midnight, midnight+day, utilisation.ByDay, midnight+2*day)
	require.NoError(t, err)
	require.Equal(t, utilisation.WhyMeter, meter[0].Why[utilisation.FigureAvailability])
}

// Whatever runs, whoever is there, whatever the calendar: by every kind of period the times are those that counting minute by
// minute gives, they add up, and Availability = Allocation × Utilization exactly.
func TestCountedMinuteByMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const span = 3 * 1440
		store := tsdb.NewMemory()
		states := make([]string, span)
		for at := 0; at < span; {
			end := min(span, at+rapid.IntRange(1, 400).Draw(t, "minutes"))
			state := rapid.SampledFrom([]string{"off", "idle", "run", "run", "unknown"}).Draw(t, "state")
			for at < end {
				next := min(end, (at/60+1)*60)
				put(t, store, piece(state, int64(at)*minute, int64(next)*minute, int64(next-at)))
				for ; at < next; at++ {
					states[at] = state
				}
			}
		}
		whole(t, store, 0, span*minute)
		reg := &fakeRegistry{}
		held := make([]bool, span)
		for n := rapid.IntRange(0, 5).Draw(t, "sessions"); n > 0; n-- {
			from := rapid.IntRange(0, span-1).Draw(t, "from")
			to := min(span, from+rapid.IntRange(1, 500).Draw(t, "length"))
			reg.sessions = append(reg.sessions, registry.Session{StartMs: midnight + int64(from)*minute, EndMs: midnight + int64(to)*minute})
			for i := from; i < to; i++ {
				held[i] = true
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "calendar") > 0 {
			from := rapid.Int64Range(0, 1439).Draw(t, "shift from")
			s := minutes(from, from+rapid.Int64Range(1, 720).Draw(t, "shift length"), 0, 1, 2, 3, 4, 5, 6)
			s.Breaks = []registry.ShiftBreak{{From: (s.From + s.To) / 2, To: s.To - (s.To-s.From)/4}}
			reg.calendar.Weeks = []registry.CalendarWeek{{ValidFromMs: midnight + day*rapid.Int64Range(-1, 1).Draw(t, "valid"), Shifts: []registry.Shift{s}}}
			at := midnight + minute*rapid.Int64Range(0, span).Draw(t, "closure")
			reg.calendar.Stops = []registry.PlannedStop{{Kind: "closure", FromMs: at, ToMs: at + 90*minute}}
		}
		rules := calendar.New(kolkata, reg.calendar)
		busy := make([]bool, span)
		for _, s := range rules.Plan("lathe", midnight, midnight+span*minute) {
			for i := (s.FromMs - midnight) / minute; i < (s.ToMs-midnight)/minute; i++ {
				busy[i] = s.Kind.Busy()
			}
		}
		d := utilisation.Deps{Store: store, Registry: reg}
		for _, by := range []string{utilisation.ByHour, utilisation.ByShift, utilisation.ByDay, utilisation.ByMonth, utilisation.ByYear} {
			ks, err := kpis(context.Background(), d, "cfc", "lathe", midnight, midnight+span*minute, by, midnight+40*day)
			require.NoError(t, err)
			var energy int64
			for i, k := range ks {
				require.True(t, i == 0 || ks[i-1].ToMs == k.FromMs, "%s: periods tile", by)
				var all, planned utilisation.Times
				var session, alone, outside int64
				for m := (k.FromMs - midnight) / minute; m < min(span, (k.ToMs-midnight)/minute); m++ {
					one := utilisation.Times{}
					switch states[m] {
					case "off":
						one.OffMs = minute
					case "idle":
						one.IdleMs = minute
					case "run":
						one.RunMs = minute
					default:
						one.UnknownMs = minute
					}
					all = plus(all, one)
					if !busy[m] {
						outside += one.RunMs
						continue
					}
					planned = plus(planned, one)
					if held[m] {
						session += minute
					} else {
						alone += one.RunMs
					}
				}
				if k.ToMs > midnight+span*minute { // the last shift goes on where nothing is stored
					continue
				}
				require.Equal(t, all, allOf(k), by)
				require.Equal(t, planned, k.Planned, by)
				require.Equal(t, []int64{session, alone, session + alone, outside}, []int64{k.SessionMs, k.UnattributedMs, k.AUBTMs, k.OutsideRunMs}, by)
				require.Equal(t, planned.KnownMs()+planned.UnknownMs, k.PBTMs, by)
				var kinds int64
				for _, ms := range k.KindMs {
					kinds += ms
				}
				require.Equal(t, k.ToMs-k.FromMs, kinds)
				if k.PBTMs > 0 && k.AUBTMs > 0 {
					availability, allocation, utilization := big.NewRat(k.APTMs(), k.PBTMs), big.NewRat(k.AUBTMs, k.PBTMs), big.NewRat(k.APTMs(), k.AUBTMs)
					require.Zero(t, availability.Cmp(allocation.Mul(allocation, utilization)), "the identity, exactly")
				}
				energy += k.OffMilliWh + k.IdleMilliWh + k.RunMilliWh + k.UnknownMilliWh
			}
			if last := ks[len(ks)-1]; last.ToMs == midnight+span*minute && ks[0].FromMs == midnight {
				require.Equal(t, int64(span), energy, "%s: 1 mWh a minute, none lost", by)
			}
		}
	})
}

func plus(a, b utilisation.Times) utilisation.Times {
	return utilisation.Times{OffMs: a.OffMs + b.OffMs, IdleMs: a.IdleMs + b.IdleMs, RunMs: a.RunMs + b.RunMs, UnknownMs: a.UnknownMs + b.UnknownMs}
}

func allOf(k utilisation.KPI) utilisation.Times {
	return utilisation.Times{OffMs: k.OffMs, IdleMs: k.IdleMs, RunMs: k.RunMs, UnknownMs: k.UnknownMs}
}
