package fold

// change takes a level that differs from the state, or that ends a streak, at t.
func (f *Fold) change(t int64, level State) {
	if f.pausing(t, level) {
		return
	}
	f.settle(t, level)
	if level == f.state {
		f.dropStreaks()
		return
	}
	near, far := f.targets(level)
	if f.near.to != near {
		f.dropStreaks()
		f.near = streak{to: near, sinceMs: t}
		f.push(mark{ms: t, kind: markNear})
	}
	switch {
	case far == Unknown:
		f.dropFar()
	case f.far.to == Unknown:
		f.far = streak{to: far, sinceMs: t}
		f.push(mark{ms: t, kind: markFar})
	}
	if level == Run && f.r.PulseMs > 0 {
		f.peakMs = t
	}
	f.settle(t, level)
}

// pausing reports whether a sample below run lies in a pause between two strokes of a streak towards run.
func (f *Fold) pausing(t int64, level State) bool {
	return f.peakMs != 0 && level != Run && t-f.peakMs <= f.r.PulseMs
}

// lasted reports whether a streak that goes on until t, when a sample had the given level, has lasted for its dwell. One
// of strokes has lasted until the newest stroke.
func (f *Fold) lasted(s streak, t int64, level State) bool {
	switch {
	case f.state == Run:
		return t-s.sinceMs >= f.r.pulsing[s.to]
	case s.to == Run && level != Run && f.peakMs != 0:
		t = f.peakMs
	}
	return t-s.sinceMs >= f.r.dwell[s.to]
}

// targets names the states that a level speaks for: the next one in its direction and, when the level lies beyond
// that, the farther one (else Unknown).
func (f *Fold) targets(level State) (near, far State) {
	if f.state != Idle && level != Idle && f.r.IdleAbove < f.r.RunAbove {
		return Idle, level
	}
	return level, Unknown
}

// settle makes a streak the state when it has lasted for its dwell until t. The sample at t has the given level
// (Unknown: a gap begins); a near streak waits while the far one goes on.
func (f *Fold) settle(t int64, level State) {
	switch {
	case f.far.to != Unknown && f.lasted(f.far, t, level):
		f.confirm(markFar, f.far.to)
	case f.near.to != Unknown && f.lasted(f.near, t, level) && (f.far.to == Unknown || level != f.far.to):
		f.confirm(markNear, f.near.to)
	}
}

// confirm turns the streak's mark into an edge and forgets the other streak.
func (f *Fold) confirm(k kind, to State) {
	for i := range f.marks {
		if f.marks[i].kind == k {
			f.marks[i].kind, f.marks[i].to = markEdge, to
			break
		}
	}
	f.state = to
	f.dropStreaks()
}

// dropStreaks forgets both streaks.
func (f *Fold) dropStreaks() {
	f.dropFar()
	f.dropKind(markNear)
	f.near = streak{}
	f.peakMs = 0
}

func (f *Fold) dropFar() {
	f.dropKind(markFar)
	if f.far.to == Run {
		f.peakMs = 0
	}
	f.far = streak{}
}

func (f *Fold) dropKind(k kind) {
	for i := range f.marks {
		if f.marks[i].kind == k {
			f.drop(i)
			return
		}
	}
}
