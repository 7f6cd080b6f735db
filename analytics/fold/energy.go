package fold

import (
	"math"
	"math/bits"

	"karkhana/analytics/timeline"
)

// The register is waited for this long, in time covered by samples, or for so many waiting marks; then power is booked
// without it. Slow meters are read every quarter of an hour, some recordings have a reading every three hours.
const (
	registerPatienceMs = 6 * 3_600_000
	mostWaiting        = 512
)

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
	c       int64                // cumulative energy at knownMs, milliWh, from an origin that moves
	open    timeline.EnergyFlags // of the energy between the last known mark and knownMs
	seen    timeline.EnergyFlags // noticed since knownMs

	hasReg bool
	regMs  int64 // newest register reading
	reg    int64 // milliWh
	booked int64 // milliWh booked beyond reg: taken back from the next increment; below 0: so much did the newest reading count back

	// integrating: the register is not waited for, power is booked as it comes. Else w is what power says since
	// regMs: it decides how the register's increment is shared out.
	integrating bool
	w           int64
	measured    int64 // ms since regMs covered by power
	cover       int64 // ms since regMs covered by samples of any kind

	hasPower bool
	powerMs  int64 // newest power sample
	power    int64 // mW
	rest     int64 // of the integral, below a milliWh, in mW·ms·2

	compared comparison
}

// milli converts to thousandths, rounding half away from zero.
func milli(v float64) int64 { return int64(math.Round(v * 1000)) }

// step takes the values of s. Marks of this step's hour edges are already in the queue.
func (e *energy) step(f *Fold, s *Sample, limit int64) {
	t, has := s.TimeMs, s.Has
	power := e.power // a register reading alone: the power holds
	if has&HasPower != 0 {
		power = max(0, milli(s.PowerW))
		if s.PowerW < reversedW {
			e.seen |= timeline.EnergyReversed
		}
	}
	switch {
	case has&HasEnergy != 0:
		drawn := e.draw(f, t, power, limit)
		e.register(f, t, milli(s.EnergyWh), drawn, max(power, e.power), limit, has)
	case has&HasPower != 0 && e.integrating:
		drawn := e.draw(f, t, power, limit)
		e.book(f, t, drawn, timeline.EnergyIntegrated, false)
		if e.hasReg {
			e.booked += drawn
		}
	case e.integrating:
		if t-e.knownMs > limit {
			e.book(f, t, 0, timeline.EnergyIntegrated, false)
		}
	default:
		if has&HasPower != 0 {
			e.w += e.draw(f, t, power, limit)
		}
		e.wait(f, t, limit)
	}
	if has&HasPower != 0 {
		e.hasPower, e.powerMs, e.power = true, t, power
	}
}

// draw returns the trapezoid from the newest power sample, but not from before the newest register reading, to t, and
// counts that time as measured. Hour edges of this step get their part of it.
func (e *energy) draw(f *Fold, t, power, limit int64) int64 {
	if !e.hasPower || t-e.powerMs > limit {
		e.rest = 0
		return 0
	}
	from := max(e.powerMs, e.regMs)
	sum := (e.power+power)*(t-from) + e.rest
	drawn := sum / halfMilliWh
	e.rest = sum - drawn*halfMilliWh
	e.measured += t - from
	for i := len(f.marks) - 1; i >= 0 && f.marks[i].ms > f.lastMs; i-- {
		f.marks[i].w += timeline.Share(drawn, f.marks[i].ms-from, t-from)
	}
	return drawn
}

// unmeasured returns the time from the newest register reading to t without power. What lies after a power sample
// that is no older than the limit counts as measured: the next one will show.
func (e *energy) unmeasured(t, limit int64) int64 {
	if e.hasPower && t-e.powerMs <= limit {
		t = max(e.powerMs, e.regMs)
	}
	return t - e.regMs - e.measured
}

// wait goes on without a register reading, until patience ends.
func (e *energy) wait(f *Fold, t, limit int64) {
	if d := t - f.lastMs; d <= limit {
		e.cover += d
	}
	if e.cover <= registerPatienceMs && len(f.marks) <= mostWaiting {
		return
	}
	for i := range f.marks {
		if m := &f.marks[i]; !m.known {
			m.known, m.c, m.flags = true, e.c+m.w, m.flags|e.seen|timeline.EnergyIntegrated
		}
	}
	if !f.sig.known {
		f.sig.known, f.sig.c = true, e.c+f.sig.w
	}
	e.c += e.w
	e.booked = max(0, e.booked) + e.w
	e.knownMs, e.open, e.seen = t, e.seen|timeline.EnergyIntegrated, 0
	e.compared = comparison{}
	e.w, e.measured, e.cover, e.integrating = 0, 0, 0, true
}

// register takes a reading r at t.
func (e *energy) register(f *Fold, t, r, drawn, power, limit int64, has Has) {
	var flags timeline.EnergyFlags
	if has&EnergyIsEstimated != 0 {
		flags |= timeline.EnergyMeter
	}
	if e.integrating || e.booked > 0 {
		flags |= timeline.EnergyIntegrated
	}
	booked := e.w + drawn
	if e.hasReg {
		increment, doubt, believed := e.increment(r, t-e.regMs, power)
		if e.booked < 0 && believed && doubt == 0 && increment >= -e.booked { // back again where it was: two clocks or two meters in one machine's data
			increment, doubt = increment+e.booked, timeline.EnergyReversed
		}
		if doubt != 0 || e.booked < 0 {
			e.booked = 0
		}
		if doubt == timeline.EnergyReversed && !believed {
			e.booked = r - e.reg
		}
		if flags|doubt == 0 && e.measured*10 >= (t-e.regMs)*9 {
			e.compared.add(increment, booked, t-e.regMs)
		}
		flags |= doubt
		if believed {
			booked = max(0, increment-e.booked)
			e.booked = max(0, e.booked-increment)
		} else {
			flags |= timeline.EnergyIntegrated
		}
	}
	if e.regMs < f.hourEnd-timeline.HourMs { // the first reading at or after an hour edge closes the hour before
		e.compared.close(f)
	}
	e.w += drawn
	e.book(f, t, booked, flags, t-e.regMs > limit)
	e.hasReg, e.regMs, e.reg = true, t, r
	e.integrating, e.w, e.measured, e.cover, e.rest = false, 0, 0, 0, 0
}

// increment returns what the register counted in dt ms. doubt: why the reading is not a plain continuation of the former
// one; believed: the increment can be true.
func (e *energy) increment(r, dt, power int64) (increment int64, doubt timeline.EnergyFlags, believed bool) {
	ceiling := max(plausibleW, plausibleFactor*power/1000)
	hi, lo := bits.Mul64(uint64(ceiling), uint64(dt))
	quotient, _ := bits.Div64(hi, lo, 3000) // W·ms × 1.2 ÷ 3600 = milliWh
	most := int64(quotient) + plausibleSlack
	if increment = r - e.reg; increment >= 0 {
		if increment > most {
			return increment, timeline.EnergySwap, false
		}
		return increment, 0, true
	}
	for span := int64(wrapFrom); span <= math.MaxInt64/10; span *= 10 {
		if e.reg < span {
			if wrapped := span - e.reg + r; e.reg >= span/100*95 && wrapped <= most {
				return wrapped, timeline.EnergyWrap, true
			}
			break
		}
	}
	switch {
	case r <= most:
		return r, timeline.EnergyReset, true
	case -increment <= most: // it counts back
		return 0, timeline.EnergyReversed, false
	}
	return 0, timeline.EnergySwap, false
}

// book adds energy for the stretch from knownMs to t and gives every waiting mark in it its share. all goes on the
// whole stretch; cut: the parts of a stretch that is cut are interpolated.
func (e *energy) book(f *Fold, t, milliWh int64, all timeline.EnergyFlags, cut bool) {
	if t <= e.knownMs {
		return // the first sample of all
	}
	all |= e.seen
	e.seen = 0
	stretch := shape{fromMs: e.knownMs, toMs: t, c: e.c, total: milliWh}
	if !e.integrating {
		stretch.w, stretch.u = e.w, t-e.regMs-e.measured
	}
	e.knownMs, e.c = t, e.c+milliWh
	if !f.sig.known && f.sig.ms > 0 {
		f.sig.known, f.sig.c = true, stretch.at(&f.sig)
	}
	waiting := f.marks
	for len(waiting) > 0 && waiting[0].known {
		waiting = waiting[1:]
	}
	if len(waiting) == 0 {
		e.open |= all
		return
	}
	if cut && milliWh != 0 && waiting[0].ms < t {
		all |= timeline.EnergyInterpolated
	}
	least := stretch.c
	for i := range waiting {
		m := &waiting[i]
		least = max(least, stretch.at(m)) // power and register samples at different times may contradict each other
		m.known, m.c = true, least
		m.flags |= all
		if i == 0 {
			m.flags |= e.open
		}
	}
	e.open = 0
	if waiting[len(waiting)-1].ms < t {
		e.open = all
	}
}

// shape says how the energy of a stretch lies in it: where power was measured, by power; what is left of it, evenly
// over the time without power. Where power says nothing at all, evenly over the whole stretch.
type shape struct {
	fromMs, toMs int64
	c, total     int64
	w            int64 // what power says of the stretch
	u            int64 // ms without power
}

// at returns the cumulative energy at a mark within the stretch.
func (s shape) at(m *mark) int64 {
	switch {
	case s.w == 0 && (s.u == 0 || s.u == s.toMs-s.fromMs):
		return s.c + timeline.Share(s.total, m.ms-s.fromMs, s.toMs-s.fromMs)
	case s.u == 0 || s.w >= s.total:
		return s.c + timeline.Share(s.total, m.w, s.w)
	default:
		return s.c + min(m.w, s.w) + timeline.Share(s.total-s.w, m.u, s.u)
	}
}
