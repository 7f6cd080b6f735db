package sim

import "math"

// bearing is the head bearing of the polishing lathe: it warms with load, and it wears with run-hours.
type bearing struct {
	clock   *clock
	celsius float64 // at the end of the last segment
	runMs   int64   // since the bearing is new
}

const (
	bearingTau  = 25 * 60_000.0 // ms; thermal time constant of a small headstock
	bearingIdle = 9.0           // °C above the workshop, running free
	bearingLoad = 24.0          // °C more at full load
	wearHours   = 295.0         // run-hours to 1.5 times the vibration of a new bearing: about three weeks of three shifts
	wearPower   = 4.5           // slow at first, then fast, as spalls grow
	wearChange  = 6.0           // factor at which it is changed at the next stop
)

// worn is the wear that all its signs follow: (h/295)^4.5.
func (b *bearing) worn() float64 {
	return math.Pow(float64(b.runMs)/float64(msHour)/wearHours, wearPower)
}

// factor is the vibration relative to a new bearing after a time of running: 1 + ½·(h/295)^4.5. With 13–14 run-hours a
// day that gives 1.0 in the first week, 1.5 after three weeks and 2.6 to 5.5 in the fifth.
func (b *bearing) factor() float64 {
	return 1 + 0.5*b.worn()
}

// target is the temperature at which the bearing would settle.
func (b *bearing) target(s segment, at int64) float64 {
	t := b.clock.ambient(at)
	if s.state == off {
		return t
	}
	return t + (bearingIdle+bearingLoad*s.load)*(1+0.15*(b.factor()-1))
}

// at is the temperature some ms into a segment.
func (b *bearing) at(s segment, start, into int64) float64 {
	target := b.target(s, start)
	return target + (b.celsius-target)*math.Exp(-float64(into)/bearingTau)
}

// finish takes a whole segment into account.
func (b *bearing) finish(s segment, start, took int64) {
	b.celsius = b.at(s, start, took)
	if s.state == run {
		b.runMs += took
	}
	if s.state == off && b.factor() > wearChange {
		b.runMs = 0 // a new bearing is fitted
	}
}

// velocity is the vibration in m/s RMS, 10–1000 Hz, before noise: a new lathe runs in zone A/B of class I
// (ISO 10816-1, 0.71 mm/s and 1.8 mm/s), and a standing one feels its neighbours.
func (b *bearing) velocity(s segment) float64 {
	switch {
	case s.state == off:
		return 0.00004
	case s.load == 0:
		return 0.00085 * b.factor()
	}
	return (0.00085 + 0.0004*s.load) * b.factor()
}

// acceleration is the RMS of acceleration in m/s² before noise. It rises twice as fast with wear as velocity: spalls
// ring high.
func (b *bearing) acceleration(s segment) float64 {
	if s.state == off {
		return 0.03
	}
	return (2.2 + 1.2*s.load) * (1 + b.worn())
}

// kurtosis of the acceleration before noise: that of noise, 3, on a sound bearing, impulsive while the first spalls grow,
// less so when the whole race is rough.
func (b *bearing) kurtosis(s segment) float64 {
	if s.state == off {
		return 3
	}
	return 3 + 3*b.worn()*math.Exp(-b.worn()/4)
}
