package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
)

// allDay are samples each minute from midnight, six hours of them, as mend leaves them.
func allDay(mend func(i int, s *fold.Sample) bool) []fold.Sample {
	var out []fold.Sample
	for i := range 6 * 60 {
		s := fold.Sample{
			TimeMs: midnight + int64(i)*minute, Signal: 6000, PowerW: 6000, EnergyWh: 5000e3 + 100*float64(i),
			Has: fold.HasSignal | fold.HasPower | fold.HasEnergy,
		}
		if mend(i, &s) {
			out = append(out, s)
		}
	}
	return out
}

// What a meter did stands on the hour in which it did it, and nowhere else.
func TestFlagsSayWhatTheMeterDid(t *testing.T) {
	const at = 150 // the third hour
	for name, c := range map[string]struct {
		mend   func(i int, s *fold.Sample) bool
		flags  timeline.EnergyFlags // of the third hour
		others timeline.EnergyFlags // of the others
	}{
		"plain": {mend: func(int, *fold.Sample) bool { return true }},
		"reset": {flags: timeline.EnergyReset, mend: func(i int, s *fold.Sample) bool {
			if i >= at {
				s.EnergyWh = 100 * float64(i-at)
			}
			return true
		}},
		"wrap": {flags: timeline.EnergyWrap, mend: func(i int, s *fold.Sample) bool {
			if s.EnergyWh += 5000e3 - 100*at; i >= at {
				s.EnergyWh -= 10_000e3
			}
			return true
		}},
		"another meter with more on it": {flags: timeline.EnergySwap | timeline.EnergyIntegrated, mend: func(i int, s *fold.Sample) bool {
			if i >= at {
				s.EnergyWh += 300e3
			}
			return true
		}},
		"another meter with less on it": {flags: timeline.EnergySwap | timeline.EnergyIntegrated, mend: func(i int, s *fold.Sample) bool {
			if i >= at {
				s.EnergyWh -= 3000e3
			}
			return true
		}},
		"the register counts back": {flags: timeline.EnergyReversed | timeline.EnergyIntegrated, mend: func(i int, s *fold.Sample) bool {
			if i >= at {
				s.EnergyWh -= 400
			}
			return true
		}},
		"negative power": {flags: timeline.EnergyReversed, mend: func(i int, s *fold.Sample) bool {
			if i >= at && i < at+2 {
				s.PowerW = -6000
			}
			return true
		}},
		"the register counts half of the power": {flags: timeline.EnergyDisagree, others: timeline.EnergyDisagree, mend: func(i int, s *fold.Sample) bool {
			s.EnergyWh = 5000e3 + 50*float64(i)
			return true
		}},
		"the gateway doubts": {flags: timeline.EnergyMeter, mend: func(i int, s *fold.Sample) bool {
			if i == at {
				s.Has |= fold.EnergyIsEstimated
			}
			return true
		}},
		"a gap within a quarter hour": {mend: func(i int, _ *fold.Sample) bool { return i <= at || i > at+5 }},
		"a gap over a quarter hour":   {flags: timeline.EnergySplit, mend: func(i int, _ *fold.Sample) bool { return i < at-5 || i >= at+20 }},
		"no register": {flags: timeline.EnergyIntegrated, others: timeline.EnergyIntegrated, mend: func(_ int, s *fold.Sample) bool {
			s.Has &^= fold.HasEnergy
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rules := fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 100, GapLimitMs: 3 * minute})
			hours := run(rules, allDay(c.mend)).hours
			require.Len(t, hours, 6)
			for i, h := range hours[:5] {
				want := c.others
				if i == 2 {
					want = c.flags
				}
				require.Equal(t, want.Codes(), h.Flags.Codes(), "hour %d", i)
				require.Equal(t, h.Flags.Estimated(), h.Estimated)
			}
		})
	}
}

// The quarter hours of an hour add up to its energy, to the milliwatt-hour; with a register in every minute each is what
// the register counted between its edges.
func TestQuartersAddUpToTheirHour(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, samples := aDay(t, rapid.Bool().Draw(t, "register"))
		for _, h := range run(rules, samples).hours {
			var sum int64
			for _, q := range h.QuarterMilliWh {
				require.GreaterOrEqual(t, q, int64(0))
				sum += q
			}
			require.Equal(t, h.MilliWh(), sum)
		}
	})
	rules := fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 100, GapLimitMs: 3 * minute})
	hours := run(rules, allDay(func(i int, s *fold.Sample) bool {
		s.EnergyWh = 1000 + float64(i*i)
		return true
	})).hours
	at := 0
	for _, h := range hours[:5] {
		for _, q := range h.QuarterMilliWh {
			require.Equal(t, int64((at+15)*(at+15)-at*at)*1000, q)
			at += 15
		}
	}
}

// A gap over an hour edge is shared out to both hours by time, and both say so.
func TestGapOverAnHourIsFlagged(t *testing.T) {
	rules := fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 100, GapLimitMs: 3 * minute})
	hours := run(rules, allDay(func(i int, _ *fold.Sample) bool { return i <= 110 || i >= 130 })).hours
	for i, h := range hours[:5] {
		require.Equal(t, i == 1 || i == 2, h.Flags&timeline.EnergyInterpolated != 0, "hour %d", i)
		require.Equal(t, int64(6_000_000), h.MilliWh())
	}
}
