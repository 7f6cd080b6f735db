package fold

import (
	"slices"

	"karkhana/analytics/timeline"
)

// Fold is the state of a machine's evaluation after its samples so far. It is not safe for concurrent use.
type Fold struct {
	rules *Rules
	out   Sink

	r       *rule // in force at lastMs
	rNextMs int64 // when the next rule takes over
	limit   int64 // gap limit of the step under way
	lastMs  int64 // newest sample of any kind; 0 before the first one
	hourEnd int64 // first hour edge after lastMs
	// quarterEnd is the first quarter-hour edge after lastMs: register readings there split energy into tariff bands.
	quarterEnd int64

	// The head: what the newest samples say.
	state State // current state; Unknown before the first signal and in a gap
	level State // of the newest signal sample; Unknown when there is none to compare with
	sig   mark  // the newest signal sample: where a gap would begin
	near  streak
	far   streak
	// The newest sample at run of a streak towards run, under a rule with pulses; else 0.
	peakMs int64
	heat   thermal

	// marks are the instants between the cursor and the head at which something is or may be cut, ascending.
	marks []mark

	tail   tail
	energy energy
}

// streak is a level that may become the state when it persists.
type streak struct {
	to      State // Unknown: no streak
	sinceMs int64
}

// kind says what a mark is.
type kind uint8

const (
	markHour    kind = iota // an hour edge
	markEdge                // a change of state
	markNear                // the start of a streak, see Fold.near
	markFar                 // the start of a streak, see Fold.far
	markMinute              // the first temperature of a minute of which nothing is decided yet, see thermal.go
	markTrend               // a change of the temperature's trend
	markDip                 // a door is opened
	markQuarter             // a quarter-hour edge within the hour
)

// mark is an instant at which the cumulative energy must be known.
type mark struct {
	ms    int64
	kind  kind
	to    State                // markEdge: the state that begins
	trend trend                // markTrend: the trend that begins
	known bool                 // c is final
	flags timeline.EnergyFlags // of the energy between the mark before and this one, once known
	c     int64                // cumulative energy, milliWh
	w     int64                // integrated power since the last register reading, milliWh; counts while not known
	u     int64                // time since the last register reading without power, ms; counts while not known
}

// tail is the decided end: all time before the cursor is final.
type tail struct {
	ms    int64 // the cursor
	c     int64 // cumulative energy at the cursor
	piece timeline.Interval
	state State // of the piece
	trend trend // of the temperature, at the cursor
	phase phase // of the piece
	// The hour the cursor is in (or at the end of).
	hour, hourEnd int64
	times         [4]int64
	energies      [4]int64
	quarters      [4]int64
	flags         timeline.EnergyFlags
	parts         string // states of the hour but the last one, see timeline.AddPart
	partState     State  // of the hour's last part
	partMs        int64  // its length so far
}

// New returns a fold before its first sample.
func New(rules *Rules, out Sink) *Fold {
	return &Fold{rules: rules, out: out, r: &rules.rules[0], rNextMs: -1 << 62}
}

// LastMs is the time of the newest sample, 0 before the first one.
func (f *Fold) LastMs() int64 { return f.lastMs }

// DecidedMs is the start of the oldest piece that is not final, 0 before the first sample. Pieces with a start at or
// after it may still change.
func (f *Fold) DecidedMs() int64 { return f.tail.piece.StartMs }

// HourMs is the start of the oldest hour whose totals are not final, 0 before the first sample.
func (f *Fold) HourMs() int64 { return f.tail.hour }

// Step takes the next sample. Samples come in ascending time; one that is not newer than the last is left out.
func (f *Fold) Step(s Sample) {
	t := s.TimeMs
	if t <= f.lastMs {
		return
	}
	limit := f.r.GapLimitMs
	if t >= f.rNextMs {
		f.takeRule(t)
		limit = max(limit, f.r.GapLimitMs)
	}
	f.limit = limit
	switch {
	case f.lastMs == 0:
		f.begin(t)
	case t >= f.hourEnd:
		f.checkpoints(t) // before anything learns of the sample
		f.gap(t, limit)
		f.crossEdges(t, limit)
	case t >= f.quarterEnd || t-f.sig.ms > limit:
		f.gap(t, limit)
		f.crossEdges(t, limit)
	}
	f.energy.step(f, &s, limit)
	f.lastMs = t
	if s.Has&HasSignal != 0 {
		f.signal(t, f.r.level(s.Signal, f.level))
	} else if s.Has&SaysUnknown != 0 {
		f.unknown(t)
	}
	if f.r.phases.on || f.heat.on {
		f.warm(&s)
	}
	if len(f.marks) > 0 {
		f.advance()
	}
}

// takeRule makes the rule of time t the one in force.
func (f *Fold) takeRule(t int64) {
	i := f.rules.at(t)
	f.r, f.rNextMs = &f.rules.rules[i], int64(1)<<62
	if i+1 < len(f.rules.rules) {
		f.rNextMs = f.rules.rules[i+1].FromMs
	}
}

// begin places everything at the first sample.
func (f *Fold) begin(t int64) {
	f.hourEnd, f.quarterEnd = timeline.NextHour(t, f.rules.zone), timeline.NextQuarter(t)
	f.energy = energy{knownMs: t, integrating: true}
	f.tail = tail{
		ms: t, hour: timeline.HourFloor(t, f.rules.zone), hourEnd: f.hourEnd,
		piece:  timeline.Interval{State: timeline.StateUnknown, StartMs: t},
		partMs: t - timeline.HourFloor(t, f.rules.zone), // before the first sample
	}
}

// gap makes the state unknown from the newest signal sample on when that lies further back than the limit.
func (f *Fold) gap(t, limit int64) {
	if f.state == Unknown || t-f.sig.ms <= limit {
		return
	}
	f.settle(f.sig.ms, Unknown)
	f.dropStreaks()
	edge := f.sig
	edge.kind, edge.to = markEdge, Unknown
	at := len(f.marks)
	for at > 0 && f.marks[at-1].ms > edge.ms {
		at--
	}
	if edge.known { // flags are kept per stretch between marks: both halves get the flag of the whole
		if at < len(f.marks) {
			if f.marks[at].known {
				edge.flags = f.marks[at].flags
			}
		} else {
			edge.flags = f.energy.open
			if f.energy.knownMs <= edge.ms {
				f.energy.open = 0
			}
		}
	}
	f.marks = slices.Insert(f.marks, at, edge)
	f.state, f.level, f.sig = Unknown, Unknown, mark{}
}

// checkpoints passes the state before t to the sink for every hour edge up to t.
func (f *Fold) checkpoints(t int64) {
	f.energy.rest = 0 // less than a milliWh; keeps checkpoints of different histories alike
	for edge := f.hourEnd; edge <= t; edge = timeline.NextHour(edge, f.rules.zone) {
		f.out.Checkpoint(edge, f.encode(edge))
	}
}

// crossEdges marks the edges of hours and quarter hours up to t. Without samples in between the time is unknown and not
// cut there; its energy is shared out to hours and quarters when it is booked.
func (f *Fold) crossEdges(t, limit int64) {
	known := t-f.lastMs <= limit
	for edge := min(f.hourEnd, f.quarterEnd); known && edge <= t; edge = min(f.hourEnd, f.quarterEnd) {
		k := markQuarter
		if edge == f.hourEnd {
			k = markHour
			f.hourEnd = timeline.NextHour(edge, f.rules.zone)
		}
		f.push(mark{ms: edge, kind: k})
		f.quarterEnd = timeline.NextQuarter(edge)
	}
	if !known {
		for f.hourEnd <= t {
			f.hourEnd = timeline.NextHour(f.hourEnd, f.rules.zone)
		}
		f.quarterEnd = timeline.NextQuarter(t)
	}
}

// signal takes the level of the sample at t.
func (f *Fold) signal(t int64, level State) {
	f.level = level
	if f.state == Unknown {
		f.state = level
		f.push(mark{ms: t, kind: markEdge, to: level})
	} else if level != f.state || f.near.to != Unknown {
		f.change(t, level)
	}
	f.sig = mark{ms: t, known: f.energy.knownMs >= t, c: f.energy.c}
	if !f.sig.known {
		f.sig.w, f.sig.u = f.energy.w, f.energy.unmeasured(t, f.limit)
	}
}

// unknown takes a sample at t that says that the state is not known.
func (f *Fold) unknown(t int64) {
	if f.state == Unknown {
		return
	}
	f.settle(t, Unknown)
	f.dropStreaks()
	f.push(mark{ms: t, kind: markEdge, to: Unknown})
	f.state, f.level, f.sig = Unknown, Unknown, mark{}
}

// push appends a mark; its energy is known when the energy is known up to it.
func (f *Fold) push(m mark) {
	if f.energy.knownMs >= m.ms {
		m.known, m.c, m.flags = true, f.energy.c, f.energy.open
		f.energy.open = 0
	} else {
		m.w, m.u = f.energy.w, f.energy.unmeasured(m.ms, f.limit)
	}
	f.marks = append(f.marks, m)
}

// drop removes the mark at index i; the flags of its stretch go to the following one.
func (f *Fold) drop(i int) {
	m := f.marks[i]
	f.marks = slices.Delete(f.marks, i, i+1)
	if m.known {
		if i < len(f.marks) {
			f.marks[i].flags |= m.flags
		} else {
			f.energy.open |= m.flags
		}
	}
}

// horizon is until when the state is decided.
func (f *Fold) horizon() int64 {
	switch {
	case f.near.to != Unknown:
		return f.near.sinceMs
	case f.state != Unknown:
		return f.sig.ms
	}
	return f.lastMs // unknown: it stays unknown until the next signal
}

// advance passes all marks that are decided.
func (f *Fold) advance() {
	horizon, n := f.horizon(), 0
	for n < len(f.marks) {
		m := &f.marks[n]
		if m.ms > horizon || !m.known || m.kind == markNear || m.kind == markFar || m.kind == markMinute {
			break
		}
		f.pass(m, f.out)
		n++
	}
	if n > 0 {
		f.marks = f.marks[:copy(f.marks, f.marks[n:])]
	}
}

// SetSink makes out the receiver of everything from now on.
func (f *Fold) SetSink(out Sink) { f.out = out }
