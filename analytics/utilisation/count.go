package utilisation

import (
	"slices"
	"time"

	"karkhana/analytics/calendar"
	"karkhana/analytics/timeline"
)

// count fills the periods of a machine.
func (m *subject) count(g *gathered) []KPI {
	if len(m.rows) == 0 {
		return nil
	}
	m.countPlan()
	m.countHours(g.zone)
	heldPlanned := m.held.and(m.planned)
	darkPlanned := m.dark.and(m.planned)
	for i := range m.rows {
		k := &m.rows[i]
		past := max(0, min(k.ToMs, m.presentMs)-k.FromMs)
		k.UnknownMs = max(0, past-k.OffMs-k.IdleMs-k.RunMs) // the newest hour may have been read a moment after presentMs
		k.Planned.UnknownMs = k.PBTMs - k.Planned.KnownMs()
		k.PowerCutMs = min(k.Planned.UnknownMs, darkPlanned.within(k.FromMs, k.ToMs))
		k.SessionMs = heldPlanned.within(k.FromMs, k.ToMs)
		k.AUBTMs = k.SessionMs + k.UnattributedMs
		k.OutsideRunMs = k.RunMs - k.Planned.RunMs
		for _, f := range m.broken {
			if f.from < k.FromMs || f.from >= k.ToMs {
				continue
			}
			k.Failures++
			k.RepairMs += m.planned.within(f.from, f.to)
			if f.open {
				k.OpenFailures++
			}
		}
		g.weigh(k, min(k.ToMs, m.presentMs))
		k.figures(m.Billable())
	}
	return m.rows
}

// countPlan shares the plan out to the periods, up to the present.
func (m *subject) countPlan() {
	plan := m.plan
	for i := range m.rows {
		k := &m.rows[i]
		for len(plan) > 0 && plan[0].ToMs <= k.FromMs {
			plan = plan[1:]
		}
		n := 0
		for ; n < len(plan) && plan[n].FromMs < k.ToMs; n++ {
			s := plan[n]
			ms := max(0, min(s.ToMs, k.ToMs, m.presentMs)-max(s.FromMs, k.FromMs))
			k.KindMs[s.Kind] += ms
			if s.Kind.Operation() {
				k.POTMs += ms
			}
			if s.Kind.Busy() {
				k.PBTMs += ms
			}
		}
		k.Calendar = calendar.Known(plan[:n])
	}
}

// countHours shares the known hours out to the periods: as totals where nothing cuts them, else piece by piece.
func (m *subject) countHours(zone *time.Location) {
	cuts, pieces, row := m.cuts, m.pieces, 0
	for _, h := range m.hours {
		end := timeline.NextHour(h.StartMs, zone)
		for len(cuts) > 0 && cuts[0] <= h.StartMs {
			cuts = cuts[1:]
		}
		n := 0
		for n < len(cuts) && cuts[n] < end {
			n++
		}
		for len(pieces) > 0 && pieces[0].EndMs <= h.StartMs {
			pieces = pieces[1:]
		}
		inHour := pieces
		if i := slices.IndexFunc(pieces, func(p timeline.Interval) bool { return p.StartMs >= end }); i >= 0 {
			inHour = pieces[:i]
		}
		if n > 0 && len(inHour) == 0 {
			inHour, _ = h.States()
		}
		part := split{hour: h, endMs: end, pieces: inHour, whole: n == 0}
		from := h.StartMs
		for row < len(m.rows) && m.rows[row].ToMs <= from {
			row++
		}
		// The energy of an hour within one period is not cut, whatever else cuts the hour.
		uncut := row < len(m.rows) && m.rows[row].FromMs <= from && end <= m.rows[row].ToMs
		if uncut {
			m.rows[row].addEnergy([4]int64{h.OffMilliWh, h.IdleMilliWh, h.RunMilliWh, h.UnknownMilliWh}, h.Estimated, h.Flags)
		}
		for i := 0; i <= n; i++ {
			to := end
			if i < n {
				to = cuts[i]
			}
			for row < len(m.rows) && m.rows[row].ToMs <= from {
				row++
			}
			got := part.take(from, to, i == n)
			if row < len(m.rows) && m.rows[row].FromMs <= from {
				k := &m.rows[row]
				m.addTimes(k, from, got.Times)
				if !uncut {
					k.addEnergy(got.energy, got.estimated, got.flags)
				}
			}
			from = to
		}
	}
}

// addTimes counts a part of an hour that lies on one side of every edge.
func (m *subject) addTimes(k *KPI, fromMs int64, p Times) {
	k.OffMs += p.OffMs
	k.IdleMs += p.IdleMs
	k.RunMs += p.RunMs
	if !m.planned.covers(fromMs) {
		return
	}
	k.Planned.OffMs += p.OffMs
	k.Planned.IdleMs += p.IdleMs
	k.Planned.RunMs += p.RunMs
	if !m.held.covers(fromMs) {
		k.UnattributedMs += p.RunMs
	}
}

func (k *KPI) addEnergy(milliWh [4]int64, estimated bool, flags timeline.EnergyFlags) {
	k.OffMilliWh += milliWh[0]
	k.IdleMilliWh += milliWh[1]
	k.RunMilliWh += milliWh[2]
	k.UnknownMilliWh += milliWh[3]
	k.EnergyEstimated = k.EnergyEstimated || estimated
	k.EnergyFlags |= flags
}

// split shares one hour out, part after part.
type split struct {
	hour   timeline.Hour
	endMs  int64
	pieces []timeline.Interval
	whole  bool // it is one part
	taken  [4]int64
	dark   int64 // unknown time shared out so far
}

// share is a part of an hour: times and energies by state.
type share struct {
	Times
	energy    [4]int64
	estimated bool
	flags     timeline.EnergyFlags
}

// take gives the next part of the hour. The last one takes what is left of the energy, so that the parts add up to the
// hour to the milliwatt-hour.
func (s *split) take(from, to int64, last bool) share {
	h := s.hour
	total := [4]int64{h.OffMilliWh, h.IdleMilliWh, h.RunMilliWh, h.UnknownMilliWh}
	out := share{estimated: h.Estimated, flags: h.Flags}
	if s.whole {
		out.Times, out.energy = Times{h.OffMs, h.IdleMs, h.RunMs, 0}, total
		return out
	}
	length := s.endMs - h.StartMs
	switch {
	case h.OffMs == length:
		out.OffMs, out.energy[0] = to-from, cut(total[0], from-h.StartMs, to-h.StartMs, length)
	case h.IdleMs == length:
		out.IdleMs, out.energy[1] = to-from, cut(total[1], from-h.StartMs, to-h.StartMs, length)
	case h.RunMs == length:
		out.RunMs, out.energy[2] = to-from, cut(total[2], from-h.StartMs, to-h.StartMs, length)
	default:
		for _, p := range s.pieces {
			start, end := max(p.StartMs, from), min(p.EndMs, to)
			if start >= end {
				continue
			}
			milliWh := cut(p.EnergyMilliWh, start-p.StartMs, end-p.StartMs, p.EndMs-p.StartMs) // as timeline.Clip
			switch p.State {
			case timeline.StateOff:
				out.OffMs += end - start
				out.energy[0] += milliWh
			case timeline.StateIdle:
				out.IdleMs += end - start
				out.energy[1] += milliWh
			case timeline.StateRun:
				out.RunMs += end - start
				out.energy[2] += milliWh
			}
		}
	}
	unknown := to - from - out.KnownMs()
	out.energy[3] = cut(total[3], s.dark, s.dark+unknown, length-h.OffMs-h.IdleMs-h.RunMs)
	s.dark += unknown
	for i := range total {
		if last {
			out.energy[i] = total[i] - s.taken[i]
		}
		s.taken[i] += out.energy[i]
		if out.energy[i] != 0 && out.energy[i] != total[i] {
			out.estimated, out.flags = true, out.flags|timeline.EnergyInterpolated
		}
	}
	return out
}

// cut is the part [from, to) of a total that spreads evenly over whole.
func cut(total, from, to, whole int64) int64 {
	return timeline.Share(total, to, whole) - timeline.Share(total, from, whole)
}
