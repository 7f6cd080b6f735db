package sim

import "math"

// grid is the public supply: voltage and frequency as functions of time, and power cuts.
type grid struct {
	clock *clock
	seed  uint64
}

// volts is the voltage to neutral at the incomer without the machine's own load: 231 V, 6 V less in the evening peak,
// wandering some volts over ten minutes and one volt over half a minute. It stays within the usual ±10 %.
func (g *grid) volts(ms int64) float64 {
	h := float64(g.clock.local(ms)) / float64(msHour)
	evening := 6 * math.Exp(-(h-20)*(h-20)/4)
	return 231 - evening + 2.6*wander(g.seed^1, ms, 10*msMinute) + 0.8*wander(g.seed^2, ms, 30*msSecond)
}

// hertz is the frequency: the Indian grid keeps to 49.9 … 50.05 Hz most of the time.
func (g *grid) hertz(ms int64) float64 {
	return 49.99 + 0.03*wander(g.seed^3, ms, 5*msMinute) + 0.008*wander(g.seed^4, ms, 10*msSecond)
}

// cut is a stretch [from, to) without supply, on whole seconds.
type cut struct{ from, to int64 }

// cutDays is the length of a block of days that has exactly one power cut. It never falls on the first or last day of
// a block, so that a history of whole blocks begins and ends with the supply on, and the day after it too.
const cutDays = 10

// cut returns the power cut of a block: three in thirty days, of 4 to 70 minutes, mostly short.
func (g *grid) cut(block int64) cut {
	s := stream{hash(g.seed^5, uint64(block))}
	day := block*cutDays + 1 + int64(s.below(cutDays-2))
	from := day*msDay + int64(s.below(86400))*msSecond
	minutes := 4 * math.Pow(70.0/4, s.between(0, 1))
	return cut{from, from + int64(minutes*60)*msSecond}
}

// dark tells whether a time lies in a power cut.
func (g *grid) dark(ms int64) bool {
	c := g.cut(ms / (cutDays * msDay))
	return ms >= c.from && ms < c.to
}
