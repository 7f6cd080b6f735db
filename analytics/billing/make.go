package billing

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// Make makes the draft statement of one group and month from what is stored and known at nowMs. A group or site that
// the registry does not know gives registry.ErrNotFound, a month in a wrong form ErrMonth.
func Make(ctx context.Context, d Deps, site, name, group string, nowMs int64) (Statement, error) {
	m, err := load(ctx, d, site, name, nowMs)
	if err != nil {
		return Statement{}, fmt.Errorf("statement %s: %w", name, err)
	}
	for _, g := range m.groups {
		if g.ID == group {
			return m.statement(g)
		}
	}
	return Statement{}, fmt.Errorf("statement %s: group %q of %s: %w", name, group, site, registry.ErrNotFound)
}

// MakeAll makes the draft statements of all groups of a site, in the registry's order. It reads everything once.
func MakeAll(ctx context.Context, d Deps, site, name string, nowMs int64) ([]Statement, error) {
	m, err := load(ctx, d, site, name, nowMs)
	if err != nil {
		return nil, fmt.Errorf("statements %s: %w", name, err)
	}
	return m.statements()
}

// Month is MakeAll and Unattributed together; it reads everything once.
func Month(ctx context.Context, d Deps, site, name string, nowMs int64) ([]Statement, []UnattributedRun, error) {
	m, err := load(ctx, d, site, name, nowMs)
	if err != nil {
		return nil, nil, fmt.Errorf("statements %s: %w", name, err)
	}
	drafts, err := m.statements()
	return drafts, m.unattributedRuns(), err
}

func (m *month) statements() ([]Statement, error) {
	out := make([]Statement, 0, len(m.groups))
	for _, g := range m.groups {
		s, err := m.statement(g)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (m *month) statement(g registry.Group) (Statement, error) {
	s := Statement{
		Site: m.site.ID, SiteName: m.site.Name, Zone: m.site.Zone, Group: g.ID, GroupName: g.Name,
		Month: m.name, From: at(m.fromMs), To: at(m.toMs), Made: at(m.nowMs), Complete: m.nowMs >= m.toMs,
		Lines: []Line{}, Machines: []Subtotal{}, Problems: []Problem{}, Balance: []Balance{},
	}
	if !s.Complete {
		s.Problems = append(s.Problems, Problem{Code: ProblemMonthIsOpen})
	}
	for _, mm := range m.machines {
		sub := Subtotal{Machine: mm.ID, MachineName: mm.Name}
		var billedMs, trainingMs, heldMs int64 // of all groups
		for _, held := range mm.sessions {
			if !m.attributed(held) {
				continue
			}
			lines, err := m.lines(mm, held)
			if err != nil {
				return Statement{}, fmt.Errorf("statement %s of %s: %s: %w", m.name, g.ID, mm.ID, err)
			}
			for _, l := range lines {
				if held.Training {
					trainingMs += l.RunMs
					if held.Group == g.ID {
						s.Training = append(s.Training, l)
					}
					continue
				}
				billedMs += l.RunMs
				heldMs += l.HeldMs
				if held.Group != g.ID {
					continue
				}
				if err := sub.add(l); err != nil {
					return Statement{}, fmt.Errorf("statement %s of %s: %s: %w", m.name, g.ID, mm.ID, err)
				}
				if err := s.Total.add(l); err != nil {
					return Statement{}, fmt.Errorf("statement %s of %s: total: %w", m.name, g.ID, err)
				}
				if l.Tariff == nil {
					s.Problems = append(s.Problems, Problem{ProblemNoTariff, l.Machine, &l.From, &l.To})
				}
				for _, h := range l.Held {
					s.Problems = append(s.Problems, Problem{ProblemBounded, l.Machine, cmp.Or(h.NotBefore, &h.From), h.NotAfter})
				}
				s.Lines = append(s.Lines, l)
			}
			if n := len(lines); n > 0 && held.Group == g.ID && !held.Training && lines[n-1].Open {
				s.Problems = append(s.Problems, Problem{ProblemOpen, mm.ID, &lines[n-1].From, nil})
			}
		}
		if sub.Lines > 0 {
			s.Machines = append(s.Machines, sub)
		}
		for _, c := range mm.told {
			if (c.Status == session.StatusConflict || c.Status == session.StatusPartly) && (c.Group == g.ID || c.GroupWas == g.ID) {
				s.Problems = append(s.Problems, Problem{ProblemCorrection, mm.ID, atPtr(c.FromMs), nil})
			}
		}
		b := m.balance(mm, billedMs, trainingMs, heldMs)
		if !b.Balanced {
			s.Problems = append(s.Problems, Problem{Code: ProblemUnbalanced, Machine: mm.ID})
		}
		s.Balance = append(s.Balance, b)
	}
	return s, nil
}

// lines returns the lines of one session in the month: one, or several when the tariff changes in it.
func (m *month) lines(mm machineMonth, held session.Held) ([]Line, error) {
	part := m.inMonth(held)
	var out []Line
	for part.from < part.to {
		tariff, until := tariffAt(m.tariffByClass[mm.Class], part.from)
		if held.Training {
			tariff, until = nil, maxMs
		}
		l, err := line(mm, held, span{part.from, min(part.to, until)}, tariff)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
		part.from = l.To.UnixMilli()
	}
	return out, nil
}

// tariffAt returns the row in force at an instant (nil: none) and when the next row begins. rows are of one class,
// ascending.
func tariffAt(rows []registry.Tariff, atMs int64) (inForce *registry.Tariff, untilMs int64) {
	for i, r := range rows {
		if r.ValidFromMs > atMs {
			return inForce, r.ValidFromMs
		}
		inForce = &rows[i]
	}
	return inForce, maxMs
}

// maxMs is later than any time.
const maxMs = int64(1) << 62

// line makes the line of a part of a session under one tariff (nil: none).
func line(mm machineMonth, held session.Held, part span, tariff *registry.Tariff) (Line, error) {
	l := Line{
		Machine: mm.ID, MachineName: mm.Name,
		SessionStart: at(held.StartMs), EndReason: held.EndReason, Open: held.EndMs == 0, Training: held.Training,
		From: at(part.from), To: at(part.to),
		Evidence: Evidence{Machine: mm.ID, From: at(part.from), To: at(part.to), Intervals: []Piece{}},
	}
	if !l.Open {
		l.SessionEnd = atPtr(held.EndMs)
	}
	for _, id := range held.Corrections {
		i := slices.IndexFunc(mm.told, func(t session.Told) bool { return t.ID == id })
		c := mm.told[i]
		l.Corrections = append(l.Corrections, LineCorrection{ID: c.ID, Kind: c.Kind, Author: c.Author, Reason: c.Reason, Made: at(c.MadeMs)})
	}
	var idleMs, offMs, unknownMs, milliWh int64
	var flags timeline.EnergyFlags
	for _, iv := range timeline.Clip(mm.intervals, part.from, part.to) {
		d := iv.EndMs - iv.StartMs
		switch iv.State {
		case timeline.StateRun:
			l.RunMs += d
		case timeline.StateIdle:
			idleMs += d
		case timeline.StateOff:
			offMs += d
		default:
			unknownMs += d
		}
		milliWh += iv.EnergyMilliWh
		l.EnergyEstimated = l.EnergyEstimated || iv.EnergyEstimated
		flags |= iv.Flags &^ timeline.EnergySplit // that is of tariff bands only
		l.Evidence.Intervals = append(l.Evidence.Intervals, Piece{iv.State, at(iv.StartMs), at(iv.EndMs)})
	}
	if !held.Training {
		mm.holdBack(&l, part)
	}
	before := runMs(mm.intervals, held.StartMs, part.from)
	if !held.Training {
		before -= mm.heldMs(held.StartMs, part.from)
	}
	l.RunS = halfUp(before+l.RunMs, 1000) - halfUp(before, 1000)
	l.IdleS, l.OffS, l.UnknownS = halfUp(idleMs, 1000), halfUp(offMs, 1000), halfUp(unknownMs, 1000)
	l.EnergyWh = halfUp(milliWh, 1000)
	if flags != 0 {
		l.EnergyFlags = flags.Codes()
	}
	switch {
	case len(l.Held) > 0:
		l.Problem = ProblemBounded
	case l.Open:
		l.Problem = ProblemOpen
	}
	if held.Training {
		return l, nil
	}
	if tariff == nil {
		l.Problem = ProblemNoTariff
		return l, nil
	}
	l.Tariff = &Tariff{Class: tariff.Class, ValidFrom: at(tariff.ValidFromMs), PaisePerRunHour: tariff.PaisePerRunHour}
	var err error
	l.AmountPaise, err = Amount(l.RunS, tariff.PaisePerRunHour)
	return l, err
}

// balance holds the billed run time of all groups against the machine's run time. The unattributed part is found on
// its own, from the stretches that no billed session covers, so that an overlap or a hole shows.
func (m *month) balance(mm machineMonth, billedMs, trainingMs, heldMs int64) Balance {
	b := Balance{Machine: mm.ID, BilledRunMs: billedMs, TrainingRunMs: trainingMs, HeldRunMs: heldMs}
	b.RunMs = runMs(mm.intervals, m.fromMs, m.horizonMs)
	b.UnknownS = halfUp(stateMs(mm.intervals, timeline.StateUnknown, m.fromMs, m.horizonMs), 1000)
	b.UnattributedRunMs = m.unattributed(mm).RunMs
	b.Balanced = b.RunMs == b.BilledRunMs+b.TrainingRunMs+b.HeldRunMs+b.UnattributedRunMs
	return b
}
