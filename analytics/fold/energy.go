package fold

import (
	"math"
	"math/bits"

	"karkhana/analytics/timeline"
)

// registerPatienceMs is how long, in time covered by samples, a register is waited for when no power is measured in
// its place: slow meters are read every quarter of an hour.
const registerPatienceMs = 3_600_000

// Plausibility of an increment: no machine of a common facility draws more than 100 kW (domain: induction furnaces, 15–100
// kW), and a larger load shows four times less than it draws at most. 20 % and 1 kWh are on top, the latter because some
// registers move in steps of that size.
const (
	plausibleW      = 100_000
	plausibleFactor = 4
	plausibleSlack  = 1_000_000 // milliWh
)

// wrapFrom is the smallest register span that is believed to wrap: 10,000 kWh (PZEM-004T), in milliWh.
const wrapFrom = 10_000_000_000

// halfMilliWh is twice a milliwatt-hour in mW·ms: the trapezoid adds both powers.
const halfMilliWh = 2 * 3_600_000

// energy knows the cumulative energy up to knownMs.
type energy struct {
	knownMs int64
	c       int64 // cumulative energy at knownMs, milliWh, from an origin that moves
	open    bool  // estimated energy between the last known mark and knownMs

	hasReg bool
	regMs  int64 // newest register reading
	reg    int64 // milliWh
	booked int64 // milliWh booked beyond reg: taken back from the next increment

	// integrating: the register is not waited for, power is booked as it comes. Else w is what power says since
	// regMs, kept until the register or the end of patience decides.
	integrating bool
	w           int64
	cover       int64 // ms since regMs covered by samples

	hasPower bool
	powerMs  int64 // newest power sample
	power    int64 // mW
	rest     int64 // of the integral, below a milliWh, in mW·ms·2
}

// milli converts to thousandths, rounding half away from zero.
func milli(v float64) int64 { return int64(math.Round(v * 1000)) }

// step takes the values of s. Marks of this step's hour edges are already in the queue.
func (e *energy) step(f *Fold, s *Sample, limit int64) {
	t := s.TimeMs
	var drawn, power int64 // energy by power since the newest power sample or register reading
	if s.Has&HasPower != 0 {
		power = max(0, milli(s.PowerW))
		drawn = e.integrate(t, power, limit)
	}
	switch {
	case s.Has&HasEnergy != 0:
		e.register(f, t, milli(s.EnergyWh), drawn, max(power, e.power), limit, s.Has)
	case e.integrating:
		if s.Has&HasPower != 0 || t-e.knownMs > limit {
			e.book(f, t, drawn, true, false)
			if e.hasReg {
				e.booked += drawn
			}
		}
	default:
		e.wait(f, t, drawn, limit, s.Has)
	}
	if s.Has&HasPower != 0 {
		e.hasPower, e.powerMs, e.power = true, t, power
	}
}

// integrate returns the trapezoid from the newest power sample, but not from before the newest register reading, to t.
func (e *energy) integrate(t, power, limit int64) int64 {
	if !e.hasPower || t-e.powerMs > limit {
		e.rest = 0
		return 0
	}
	from := e.powerMs
	if e.hasReg {
		from = max(from, e.regMs)
	}
	sum := (e.power+power)*(t-from) + e.rest
	e.rest = sum % halfMilliWh
	return sum / halfMilliWh
}

// wait goes on without a register reading: it may still come.
func (e *energy) wait(f *Fold, t, drawn, limit int64, has Has) {
	before := e.w
	e.w += drawn
	for i := range f.marks { // hour edges of this step lie between the power samples
		if m := &f.marks[i]; m.kind == markHour && m.ms > f.lastMs && !m.known {
			from := max(e.powerMs, e.regMs)
			m.w = before + timeline.Share(drawn, m.ms-from, t-from)
		}
	}
	if d := t - f.lastMs; d <= limit {
		e.cover += d
	}
	patience := limit
	if has&HasPower == 0 && e.powerMs <= e.regMs {
		patience = max(limit, registerPatienceMs)
	}
	if e.cover <= patience {
		return
	}
	for i := range f.marks {
		if m := &f.marks[i]; !m.known {
			m.known, m.c, m.estimated = true, e.c+m.w, true
		}
	}
	if !f.sig.known {
		f.sig.known, f.sig.c = true, e.c+f.sig.w
	}
	e.c += e.w
	e.booked += e.w
	e.knownMs, e.open = t, true
	e.w, e.cover, e.integrating = 0, 0, true
}

// register takes a reading r at t.
func (e *energy) register(f *Fold, t, r, drawn, power, limit int64, has Has) {
	estimated := has&EnergyIsEstimated != 0 || e.integrating || e.booked != 0
	booked := drawn
	if e.hasReg {
		increment, doubt, believed := e.increment(r, t-e.regMs, power)
		if doubt {
			estimated = true
			e.booked = 0
		}
		if believed {
			booked = max(0, increment-e.booked)
			e.booked = max(0, e.booked-increment)
		} else {
			booked = e.w + drawn
		}
	}
	e.book(f, t, booked, estimated, t-e.regMs > limit)
	e.hasReg, e.regMs, e.reg = true, t, r
	e.integrating, e.w, e.cover, e.rest = false, 0, 0, 0
}

// increment returns what the register counted in dt ms. doubt: the reading is not a plain continuation of the former
// one; believed: the increment can be true.
func (e *energy) increment(r, dt, power int64) (increment int64, doubt, believed bool) {
	ceiling := max(plausibleW, plausibleFactor*power/1000)
	hi, lo := bits.Mul64(uint64(ceiling), uint64(dt))
	quotient, _ := bits.Div64(hi, lo, 3000) // W·ms × 1.2 ÷ 3600 = milliWh
	most := int64(quotient) + plausibleSlack
	if increment = r - e.reg; increment >= 0 {
		return increment, increment > most, increment <= most
	}
	for span := int64(wrapFrom); span <= math.MaxInt64/10; span *= 10 {
		if e.reg < span {
			if wrapped := span - e.reg + r; e.reg >= span/100*95 && wrapped <= most {
				return wrapped, true, true
			}
			break
		}
	}
	return r, true, r <= most
}

// book adds energy for the stretch from knownMs to t and gives every waiting mark in it its share by time. all marks the whole
// stretch as estimated, split only the parts of a stretch that is cut.
func (e *energy) book(f *Fold, t, milliWh int64, all, split bool) {
	from, c := e.knownMs, e.c
	if t <= from {
		return // the first sample of all
	}
	e.knownMs, e.c = t, c+milliWh
	if !f.sig.known && f.sig.ms > 0 {
		f.sig.known, f.sig.c = true, c+timeline.Share(milliWh, f.sig.ms-from, t-from)
	}
	if len(f.marks) == 0 {
		e.open = e.open || all
		return
	}
	first := -1
	for i := range f.marks {
		if !f.marks[i].known {
			first = i
			break
		}
	}
	if first < 0 {
		e.open = e.open || all
		return
	}
	waiting := f.marks[first:]
	flag := all || split && waiting[0].ms < t
	for i := range waiting {
		m := &waiting[i]
		m.known, m.c = true, c+timeline.Share(milliWh, m.ms-from, t-from)
		m.estimated = flag || i == 0 && e.open
	}
	e.open = flag && waiting[len(waiting)-1].ms < t
}
