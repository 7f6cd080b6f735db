package energy

import (
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// SiteUse is a period of a site.
type SiteUse struct {
	FromMs, ToMs int64
	Machines     []MachineUse  // in the order of pages, without main meters
	Main         *Use          // all main meters together; nil: the site has none
	Balance      *MeterBalance // nil: the site has no main meter
	Fixed        []FixedCharge
	Notes        []string
}

// MachineUse is a machine's part of it.
type MachineUse struct {
	Machine registry.Machine
	Use     Use
}

// MeterBalance is the main meter against the sum of the machines, decided hour by hour: main − machines = unmetered +
// unknown + estimated − over − main_silent, to the milliwatt-hour.
type MeterBalance struct {
	MainMilliWh       int64 `json:"main_milliwh"`
	MachinesMilliWh   int64 `json:"machines_milliwh"`
	UnmeteredMilliWh  int64 `json:"unmetered_milliwh" doc:"In hours in which all were heard: loads without a meter of their own, and losses in cables"`
	UnknownMilliWh    int64 `json:"unknown_milliwh" doc:"In hours in which a machine was not heard"`
	EstimatedMilliWh  int64 `json:"estimated_milliwh" doc:"In hours with estimated energy, up to the estimate"`
	OverMilliWh       int64 `json:"over_milliwh" doc:"More at the machines: a meter or a transformer ratio is wrong"`
	MainSilentMilliWh int64 `json:"main_silent_milliwh" doc:"At the machines while the main meter was not heard"`
	Hours             int   `json:"hours" doc:"In which the main meter was heard"`
	UnknownHours      int   `json:"unknown_hours"`
	EstimatedHours    int   `json:"estimated_hours"`
	OverHours         int   `json:"over_hours"`
	SilentHours       int   `json:"silent_hours"`
}

// Site returns the periods of [fromMs, toMs), widened to whole hours, for all machines of a site. by: see ByHour.
func Site(ctx context.Context, d Deps, id string, fromMs, toMs int64, by string, nowMs int64) ([]SiteUse, error) {
	s, err := open(ctx, d, id, nowMs)
	if err != nil {
		return nil, err
	}
	return s.periodsOf(ctx, fromMs, toMs, by, "")
}

// Span returns [fromMs, toMs), widened to whole hours, as one period and by days, read once: for papers. Sessions and
// phases are worked out of the machine named only ("": of none).
func Span(ctx context.Context, d Deps, id, detailed string, fromMs, toMs, nowMs int64) (whole SiteUse, days []SiteUse, err error) {
	s, err := open(ctx, d, id, nowMs)
	if err != nil {
		return whole, nil, err
	}
	all, err := s.periods(fromMs, toMs, ByAll)
	if err != nil || len(all) == 0 {
		return SiteUse{FromMs: fromMs, ToMs: toMs}, nil, err
	}
	byDay, err := s.periods(fromMs, toMs, ByDay)
	if err != nil {
		return whole, nil, err
	}
	r, err := s.read(ctx, all[0], func(id string) bool { return detailed != "" && id == detailed })
	if err != nil {
		return whole, nil, err
	}
	return s.work(r, all)[0], s.work(r, byDay), nil
}

// Machine returns the periods of one machine; main meters too. Its share of the fixed charge needs the others.
func Machine(ctx context.Context, d Deps, id, machine string, fromMs, toMs int64, by string, nowMs int64) ([]Use, error) {
	s, err := open(ctx, d, id, nowMs)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.machines, func(m registry.Machine) bool { return m.ID == machine })
	if i < 0 {
		return nil, fmt.Errorf("energy of %s/%s: %w", id, machine, registry.ErrNotFound)
	}
	m := s.machines[i]
	periods, err := s.periodsOf(ctx, fromMs, toMs, by, machine)
	if err != nil || len(periods) == 0 {
		return nil, err
	}
	pf, err := s.factors(ctx, m, periods[0].FromMs, periods[len(periods)-1].ToMs)
	if err != nil {
		return nil, err
	}
	data, err := s.hours(ctx, m, periods[0].FromMs, periods[len(periods)-1].ToMs)
	if err != nil {
		return nil, err
	}
	out := make([]Use, 0, len(periods))
	for _, p := range periods {
		own := pf.apparent(data.hours, span{p.FromMs, p.ToMs})
		var u Use
		if i := slices.IndexFunc(p.Machines, func(x MachineUse) bool { return x.Machine.ID == machine }); i >= 0 {
			u = p.Machines[i].Use
		} else { // one of the main meters
			u = s.use(data, span{p.FromMs, p.ToMs})
			s.finish(&u, own)
		}
		u.Apparent = own
		out = append(out, u)
	}
	return out, nil
}

// periodsOf works the site out; sessions and pieces are read of the machine named only, "": of all.
func (s *site) periodsOf(ctx context.Context, fromMs, toMs int64, by, only string) ([]SiteUse, error) {
	periods, err := s.periods(fromMs, toMs, by)
	if err != nil || len(periods) == 0 {
		return nil, err
	}
	r, err := s.read(ctx, span{periods[0].fromMs, periods[len(periods)-1].toMs}, func(id string) bool { return only == "" || only == id })
	if err != nil {
		return nil, err
	}
	return s.work(r, periods), nil
}

// siteData is all that was stored of a site for a stretch of time.
type siteData struct {
	machines []*machineData
	main     []timeline.Hour // of the whole months that the stretch touches: demand is the month's
	hasMain  bool
	pf       factors
}

// read reads a site; of machines that are not detailed, hours only.
func (s *site) read(ctx context.Context, all span, detailed func(id string) bool) (*siteData, error) {
	wide := span{s.months(all)[0].fromMs, s.months(span{all.toMs - 1, all.toMs})[0].toMs}
	r := &siteData{pf: factors{}}
	var mains [][]timeline.Hour
	for _, m := range s.machines {
		if m.Class == registry.ClassMainMeter {
			hours, err := s.Hours.ReadHours(ctx, s.Store, s.id, m.ID, wide.fromMs, wide.toMs)
			if err != nil {
				return nil, err
			}
			mains = append(mains, hours)
			if len(mains) == 1 {
				if r.pf, err = s.factors(ctx, m, wide.fromMs, min(wide.toMs, max(s.nowMs, wide.fromMs+1))); err != nil {
					return nil, err
				}
			}
			continue
		}
		read := s.hours
		if detailed(m.ID) {
			read = s.load
		}
		data, err := read(ctx, m, all.fromMs, all.toMs)
		if err != nil {
			return nil, err
		}
		r.machines = append(r.machines, data)
	}
	r.main, r.hasMain = together(mains), len(mains) > 0
	return r, nil
}

func (s *site) work(r *siteData, periods []span) []SiteUse {
	out := make([]SiteUse, len(periods))
	for i, p := range periods {
		out[i] = s.period(p, r.machines, r.main, r.hasMain, r.pf)
	}
	return out
}

func (s *site) period(p span, machines []*machineData, main []timeline.Hour, hasMain bool, pf factors) SiteUse {
	out := SiteUse{FromMs: p.fromMs, ToMs: p.toMs}
	apparent := pf.apparent(main, p)
	for _, d := range machines {
		u := s.use(d, p)
		s.finish(&u, apparent)
		out.Machines = append(out.Machines, MachineUse{Machine: d.machine, Use: u})
	}
	if hasMain {
		u := s.use(&machineData{machine: registry.Machine{Class: registry.ClassMainMeter}, hours: main}, p)
		u.Apparent = apparent
		s.finish(&u, apparent)
		out.Main = &u
		out.Balance = balance(machines, main, p, min(p.toMs, s.nowMs))
	}
	out.Fixed, out.Notes = s.fixed(main, pf, hasMain, p)
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	shareFixed(out.Fixed, out.Machines)
	return out
}

// finish sets what needs more than the machine's own hours: prices, by the power factor at the main meter; and the notes.
func (s *site) finish(u *Use, main *Apparent) {
	if len(s.config.Tariffs) == 0 {
		u.note(NoteNoTariff)
	} else {
		u.price(main)
	}
	if u.Coverage != nil && *u.Coverage < MinCoverage {
		u.note(NoteLowCoverage)
	}
	if u.CO2UnknownMwh > 0 {
		u.note(NoteNoFactor)
	}
	for _, c := range u.CO2 {
		if !c.Own {
			u.note(NoteFactorBefore)
		}
	}
}

// together adds the hours of several main meters up. An hour that one of them lacks is left out: it is not known.
func together(mains [][]timeline.Hour) []timeline.Hour {
	if len(mains) == 0 {
		return nil
	}
	out := mains[0]
	for _, more := range mains[1:] {
		var both []timeline.Hour
		for _, a := range out {
			i, found := slices.BinarySearchFunc(more, a.StartMs, func(h timeline.Hour, ms int64) int { return int(h.StartMs - ms) })
			if !found {
				continue
			}
			b := more[i]
			sum := timeline.Hour{
				StartMs: a.StartMs, RunMs: min(a.OffMs+a.IdleMs+a.RunMs, b.OffMs+b.IdleMs+b.RunMs),
				RunMilliWh: a.MilliWh() + b.MilliWh(), Flags: a.Flags | b.Flags, Estimated: a.Estimated || b.Estimated,
			}
			qa, qb := quarters(&a, &sum.Flags), quarters(&b, &sum.Flags)
			for q := range sum.QuarterMilliWh {
				sum.QuarterMilliWh[q] = qa[q] + qb[q]
			}
			both = append(both, sum)
		}
		out = both
	}
	return out
}

// slackMs is how much of an hour may be unknown without the hour counting as such: a restart of a gateway.
const slackMs = 60_000

func balance(machines []*machineData, main []timeline.Hour, p span, endMs int64) *MeterBalance {
	type hour struct {
		machines, estimated int64
		unknown             bool
	}
	sums := map[int64]*hour{}
	at := func(ms int64) *hour {
		if sums[ms] == nil {
			sums[ms] = &hour{}
		}
		return sums[ms]
	}
	heard := map[int64]int{}
	for _, d := range machines {
		for _, h := range in(d.hours, p) {
			x := at(h.StartMs)
			x.machines += h.MilliWh()
			if h.Estimated {
				x.estimated += h.MilliWh()
			}
			x.unknown = x.unknown || min(timeline.HourMs, endMs-h.StartMs)-h.OffMs-h.IdleMs-h.RunMs > slackMs
			heard[h.StartMs]++
		}
	}
	b := &MeterBalance{}
	seen := map[int64]bool{}
	for _, h := range in(main, p) {
		seen[h.StartMs] = true
		x := at(h.StartMs)
		b.Hours++
		b.MainMilliWh += h.MilliWh()
		silent := min(timeline.HourMs, endMs-h.StartMs)-h.OffMs-h.IdleMs-h.RunMs > slackMs
		switch gap := h.MilliWh() - x.machines; {
		case gap < 0 && silent:
			b.MainSilentMilliWh -= gap
			b.SilentHours++
		case gap < 0:
			b.OverMilliWh -= gap
			b.OverHours++
		case x.unknown || heard[h.StartMs] < len(machines):
			b.UnknownMilliWh += gap
			b.UnknownHours++
		case x.estimated > 0 || h.Estimated:
			doubt := gap
			if !h.Estimated { // an estimate is not wrong by more than itself
				doubt = min(gap, x.estimated)
			}
			b.EstimatedMilliWh += doubt
			b.UnmeteredMilliWh += gap - doubt
			b.EstimatedHours++
		default:
			b.UnmeteredMilliWh += gap
		}
	}
	for ms, x := range sums {
		b.MachinesMilliWh += x.machines
		if !seen[ms] {
			b.MainSilentMilliWh += x.machines
			b.SilentHours++
		}
	}
	return b
}
