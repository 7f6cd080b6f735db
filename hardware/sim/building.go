package sim

import "time"

// building is what the main meter sees besides the machines: light, fans, a refrigerator, small things.
type building struct {
	clock    *clock
	rnd      stream
	compress bool  // the refrigerator's compressor runs
	toggle   int64 // when that changes
}

func newBuilding(c *clock, seed uint64) *building {
	return &building{clock: c, rnd: newStream(seed, "building")}
}

// next implements model: steps of at most five minutes.
func (b *building) next(at int64, _ bool) segment {
	if at >= b.toggle {
		b.compress = !b.compress
		if b.compress {
			b.toggle = at + b.rnd.span(8*time.Minute, 13*time.Minute)
		} else {
			b.toggle = at + b.rnd.span(14*time.Minute, 24*time.Minute)
		}
	}
	watts := 85.0 // router, gateway, chargers, clocks
	if b.compress {
		watts += 140
	}
	hour := float64(b.clock.local(at)) / float64(msHour)
	if b.clock.open(at) {
		if hour < 7 || hour >= 17.5 {
			watts += 1100 // all lights
		} else {
			watts += 420 // inner rooms only
		}
		if hour >= 8 && hour < 23 {
			watts += 560 // eight ceiling fans
		} else {
			watts += 210
		}
	} else {
		watts += 60 // night lamp
	}
	return segment{end: min(b.toggle, at+5*msMinute), milliW: milli(watts), pf: 0.93, state: run}
}
