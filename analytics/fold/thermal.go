package fold

import "karkhana/analytics/timeline"

// Phases of a furnace. Minute by minute, and two minutes late, the temperature gets a trend; it comes from the means of the
// five minutes around (slope by least squares). The trend and the state of power together are the phase, and pieces are cut
// where it changes. "Power" of a fuel-fired furnace is that of its blower.

// trend is what the temperature does.
type trend uint8

const (
	trendNone    trend = iota // no temperature
	trendCold                 // below PhaseCold and not rising
	trendRising               // steeper than PhaseRate, or below the set value and not falling
	trendLevel                // at the set value; without one, above 200 °C and level
	trendSteady               // neither rising nor falling, nor at a set value
	trendFalling              // steeper than PhaseRate
	trendDip                  // fell by more than 30 °C within two minutes and has not yet come back
)

// phase is what a furnace does with its heat.
type phase uint8

const (
	phaseNone phase = iota
	phaseHeating
	phaseSoak
	phaseCooling
)

// String returns the stored name of the phase, "" for none.
func (p phase) String() string {
	return [...]string{"", timeline.PhaseHeating, timeline.PhaseSoak, timeline.PhaseCooling}[p]
}

// phaseOf returns the phase in a state and under a trend, after the phase before.
//
// Run heats until the temperature is level; then it soaks, whatever an opened door does, until the temperature rises anew.
// Without power a furnace that is not cold cools. Idle (controller and fan only) keeps the phase until the temperature falls.
func phaseOf(s State, t trend, before phase) phase {
	switch {
	case s == Unknown || t == trendNone:
		return phaseNone
	case s == Run && t == trendRising:
		return phaseHeating
	case s == Run && t == trendLevel:
		return phaseSoak
	case s == Run && before == phaseSoak:
		return phaseSoak
	case s == Run:
		return phaseHeating
	case t == trendCold:
		return phaseNone
	case t == trendFalling || t == trendDip:
		return phaseCooling
	case s == Off && before != phaseNone:
		return phaseCooling
	case s == Off:
		return phaseNone
	}
	return before
}

const (
	minuteMs    = 60_000
	window      = 5       // minutes; the trend is that of the middle one
	plateau     = 200_000 // m°C: above it a level temperature is a soak even when no set value is known
	dipDepth    = 30_000  // m°C within two minutes
	doorDepth   = 15_000  // m°C; a dip that deep, gone again, was an opened door
	dipLongest  = 20      // minutes; after that it was no dip
	setMemoryMs = 15 * minuteMs
)

// phaseRule is the part of a rule about phases, temperatures in m°C.
type phaseRule struct {
	on               bool
	rate, band, cold int64 // rate: m°C per minute
}

func newPhaseRule(r Rule) phaseRule {
	return phaseRule{on: r.PhaseRate > 0, rate: milli(r.PhaseRate), band: milli(r.PhaseBand), cold: milli(r.PhaseCold)}
}

// thermal gathers temperatures, in m°C.
type thermal struct {
	on     bool  // there is a temperature no older than the gap limit
	lastMs int64 // newest temperature
	minute int64 // begin of the minute under way
	sum, n int64
	means  [window]int64 // of the minutes before, newest last
	filled int64         // how many of them count

	set   int64 // newest set value
	setMs int64 // its time; 0: none

	now      trend // of the newest minute that is decided
	told     trend // the newest one that a mark carries; now without a mark has to wait for the next
	level    int64 // set value of a level, or where it began
	dipFrom  int64 // temperature before the dip
	dipDepth int64 // how far below it was so far
	dipLeft  int64 // minutes until it is none; 0: no dip
}

// warm takes the temperature of a sample; the state has been taken already.
func (f *Fold) warm(s *Sample) {
	h, t := &f.heat, s.TimeMs
	if h.on && (!f.r.phases.on || t-h.lastMs > f.limit) {
		f.cool(t)
	}
	if !f.r.phases.on {
		return
	}
	if s.Has&HasSetpoint != 0 {
		h.set, h.setMs = milli(float64(s.SetC)), t
	}
	if s.Has&HasTemperature == 0 {
		if !h.on {
			h.set, h.setMs = 0, 0
		}
		return
	}
	begin := t - t%minuteMs
	if !h.on {
		h.on, h.minute = true, begin
		f.push(mark{ms: t, kind: markMinute})
	} else if begin > h.minute {
		mean := h.sum / h.n
		for ; h.minute < begin; h.minute += minuteMs {
			f.closeMinute(mean)
		}
		h.sum, h.n = 0, 0
		f.push(mark{ms: t, kind: markMinute})
	}
	h.lastMs, h.sum, h.n = t, h.sum+milli(float64(s.TempC)), h.n+1
}

// cool forgets all temperatures: from t on there is none.
func (f *Fold) cool(t int64) {
	f.dropMinutes()
	if f.heat.told != trendNone {
		f.push(mark{ms: t, kind: markTrend, trend: trendNone})
	}
	f.heat = thermal{}
}

// dropMinutes forgets the minutes that are not decided: the trend before goes on.
func (f *Fold) dropMinutes() {
	for i := len(f.marks) - 1; i >= 0; i-- {
		if f.marks[i].kind == markMinute {
			f.drop(i)
		}
	}
}

// closeMinute takes the mean of the minute under way and decides the one two minutes before.
func (f *Fold) closeMinute(mean int64) {
	h := &f.heat
	copy(h.means[:], h.means[1:])
	h.means[window-1] = mean
	if h.filled < window {
		h.filled++
	}
	if h.filled < window {
		return
	}
	dips := h.decide(&f.r.phases)
	middleEnds := h.minute - (window/2-1)*minuteMs
	for i := 0; i < len(f.marks) && f.marks[i].ms < middleEnds; i++ {
		m := &f.marks[i]
		switch {
		case m.kind != markMinute:
		case h.now != h.told:
			m.kind, m.trend, h.told = markTrend, h.now, h.now
			if dips {
				m.kind = markDip
			}
		default:
			f.drop(i)
			i--
		}
	}
}

// decide finds the trend of the middle minute. dips: a door was opened in it.
func (h *thermal) decide(r *phaseRule) (dips bool) {
	m := &h.means
	t := m[2]
	slope := (2*(m[4]-m[0]) + m[3] - m[1]) / 10
	set, band := int64(0), r.band
	if h.setMs != 0 && h.minute-h.setMs <= setMemoryMs && h.set > r.cold {
		set, band = h.set, max(band, h.set/100)
	}
	if h.dipLeft > 0 {
		if h.dipLeft--; h.dipLeft > 0 && t < h.dipFrom-band {
			h.dipDepth = max(h.dipDepth, h.dipFrom-t)
			h.now = trendDip
			return false
		}
		dips = t >= h.dipFrom-band && h.dipDepth > doorDepth
		h.dipLeft, h.dipFrom, h.dipDepth = 0, 0, 0
	}
	before := h.now
	near := func(v int64) bool { return t-v <= band && v-t <= band }
	gentle := slope <= r.rate && slope >= -r.rate
	switch {
	case t >= r.cold && t-min(m[3], m[4]) > dipDepth:
		h.dipFrom, h.dipLeft = t, dipLongest
		h.now = trendDip
	case before == trendLevel && t < h.level-band:
		h.dipFrom, h.dipLeft, h.dipDepth = h.level, dipLongest, h.level-t
		h.now = trendDip
	case t < r.cold && slope <= r.rate:
		h.now = trendCold
	case set != 0 && near(set) && (gentle || before == trendLevel || before == trendDip):
		h.now, h.level = trendLevel, set
	case set == 0 && t > plateau && (gentle && before != trendLevel || before == trendLevel && near(h.level)):
		if h.now != trendLevel {
			h.now, h.level = trendLevel, t
		}
	case slope > r.rate || set != 0 && t < set-band && slope >= -r.rate:
		h.now = trendRising
	case slope < -r.rate:
		h.now = trendFalling
	default:
		h.now = trendSteady
	}
	if h.now != trendLevel && h.now != trendDip {
		h.level = 0
	}
	return dips
}

// fields passes what temperatures can still do after the checkpoint.
func (h *thermal) fields(c *codec, p *tail) {
	c.small((*uint8)(&p.trend), (*uint8)(&p.phase))
	c.numbers(&p.piece.DoorDips)
	if p.phase > phaseCooling || p.trend > trendDip {
		p.phase, p.trend, c.bad = phaseNone, trendNone, true
	}
	if !h.on {
		return
	}
	c.times(&h.lastMs, &h.minute, &h.setMs)
	c.numbers(&h.sum, &h.n, &h.filled, &h.set, &h.level, &h.dipFrom, &h.dipDepth, &h.dipLeft)
	c.small((*uint8)(&h.now), (*uint8)(&h.told))
	for i := range h.means {
		c.numbers(&h.means[i])
	}
}
