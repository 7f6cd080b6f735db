package sim

import "time"

// state is what a machine does.
type state uint8

const (
	off state = iota
	idle
	run
)

// String gives the state's word of the product.
func (s state) String() string { return [...]string{"off", "idle", "run"}[s] }

// phase is a stretch of a machine's day that ends at a time.
type phase struct {
	end   int64
	state state
}

// activity turns a machine's stretches of the rota into the phases of its day and the sessions of people: the motor
// is switched on a little before the work, may run on idle after it or until the next piece of work, and is then
// switched off.
type activity struct {
	clock  *clock
	rota   *rota
	crew   *crew
	rnd    stream
	phases []phase // yet to come; the first one is the present one
	ahead  stretch // next stretch that is not laid out yet
}

func newActivity(c *clock, seed uint64, kind string) *activity {
	a := &activity{clock: c, rota: newRota(c, seed, kind), crew: newCrew(seed, kind), rnd: newStream(seed, "activity "+kind)}
	a.ahead = a.rota.next()
	a.open(0)
	return a
}

// at returns the phase at a time. Times must not go back.
func (a *activity) at(ms int64) phase {
	for a.phases[0].end <= ms {
		a.phases = a.phases[1:]
		if len(a.phases) == 0 {
			a.layOut()
		}
	}
	return a.phases[0]
}

// open lays out the way to a stretch whose session is yet to begin, from the time the machine stands off.
func (a *activity) open(from int64) {
	if a.ahead.from == never {
		a.phases = append(a.phases, phase{never, off})
		return
	}
	lead := max(a.ahead.from-a.rnd.span(25*time.Second, 90*time.Second), from+msSecond)
	a.crew.begin(max(lead-a.rnd.span(5*time.Second, 30*time.Second), from))
	a.phases = append(a.phases, phase{lead, off}, phase{a.ahead.from, idle})
}

// layOut adds the phases of the stretch ahead and of the time after it.
func (a *activity) layOut() {
	now := a.ahead
	a.ahead = a.rota.next()
	a.phases = append(a.phases, phase{now.to, run})
	// The next shift takes over a running machine, each at its own minute.
	if b := a.clock.boundary(now.from) + a.rnd.span(0, 12*time.Minute); b > now.from+5*msMinute && b < now.to-5*msMinute {
		a.crew.takeover(b)
	}
	gap := a.ahead.from - now.to
	if gap < 24*msMinute && a.rnd.chance(0.6) {
		// The motor runs on until the next piece of work, by the same people or others.
		if a.rnd.chance(0.3) {
			a.crew.takeover(now.to + gap/2)
		}
		a.phases = append(a.phases, phase{a.ahead.from, idle})
		return
	}
	tail := a.rnd.span(40*time.Second, 6*time.Minute)
	if a.rnd.chance(0.15) {
		tail = a.rnd.span(8*time.Minute, 25*time.Minute) // nobody switched it off
	}
	stop := now.to + min(tail, gap/2)
	a.phases = append(a.phases, phase{stop, idle})
	a.crew.end(stop + a.rnd.span(2*time.Second, 20*time.Second))
	a.open(stop + 25*msSecond)
}
