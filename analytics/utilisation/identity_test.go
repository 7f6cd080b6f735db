package utilisation_test

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// rational is a quotient without rounding, nil of 0 ÷ 0.
func rational(a, b int64) *big.Rat {
	if b == 0 {
		return nil
	}
	return big.NewRat(a, b)
}

// A whole month that is known but for three minutes, with shifts, breaks, a night shift on Saturdays, sessions over edges and run
// time without anybody: every figure is given, availability = allocation × utilization as fractions, and the times are those
// of counting the raw minutes by hand.
func TestIdentityOfAMonth(t *testing.T) {
	const days, perDay = 30, 1440
	store := tsdb.NewMemory()
	states := make([]string, days*perDay)
	for i := range states {
		clock, d := i%perDay, i/perDay
		switch {
		case d == 9 && clock >= 600 && clock < 603:
			states[i] = timeline.StateUnknown
		case clock < 500 || clock > 1150:
			states[i] = timeline.StateOff
			if d%7 == 6 && clock > 1300 && clock%50 < 20 {
				states[i] = timeline.StateRun
			}
		default:
			states[i] = []string{timeline.StateRun, timeline.StateIdle, timeline.StateRun, timeline.StateOff}[(i/17+d)%4]
		}
	}
	for at := 0; at < len(states); {
		end := at + 1
		for end < len(states) && states[end] == states[at] && end%60 != 0 {
			end++
		}
		put(t, store, piece(states[at], int64(at)*minute, int64(end)*minute, int64(end-at)))
		at = end
	}
	whole(t, store, 0, days*day)

	reg := &fakeRegistry{calendar: weekdays()}
	night := minutes(1320, 1320+480, 6) // Saturday 22:00 to Sunday 06:00
	night.ID = "night"
	reg.calendar.Weeks[0].Shifts = append(reg.calendar.Weeks[0].Shifts, night)
	held := make([]bool, len(states))
	for d := range days {
		for _, s := range [][2]int{{530, 700}, {770, 905}, {1000, 1100}} { // before the shift, over the break, with a rest between
			from, to := d*perDay+s[0]+d%5, d*perDay+s[1]
			reg.sessions = append(reg.sessions, registry.Session{StartMs: midnight + int64(from)*minute, EndMs: midnight + int64(to)*minute})
			for i := from; i < to; i++ {
				held[i] = true
			}
		}
	}
	planned := func(i int) bool { // 1 November 2026 is a Sunday
		clock, weekday := i%perDay, i/perDay%7
		return weekday >= 1 && clock >= 555 && clock < 1080 && (clock < 780 || clock >= 810) ||
			weekday == 6 && clock >= 1320 || weekday == 0 && clock < 360
	}
	q := utilisation.Asked{Site: "cfc", Machines: []string{"lathe"}, FromMs: midnight, ToMs: midnight + days*day, NowMs: midnight + 60*day}
	var apt, aubt, pbt []int64 // by kind of period, summed
	for _, by := range []string{utilisation.ByHour, utilisation.ByShift, utilisation.ByDay, utilisation.ByMonth, utilisation.ByYear} {
		q.By = by
		rows, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: store, Registry: reg}, q)
		require.NoError(t, err)
		given := 0
		var sum [3]int64
		for _, k := range rows[0].KPIs {
			var wantAPT, wantAUBT, wantPBT int64
			for i := int(max(0, k.FromMs-midnight) / minute); i < int((k.ToMs-midnight)/minute) && i < len(states); i++ {
				if !planned(i) {
					continue
				}
				wantPBT += minute
				if states[i] == timeline.StateRun {
					wantAPT += minute
				}
				if held[i] || states[i] == timeline.StateRun {
					wantAUBT += minute
				}
			}
			require.Equal(t, []int64{wantPBT, wantAPT, wantAUBT}, []int64{k.PBTMs, k.APTMs(), k.AUBTMs}, "%s from %d", by, (k.FromMs-midnight)/minute)
			sum[0], sum[1], sum[2] = sum[0]+k.PBTMs, sum[1]+k.APTMs(), sum[2]+k.AUBTMs
			if k.UtilizationEfficiency == nil {
				require.True(t, k.PBTMs == 0 || k.AUBTMs == 0, "%s: hidden though known: %v", by, k.Why)
				continue
			}
			given++
			u, a := rational(k.APTMs(), k.AUBTMs), rational(k.AUBTMs, k.PBTMs)
			require.Zero(t, rational(k.APTMs(), k.PBTMs).Cmp(new(big.Rat).Mul(u, a)))
			for _, f := range []struct {
				want *big.Rat
				is   *float64
			}{{u, k.UtilizationEfficiency}, {a, k.AllocationEfficiency}, {rational(wantAPT, wantPBT), k.Availability}} {
				w, _ := f.want.Float64()
				require.InDelta(t, w, *f.is, 1e-15)
			}
		}
		require.Positive(t, given, by)
		if by == utilisation.ByShift { // the night shift under way at the begin is of the day before
			sum[0] += 6 * hour
		}
		pbt, apt, aubt = append(pbt, sum[0]), append(apt, sum[1]), append(aubt, sum[2])
		if by == utilisation.ByMonth || by == utilisation.ByYear {
			require.Equal(t, 1, given)
			require.Greater(t, *rows[0].KPIs[0].Coverage, 0.999)
			require.Less(t, *rows[0].KPIs[0].Coverage, 1.0)
		}
	}
	for i := range pbt {
		require.Equal(t, []int64{pbt[0], apt[0], aubt[0]}, []int64{pbt[i], apt[i], aubt[i]}, "hours, shifts, days, the month and the year add up to the same")
	}
}
