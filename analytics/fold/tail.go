package fold

import (
	"slices"

	"karkhana/analytics/timeline"
)

// pass moves the cursor to a mark and emits what ends there.
func (f *Fold) pass(m *mark, out Sink) {
	p := &f.tail
	p.book(m.ms, m.c, m.flags, f.rules, out)
	switch m.kind {
	case markHour:
		p.closeHour(f.rules, out)
		if p.state != Unknown {
			p.cut(p.state, out)
		}
	case markEdge:
		p.phase = phaseOf(m.to, p.trend, p.phase)
		p.cut(m.to, out)
	case markTrend, markDip:
		if m.kind == markDip && p.state == Run {
			p.piece.DoorDips++
		}
		p.trend = m.trend
		if next := phaseOf(p.state, p.trend, p.phase); next != p.phase {
			p.phase = next
			p.cut(p.state, out)
		}
	}
}

// book adds the time and the energy up to ms to the piece and its hours.
func (p *tail) book(ms, c int64, flags timeline.EnergyFlags, rules *Rules, out Sink) {
	from, milliWh := p.ms, c-p.c
	p.piece.EnergyMilliWh += milliWh
	p.piece.Flags |= flags
	p.piece.EnergyEstimated = p.piece.Flags.Estimated()
	if milliWh != 0 && ms > p.hourEnd {
		flags |= timeline.EnergyInterpolated
	}
	for given := int64(0); p.ms < ms; {
		if p.ms >= p.hourEnd {
			p.closeHour(rules, out)
		}
		end := min(ms, p.hourEnd)
		upTo := timeline.Share(milliWh, end-from, ms-from)
		p.times[p.state] += end - p.ms
		p.part(end - p.ms)
		p.energies[p.state] += upTo - given
		p.flags |= flags | p.quarter(p.ms, end, upTo-given)
		p.ms, given = end, upTo
	}
	p.c = c
}

// quarter shares the energy of [from, to), which lies in the hour of the cursor, out to its quarter hours. The flag says
// that it was cut by time alone.
func (p *tail) quarter(from, to, milliWh int64) (split timeline.EnergyFlags) {
	given := int64(0)
	for at := from; at < to; {
		q := min((at-p.hour)/timeline.QuarterMs, 3)
		end := to
		if q < 3 {
			end = min(to, p.hour+(q+1)*timeline.QuarterMs)
		}
		if end < to && milliWh != 0 {
			split = timeline.EnergySplit
		}
		upTo := timeline.Share(milliWh, end-from, to-from)
		p.quarters[q] += upTo - given
		at, given = end, upTo
	}
	return split
}

// cut ends the piece at the cursor and begins one of the given state. A piece of no length is not emitted.
func (p *tail) cut(next State, out Sink) {
	if p.ms > p.piece.StartMs {
		p.piece.EndMs = p.ms
		out.Piece(p.piece)
	}
	p.state = next
	p.piece = timeline.Interval{State: next.String(), StartMs: p.ms, Phase: p.phase.String()}
}

// closeHour emits the hour that ends at the cursor and opens the next one.
func (p *tail) closeHour(rules *Rules, out Sink) {
	out.Hour(p.totals())
	p.hour = p.hourEnd
	p.hourEnd = timeline.NextHour(p.hour, rules.zone)
	p.times, p.energies, p.quarters, p.flags = [4]int64{}, [4]int64{}, [4]int64{}, 0
	p.parts, p.partState, p.partMs = "", Unknown, 0
}

// partLetters are the states in an hour's parts.
var partLetters = [4]byte{Off: 'O', Idle: 'I', Run: 'R', Unknown: 'U'}

// part lets the hour's last part grow, or begins one.
func (p *tail) part(ms int64) {
	if p.partState != p.state {
		p.parts = timeline.AddPart(p.parts, partLetters[p.partState], p.partMs)
		p.partState, p.partMs = p.state, 0
	}
	p.partMs += ms
}

// allParts are the parts of the hour, "" when it is one throughout.
func (p *tail) allParts() string {
	if p.partMs == p.hourEnd-p.hour {
		return ""
	}
	return timeline.AddPart(p.parts, partLetters[p.partState], p.partMs)
}

func (p *tail) totals() timeline.Hour {
	return timeline.Hour{
		StartMs: p.hour, OffMs: p.times[Off], IdleMs: p.times[Idle], RunMs: p.times[Run], UnknownMs: p.times[Unknown],
		OffMilliWh: p.energies[Off], IdleMilliWh: p.energies[Idle], RunMilliWh: p.energies[Run],
		UnknownMilliWh: p.energies[Unknown], Estimated: p.flags.Estimated(), Flags: p.flags, QuarterMilliWh: p.quarters,
		Parts: p.allParts(),
	}
}

// Tip passes to out how things stand after the newest sample: the pieces and hours that are not final, the last piece
// open. Its state holds until the next sample, so that it may have no length yet. Energy that waits for the register
// is what power says so far. The fold itself is not changed. Before the first sample there is nothing.
func (f *Fold) Tip(out Sink) {
	if f.lastMs == 0 {
		return
	}
	g, horizon := *f, f.horizon()
	g.marks = slices.Clone(f.marks)
	g.dropStreaks()
	g.dropMinutes()
	waiting := func(m mark) mark {
		if !m.known {
			m.c = g.energy.c
			if !g.energy.integrating {
				m.c, m.flags = m.c+m.w, g.energy.seen
				if g.energy.cover > g.r.GapLimitMs {
					m.flags |= timeline.EnergyIntegrated
				}
			}
		}
		return m
	}
	end := mark{ms: g.lastMs, known: g.energy.knownMs >= g.lastMs, c: g.energy.c, w: g.energy.w, flags: g.energy.open}
	if g.state != Unknown {
		end.ms, end.known, end.c, end.w = g.sig.ms, g.sig.known, g.sig.c, g.sig.w
	}
	for _, m := range g.marks {
		if m.ms > end.ms {
			break
		}
		m = waiting(m)
		if m.ms > horizon && (m.kind == markTrend || m.kind == markDip) {
			m.kind = markQuarter // a phase needs the state, and a piece that is shown must begin there for ever
		}
		g.pass(&m, out)
	}
	end = waiting(end)
	g.tail.book(end.ms, end.c, end.flags, g.rules, out)
	g.tail.piece.EndMs, g.tail.piece.Open = end.ms, true
	out.Piece(g.tail.piece)
	if g.tail.ms > g.tail.hour { // else nothing is to be said of it, whether the hour before is closed already or not
		out.Hour(g.tail.totals())
	}
}
