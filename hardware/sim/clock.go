package sim

import (
	"math"
	"time"
)

const (
	msSecond = int64(1000)
	msMinute = 60 * msSecond
	msHour   = 60 * msMinute
	msDay    = 24 * msHour
)

// never lies behind every time that is asked for.
const never = int64(math.MaxInt64)

// clock knows the local hours. Inside the package a time is a count of milliseconds since the epoch.
type clock struct {
	epoch  time.Time
	zone   *time.Location
	shifts []Shift
}

// local returns the milliseconds since local midnight.
func (c *clock) local(ms int64) int64 {
	t := c.epoch.Add(time.Duration(ms) * time.Millisecond)
	_, offset := t.In(c.zone).Zone()
	return (t.UnixMilli() + int64(offset)*msSecond) % msDay
}

// open tells whether the workshop works at a time.
func (c *clock) open(ms int64) bool {
	now := c.local(ms)
	for _, s := range c.shifts {
		from, to := s.From.Milliseconds(), s.To.Milliseconds()
		if from < to && now >= from && now < to || from >= to && (now >= from || now < to) {
			return true
		}
	}
	return false
}

// boundary returns the next beginning or end of a shift after a time; never when there are no shifts.
func (c *clock) boundary(ms int64) int64 {
	now, best := c.local(ms), never
	for _, s := range c.shifts {
		for _, edge := range [2]int64{s.From.Milliseconds(), s.To.Milliseconds()} {
			wait := (edge%msDay - now + msDay) % msDay
			if wait == 0 {
				wait = msDay
			}
			best = min(best, ms+wait)
		}
	}
	return best
}

// closing returns when the workshop closes after a time at which it is open; never when it works round the clock.
func (c *clock) closing(ms int64) int64 {
	for t := c.boundary(ms); t < ms+2*msDay; t = c.boundary(t) {
		if !c.open(t) {
			return t
		}
	}
	return never
}

// opening returns when the workshop opens after a time at which it is closed; never when it stays closed.
func (c *clock) opening(ms int64) int64 {
	for t := c.boundary(ms); t < ms+2*msDay; t = c.boundary(t) {
		if c.open(t) {
			return t
		}
	}
	return never
}

// night tells whether few people work: 22 to 06.
func (c *clock) night(ms int64) bool {
	h := c.local(ms) / msHour
	return h >= 22 || h < 6
}

// ambient is the temperature of the workshop in °C: coolest before dawn, warmest at three in the afternoon.
func (c *clock) ambient(ms int64) float64 {
	return 27 + 6*math.Sin(2*math.Pi*(float64(c.local(ms))/float64(msDay)-0.375))
}
