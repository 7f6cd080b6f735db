package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/billing"
	"karkhana/analytics/gap"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// work is a report under way.
type work struct {
	Deps
	q             Asked
	r             *Report
	zone          *time.Location
	fromMs, toMs  int64
	untilMs       int64
	machines      []registry.Machine // of the report
	all           []registry.Machine // of the site
	yearFromMs    int64              // scheme report: 1 April
	hours         *timeline.Kept
	gapsByMachine map[string][]gap.Gap
}

func gather(ctx context.Context, d Deps, q Asked) (*Report, error) {
	s, err := d.Registry.Site(ctx, q.Site)
	if err != nil {
		return nil, err
	}
	w := &work{Deps: d, q: q, gapsByMachine: map[string][]gap.Gap{}}
	if w.zone, err = s.Location(); err != nil {
		return nil, err
	}
	if w.fromMs, w.toMs, err = billing.Bounds(q.Month, w.zone); err != nil {
		return nil, err
	}
	if q.NowMs <= w.fromMs {
		return nil, ErrNotBegun
	}
	w.untilMs = min(w.toMs, q.NowMs)
	w.r = &Report{
		Kind: q.Kind, Site: s.ID, SiteName: s.Name, Zone: s.Zone, Month: q.Month,
		From: at(w.fromMs), To: at(w.toMs), Until: at(w.untilMs), Complete: q.NowMs >= w.toMs,
		Machines: []MachineMonth{}, Days: []MachineDay{}, Groups: []GroupMonth{}, Settings: []SettingsUsed{}, Tariffs: []PriceUsed{},
		Total: Figures{EnergyFlags: []string{}, Unknown: []UnknownCause{}},
	}
	steps := []func(context.Context) error{w.readMachines, w.readHours, w.readGaps, w.readFigures}
	switch {
	case q.Kind == KindMonth && q.Machine != "":
		steps = append(steps, w.readDays, w.readEnergy, w.readJobs)
	case q.Kind == KindMonth:
		steps = append(steps, w.readGroups, w.readEnergy, w.readJobs)
	case q.Kind == KindMeter && q.Machine == "":
		steps = append(steps, w.readEnergy)
	case q.Kind == KindScheme && q.Machine == "":
		steps = append(steps, w.readGroups, w.readYear)
	case q.Kind == KindScheme || q.Kind == KindMeter:
		return nil, fmt.Errorf("a %s report is of the whole site: leave machine out", q.Kind)
	default:
		return nil, fmt.Errorf("no such report %q: use %s, %s or %s", q.Kind, KindMonth, KindScheme, KindMeter)
	}
	for _, step := range append(steps, w.readCO2, w.readSettings, w.readTariffs) {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w.r, nil
}

func (w *work) readMachines(ctx context.Context) error {
	all, err := w.Registry.Machines(ctx, w.q.Site)
	if err != nil {
		return err
	}
	w.all = all
	for _, m := range all {
		if w.q.Machine == "" || m.ID == w.q.Machine {
			w.machines = append(w.machines, m)
		}
	}
	if w.q.Machine != "" && len(w.machines) == 0 {
		return fmt.Errorf("machine %q: %w", w.q.Machine, registry.ErrNotFound)
	}
	return nil
}

// readHours reads the hours that the figures and the electricity are made of, once for both: of all machines, because
// these share the fixed charge.
func (w *work) readHours(ctx context.Context) error {
	fromMs, electric := w.fromMs, w.q.Kind != KindScheme
	if !electric {
		month := time.UnixMilli(w.fromMs).In(w.zone)
		year := month.Year()
		if month.Month() < time.April {
			year--
		}
		w.yearFromMs = time.Date(year, time.April, 1, 0, 0, 0, 0, w.zone).UnixMilli()
		fromMs = w.yearFromMs
	}
	var ids []string
	for _, m := range w.all {
		ids = append(ids, m.ID)
	}
	kept, err := timeline.Keep(ctx, w.Store, w.q.Site, ids, fromMs, w.toMs, electric)
	w.hours = kept
	return err
}

func (w *work) readGaps(ctx context.Context) error {
	gaps, err := gap.Read(ctx, w.Store, w.Registry, w.q.Site, w.q.Machine, w.fromMs, w.untilMs)
	if err != nil {
		return err
	}
	for _, g := range gaps {
		w.gapsByMachine[g.Machine] = append(w.gapsByMachine[g.Machine], g)
	}
	return nil
}

// kpis reads the periods of the report's machines in [fromMs, toMs), all at once, by machine.
func (w *work) kpis(ctx context.Context, fromMs, toMs int64, by string) (map[string][]utilisation.KPI, error) {
	asked := utilisation.Asked{Site: w.q.Site, FromMs: fromMs, ToMs: toMs, By: by, NowMs: w.q.NowMs}
	for _, m := range w.machines {
		asked.Machines = append(asked.Machines, m.ID)
	}
	out := map[string][]utilisation.KPI{}
	if len(asked.Machines) == 0 {
		return out, nil
	}
	rows, err := utilisation.SiteKPIs(ctx, utilisation.Deps{Store: w.Store, Registry: w.Registry, Hours: w.hours}, asked)
	for _, r := range rows {
		out[r.Machine.ID] = r.KPIs
	}
	return out, err
}

// figures takes a period over, with the causes of its unknown time.
func (w *work) figures(machine string, k *utilisation.KPI) Figures {
	f := figuresOf(k)
	f.explain(w.gapsByMachine[machine], k.FromMs, min(k.ToMs, w.untilMs))
	return f
}

func (w *work) readFigures(ctx context.Context) error {
	kpis, err := w.kpis(ctx, w.fromMs, w.toMs, utilisation.ByMonth)
	if err != nil {
		return err
	}
	for _, m := range w.machines {
		row := MachineMonth{ID: m.ID, Name: m.Name, Class: m.Class, Meter: !m.Billable(), Figures: Figures{EnergyFlags: []string{}, Unknown: []UnknownCause{}}}
		for i := range kpis[m.ID] {
			k := &kpis[m.ID][i]
			row.Figures = w.figures(m.ID, k)
			w.r.MinCoverage, w.r.HoursAYear = k.MinCoverage, k.CapacityPerYearH // dated per site: the same for all machines
			if row.Calendar = k.Calendar; !row.Meter && k.Calendar != "set" {
				w.r.Uncalendared++
			}
		}
		if row.FirstHeard, err = w.firstHeard(ctx, m.ID); err != nil {
			return err
		}
		w.r.Machines = append(w.r.Machines, row)
		if !row.Meter || w.q.Machine != "" {
			w.r.Total.add(row.Figures)
		}
	}
	w.r.Total.close(w.r.MinCoverage)
	return nil
}

// firstHeard is the hour of a machine's first sample ever, when it lies after the begin of what is reported.
func (w *work) firstHeard(ctx context.Context, machine string) (*time.Time, error) {
	begin := w.fromMs
	if w.yearFromMs != 0 {
		begin = w.yearFromMs
	}
	hours, err := w.hours.SiteHours(ctx, w.Store, w.q.Site, []string{machine}, begin, w.toMs)
	if err != nil || len(hours[machine]) == 0 || hours[machine][0].StartMs <= begin {
		return nil, err
	}
	first := at(hours[machine][0].StartMs)
	before := tsdb.Query{Measurement: tsdb.MachineHour, Site: w.q.Site, Machine: machine, Fields: []string{timeline.FieldRunMs}, ToMs: begin, Limit: 1, Descending: true}
	heard := false
	err = w.Store.Read(ctx, before, func(tsdb.Row) error {
		heard = true
		return nil
	})
	if err != nil || heard { // it was silent for a while
		return nil, err
	}
	return &first, nil
}

func (w *work) readDays(ctx context.Context) error {
	kpis, err := w.kpis(ctx, w.fromMs, w.toMs, utilisation.ByDay)
	if err != nil {
		return err
	}
	for i := range kpis[w.q.Machine] {
		k := &kpis[w.q.Machine][i]
		w.r.Days = append(w.r.Days, MachineDay{From: at(k.FromMs), Figures: w.figures(w.q.Machine, k)})
	}
	return nil
}

// readYear sums the financial year, which begins on 1 April, up to the end of the month.
func (w *work) readYear(ctx context.Context) error {
	kpis, err := w.kpis(ctx, w.yearFromMs, w.toMs, utilisation.ByMonth)
	if err != nil {
		return err
	}
	sum := Figures{EnergyFlags: []string{}, Unknown: []UnknownCause{}}
	for _, m := range w.machines {
		if !m.Billable() {
			continue
		}
		for i := range kpis[m.ID] {
			f := figuresOf(&kpis[m.ID][i])
			f.Unknown = nil
			sum.add(f)
		}
	}
	sum.close(w.r.MinCoverage)
	yearFrom := at(w.yearFromMs)
	w.r.YearFrom, w.r.Year = &yearFrom, &sum
	return nil
}

func (w *work) readGroups(ctx context.Context) error {
	deps := billing.Deps{Store: w.Store, Registry: w.Registry}
	drafts, unattributed, err := billing.Month(ctx, deps, w.q.Site, w.q.Month, w.q.NowMs)
	if err != nil {
		return err
	}
	members, err := w.Registry.Members(ctx, w.q.Site)
	if err != nil {
		return err
	}
	for _, s := range drafts {
		g := GroupMonth{
			ID: s.Group, Name: s.GroupName, Usage: Usage{EnergyWh: s.Total.EnergyWh}, AmountPaise: s.Total.AmountPaise, ToLookAt: toLookAt(s),
			Members: membersAt(members, s.Group, w.untilMs),
		}
		sessions := map[string]bool{}
		for _, l := range s.Lines {
			g.RunMs += l.RunMs + l.HeldMs // used, though not billed yet
			sessions[l.Machine+" "+l.SessionStart.String()] = true
		}
		for _, l := range s.Training {
			w.r.Training.RunMs += l.RunMs + l.HeldMs
			w.r.Training.EnergyWh += l.EnergyWh
		}
		g.Sessions = len(sessions)
		w.r.Groups = append(w.r.Groups, g)
		w.r.AllPeople.add(g.Members)
		if g.Sessions > 0 {
			w.r.People.add(g.Members)
		}
	}
	for _, u := range unattributed {
		w.r.Unattributed.RunMs += u.RunMs
		w.r.Unattributed.EnergyWh += u.EnergyWh
	}
	return nil
}

// toLookAt are the things to look at in a draft, each with its machines.
func toLookAt(s billing.Statement) []Look {
	out := []Look{}
	for _, p := range s.Problems {
		i := slices.IndexFunc(out, func(l Look) bool { return l.Code == p.Code })
		if i < 0 {
			i, out = len(out), append(out, Look{Code: p.Code, Machines: []string{}})
		}
		if p.Machine != "" && !slices.Contains(out[i].Machines, p.Machine) {
			out[i].Machines = append(out[i].Machines, p.Machine)
		}
	}
	return out
}

// membersAt is the row in force just before untilMs; nil: none. rows of a group ascend.
func membersAt(rows []registry.Members, group string, untilMs int64) *Members {
	var in *registry.Members
	for i, m := range rows {
		if m.Group == group && m.ValidFromMs < untilMs {
			in = &rows[i]
		}
	}
	if in == nil {
		return nil
	}
	given := func(n int64) *int64 {
		if n == registry.NotGiven {
			return nil
		}
		return &n
	}
	return &Members{ValidFrom: atOrNil(in.ValidFromMs), Members: in.Members, Women: given(in.Women), SC: given(in.SC), ST: given(in.ST)}
}

func (p *People) add(m *Members) {
	p.Groups++
	if m == nil {
		return
	}
	p.Given++
	p.Members += m.Members
	p.Women.add(m.Women, m.Members)
	p.SC.add(m.SC, m.Members)
	p.ST.add(m.ST, m.Members)
}

func (c *MemberCount) add(number *int64, of int64) {
	if number == nil {
		return
	}
	c.Number += *number
	c.Of += of
	c.Groups++
	c.Share = ratio(c.Number, c.Of)
}

// readCO2 reckons with the factor of the fiscal year in which the month lies.
func (w *work) readCO2(ctx context.Context) error {
	config, err := w.Registry.Electricity(ctx, w.q.Site)
	if err != nil {
		return err
	}
	f, own := config.Factor(electricity.YearOf(w.fromMs, w.zone))
	if f != nil {
		w.r.CO2 = &Emission{f.Grams(w.r.Total.EnergyMilliWh), electricity.FiscalYear(f.Year), own, f.MicroKgPerKWh, f.Version}
	}
	return nil
}

func (w *work) readSettings(ctx context.Context) error {
	for _, m := range w.machines {
		if !m.Billable() {
			continue // has no states
		}
		rows, err := w.Registry.SettingsAt(ctx, w.q.Site, m.ID)
		if err != nil {
			return err
		}
		for i, s := range rows { // ascending
			if s.ValidFromMs >= w.untilMs || i+1 < len(rows) && rows[i+1].ValidFromMs <= w.fromMs {
				continue
			}
			w.r.Settings = append(w.r.Settings, SettingsUsed{
				Machine: m.ID, ValidFrom: atOrNil(s.ValidFromMs), Signal: s.Signal, IdleAbove: s.IdleAbove, RunAbove: s.RunAbove, Hysteresis: s.Hysteresis,
			})
		}
	}
	return nil
}

func (w *work) readTariffs(ctx context.Context) error {
	rows, err := w.Registry.Tariffs(ctx, w.q.Site)
	if err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b registry.Tariff) int { return int(max(-1, min(1, a.ValidFromMs-b.ValidFromMs))) })
	for i, t := range rows {
		used := slices.ContainsFunc(w.machines, func(m registry.Machine) bool { return m.Class == t.Class })
		next := slices.IndexFunc(rows[i+1:], func(n registry.Tariff) bool { return n.Class == t.Class })
		over := next >= 0 && rows[i+1+next].ValidFromMs <= w.fromMs
		if used && !over && t.ValidFromMs < w.untilMs {
			w.r.Tariffs = append(w.r.Tariffs, PriceUsed{Class: t.Class, ValidFrom: atOrNil(t.ValidFromMs), PaisePerRunHour: t.PaisePerRunHour})
		}
	}
	return nil
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func atOrNil(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := at(ms)
	return &t
}
