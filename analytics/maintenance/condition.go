package maintenance

// limits of one measured rule, in the unit of the stored field.
type limits struct {
	limit, deadband float64
	onDelayMs       int64
	gapMs           int64 // a longer distance of two samples starts the on-delay anew
}

// event is what a sample did to a condition.
type event uint8

const (
	nothing event = iota
	raised
	cleared
)

// condition follows one measured value through deadband and on-delay. The zero value is a condition never met.
type condition struct {
	raised  bool
	sinceMs int64 // since when the value is over the limit; 0: it is not, or the condition is raised
	lastMs  int64 // newest sample seen
}

// step takes the next sample. Samples not newer than the last one are ignored. A value within the deadband keeps the
// on-delay running, so that noise around the limit does not hide a lasting condition; the raise itself comes with a
// value at or over the limit.
func (c *condition) step(l limits, atMs int64, v float64) event {
	if atMs <= c.lastMs {
		return nothing
	}
	if atMs-c.lastMs > l.gapMs {
		c.sinceMs = 0
	}
	c.lastMs = atMs
	over := v >= l.limit
	under := v < l.limit-l.deadband
	if c.raised {
		if !under {
			return nothing
		}
		c.raised = false
		return cleared
	}
	switch {
	case under || (c.sinceMs == 0 && !over):
		c.sinceMs = 0
		return nothing
	case c.sinceMs == 0:
		c.sinceMs = atMs
	}
	if !over || atMs-c.sinceMs < l.onDelayMs {
		return nothing
	}
	c.raised, c.sinceMs = true, 0
	return raised
}
