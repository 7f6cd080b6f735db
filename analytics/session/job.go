package session

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Where the machine time of a job comes from.
const (
	SourceTap     = "tap"     // a job card
	SourceEntered = "entered" // a person
)

// GridFactor is the grid's emission factor at a time: what one kWh emits, in millionths of a kilogram, and the version
// of the database it is from.
type GridFactor struct {
	MicroKgPerKWh int64  `json:"micro_kg_per_kwh"`
	Version       string `json:"version"`
}

// JobRegistry is what job sheets ask of SQL; *registry.DB answers it.
type JobRegistry interface {
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Job(ctx context.Context, site, number string) (registry.Job, error)
	JobWorks(ctx context.Context, site, job string) ([]registry.JobWork, error)
	JobTaps(ctx context.Context, site string, fromMs, toMs int64, machine, job string) ([]registry.Session, error)
}

// JobDeps are what a job sheet is made from. Emission gives the factor at a time, nil when there is none; it may be nil.
type JobDeps struct {
	Store    tsdb.Store
	Registry JobRegistry
	Emission func(atMs int64) *GridFactor
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
	WeightG   int64         `json:"weight_g"` // 0: not weighed
	Pieces    int64         `json:"pieces"`   // 0: not counted
	Made      time.Time     `json:"made"`
	Stretches []JobStretch  `json:"stretches"` // by start
	Total     JobFigures    `json:"total"`
	Factors   []GridFactor  `json:"factors"`                      // of the grid, each that was used
	WhPerKg   *int64        `json:"wh_per_kg" nullable:"true"`    // null: not weighed
	WhPer     *int64        `json:"wh_per_piece" nullable:"true"` // null: not counted
}

// JobFigures are times, energy and CO2. Totals are plain sums of the stretches.
type JobFigures struct {
	RunMs           int64    `json:"run_ms"`
	IdleMs          int64    `json:"idle_ms"`
	OffMs           int64    `json:"off_ms"`
	UnknownMs       int64    `json:"unknown_ms"`
	MilliWh         int64    `json:"energy_milliwh"`
	EnergyEstimated bool     `json:"energy_estimated"`         // integrated from power, or cut pro rata
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
	Intervals []JobPiece `json:"intervals"` // the evidence
}

// JobPiece is a stretch in one state, cut to what it is evidence of.
type JobPiece struct {
	State     string    `json:"state"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	MilliWh   int64     `json:"energy_milliwh"`
	Estimated bool      `json:"energy_estimated"`
}

// Sheet makes the sheet of a job as far as known at nowMs. A job that is not there gives registry.ErrNotFound. Time
// that was entered twice for the job, by tap and by hand, counts once.
func Sheet(ctx context.Context, d JobDeps, site, number string, nowMs int64) (JobSheet, error) {
	s, err := sheet(ctx, d, site, number, nowMs)
	if err != nil {
		return JobSheet{}, fmt.Errorf("sheet of job %s: %w", number, err)
	}
	return s, nil
}

func sheet(ctx context.Context, d JobDeps, site, number string, nowMs int64) (JobSheet, error) {
	job, err := d.Registry.Job(ctx, site, number)
	if err != nil {
		return JobSheet{}, err
	}
	place, err := d.Registry.Site(ctx, site)
	if err != nil {
		return JobSheet{}, err
	}
	machines, err := d.Registry.Machines(ctx, site)
	if err != nil {
		return JobSheet{}, err
	}
	all, err := jobTimes(ctx, d.Registry, site, nowMs)
	if err != nil {
		return JobSheet{}, err
	}
	out := JobSheet{
		Site: site, SiteName: place.Name, Zone: place.Zone, Number: job.Number, Title: job.Title, Buyer: job.Buyer, Group: job.Group,
		WeightG: job.WeightG, Pieces: job.Pieces, Made: at(nowMs), Stretches: []JobStretch{}, Factors: []GridFactor{},
	}
	var zero int64
	out.Total.GramsCO2 = &zero
	for _, t := range all {
		if t.job != number {
			continue
		}
		i := slices.IndexFunc(machines, func(m registry.Machine) bool { return m.ID == t.machine })
		if i < 0 {
			continue // it is no longer part of the site
		}
		st, used, err := d.stretch(ctx, machines[i], t, nowMs)
		if err != nil {
			return JobSheet{}, err
		}
		st.Shared = slices.ContainsFunc(all, func(o jobTime) bool {
			return o.job != number && o.machine == t.machine && o.from < t.to && t.from < o.to
		})
		out.Total.add(st.JobFigures)
		out.Stretches = append(out.Stretches, st)
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
	return out, nil
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
// for the same job is left out.
func jobTimes(ctx context.Context, reg JobRegistry, site string, nowMs int64) ([]jobTime, error) {
	entered, err := reg.JobWorks(ctx, site, "")
	if err != nil {
		return nil, err
	}
	taps, err := reg.JobTaps(ctx, site, 0, math.MaxInt64, "", "")
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

func (d JobDeps) stretch(ctx context.Context, m registry.Machine, t jobTime, nowMs int64) (JobStretch, []GridFactor, error) {
	st := JobStretch{
		Machine: m.ID, MachineName: m.Name, From: at(t.from), To: at(t.to), Open: t.open, Source: t.source, By: t.by, ID: t.id, Intervals: []JobPiece{},
	}
	settings, err := d.Registry.SettingsAt(ctx, m.Site, m.ID)
	if err != nil {
		return st, nil, fmt.Errorf("settings of %s: %w", m.ID, err)
	}
	var inForce registry.Settings
	for _, s := range settings {
		if s.ValidFromMs < t.to {
			inForce = s
		}
	}
	intervals, err := timeline.Read(ctx, d.Store, m.Site, m.ID, t.from, t.to, nowMs, inForce.GapLimitMs())
	if err != nil {
		return st, nil, fmt.Errorf("states of %s: %w", m.ID, err)
	}
	var used []GridFactor
	var grams int64
	known := d.Emission != nil
	byFactor := map[GridFactor]int64{}
	for _, iv := range timeline.Clip(intervals, t.from, t.to) {
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
		st.EnergyEstimated = st.EnergyEstimated || iv.EnergyEstimated
		st.Intervals = append(st.Intervals, JobPiece{iv.State, at(iv.StartMs), at(iv.EndMs), iv.EnergyMilliWh, iv.EnergyEstimated})
		if known {
			if e := d.Emission(iv.StartMs); e != nil {
				byFactor[*e] += iv.EnergyMilliWh
			} else {
				known = iv.EnergyMilliWh == 0
			}
		}
	}
	if known {
		for e, milliWh := range byFactor {
			used = append(used, e)
			grams += gramsOf(milliWh, e.MicroKgPerKWh)
		}
		st.GramsCO2 = &grams
	}
	slices.SortFunc(used, func(a, b GridFactor) int { return cmp.Compare(a.Version, b.Version) })
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
	f.EnergyEstimated = f.EnergyEstimated || g.EnergyEstimated
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
