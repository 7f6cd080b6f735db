package sim

import "time"

// motor is a machine with a motor that works in strokes: start-up peak, no-load between pieces of work, and in work a
// change of strokes under load and short pauses at no-load. Its numbers are data.
type motor struct {
	*activity
	spec   motorSpec
	rnd    stream
	last   state
	stroke bool // the present segment of work is a stroke
}

// motorSpec describes a motor machine. Powers in W, times as ranges.
type motorSpec struct {
	standby            float64 // when off
	start, startPF     float64 // power at start-up, 0: none
	startTime          time.Duration
	noLoad, noLoadPF   float64
	loadMin, loadMax   float64
	loadPF             float64
	stroke, pause      [2]time.Duration
	pauseMin, pauseMax float64 // power in the pauses of work; 0: no-load
}

// rated is the power at which the mechanical load counts as 1.
func (s motorSpec) rated() float64 { return s.loadMax }

// next implements model.
func (m *motor) next(at int64, _ bool) segment {
	ph := m.at(at)
	before := m.last
	m.last = ph.state
	seg := segment{end: ph.end, state: ph.state, pf: m.spec.noLoadPF}
	switch ph.state {
	case off:
		seg.milliW = milli(m.spec.standby)
	case idle:
		if before == off && m.spec.start > 0 {
			seg.milliW, seg.pf = milli(m.spec.start), m.spec.startPF
			seg.end = min(seg.end, at+m.spec.startTime.Milliseconds())
			break
		}
		// Belt and air make the no-load power breathe a little.
		seg.milliW = milli(m.spec.noLoad * m.rnd.between(0.97, 1.03))
		seg.end = min(seg.end, at+m.rnd.span(15*time.Second, 60*time.Second))
	case run:
		m.stroke = before != run || !m.stroke
		if m.stroke {
			w := m.rnd.between(m.spec.loadMin, m.spec.loadMax)
			seg.milliW, seg.pf, seg.load = milli(w), m.spec.loadPF, w/m.spec.rated()
			seg.end = min(seg.end, at+m.rnd.span(m.spec.stroke[0], m.spec.stroke[1]))
			break
		}
		w := m.spec.noLoad
		if m.spec.pauseMax > 0 {
			w = m.rnd.between(m.spec.pauseMin, m.spec.pauseMax)
		}
		seg.milliW = milli(w)
		seg.end = min(seg.end, at+m.rnd.span(m.spec.pause[0], m.spec.pause[1]))
	}
	return seg
}

func milli(watts float64) int64 { return int64(watts * 1000) }

// motorSpecs are the motor machines and, as the same kind of change between work and waiting, the workstation.
// Ratings are orders of magnitude of such machines; no-load power is 20–30 % of the rating with a poor power factor,
// as induction motors have it, and the start-up power about twice the rating at a power factor near 0.4.
var motorSpecs = map[string]motorSpec{
	// 3 kW three-phase shear or saw: cuts of 8–22 s.
	Cutting: {
		start: 6800, startPF: 0.42, startTime: 900 * time.Millisecond,
		noLoad: 760, noLoadPF: 0.28, loadMin: 2250, loadMax: 3450, loadPF: 0.83,
		stroke: [2]time.Duration{8 * time.Second, 22 * time.Second}, pause: [2]time.Duration{4 * time.Second, 14 * time.Second},
	},
	// 2.2 kW lathe with a polishing head, single phase: pressing the piece on for 12–45 s, then turning it.
	Polishing: {
		start: 4300, startPF: 0.45, startTime: 800 * time.Millisecond,
		noLoad: 430, noLoadPF: 0.36, loadMin: 1400, loadMax: 2350, loadPF: 0.86,
		stroke: [2]time.Duration{12 * time.Second, 45 * time.Second}, pause: [2]time.Duration{3 * time.Second, 10 * time.Second},
	},
	// 5.5 kW power hammer: blows that take 2 s of full power about every 10 s, flywheel at no-load between them.
	Hammering: {
		start: 2100, startPF: 0.4, startTime: 1200 * time.Millisecond,
		noLoad: 1050, noLoadPF: 0.42, loadMin: 4700, loadMax: 5600, loadPF: 0.8,
		stroke: [2]time.Duration{1800 * time.Millisecond, 2300 * time.Millisecond}, pause: [2]time.Duration{5500 * time.Millisecond, 10500 * time.Millisecond},
	},
	// Workstation with screen: 0.12 kW waiting, up to 0.35 kW drawing and rendering.
	Designing: {
		standby: 2,
		noLoad:  125, noLoadPF: 0.93, loadMin: 225, loadMax: 350, loadPF: 0.96,
		stroke:   [2]time.Duration{5 * time.Second, 25 * time.Second},
		pause:    [2]time.Duration{2 * time.Second, 7 * time.Second},
		pauseMin: 150, pauseMax: 215,
	},
}
