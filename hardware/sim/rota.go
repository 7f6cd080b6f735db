package sim

import "time"

// The four machines of the rota, by position. The furnace goes by its own long programme.
var rotaKinds = []string{Cutting, Polishing, Hammering, Designing}

// stretch is a time [from, to) in which a machine works without a pause that counts.
type stretch struct{ from, to int64 }

// rota plans which machines of the workshop work when: one walk for all of them, so that while the workshop is open
// two or three of the four always work and at least one stands. At each change one machine is added, dropped, or
// swapped for another; at a swap the new one starts some minutes before the old one stops.
//
// Every machine walks its own copy of the same plan and keeps its own stretches only.
type rota struct {
	clock *clock
	rnd   stream
	mine  int
	ready []stretch

	now     int64
	closing int64    // end of the present opening hours; 0 while closed
	on      [4]bool  // works at now
	since   [4]int64 // when it began or stopped to
}

func newRota(c *clock, seed uint64, kind string) *rota {
	r := &rota{clock: c, rnd: newStream(seed, "rota")}
	for i, k := range rotaKinds {
		if k == kind {
			r.mine = i
		}
	}
	return r
}

// next returns the machine's next stretch; both ends are never when there is none.
func (r *rota) next() stretch {
	for len(r.ready) == 0 {
		if r.now == never {
			return stretch{never, never}
		}
		r.change()
	}
	s := r.ready[0]
	r.ready = r.ready[1:]
	return s
}

// change does what is planned for now and moves on to the next change.
func (r *rota) change() {
	switch {
	case r.closing == 0 && !r.clock.open(r.now):
		r.now = r.clock.opening(r.now)
	case r.closing == 0:
		r.closing = r.clock.closing(r.now)
		first := r.rnd.below(4)
		r.start(first, r.now+r.rnd.span(3*time.Minute, 5*time.Minute))
		r.start((first+1+r.rnd.below(3))%4, r.now+r.rnd.span(5*time.Minute, 8*time.Minute))
		r.wait(20*time.Minute, 30*time.Minute)
	case r.now >= r.closing:
		for m := range r.on {
			if r.on[m] {
				r.stop(m, r.now-r.rnd.span(0, 4*time.Minute))
			}
		}
		r.closing = 0
	default:
		r.turn()
		r.wait(12*time.Minute, 34*time.Minute)
	}
}

// turn adds, drops or swaps.
func (r *rota) turn() {
	working := 0
	for _, on := range r.on {
		if on {
			working++
		}
	}
	add := 0.5
	if r.clock.night(r.now) {
		add = 0.12
	}
	switch {
	case working > 2:
		r.stop(r.longest(true), r.now)
	case r.rnd.chance(add):
		r.start(r.longest(false), r.now)
	default:
		out := r.longest(true)
		r.start(r.longest(false), r.now)
		r.stop(out, r.now+r.rnd.span(3*time.Minute, 6*time.Minute))
	}
}

// longest picks a machine that works (or stands): mostly the one that has done so longest, at times another that has
// done so for a quarter of an hour.
func (r *rota) longest(on bool) int {
	best, other := -1, -1
	for m := range r.on {
		if r.on[m] != on {
			continue
		}
		if best < 0 || r.since[m] < r.since[best] {
			best, other = m, best
		} else if other < 0 || r.since[m] < r.since[other] {
			other = m
		}
	}
	if r.rnd.chance(0.3) && other >= 0 && r.now-r.since[other] >= 15*msMinute {
		return other
	}
	return best
}

func (r *rota) start(m int, at int64) { r.on[m], r.since[m] = true, at }

func (r *rota) stop(m int, at int64) {
	if m == r.mine {
		r.ready = append(r.ready, stretch{r.since[m], at})
	}
	r.on[m], r.since[m] = false, at
}

// wait moves on to the next change, at the latest to the closing.
func (r *rota) wait(lo, hi time.Duration) {
	next := r.now + r.rnd.span(lo, hi)
	if next > r.closing-12*msMinute {
		next = r.closing
	}
	r.now = next
}
