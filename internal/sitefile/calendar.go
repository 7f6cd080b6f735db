package sitefile

import (
	"cmp"
	"slices"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// calendar says when the site is meant to work, and what figures of utilisation are held against.
type calendar struct {
	Weeks       []week       `yaml:"weeks"`
	Holidays    []stop       `yaml:"holidays"`
	Closures    []stop       `yaml:"closures"`
	Maintenance []stop       `yaml:"planned_maintenance"`
	Figures     []figureRule `yaml:"figures"`
}

// week is the working week of the site, or of one machine, from a day on.
type week struct {
	From     string  `yaml:"from"`      // a day of the site; left out: since ever
	Machine  string  `yaml:"machine"`   // left out: the site's
	LikeSite bool    `yaml:"like_site"` // of a machine: the site's week again
	Closed   bool    `yaml:"closed"`    // nobody works from then on
	Shifts   []shift `yaml:"shifts"`
}

type shift struct {
	ID     string        `yaml:"id"`
	Name   registry.Name `yaml:"name"`
	Days   []string      `yaml:"days"` // on which it begins: mon … sun
	From   string        `yaml:"from"` // HH:MM
	To     string        `yaml:"to"`   // HH:MM; at or before from: on the next day
	Breaks []pause       `yaml:"breaks"`
}

type pause struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// stop is a holiday, a closure or planned maintenance: a day, or from–to.
type stop struct {
	Date    string        `yaml:"date"`
	From    string        `yaml:"from"` // a day (its midnight) or a time with offset
	To      string        `yaml:"to"`   // a day (to its end) or a time with offset
	Machine string        `yaml:"machine"`
	Name    registry.Name `yaml:"name"`
}

type figureRule struct {
	From         string  `yaml:"from"`
	HoursPerYear int64   `yaml:"hours_per_year"` // default 2400
	MinCoverage  float64 `yaml:"min_coverage"`   // default 0.8
}

const minutesPerDay, minutesPerWeek = 1440, 7 * 1440

// calendar checks the calendar; a file without one gives nil.
func (r *reader) calendar(c calendar, machines []registry.MachineDefinition) *registry.CalendarDefinition {
	top := config.At("calendar")
	if !r.src.Has(top...) {
		return nil
	}
	known := make([]string, len(machines))
	for i, m := range machines {
		known[i] = m.Machine.ID
	}
	out := &registry.CalendarDefinition{}
	weeks := r.once()
	for i, w := range c.Weeks {
		at := top.Then("weeks", i)
		row := r.week(at, w, known)
		of := "of the site"
		if w.Machine != "" {
			of = "of machine " + w.Machine
		}
		weeks([2]any{w.Machine, row.ValidFromMs}, at, "week "+of+" from "+cmp.Or(w.From, "the beginning"))
		out.Weeks = append(out.Weeks, row)
	}
	r.followsSomething(top.Then("weeks"), out.Weeks)
	for _, s := range []struct {
		key, kind string
		rows      []stop
	}{
		{"holidays", registry.StopHoliday, c.Holidays},
		{"closures", registry.StopClosure, c.Closures},
		{"planned_maintenance", registry.StopMaintenance, c.Maintenance},
	} {
		out.Stops = append(out.Stops, r.stops(top.Then(s.key), s.kind, s.rows, known)...)
	}
	rules := r.once()
	for i, f := range c.Figures {
		at := top.Then("figures", i)
		row := r.figureRule(at, f)
		rules(row.ValidFromMs, at, "figures from "+cmp.Or(f.From, "the beginning"))
		out.Rules = append(out.Rules, row)
	}
	slices.SortFunc(out.Weeks, func(a, b registry.CalendarWeek) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.ValidFromMs, b.ValidFromMs))
	})
	slices.SortFunc(out.Rules, func(a, b registry.KPIRule) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	return out
}

func (r *reader) week(at config.Path, w week, machines []string) registry.CalendarWeek {
	out := registry.CalendarWeek{Machine: w.Machine, LikeSite: w.LikeSite}
	if w.From != "" {
		out.ValidFromMs = r.day(at.Then("from"), w.From)
	}
	if w.Machine != "" {
		r.oneOf("machine", at.Then("machine"), w.Machine, machines)
	}
	said := 0
	for _, yes := range []bool{w.LikeSite, w.Closed, len(w.Shifts) > 0} {
		if yes {
			said++
		}
	}
	switch {
	case w.LikeSite && w.Machine == "":
		r.fault(at.Then("like_site"), "like_site is for the week of a machine; this is the site's own: give its shifts")
	case said == 0:
		r.fault(at, "the week has no shifts, which leaves a hole in the calendar; list shifts, or say closed: true when nobody works from then on")
	case said > 1:
		r.fault(at, "the week has more than one of shifts, closed and like_site; keep one")
	}
	ids := r.once()
	for i, s := range w.Shifts {
		p := at.Then("shifts", i)
		r.uniqueID(ids, "shift", p.Then("id"), s.ID)
		out.Shifts = append(out.Shifts, r.shift(p, s))
	}
	r.apart(at.Then("shifts"), out.Shifts)
	return out
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (r *reader) shift(at config.Path, s shift) registry.Shift {
	out := registry.Shift{ID: s.ID, Name: r.name("shift "+s.ID, at.Then("name"), s.Name)}
	if len(s.Days) == 0 {
		r.fault(at, "shift %s has no days; list those on which it begins, such as days: [mon, tue, wed, thu, fri, sat]", s.ID)
	}
	for i, d := range s.Days {
		r.oneOf("day", at.Then("days", i), d, dayNames)
		n := slices.Index(dayNames, d)
		if n >= 0 && slices.Contains(out.Days, n) {
			r.fault(at.Then("days", i), "day %s is given twice", d)
			continue
		}
		out.Days = append(out.Days, max(n, 0))
	}
	slices.Sort(out.Days)
	from, okFrom := r.clock(at, "from", s.From)
	to, okTo := r.clock(at, "to", s.To)
	if !okFrom || !okTo {
		return out
	}
	if from == to || from == minutesPerDay {
		r.fault(at.Then("to"), "shift %s goes from %s to %s; a shift lasts less than 24 hours: make two of it", s.ID, s.From, s.To)
		return out
	}
	if to < from {
		to += minutesPerDay
	}
	out.From, out.To = from, to
	r.breaks(at, s, &out)
	return out
}

func (r *reader) breaks(at config.Path, s shift, out *registry.Shift) {
	type place struct {
		registry.ShiftBreak
		i int
	}
	var all []place
	for i, b := range s.Breaks {
		p := at.Then("breaks", i)
		from, okFrom := r.clock(p, "from", b.From)
		to, okTo := r.clock(p, "to", b.To)
		if !okFrom || !okTo {
			continue
		}
		if from < out.From { // of a shift across midnight: on the next day
			from += minutesPerDay
		}
		if to <= from {
			to += minutesPerDay
		}
		if from < out.From || to > out.To || from == out.From && to == out.To {
			r.fault(p, "the break from %s to %s does not lie within shift %s (%s to %s)", b.From, b.To, s.ID, s.From, s.To)
			continue
		}
		all = append(all, place{registry.ShiftBreak{From: from, To: to}, i})
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(a.From, b.From) })
	for i, b := range all {
		if i > 0 && b.From < all[i-1].To {
			r.fault(at.Then("breaks", b.i), "the break overlaps that of line %d", r.src.Line(at.Then("breaks", all[i-1].i)...))
		}
		out.Breaks = append(out.Breaks, b.ShiftBreak)
	}
}

// apart finds shifts of one week that overlap, on any day and from Saturday to Sunday. Each pair is told once.
func (r *reader) apart(at config.Path, shifts []registry.Shift) {
	type turn struct {
		from, to int64
		i        int
	}
	var turns []turn
	for i, s := range shifts {
		for _, d := range s.Days {
			if s.To > s.From {
				turns = append(turns, turn{int64(d)*minutesPerDay + s.From, int64(d)*minutesPerDay + s.To, i})
			}
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.i, b.i)) })
	told := map[[2]int]bool{}
	for n, t := range turns {
		next := turns[(n+1)%len(turns)]
		if n+1 == len(turns) {
			next.from += minutesPerWeek
		}
		pair := [2]int{min(t.i, next.i), max(t.i, next.i)}
		if len(turns) < 2 || next.from >= t.to || told[pair] {
			continue
		}
		told[pair] = true
		r.fault(at.Then(pair[1]), "shift %s overlaps shift %s of line %d on %s", shifts[pair[1]].ID, shifts[pair[0]].ID,
			r.src.Line(at.Then(pair[0])...), dayNames[next.from/minutesPerDay%7])
	}
}

// followsSomething finds weeks that follow a site without one.
func (r *reader) followsSomething(at config.Path, rows []registry.CalendarWeek) {
	for i, w := range rows {
		if w.LikeSite && !slices.ContainsFunc(rows, func(s registry.CalendarWeek) bool { return s.Machine == "" && s.ValidFromMs <= w.ValidFromMs }) {
			r.fault(at.Then(i), "machine %s follows the site's week, but the site has none by then: that is a hole in the calendar", w.Machine)
		}
	}
}

// longestStop bounds one stop: longer is a slip of the pen.
const longestStop = 366 * 24 * time.Hour

func (r *reader) stops(at config.Path, kind string, rows []stop, machines []string) []registry.PlannedStop {
	var out []registry.PlannedStop
	var lines []int
	for i, s := range rows {
		p := at.Then(i)
		if s.Machine != "" {
			r.oneOf("machine", p.Then("machine"), s.Machine, machines)
		}
		row := registry.PlannedStop{Kind: kind, Machine: s.Machine, Name: r.name("the "+kind, p.Then("name"), s.Name)}
		switch {
		case s.Date != "" && s.From == "" && s.To == "":
			row.FromMs = r.day(p.Then("date"), s.Date)
			row.ToMs = r.endOfDay(row.FromMs)
		case s.Date == "" && s.From != "" && s.To != "":
			row.FromMs, row.ToMs = r.date(p.Then("from"), s.From), r.date(p.Then("to"), s.To)
			if _, err := time.Parse(time.DateOnly, s.To); err == nil {
				row.ToMs = r.endOfDay(row.ToMs)
			}
		default:
			r.fault(p, "give the %s either a date, or from and to", kind)
			continue
		}
		if length := time.Duration(row.ToMs-row.FromMs) * time.Millisecond; length <= 0 || length > longestStop {
			r.fault(p, "the %s goes from %s to %s; it must end after its begin, at most 366 days later", kind, cmp.Or(s.From, s.Date), cmp.Or(s.To, s.Date))
			continue
		}
		for j, o := range out {
			if o.Machine == row.Machine && o.FromMs < row.ToMs && row.FromMs < o.ToMs {
				r.fault(p, "the %s overlaps that of line %d", kind, lines[j])
				break
			}
		}
		out, lines = append(out, row), append(lines, r.src.Line(p...))
	}
	return out
}

// mostHours is every hour of a leap year.
const mostHours = 366 * 24

func (r *reader) figureRule(at config.Path, f figureRule) registry.KPIRule {
	out := registry.DefaultKPIRule
	if f.From != "" {
		out.ValidFromMs = r.day(at.Then("from"), f.From)
	}
	if r.src.Has(at.Then("hours_per_year")...) {
		out.HoursPerYear = f.HoursPerYear
	}
	if r.src.Has(at.Then("min_coverage")...) {
		out.MinCoverage = f.MinCoverage
	}
	if out.HoursPerYear < 1 || out.HoursPerYear > mostHours {
		r.fault(at.Then("hours_per_year"), "hours_per_year is %d; give 1 to %d, usually 2400 (300 days of 8 hours)", out.HoursPerYear, mostHours)
	}
	if !(out.MinCoverage >= 0 && out.MinCoverage <= 1) {
		r.fault(at.Then("min_coverage"), "min_coverage is %v; give a share from 0 to 1, usually 0.8", out.MinCoverage)
	}
	return out
}

// clock reads HH:MM as minutes; 24:00 is the end of the day.
func (r *reader) clock(at config.Path, key, text string) (minutes int64, ok bool) {
	if text == "24:00" {
		return minutesPerDay, true
	}
	t, err := time.Parse("15:04", text)
	switch {
	case text == "":
		r.fault(at, "%s is missing; give a time such as 09:00", key)
		return 0, false
	case err != nil:
		r.fault(at.Then(key), "%s is %.100q; give a time from 00:00 to 24:00, such as 09:00", key, text)
		return 0, false
	}
	return int64(t.Hour()*60 + t.Minute()), true
}

// day reads a day as its local midnight.
func (r *reader) day(at config.Path, text string) int64 {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		r.fault(at, "%.100q is no day; give one such as 2026-10-01", text)
		return 0
	}
	return r.date(at, text)
}

func (r *reader) endOfDay(midnightMs int64) int64 {
	t := time.UnixMilli(midnightMs).In(r.zone)
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, r.zone).UnixMilli()
}
