package accel

import "time"

// rateMeter fits one slope to points (time, samples made so far). After a loss the count is off by an unknown number:
// a new segment begins, with the same slope and another intercept (pooled least squares).
type rateMeter struct {
	begin    time.Time
	n        float64 // points of the open segment
	t, c     float64 // their means, s and samples
	stt, stc float64 // sums of squares and products about the means, of all segments
}

// add takes a point: made samples since the segment began, at the instant at.
func (m *rateMeter) add(at time.Time, made int) {
	if m.begin.IsZero() {
		m.begin = at
	}
	m.n++
	dt := at.Sub(m.begin).Seconds() - m.t
	m.t += dt / m.n
	m.c += (float64(made) - m.c) / m.n
	rest := at.Sub(m.begin).Seconds() - m.t
	m.stt += dt * rest
	m.stc += (float64(made) - m.c) * dt
}

// cut ends the segment.
func (m *rateMeter) cut() { m.n, m.t, m.c = 0, 0, 0 }

// rate returns samples per second, false when no segment has two points.
func (m *rateMeter) rate() (float64, bool) {
	if m.stt <= 0 {
		return 0, false
	}
	return m.stc / m.stt, true
}
