package energy

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
)

const aDay, anHour = 24 * timeline.HourMs, timeline.HourMs

func eightHours(int64) int64 { return 8 * anHour }

// tiled are intervals one after another, each of so many hours.
func tiled(parts ...timeline.Interval) []timeline.Interval {
	var at int64
	for i := range parts {
		parts[i].StartMs, parts[i].EndMs = at, at+parts[i].EndMs*anHour
		at = parts[i].EndMs
	}
	return parts
}

func part(state, phase string, hours int64) timeline.Interval {
	return timeline.Interval{State: state, Phase: phase, EndMs: hours}
}

func TestColdStarts(t *testing.T) {
	run, off, idle, unknown := timeline.StateRun, timeline.StateOff, timeline.StateIdle, timeline.StateUnknown
	heat, cool := timeline.PhaseHeating, timeline.PhaseCooling
	for name, x := range map[string]struct {
		in   []timeline.Interval
		want []start
	}{
		"seen to cool down and be cold":        {tiled(part(run, heat, 2), part(off, cool, 3), part(off, "", 1), part(run, heat, 1)), []start{{6 * anHour, true, true}}},
		"still warm after a long night":        {tiled(part(run, heat, 2), part(off, cool, 14), part(run, heat, 1)), []start{{16 * anHour, false, true}}},
		"phases of one run are one start":      {tiled(part(off, "", 9), part(run, heat, 1), part(run, timeline.PhaseSoak, 1)), []start{{9 * anHour, true, true}}},
		"without thermometer, a night":         {tiled(part(run, "", 2), part(off, "", 8), part(run, "", 1)), []start{{10 * anHour, true, true}}},
		"without thermometer, a meal":          {tiled(part(run, "", 2), part(idle, "", 1), part(off, "", 6), part(run, "", 1)), []start{{9 * anHour, false, true}}},
		"a short gap":                          {tiled(part(run, "", 2), part(unknown, "", 3), part(run, "", 1)), []start{{5 * anHour, false, true}}},
		"a long gap":                           {tiled(part(run, "", 2), part(unknown, "", 9), part(off, "", 1), part(run, "", 1)), []start{{12 * anHour, false, false}}},
		"a gap, but a whole night known since": {tiled(part(run, heat, 2), part(unknown, "", 9), part(off, "", 8), part(run, heat, 1)), []start{{19 * anHour, true, true}}},
		"data begin with the start":            {tiled(part(unknown, "", 9), part(run, heat, 1)), []start{{9 * anHour, false, false}}},
		"tried and switched off, cold all day": {tiled(part(off, "", 9), part(run, heat, 1), part(off, "", 1), part(run, heat, 1)), []start{{9 * anHour, true, true}, {11 * anHour, false, true}}},
	} {
		require.Equal(t, x.want, starts(x.in, eightHours), name)
	}
}

// Worked by hand: a job of 60 kg runs 2 h on the first day and 1 h on the second, one of 30 kg 1 h on the second: 40 kg, then
// 20 + 30 kg. On the third day an hour of four has no weight, on the fourth the job goes on.
func TestWeigh(t *testing.T) {
	days := make([]Point, 5)
	for i := range days {
		days[i] = Point{FromMs: int64(i) * aDay, ToMs: int64(i+1) * aDay}
	}
	h := func(d, from, to int64) span { return span{d*aDay + from*anHour, d*aDay + to*anHour} }
	all := []span{h(0, 9, 11), h(1, 9, 10), h(1, 12, 13), h(2, 9, 13), h(3, 9, 10)}
	times := []session.WeightTime{
		{Job: "a", FromMs: 8 * anHour, ToMs: aDay + 11*anHour, WeightG: 60_000},
		{Job: "b", FromMs: aDay + 12*anHour, ToMs: aDay + 14*anHour, WeightG: 30_000},
		{Job: "c", FromMs: 2*aDay + 9*anHour, ToMs: 2*aDay + 12*anHour, WeightG: 10_000},
		{Job: "d", FromMs: 3 * aDay, ToMs: 4 * aDay, WeightG: 10_000, Open: true},
	}
	weigh(days, times, all, span{0, 5 * aDay})
	require.InDelta(t, 40, *days[0].Kg, 1e-9)
	require.InDelta(t, 50, *days[1].Kg, 1e-9)
	require.Nil(t, days[2].Kg, "a quarter of the run time is not weighed")
	require.Nil(t, days[3].Kg, "how much of the weight is still to come is not known")
	require.InDelta(t, 0, *days[4].Kg, 0, "nothing ran")

	// Two jobs at once: both weights were in the machine, the time counts once.
	days = days[:1]
	days[0].Kg = nil
	weigh(days, []session.WeightTime{{Job: "a", FromMs: 0, ToMs: 10 * anHour, WeightG: 1000}, {Job: "b", FromMs: 0, ToMs: 10 * anHour, WeightG: 2000}}, all, span{0, aDay})
	require.Nil(t, days[0].Kg, "an hour of two is weighed, although twice")
}

// furnaceDays follow E = 5000 + 9000·h + 150·kg + 12000·starts exactly.
func furnaceDays(n int) []Point {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]Point, n)
	for i := range out {
		kg, colds := 20+60*random.Float64(), float64(i%3%2)
		p := Point{FromMs: int64(i) * aDay, ToMs: int64(i+1) * aDay, RunHours: 2 + 6*random.Float64(), Kg: &kg, ColdStarts: &colds}
		p.Wh = 5000 + 9000*p.RunHours + 150*kg + 12000*colds
		out[i] = p
	}
	return out
}

func TestFitSeveralVariables(t *testing.T) {
	days := furnaceDays(30)
	m := Fit(days, Variables...)
	require.Empty(t, m.Refused)
	require.Empty(t, m.Omitted)
	require.Empty(t, m.Doubts)
	require.InDelta(t, 5000, m.B0, 1e-6)
	require.InDelta(t, 9000, m.Term(RunHours).B, 1e-6)
	require.InDelta(t, 150, m.Term(Kg).B, 1e-6)
	require.InDelta(t, 12000, m.Term(ColdStarts).B, 1e-6)

	omitted := func(days []Point) []Omitted { return Fit(days, Variables...).Omitted }
	require.Equal(t, []Omitted{{ColdStarts, BaselineFewPeriods}}, omitted(days[:19]), "three variables need 20 days")
	require.Equal(t, []Omitted{{Kg, BaselineFewPeriods}, {ColdStarts, BaselineFewPeriods}}, omitted(days[:14]))

	with := func(change func(i int, p *Point)) []Point {
		out := furnaceDays(30)
		for i := range out {
			change(i, &out[i])
		}
		return out
	}
	require.Equal(t, []Omitted{{Kg, BaselineNoFigures}}, omitted(with(func(_ int, p *Point) { p.Kg = nil })))
	require.Equal(t, []Omitted{{Kg, BaselineMissing}}, omitted(with(func(i int, p *Point) {
		if i < 7 {
			p.Kg = nil
		}
	})))
	require.Equal(t, []Omitted{{ColdStarts, BaselineNoSpread}}, omitted(with(func(i int, p *Point) { *p.ColdStarts = float64(min(1, i/28)) })), "two days with a cold start say nothing")
	alike := with(func(i int, p *Point) { *p.Kg = 10*p.RunHours + 0.5*math.Sin(float64(i)) })
	require.Equal(t, []Omitted{{Kg, BaselineCollinear}}, omitted(alike), "kg that go with hours")
	require.Equal(t, BaselineNoFigures, Fit(with(func(_ int, p *Point) { p.Kg = nil }), Kg).Refused)

	some := with(func(i int, p *Point) {
		if i < 4 {
			p.Kg = nil
		}
	})
	m = Fit(some, Variables...)
	require.Equal(t, []int{26, 4}, []int{m.N, m.Missing})
	asked := with(func(i int, p *Point) {
		if i == 1 {
			*p.Kg = 500
		}
		if i == 2 {
			p.Kg = nil
		}
		p.Wh += 100
	})
	m.predict(asked)
	require.Equal(t, []string{Kg}, asked[1].Outside)
	require.Equal(t, []string{Kg}, asked[2].Missing)
	require.Nil(t, asked[2].Predicted)
	require.InDelta(t, -100, *asked[3].Saving, 1e-6)

	random := rand.New(rand.NewPCG(3, 4))
	noise := with(func(_ int, p *Point) { p.Wh = 5000 + 9000*p.RunHours + 500*random.NormFloat64() })
	m = Fit(noise, RunHours, Kg)
	require.Contains(t, m.Doubts, BaselineChance)
	require.True(t, m.Term(Kg).NotCertain)
	require.False(t, m.Term(RunHours).NotCertain)
}

// The order of days and of variables changes nothing, to the last bit.
func TestFitInAnyOrder(t *testing.T) {
	want := Fit(furnaceDays(30), Variables...)
	rapid.Check(t, func(rt *rapid.T) {
		days := rapid.Permutation(furnaceDays(30)).Draw(rt, "days")
		require.Equal(t, want, Fit(days, rapid.Permutation(Variables).Draw(rt, "variables")...))
	})
}
