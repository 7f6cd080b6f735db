package utilisation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/analytics/calendar"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// gathered is all that the figures of a site are counted from.
type gathered struct {
	zone     *time.Location
	rules    []registry.KPIRule
	machines []*subject
}

// subject is a machine and all that is known of it in the range.
type subject struct {
	registry.Machine
	limitMs   int64
	presentMs int64
	rows      []KPI // the periods
	plan      []calendar.Stretch
	planned   stretches // PBT up to the present
	held      stretches // by a session
	dark      stretches // without mains
	broken    []failure
	hours     []timeline.Hour
	pieces    []timeline.Interval // of the hours that are cut and don't tell
	cuts      []int64             // where period, PBT and sessions begin and end, ascending
}

// failure is a breakdown up to its end or the present.
type failure struct {
	stretch
	open bool
}

// gather reads everything, each thing once for all machines.
func gather(ctx context.Context, d Deps, q Asked) (*gathered, error) {
	site, err := d.Registry.Site(ctx, q.Site)
	if err != nil {
		return nil, err
	}
	g := &gathered{}
	if g.zone, err = time.LoadLocation(site.Zone); err != nil {
		return nil, fmt.Errorf("zone of the site: %w", err)
	}
	if err := g.find(ctx, d, q); err != nil || len(g.machines) == 0 {
		return g, err
	}
	if err := g.presents(ctx, d, q); err != nil {
		return nil, err
	}
	// Two days more at both ends: shifts under way, repairs that go on.
	const more = 2 * 24 * timeline.HourMs
	broken, err := d.Registry.Breakdowns(ctx, q.Site, "", q.FromMs, q.ToMs+more)
	if err != nil {
		return nil, err
	}
	until := q.ToMs + more
	for _, b := range broken {
		if b.ToMs == 0 {
			until = max(until, q.NowMs)
		}
		until = max(until, b.ToMs)
	}
	c, err := d.Registry.Calendar(ctx, q.Site, q.FromMs-more, until)
	if err != nil {
		return nil, err
	}
	g.rules = c.Rules
	if err := g.lay(q, calendar.New(g.zone, c), broken); err != nil {
		return nil, err
	}
	if _, _, some := g.hull(); !some {
		return g, nil
	}
	return g, g.read(ctx, d, q)
}

// read reads sessions, gaps and hours side by side, and then what of the hours their own text does not tell.
func (g *gathered) read(ctx context.Context, d Deps, q Asked) error {
	from, to, _ := g.hull()
	together, below := errgroup.WithContext(ctx)
	var hours map[string][]timeline.Hour
	together.Go(func() error { return g.dark(below, d, q) })
	together.Go(func() error { return g.holders(below, d, q) })
	together.Go(func() (err error) {
		hours, err = d.Hours.SiteHours(below, d.Store, q.Site, g.ids(), timeline.HourFloor(from, g.zone), to)
		return err
	})
	if err := together.Wait(); err != nil {
		return err
	}
	shifts := q.By == ByShift // only shifts cut energy, which stands with the pieces
	var spans []timeline.Span
	for _, m := range g.machines {
		m.hours, m.cuts = hours[m.ID], m.edges()
		spans = append(spans, m.untold(g.zone, shifts)...)
	}
	pieces, err := timeline.SitePieces(ctx, d.Store, q.Site, spans, shifts)
	if err != nil {
		return err
	}
	for _, m := range g.machines {
		m.pieces = pieces[m.ID]
	}
	return nil
}

// find picks the machines that are asked for.
func (g *gathered) find(ctx context.Context, d Deps, q Asked) error {
	all, err := d.Registry.Machines(ctx, q.Site)
	if err != nil {
		return err
	}
	for _, m := range all {
		if len(q.Machines) == 0 && m.Class == registry.ClassMainMeter || len(q.Machines) > 0 && !slices.Contains(q.Machines, m.ID) {
			continue
		}
		settings, err := d.Registry.SettingsAt(ctx, q.Site, m.ID)
		if err != nil {
			return err
		}
		s := &subject{Machine: m, limitMs: registry.Settings{}.GapLimitMs(), presentMs: q.NowMs}
		for i, row := range settings {
			if i == 0 || row.ValidFromMs <= q.NowMs {
				s.limitMs = row.GapLimitMs()
			}
		}
		g.machines = append(g.machines, s)
	}
	return nil
}

func (g *gathered) ids() []string {
	out := make([]string, len(g.machines))
	for i, m := range g.machines {
		out[i] = m.ID
	}
	return out
}

// presents finds where the present of each machine ends. The newest piece of one that is fresh began within the last
// hour before its limit; where the range ends before that, the present does not matter.
func (g *gathered) presents(ctx context.Context, d Deps, q Asked) error {
	var spans []timeline.Span
	for _, m := range g.machines {
		// By shift the last shift may end two days after the range.
		if q.ToMs+2*24*timeline.HourMs > q.NowMs-m.limitMs {
			spans = append(spans, timeline.Span{Machine: m.ID, FromMs: q.NowMs - m.limitMs - timeline.HourMs, ToMs: q.NowMs + 24*timeline.HourMs})
		}
	}
	newest, err := timeline.SitePieces(ctx, d.Store, q.Site, spans, false)
	if err != nil {
		return err
	}
	for _, m := range g.machines {
		if rows := newest[m.ID]; len(rows) > 0 && q.NowMs-rows[len(rows)-1].EndMs <= m.limitMs {
			m.presentMs = rows[len(rows)-1].EndMs
		}
	}
	return nil
}

// lay cuts each machine's time into periods and lays the calendar over it. Machines without a period that has begun
// keep none.
func (g *gathered) lay(q Asked, rules *calendar.Rules, broken []registry.Breakdown) error {
	var common []KPI
	if q.By != ByShift {
		var err error
		if common, err = periods(q.FromMs, q.ToMs, q.By, g.zone); err != nil {
			return err
		}
	}
	type key struct{ from, to int64 }
	plans := map[key][]calendar.Stretch{} // of machines without rules of their own
	for _, m := range g.machines {
		if q.By == ByShift {
			m.rows = shifts(rules, m.ID, q.FromMs, q.ToMs)
		} else {
			m.rows = slices.Clone(common)
		}
		m.rows = slices.DeleteFunc(m.rows, func(k KPI) bool { return k.FromMs >= m.presentMs })
		if len(m.rows) == 0 {
			continue
		}
		from, to := m.span()
		for _, b := range broken {
			if b.Machine != m.ID {
				continue
			}
			f := failure{stretch{b.FromMs, b.ToMs}, b.ToMs == 0}
			if f.open || f.to > m.presentMs {
				f.to = m.presentMs
			}
			m.broken = append(m.broken, f)
			to = max(to, f.to)
		}
		k := key{from, to}
		own := rules.Own(m.ID)
		if m.plan = plans[k]; m.plan == nil || own {
			m.plan = rules.Plan(m.ID, from, to)
			if !own {
				plans[k] = m.plan
			}
		}
		for _, s := range m.plan {
			if s.Kind.Busy() {
				m.planned = append(m.planned, stretch{s.FromMs, min(s.ToMs, m.presentMs)})
			}
		}
		m.planned = union(m.planned)
	}
	return nil
}

// span is the whole of a machine's periods.
func (m *subject) span() (fromMs, toMs int64) { return m.rows[0].FromMs, m.rows[len(m.rows)-1].ToMs }

// hull is the whole of all machines' periods; false: there are none.
func (g *gathered) hull() (fromMs, toMs int64, some bool) {
	for _, m := range g.machines {
		if len(m.rows) == 0 {
			continue
		}
		from, to := m.span()
		if !some {
			fromMs, toMs, some = from, to, true
		}
		fromMs, toMs = min(fromMs, from), max(toMs, to)
	}
	return fromMs, toMs, some
}

// holders reads the sessions.
func (g *gathered) holders(ctx context.Context, d Deps, q Asked) error {
	from, to, _ := g.hull()
	machine := ""
	if len(g.machines) == 1 {
		machine = g.machines[0].ID
	}
	sessions, _, err := session.Read(ctx, d.Registry, session.Query{Site: q.Site, FromMs: from, ToMs: to, Machine: machine})
	if err != nil {
		return err
	}
	held := map[string][]stretch{}
	for _, s := range sessions {
		if s.EndMs == 0 { // still open
			s.EndMs = to
		}
		held[s.Machine] = append(held[s.Machine], stretch{s.StartMs, s.EndMs})
	}
	for _, m := range g.machines {
		for _, s := range held[m.ID] {
			s.to = min(s.to, m.presentMs)
			m.held = append(m.held, s)
		}
		m.held = union(m.held)
	}
	return nil
}

// dark reads when the mains were out.
func (g *gathered) dark(ctx context.Context, d Deps, q Asked) error {
	from, to, _ := g.hull()
	machine := ""
	if len(g.machines) == 1 {
		machine = g.machines[0].ID
	}
	gaps, err := gap.Read(ctx, d.Store, d.Registry, q.Site, machine, from, to)
	if err != nil {
		return err
	}
	for _, m := range g.machines {
		for _, o := range gaps {
			if o.Machine != m.ID || o.Cause != gap.CauseSupply || o.FilledMs != 0 {
				continue
			}
			if o.ToMs == 0 {
				o.ToMs = m.presentMs
			}
			m.dark = append(m.dark, stretch{o.FromMs, min(o.ToMs, m.presentMs)})
		}
		m.dark = union(m.dark)
	}
	return nil
}

// edges are where period, planned time and sessions begin and end, ascending.
func (m *subject) edges() []int64 {
	cuts := m.held.edges(m.planned.edges(nil))
	for _, k := range m.rows {
		cuts = append(cuts, k.FromMs, k.ToMs)
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// untold are the hours with an edge inside for which the pieces of state are needed: hours of several states that don't tell
// in which order, or all of these where energy is cut.
func (m *subject) untold(zone *time.Location, energy bool) []timeline.Span {
	var out []timeline.Span
	hours := m.hours
	for _, cut := range m.cuts {
		for len(hours) > 0 && timeline.NextHour(hours[0].StartMs, zone) <= cut {
			hours = hours[1:]
		}
		if len(hours) == 0 || cut <= hours[0].StartMs {
			continue
		}
		h := hours[0]
		hours = hours[1:]
		end := timeline.NextHour(h.StartMs, zone)
		if h.Uniform(end - h.StartMs) {
			continue
		}
		if _, told := h.States(); energy || !told {
			out = append(out, timeline.Span{Machine: m.ID, FromMs: h.StartMs, ToMs: end})
		}
	}
	return out
}
