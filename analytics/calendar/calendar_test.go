package calendar_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/calendar"
	"karkhana/internal/registry"
)

const hour = int64(3_600_000)

func zone(t require.TestingT, name string) *time.Location {
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func at(t require.TestingT, z *time.Location, text string) int64 {
	v, err := time.ParseInLocation("2006-01-02 15:04", text, z)
	require.NoError(t, err)
	return v.UnixMilli()
}

func shift(id string, from, to int64, days ...int) registry.Shift {
	return registry.Shift{ID: id, From: from, To: to, Days: days}
}

// word writes a plan for people to compare.
func words(z *time.Location, plan []calendar.Stretch) []string {
	var out []string
	for _, s := range plan {
		w := time.UnixMilli(s.FromMs).In(z).Format("02 15:04") + " " + s.Kind.String()
		if s.Turn != nil {
			w += " " + s.Turn.Shift
		}
		out = append(out, w)
	}
	return out
}

func TestAWeekInKolkata(t *testing.T) {
	z := zone(t, "Asia/Kolkata")
	day := shift("day", 540, 1080, 1, 2, 3, 4, 5, 6)
	day.Breaks = []registry.ShiftBreak{{From: 780, To: 810}}
	night := shift("night", 1320, 1800, 5)
	night.Breaks = []registry.ShiftBreak{{From: 1425, To: 1455}} // across midnight
	r := calendar.New(z, registry.Calendar{
		Weeks: []registry.CalendarWeek{
			{ValidFromMs: at(t, z, "2026-11-01 00:00"), Shifts: []registry.Shift{day, night}},
			{Machine: "furnace", ValidFromMs: at(t, z, "2026-11-01 00:00"), Shifts: []registry.Shift{shift("all", 0, 1440, 0, 1, 2, 3, 4, 5, 6)}},
			{Machine: "furnace", ValidFromMs: at(t, z, "2026-11-07 00:00"), LikeSite: true},
		},
		Stops: []registry.PlannedStop{
			{Kind: "holiday", FromMs: at(t, z, "2026-11-05 00:00"), ToMs: at(t, z, "2026-11-06 00:00")},
			{Kind: "maintenance", Machine: "lathe", FromMs: at(t, z, "2026-11-06 08:00"), ToMs: at(t, z, "2026-11-06 10:00")},
			{Kind: "closure", FromMs: at(t, z, "2026-11-06 09:30"), ToMs: at(t, z, "2026-11-06 13:10")},
		},
	})
	require.Equal(t, []string{
		"04 00:00 outside", "04 09:00 work day", "04 13:00 break day", "04 13:30 work day", "04 18:00 outside",
		"05 09:00 holiday day", "05 18:00 outside",
		"06 09:00 maintenance day", "06 09:30 closure day", "06 13:10 break day", "06 13:30 work day", "06 18:00 outside",
		"06 22:00 work night", "06 23:45 break night", "07 00:15 work night", "07 06:00 outside", "07 09:00 work day",
	}, words(z, r.Plan("lathe", at(t, z, "2026-11-04 00:00"), at(t, z, "2026-11-07 12:00"))))
	require.Equal(t, []string{"06 20:00 work all", "07 00:00 outside", "07 09:00 work day"},
		words(z, r.Plan("furnace", at(t, z, "2026-11-06 20:00"), at(t, z, "2026-11-07 10:00"))), "the evening before was of its own week")
	require.Equal(t, []string{"31 12:00 none", "01 00:00 outside"}, words(z, r.Plan("", at(t, z, "2026-10-31 12:00"), at(t, z, "2026-11-01 12:00"))))
	require.True(t, r.Own("lathe"))
	require.False(t, r.Own("press"))

	plan := func(from, to string) string { return calendar.Known(r.Plan("", at(t, z, from), at(t, z, to))) }
	require.Equal(t, []string{"none", "part", "set"}, []string{
		plan("2026-10-30 00:00", "2026-10-31 00:00"), plan("2026-10-31 00:00", "2026-11-03 00:00"), plan("2026-11-02 00:00", "2026-11-03 00:00")})

	turns := r.Turns("", at(t, z, "2026-11-06 00:00"), at(t, z, "2026-11-07 00:00"))
	require.Len(t, turns, 2)
	require.Equal(t, at(t, z, "2026-11-07 06:00"), turns[1].ToMs, "whole, though it ends on the next day")
	require.Len(t, r.Turns("", at(t, z, "2026-11-07 00:00"), at(t, z, "2026-11-08 00:00")), 1, "the night belongs to the day it begins")
	require.Nil(t, r.Plan("", 5, 5))
}

// In Berlin the night of the 29 March has an hour less, that of the 25 October one more; nothing is lost or counted twice.
func TestAClockThatIsSet(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	every := []int{0, 1, 2, 3, 4, 5, 6}
	r := calendar.New(z, registry.Calendar{Weeks: []registry.CalendarWeek{{Shifts: []registry.Shift{
		shift("night", 1320, 1590, every...), shift("early", 150, 360, every...), shift("late", 360, 1320, every...),
	}}}})
	lengths := func(from, to string) map[string]int64 {
		out := map[string]int64{}
		for _, s := range r.Plan("", at(t, z, from), at(t, z, to)) {
			require.Equal(t, calendar.KindWork, s.Kind)
			out[s.Turn.Shift] += s.ToMs - s.FromMs
		}
		return out
	}
	require.Equal(t, map[string]int64{"night": 4*hour + hour/2, "early": 3*hour + hour/2, "late": 16 * hour}, lengths("2026-06-10 22:00", "2026-06-11 22:00"))
	require.Equal(t, map[string]int64{"night": 4 * hour, "early": 3 * hour, "late": 16 * hour}, lengths("2026-03-28 22:00", "2026-03-29 22:00"),
		"02:30 does not exist: night ends and early begins when the clock is set")
	require.Equal(t, map[string]int64{"night": 4*hour + hour/2, "early": 4*hour + hour/2, "late": 16 * hour}, lengths("2026-10-24 22:00", "2026-10-25 22:00"))
}

// tiles holds a plan to what every plan must be.
func tiles(t require.TestingT, plan []calendar.Stretch, fromMs, toMs int64) {
	at := fromMs
	for i, s := range plan {
		require.Equal(t, at, s.FromMs)
		require.Greater(t, s.ToMs, s.FromMs)
		require.Equal(t, s.Kind == calendar.KindWork || s.Kind == calendar.KindBreak || s.Kind > calendar.KindBreak && s.Turn != nil, s.Turn != nil)
		if s.Turn != nil {
			require.True(t, s.Turn.FromMs <= s.FromMs && s.ToMs <= s.Turn.ToMs)
		}
		if i > 0 {
			p := plan[i-1]
			require.False(t, p.Kind == s.Kind && p.Turn == s.Turn && p.Stop == s.Stop, "neighbours are unlike")
		}
		at = s.ToMs
	}
	require.Equal(t, max(fromMs, toMs), at)
}

// Whatever the rules, even ones that overlap: plans tile their range, cutting the range changes nothing, and turns don't overlap.
func TestPlansTile(t *testing.T) {
	zones := []*time.Location{zone(t, "Asia/Kolkata"), zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"), zone(t, "America/Havana"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		base := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 0, 0, 0, 0, z)
		var c registry.Calendar
		for n := rapid.IntRange(0, 3).Draw(t, "weeks"); n > 0; n-- {
			w := registry.CalendarWeek{
				Machine:     rapid.SampledFrom([]string{"", "", "m"}).Draw(t, "machine"),
				ValidFromMs: base.AddDate(0, 0, rapid.IntRange(-5, 10).Draw(t, "valid")).UnixMilli(), LikeSite: rapid.IntRange(0, 9).Draw(t, "like") == 0,
			}
			for k := rapid.IntRange(0, 3).Draw(t, "shifts"); k > 0; k-- {
				from := rapid.Int64Range(0, 1439).Draw(t, "from")
				to := from + rapid.Int64Range(1, 1439).Draw(t, "length")
				s := shift("s", from, to, rapid.SliceOfDistinct(rapid.IntRange(0, 6), rapid.ID[int]).Draw(t, "days")...)
				if rapid.Bool().Draw(t, "break") {
					a := rapid.Int64Range(from, to).Draw(t, "a")
					s.Breaks = append(s.Breaks, registry.ShiftBreak{From: a, To: rapid.Int64Range(a, to).Draw(t, "b")})
				}
				w.Shifts = append(w.Shifts, s)
			}
			c.Weeks = append(c.Weeks, w)
		}
		for n := rapid.IntRange(0, 4).Draw(t, "stops"); n > 0; n-- {
			from := base.UnixMilli() + rapid.Int64Range(-100*hour, 200*hour).Draw(t, "from")
			c.Stops = append(c.Stops, registry.PlannedStop{
				Kind: rapid.SampledFrom(registry.StopKinds).Draw(t, "kind"), Machine: rapid.SampledFrom([]string{"", "m", "x"}).Draw(t, "machine"),
				FromMs: from, ToMs: from + rapid.Int64Range(1, 100*hour).Draw(t, "length"),
			})
		}
		r := calendar.New(z, c)
		from := base.UnixMilli() + rapid.Int64Range(0, 48*hour).Draw(t, "from")
		to := from + rapid.Int64Range(0, 200*hour).Draw(t, "length")
		plan := r.Plan("m", from, to)
		tiles(t, plan, from, to)

		cut := rapid.Int64Range(from, to).Draw(t, "cut")
		sums := func(plans ...[]calendar.Stretch) (out [7]int64) {
			for _, p := range plans {
				for _, s := range p {
					out[s.Kind] += s.ToMs - s.FromMs
				}
			}
			return out
		}
		require.Equal(t, sums(plan), sums(r.Plan("m", from, cut), r.Plan("m", cut, to)))
		turns := r.Turns("m", from, to)
		require.Equal(t, turns, append(r.Turns("m", from, cut), r.Turns("m", cut, to)...))
		for i := 1; i < len(turns); i++ {
			require.GreaterOrEqual(t, turns[i].FromMs, turns[i-1].ToMs)
		}
	})
}

// FuzzPlan: no rules, however broken, make it panic, go on for ever or lose time.
func FuzzPlan(f *testing.F) {
	f.Add(int64(540), int64(1080), int64(780), int64(810), int64(0), uint8(3), int64(1_790_000_000_000), int64(86_400_000), false)
	f.Add(int64(1320), int64(1800), int64(1425), int64(1455), int64(1_774_700_000_000), uint8(0), int64(1_774_740_000_000), int64(7_200_000), true)
	f.Add(int64(-5), int64(1<<40), int64(9), int64(-9), int64(-1), uint8(255), int64(0), int64(1), true)
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, from, to, breakFrom, breakTo, valid int64, day uint8, ask, length int64, own bool) {
		if length < 0 || length > 100*24*hour || ask < 0 || ask > 7_000_000_000_000 {
			t.Skip()
		}
		s := shift("s", from, to, int(day), int(day)%7)
		s.Breaks = []registry.ShiftBreak{{From: breakFrom, To: breakTo}}
		w := registry.CalendarWeek{ValidFromMs: valid, Shifts: []registry.Shift{s, s}}
		if own {
			w.Machine = "m"
		}
		r := calendar.New(berlin, registry.Calendar{
			Weeks: []registry.CalendarWeek{w}, Stops: []registry.PlannedStop{{Kind: "closure", FromMs: breakFrom, ToMs: breakTo}, {Kind: "?", FromMs: valid, ToMs: to}},
		})
		tiles(t, r.Plan("m", ask, ask+length), ask, ask+length)
	})
}
