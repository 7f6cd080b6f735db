package fold

import "karkhana/analytics/timeline"

// Power below this, in W, is no noise of a meter at rest: the clamp is the wrong way round, or power is fed in.
const reversedW = -20

// A register and power that both cover at least a third of an hour disagree when they differ by more than a quarter and
// by more than the register's steps and 20 Wh can explain. On the recordings they agree within 0.1 %.
const (
	compareLeastMs   = 20 * 60_000
	comparePart      = 4
	compareSlackMwh  = 20_000
	compareStepsLeft = 2
)

// comparison gathers, over an hour, what register and power say of the same time.
type comparison struct {
	register, power int64 // milliWh
	ms              int64
	step            int64 // largest increment of the register
}

// add takes a stretch that both cover.
func (c *comparison) add(register, power, ms int64) {
	c.register += register
	c.power += power
	c.ms += ms
	c.step = max(c.step, register)
}

// close judges the hour that ends and begins the next one. The flag goes on the energy booked next, which reaches up to
// the hour's edge.
func (c *comparison) close(f *Fold) {
	diff := c.register - c.power
	if diff < 0 {
		diff = -diff
	}
	if c.ms >= compareLeastMs && diff > max(c.register, c.power)/comparePart && diff > compareStepsLeft*c.step+compareSlackMwh {
		f.energy.disagree(f)
	}
	*c = comparison{}
}

// disagree marks the energy up to the hour edge just passed.
func (e *energy) disagree(f *Fold) {
	for i := range f.marks {
		if !f.marks[i].known {
			f.marks[i].flags |= timeline.EnergyDisagree
			return
		}
	}
	e.open |= timeline.EnergyDisagree
}
