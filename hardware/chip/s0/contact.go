package s0

import "time"

// jitter is what is forgiven to a pulse: edges get their time when the computer comes to them.
const jitter = 2 * time.Millisecond

// contact turns what was seen of a contact, in the order of time, into pulses. Its times are those at which something
// was seen, so it may be asked as often as one likes.
type contact struct {
	debounce, minPulse time.Duration

	ignore bool      // the closure under way began before the count
	closed time.Time // beginning of the closure under way; zero: open
	open   time.Time // since when it is open again within that closure; zero: it is closed

	pulses, rejected int64
	interval         time.Duration // between the beginnings of the last two pulses
	last             time.Time     // beginning of the last pulse
}

// begin starts with the contact as it is.
func (c *contact) begin(closed bool, at time.Time) {
	if closed {
		c.closed, c.ignore = at, true
	}
}

// see takes a look at the contact into account.
func (c *contact) see(closed bool, at time.Time) {
	if c.ending() && at.Sub(c.open) >= c.debounce {
		c.end()
	}
	switch {
	case closed && c.closed.IsZero():
		c.closed = at
	case closed:
		c.open = time.Time{} // a bounce
	case !c.closed.IsZero() && c.open.IsZero():
		c.open = at
	}
}

// ending tells whether the contact is open, but not yet for long enough.
func (c *contact) ending() bool { return !c.open.IsZero() }

// end counts the closure that is over.
func (c *contact) end() {
	switch {
	case c.ignore:
	case c.open.Sub(c.closed) < c.minPulse-jitter:
		c.rejected++
	default:
		if !c.last.IsZero() {
			c.interval = c.closed.Sub(c.last)
		}
		c.pulses++
		c.last = c.closed
	}
	c.closed, c.open, c.ignore = time.Time{}, time.Time{}, false
}

// closedFor is how long the contact has been closed without a pause.
func (c *contact) closedFor(now time.Time) time.Duration {
	if c.closed.IsZero() || !c.open.IsZero() {
		return 0
	}
	return now.Sub(c.closed)
}
