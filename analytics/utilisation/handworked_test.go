package utilisation_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/calendar"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/sitefile"
	"karkhana/internal/tsdb"
)

// zoned is a registry of a site in another zone.
type zoned struct {
	*fakeRegistry
	zone string
}

func (z zoned) Site(_ context.Context, id string) (registry.Site, error) {
	return registry.Site{ID: id, Zone: z.zone}, nil
}

// Calendars as a site file writes them, on a machine without a rating that never stops, with figures worked by hand: hours of
// POT, PBT and of each kind, and of run outside of PBT.
func TestCalendarsOfSiteFilesByHand(t *testing.T) {
	const hoursOf = float64(3_600_000)
	for name, c := range map[string]struct {
		zone, calendar           string
		from, to, by             string
		pot, pbt, outside        []float64
		breaks, closure, repairs []float64
		holiday                  []float64
	}{
		// Friday 30 October 22:00 to Saturday 06:00 and Saturday 31 October 22:00 to Sunday 1 November 06:00: of the second two hours are October's.
		"a shift over midnight over the end of a month": {
			calendar: `{weeks: [{shifts: [{id: n, name: {hi: र, en: N}, days: [fri, sat], from: "22:00", to: "06:00"}]}]}`,
			from:     "2026-10-30", to: "2026-11-02", by: utilisation.ByMonth,
			pot: []float64{10, 6}, pbt: []float64{10, 6}, outside: []float64{48 - 10, 24 - 6},
		},
		// 06:00 to 20:00 with an hour of rest: thirteen hours.
		"fourteen hours": {
			calendar: `{weeks: [{shifts: [{id: l, name: {hi: ल, en: L}, days: [mon, tue], from: "06:00", to: "20:00", breaks: [{from: "12:00", to: "13:00"}]}]}]}`,
			from:     "2026-11-02", to: "2026-11-04", by: utilisation.ByDay,
			pot: []float64{14, 14}, pbt: []float64{13, 13}, outside: []float64{11, 11}, breaks: []float64{1, 1},
		},
		// Closed from 11:00 to 14:30, over the break from 13:00 to 14:00: nine hours of shift, three and a half closed.
		"a closure within a shift and over its break": {
			calendar: `{weeks: [{shifts: [{id: d, name: {hi: द, en: D}, days: [mon], from: "09:00", to: "18:00", breaks: [{from: "13:00", to: "14:00"}]}]}],
  closures: [{from: "2026-11-02T11:00:00+05:30", to: "2026-11-02T14:30:00+05:30", name: {hi: ब, en: C}}]}`,
			from: "2026-11-02", to: "2026-11-03", by: utilisation.ByDay,
			pot: []float64{9}, pbt: []float64{5.5}, outside: []float64{18.5}, closure: []float64{3.5}, breaks: []float64{0},
		},
		// Maintenance from Monday 14:00 to Tuesday 12:00, Tuesday a holiday: Monday loses four hours to maintenance, Tuesday all of its nine to the holiday.
		"planned maintenance that runs into a holiday": {
			calendar: `{weeks: [{shifts: [{id: d, name: {hi: द, en: D}, days: [mon, tue], from: "09:00", to: "18:00"}]}],
  holidays: [{date: 2026-11-03, name: {hi: छ, en: H}}],
  planned_maintenance: [{machine: lathe, from: "2026-11-02T14:00:00+05:30", to: "2026-11-03T12:00:00+05:30", name: {hi: म, en: M}}]}`,
			from: "2026-11-02", to: "2026-11-04", by: utilisation.ByDay,
			pot: []float64{9, 0}, pbt: []float64{5, 0}, outside: []float64{19, 24}, repairs: []float64{4, 0}, holiday: []float64{0, 9},
		},
		// A week from the 3rd on takes the place of the one before: the night that began on the 2nd still ends at 06:00 on the 3rd, and the new shift from 04:00 begins then.
		"a new week while the night shift of the old one goes on": {
			calendar: `{weeks: [{shifts: [{id: n, name: {hi: र, en: N}, days: [mon, tue], from: "22:00", to: "06:00"}]},
  {from: 2026-11-03, shifts: [{id: e, name: {hi: स, en: E}, days: [tue, wed], from: "04:00", to: "12:00"}]}]}`,
			from: "2026-11-02", to: "2026-11-05", by: utilisation.ByDay,
			pot: []float64{2, 12, 8}, pbt: []float64{2, 12, 8}, outside: []float64{22, 12, 16},
		},
		// Berlin sets its clocks on 29 March (a day of 23 hours) and 25 October (25 hours), in the middle of the night shift.
		"a spring night in Berlin": {
			zone: "Europe/Berlin", calendar: `{weeks: [{shifts: [{id: n, name: {hi: र, en: N}, days: [sat], from: "22:00", to: "06:00"}]}]}`,
			from: "2026-03-28", to: "2026-03-30", by: utilisation.ByDay,
			pot: []float64{2, 5}, pbt: []float64{2, 5}, outside: []float64{22, 18},
		},
		"an autumn night in Berlin": {
			zone: "Europe/Berlin", calendar: `{weeks: [{shifts: [{id: n, name: {hi: र, en: N}, days: [sat], from: "22:00", to: "06:00"}]}]}`,
			from: "2026-10-24", to: "2026-10-26", by: utilisation.ByDay,
			pot: []float64{2, 7}, pbt: []float64{2, 7}, outside: []float64{22, 18},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.zone == "" {
				c.zone = "Asia/Kolkata"
			}
			zone, err := time.LoadLocation(c.zone)
			require.NoError(t, err)
			def, err := sitefile.Parse("site.yaml", []byte("site: {id: cfc, name: {hi: क, en: C}, zone: "+c.zone+"}\nmachines:\n  - {id: lathe, class: polishing, name: {hi: ल, en: L}, settings: [{idle_above: 100, run_above: 500}]}\ncalendar: "+c.calendar+"\n"))
			require.NoError(t, err)
			at := func(day string) int64 {
				v, err := time.ParseInLocation(time.DateOnly, day, zone)
				require.NoError(t, err)
				return v.UnixMilli()
			}
			from, to := at(c.from), at(c.to)
			store := tsdb.NewMemory()
			for h := from; h < to; h += hour {
				require.NoError(t, store.Write(t.Context(), []tsdb.Point{
					timeline.Interval{State: timeline.StateRun, StartMs: h, EndMs: h + hour, EnergyMilliWh: 3}.Point("cfc", "lathe"),
					timeline.Hour{StartMs: h, RunMs: hour, RunMilliWh: 3}.Point("cfc", "lathe"),
				}))
			}
			rules := registry.Calendar{Weeks: def.Calendar.Weeks, Stops: def.Calendar.Stops, Rules: def.Calendar.Rules}
			reg := zoned{&fakeRegistry{calendar: rules, machines: []registry.Machine{def.Machines[0].Machine}}, c.zone}
			rows, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: store, Registry: reg}, utilisation.Asked{
				Site: "cfc", Machines: []string{"lathe"}, FromMs: from, ToMs: to, By: c.by, NowMs: to + day,
			})
			require.NoError(t, err)
			hours := func(f func(k *utilisation.KPI) int64) (out []float64) {
				for i := range rows[0].KPIs {
					out = append(out, float64(f(&rows[0].KPIs[i]))/hoursOf)
				}
				return out
			}
			require.Equal(t, c.pot, hours(func(k *utilisation.KPI) int64 { return k.POTMs }), "POT")
			require.Equal(t, c.pbt, hours(func(k *utilisation.KPI) int64 { return k.PBTMs }), "PBT")
			require.Equal(t, c.outside, hours(func(k *utilisation.KPI) int64 { return k.OutsideRunMs }), "run outside of PBT")
			for kind, want := range map[calendar.Kind][]float64{
				calendar.KindBreak: c.breaks, calendar.KindClosure: c.closure, calendar.KindMaintenance: c.repairs, calendar.KindHoliday: c.holiday,
			} {
				if want != nil {
					require.Equal(t, want, hours(func(k *utilisation.KPI) int64 { return k.KindMs[kind] }), kind)
				}
			}
			for i := range rows[0].KPIs {
				if k := &rows[0].KPIs[i]; k.PBTMs > 0 {
					require.InDelta(t, 1, *k.Availability, 0)
				} else {
					require.Equal(t, utilisation.WhyNoPlannedTime, k.Why[utilisation.FigureAvailability])
				}
			}
		})
	}
}
