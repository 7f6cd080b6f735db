package session

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Where the machine time of a job comes from.
const (
	SourceTap     = "tap"     // a job card
	SourceEntered = "entered" // a person
)

// GridFactor is the grid's emission factor at a time: what one kWh emits, in millionths of a kilogram, the version of the
// database it is from, and the fiscal years it is of and is used for.
type GridFactor struct {
	MicroKgPerKWh int64  `json:"micro_kg_per_kwh"`
	Version       string `json:"version"`
	Year          string `json:"year" doc:"Fiscal year of the factor" example:"2024-25"`
	UsedFor       string `json:"used_for" doc:"Fiscal year of the work; differs while that year's own factor is not published"`
}

// JobRegistry is what job sheets ask of SQL; *registry.DB answers it.
type JobRegistry interface {
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	Groups(ctx context.Context, site string) ([]registry.Group, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Job(ctx context.Context, site, number string) (registry.Job, error)
	JobWorks(ctx context.Context, site, job string) ([]registry.JobWork, error)
	JobTaps(ctx context.Context, site string, fromMs, toMs int64, machine, job string) ([]registry.Session, error)
	JobCorrections(ctx context.Context, site, job string) ([]registry.JobCorrection, error)
	Cards(ctx context.Context, site string) ([]registry.Card, error)
	Electricity(ctx context.Context, site string) (electricity.Config, error)
	Gaps(ctx context.Context, site string, fromMs, toMs int64) ([]registry.Gap, error)
}

// JobDeps are what a job sheet is made from.
type JobDeps struct {
	Store    tsdb.Store
	Registry JobRegistry
}

// JobSheet is what a job took: machine time, energy and CO2, with what each figure stands on.
type JobSheet struct {
	Site      string        `json:"site"`
	SiteName  registry.Name `json:"site_name"`
	Zone      string        `json:"zone"`
	Number    string        `json:"number"`
	Title     string        `json:"title"`
	Buyer     string        `json:"buyer"`
	Group     string        `json:"group"`
	GroupName registry.Name `json:"group_name"`
	WeightG   int64         `json:"weight_g"` // 0: not weighed
	Pieces    int64         `json:"pieces"`   // 0: not counted
	Made      time.Time     `json:"made"`
	Entered   time.Time     `json:"entered"`                    // when the job was entered
	EnteredBy string        `json:"entered_by"`                 // who entered it, or changed it last
	Stretches []JobStretch  `json:"stretches" nullable:"false"` // by start
	Total     JobFigures    `json:"total"`
	Factors   []GridFactor  `json:"factors" nullable:"false"`     // of the grid, each that was used
	WhPerKg   *int64        `json:"wh_per_kg" nullable:"true"`    // null: not weighed
	WhPer     *int64        `json:"wh_per_piece" nullable:"true"` // null: not counted
	Heat      *JobHeat      `json:"heat,omitempty"`               // absent: the job was on no furnace
	Late      []JobLate     `json:"late" nullable:"false"`        // by start

	Corrections []JobCorrection `json:"corrections" nullable:"false"` // in the order they were made
	Cards       []JobCard       `json:"cards" nullable:"false"`       // that stood or stand for the job
}

// JobCorrection is what a person changed of a job afterwards.
type JobCorrection struct {
	Kind        string        `json:"kind" enum:"said,withdraw,cut" doc:"said: what is said of the job; withdraw: entered machine time; cut: time a job card gave"`
	Machine     string        `json:"machine"`
	MachineName registry.Name `json:"machine_name"`
	From        *time.Time    `json:"from,omitempty" doc:"What no longer counts"`
	To          *time.Time    `json:"to,omitempty" doc:"Absent: it went on"`
	Author      string        `json:"author"`
	Reason      string        `json:"reason"`
	Made        time.Time     `json:"made"`
}

// JobCard is a card while it stands for the job.
type JobCard struct {
	Hash string     `json:"hash"`
	From time.Time  `json:"from"`
	To   *time.Time `json:"to,omitempty" doc:"Absent: it still does"`
}

// JobLate is machine time of the job whose samples came late: a sheet made before Filled knew less of it.
type JobLate struct {
	Machine     string        `json:"machine"`
	MachineName registry.Name `json:"machine_name"`
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	Filled      time.Time     `json:"filled" doc:"When the last of them had come"`
}

// JobFigures are times, energy and CO2. Totals are plain sums of the stretches.
type JobFigures struct {
	RunMs           int64    `json:"run_ms"`
	IdleMs          int64    `json:"idle_ms"`
	OffMs           int64    `json:"off_ms"`
	UnknownMs       int64    `json:"unknown_ms"`
	MilliWh         int64    `json:"energy_milliwh"`
	EstimatedMwh    int64    `json:"estimated_milliwh"` // the part that is integrated from power, or cut pro rata
	EnergyEstimated bool     `json:"energy_estimated"`  // there is such a part
	EnergyFlags     []string `json:"energy_flags" nullable:"false" doc:"What is to be known of the energy; see docs/energy.md"`
	GramsCO2        *int64   `json:"co2_g" nullable:"true"`    // null: no factor for it
	Coverage        *float64 `json:"coverage" nullable:"true"` // known time ÷ time; null: no time
}

// JobStretch is machine time of a job.
type JobStretch struct {
	Machine     string        `json:"machine"`
	MachineName registry.Name `json:"machine_name"`
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	Open        bool          `json:"open"` // goes on
	Source      string        `json:"source" enum:"tap,entered"`
	ID          int64         `json:"id"`     // entered: of the row; 0 of a tap
	By          string        `json:"by"`     // entered: who
	Shared      bool          `json:"shared"` // another job was on the machine in this time too, and its sheet counts it as well
	JobFigures
	Register  *JobRegister `json:"register,omitempty"`         // absent: no reading within a minute of both ends
	Intervals []JobPiece   `json:"intervals" nullable:"false"` // the evidence
}

// JobPiece is a stretch in one state, cut to what it is evidence of.
type JobPiece struct {
	State     string    `json:"state"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	MilliWh   int64     `json:"energy_milliwh"`
	Estimated bool      `json:"energy_estimated"`
	Flags     []string  `json:"energy_flags" nullable:"false"`
}

// Sheet makes the sheet of a job as far as known at nowMs. A job that is not there gives registry.ErrNotFound. Time
// that was entered twice for the job, by tap and by hand, counts once.
func Sheet(ctx context.Context, d JobDeps, site, number string, nowMs int64) (JobSheet, error) {
	w, err := d.open(ctx, site, nowMs)
	if err == nil {
		var job registry.Job
		if job, err = d.Registry.Job(ctx, site, number); err == nil {
			var s JobSheet
			if s, err = w.sheet(ctx, job); err == nil {
				return s, nil
			}
		}
	}
	return JobSheet{}, fmt.Errorf("sheet of job %s: %w", number, err)
}

// Sheets makes the sheets of all jobs that were on one of the machines in [fromMs, toMs), whole, by number.
func Sheets(ctx context.Context, d JobDeps, site string, machines []string, fromMs, toMs, nowMs int64) ([]JobSheet, error) {
	w, err := d.open(ctx, site, nowMs)
	if err != nil {
		return nil, fmt.Errorf("sheets of jobs: %w", err)
	}
	var out []JobSheet
	seen := map[string]bool{}
	for _, t := range w.times {
		if seen[t.job] || t.to <= fromMs || t.from >= toMs || !slices.Contains(machines, t.machine) {
			continue
		}
		seen[t.job] = true
		job, err := d.Registry.Job(ctx, site, t.job)
		if err != nil {
			return nil, fmt.Errorf("sheets of jobs: %w", err)
		}
		s, err := w.sheet(ctx, job)
		if err != nil {
			return nil, fmt.Errorf("sheet of job %s: %w", t.job, err)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b JobSheet) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

// jobWork is what sheets of a site need to be made.
type jobWork struct {
	JobDeps
	site     registry.Site
	zone     *time.Location
	machines []registry.Machine
	config   electricity.Config
	times    []jobTime
	nowMs    int64
}

func (d JobDeps) open(ctx context.Context, site string, nowMs int64) (*jobWork, error) {
	w := &jobWork{JobDeps: d, nowMs: nowMs}
	var err error
	if w.site, err = d.Registry.Site(ctx, site); err != nil {
		return nil, err
	}
	if w.zone, err = w.site.Location(); err != nil {
		return nil, err
	}
	if w.machines, err = d.Registry.Machines(ctx, site); err != nil {
		return nil, err
	}
	if w.config, err = d.Registry.Electricity(ctx, site); err != nil {
		return nil, err
	}
	w.times, err = jobTimes(ctx, d.Registry, site, nowMs)
	return w, err
}

// factor is the emission factor at a time; nil: none.
func (w *jobWork) factor(atMs int64) *GridFactor {
	year := electricity.YearOf(atMs, w.zone)
	f, _ := w.config.Factor(year)
	if f == nil {
		return nil
	}
	return &GridFactor{f.MicroKgPerKWh, f.Version, electricity.FiscalYear(f.Year), electricity.FiscalYear(year)}
}

func (w *jobWork) machine(id string) *registry.Machine {
	i := slices.IndexFunc(w.machines, func(m registry.Machine) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &w.machines[i]
}

func (w *jobWork) sheet(ctx context.Context, job registry.Job) (JobSheet, error) {
	out := JobSheet{
		Site: w.site.ID, SiteName: w.site.Name, Zone: w.site.Zone, Number: job.Number, Title: job.Title, Buyer: job.Buyer, Group: job.Group,
		WeightG: job.WeightG, Pieces: job.Pieces, Made: at(w.nowMs), Entered: at(job.MadeMs), EnteredBy: job.Author,
		Stretches: []JobStretch{}, Factors: []GridFactor{}, Corrections: []JobCorrection{}, Cards: []JobCard{}, Late: []JobLate{},
	}
	var zero int64
	out.Total.GramsCO2, out.Total.EnergyFlags = &zero, []string{}
	for _, t := range w.times {
		m := w.machine(t.machine)
		if t.job != job.Number || m == nil { // or it is no longer part of the site
			continue
		}
		st, used, err := w.stretch(ctx, *m, t)
		if err != nil {
			return JobSheet{}, err
		}
		st.Shared = slices.ContainsFunc(w.times, func(o jobTime) bool {
			return o.job != job.Number && o.machine == t.machine && o.from < t.to && t.from < o.to
		})
		out.Total.add(st.JobFigures)
		out.Stretches = append(out.Stretches, st)
		if out.Late, err = w.late(ctx, out.Late, *m, t); err != nil {
			return JobSheet{}, err
		}
		for _, e := range used {
			if !slices.Contains(out.Factors, e) {
				out.Factors = append(out.Factors, e)
			}
		}
	}
	out.Total.cover()
	if len(out.Stretches) == 0 {
		out.Total.GramsCO2 = nil
	}
	out.WhPerKg, out.WhPer = per(out.Total.MilliWh, job.WeightG), per(out.Total.MilliWh, job.Pieces*1000)
	out.Heat = w.heat(job, out.Stretches)
	return out, w.said(ctx, &out)
}

// shortLate is how short a stretch that came late is passed over, as in the gap ledger.
const shortLate = 60_000

// late appends what of a stretch came late: the holes in it that the gap ledger remembers as filled.
func (w *jobWork) late(ctx context.Context, out []JobLate, m registry.Machine, t jobTime) ([]JobLate, error) {
	gaps, err := w.Registry.Gaps(ctx, m.Site, t.from, t.to)
	if err != nil {
		return nil, fmt.Errorf("gaps of %s: %w", m.ID, err)
	}
	for _, g := range gaps {
		if g.Machine == m.ID && g.FilledMs != 0 && g.ToMs-g.FromMs >= shortLate {
			out = append(out, JobLate{m.ID, m.Name, at(max(g.FromMs, t.from)), at(min(g.ToMs, t.to)), at(g.FilledMs)})
		}
	}
	return out, nil
}

// said adds what people said of the job: its group's name, corrections, and the cards that stood for it.
func (w *jobWork) said(ctx context.Context, out *JobSheet) error {
	groups, err := w.Registry.Groups(ctx, w.site.ID)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.ID == out.Group {
			out.GroupName = g.Name
		}
	}
	corrections, err := w.Registry.JobCorrections(ctx, w.site.ID, out.Number)
	if err != nil {
		return err
	}
	for _, c := range corrections {
		said := JobCorrection{Kind: c.Kind, Machine: c.Machine, From: atOrNil(c.FromMs), To: atOrNil(c.ToMs), Author: c.Author, Reason: c.Reason, Made: at(c.MadeMs)}
		if m := w.machine(c.Machine); m != nil {
			said.MachineName = m.Name
		}
		out.Corrections = append(out.Corrections, said)
	}
	cards, err := w.Registry.Cards(ctx, w.site.ID)
	if err != nil {
		return err
	}
	for _, c := range cards {
		if c.Job == out.Number {
			out.Cards = append(out.Cards, JobCard{c.Hash, at(c.ValidFromMs), atOrNil(c.ValidTo)})
		}
	}
	return nil
}

func atOrNil(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := at(ms)
	return &t
}

// per is energy in Wh for each thousand, half-up; nil when there is none. milliWh ÷ (n ÷ 1000) ÷ 1000 = milliWh ÷ n.
func per(milliWh, n int64) *int64 {
	if n <= 0 {
		return nil
	}
	v := (2*milliWh + n) / (2 * n)
	return &v
}

// jobTime is a stretch of a machine's time that is a job's.
type jobTime struct {
	job, machine string
	from, to     int64
	open         bool
	source, by   string
	id           int64
}

// jobTimes returns the machine time of every job of the site by start. What taps give of a job inside what was entered
// for the same job, or was cut by a correction, is left out.
func jobTimes(ctx context.Context, reg JobRegistry, site string, nowMs int64) ([]jobTime, error) {
	entered, err := reg.JobWorks(ctx, site, "")
	if err != nil {
		return nil, err
	}
	taps, err := reg.JobTaps(ctx, site, 0, math.MaxInt64, "", "")
	if err != nil {
		return nil, err
	}
	corrections, err := reg.JobCorrections(ctx, site, "")
	if err != nil {
		return nil, err
	}
	var out []jobTime
	end := func(ms int64) int64 {
		if ms == 0 || ms > nowMs {
			return nowMs
		}
		return ms
	}
	for _, w := range entered {
		if t := (jobTime{w.Job, w.Machine, w.FromMs, end(w.ToMs), w.ToMs == 0, SourceEntered, w.Author, w.ID}); w.WithdrawnMs == 0 && t.from < t.to {
			out = append(out, t)
		}
	}
	byHand := len(out)
	for _, s := range taps {
		free := []span{{s.StartMs, end(s.EndMs)}}
		for _, w := range out[:byHand] {
			if w.job == s.Group && w.machine == s.Machine {
				free = without(free, span{w.from, w.to})
			}
		}
		for _, c := range corrections {
			if c.Kind != registry.JobCut || c.Job != s.Group || c.Machine != s.Machine {
				continue
			}
			cut := span{c.FromMs, c.ToMs}
			if cut.to == 0 && s.StartMs <= cut.from && cut.from < end(s.EndMs) { // it was open: all the rest of it, whenever it ends
				cut.to = math.MaxInt64
			}
			free = without(free, cut)
		}
		for _, f := range free {
			if f.from < f.to {
				out = append(out, jobTime{s.Group, s.Machine, f.from, f.to, s.EndMs == 0 && f.to == nowMs, SourceTap, "", 0})
			}
		}
	}
	slices.SortFunc(out, func(a, b jobTime) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.machine, b.machine), cmp.Compare(a.job, b.job))
	})
	return out, nil
}

func (w *jobWork) stretch(ctx context.Context, m registry.Machine, t jobTime) (JobStretch, []GridFactor, error) {
	st := JobStretch{
		Machine: m.ID, MachineName: m.Name, From: at(t.from), To: at(t.to), Open: t.open, Source: t.source, By: t.by, ID: t.id, Intervals: []JobPiece{},
	}
	settings, err := w.Registry.SettingsAt(ctx, m.Site, m.ID)
	if err != nil {
		return st, nil, fmt.Errorf("settings of %s: %w", m.ID, err)
	}
	var inForce registry.Settings
	for _, s := range settings {
		if s.ValidFromMs < t.to {
			inForce = s
		}
	}
	intervals, err := timeline.Read(ctx, w.Store, m.Site, m.ID, t.from, t.to, w.nowMs, inForce.GapLimitMs())
	if err != nil {
		return st, nil, fmt.Errorf("states of %s: %w", m.ID, err)
	}
	pieces, err := w.cut(ctx, m, intervals, t.from, t.to)
	if err != nil {
		return st, nil, err
	}
	if st.Register, err = w.register(ctx, m, t.from, t.to); err != nil {
		return st, nil, err
	}
	var used []GridFactor
	var grams int64
	known := true
	var flags timeline.EnergyFlags
	byFactor := map[GridFactor]int64{}
	for _, iv := range pieces {
		length := iv.EndMs - iv.StartMs
		switch iv.State {
		case timeline.StateRun:
			st.RunMs += length
		case timeline.StateIdle:
			st.IdleMs += length
		case timeline.StateOff:
			st.OffMs += length
		default:
			st.UnknownMs += length
		}
		st.MilliWh += iv.EnergyMilliWh
		if iv.EnergyEstimated {
			st.EstimatedMwh += iv.EnergyMilliWh
			st.EnergyEstimated = true
		}
		told := iv.Flags &^ timeline.EnergySplit // that is of tariff bands only
		flags |= told
		st.Intervals = append(st.Intervals, JobPiece{iv.State, at(iv.StartMs), at(iv.EndMs), iv.EnergyMilliWh, iv.EnergyEstimated, told.Codes()})
		if e := w.factor(iv.StartMs); e != nil {
			byFactor[*e] += iv.EnergyMilliWh
		} else if iv.EnergyMilliWh != 0 {
			known = false
		}
	}
	if known {
		for e, milliWh := range byFactor {
			used = append(used, e)
			grams += gramsOf(milliWh, e.MicroKgPerKWh)
		}
		st.GramsCO2 = &grams
	}
	st.EnergyFlags = flags.Codes()
	slices.SortFunc(used, func(a, b GridFactor) int { return cmp.Compare(a.UsedFor, b.UsedFor) })
	st.cover()
	return st, used, nil
}

// gramsOf is the CO2 of an energy, rounded half-up to the gram: mWh × µkg/kWh is 10⁻¹² kg, that is 10⁻⁹ g. Whole Wh
// first, so that no job overflows.
func gramsOf(milliWh, microKgPerKWh int64) int64 {
	wh, rest := milliWh/1000, milliWh%1000
	nano := wh*microKgPerKWh + rest*microKgPerKWh/1000 // 10⁻⁶ g
	return (nano + 500_000) / 1_000_000
}

func (f *JobFigures) add(g JobFigures) {
	f.RunMs, f.IdleMs, f.OffMs, f.UnknownMs = f.RunMs+g.RunMs, f.IdleMs+g.IdleMs, f.OffMs+g.OffMs, f.UnknownMs+g.UnknownMs
	f.MilliWh += g.MilliWh
	f.EstimatedMwh += g.EstimatedMwh
	f.EnergyEstimated = f.EnergyEstimated || g.EnergyEstimated
	f.EnergyFlags = timeline.JoinCodes(f.EnergyFlags, g.EnergyFlags)
	if f.GramsCO2 == nil || g.GramsCO2 == nil {
		f.GramsCO2 = nil
		return
	}
	sum := *f.GramsCO2 + *g.GramsCO2
	f.GramsCO2 = &sum
}

// cover works out the coverage.
func (f *JobFigures) cover() {
	known := f.RunMs + f.IdleMs + f.OffMs
	if all := known + f.UnknownMs; all > 0 {
		c := float64(known) / float64(all)
		f.Coverage = &c
	}
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
