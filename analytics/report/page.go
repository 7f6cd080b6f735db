package report

import (
	"strings"
	"time"

	"karkhana/analytics/billing"
	"karkhana/internal/registry"
)

// Page is a report in words: what stands on the web page, in the PDF and in the CSV.
type Page struct {
	Lang     string   `json:"lang"`
	Title    string   `json:"title"`
	Subtitle []string `json:"subtitle" nullable:"false"`
	Parts    []Part   `json:"parts" nullable:"false"`

	footer, pageWord string
	tall             bool // the paper stands upright
}

// Part is one part of a page: a heading, paragraphs and perhaps a table.
type Part struct {
	Heading    string     `json:"heading"`
	Paragraphs []string   `json:"paragraphs" nullable:"false"`
	Columns    []Column   `json:"columns" nullable:"false"`
	Rows       [][]string `json:"rows" nullable:"false" doc:"As many cells as columns"`
	Total      bool       `json:"total" doc:"The last row is a sum"`
	Links      []string   `json:"links,omitempty" doc:"Of each row, the page of the web app that proves it; empty: none"`
	Apart      bool       `json:"apart" doc:"What the figures were made with and what they mean: a small screen may fold it"`

	raw       [][]string // the rows for spreadsheets: plain numbers
	tableOnly bool       // the paper leaves the rows out
}

// Column is one column of a table.
type Column struct {
	Head   string `json:"head"`
	Number bool   `json:"number" doc:"Stands at the right"`
	Key    bool   `json:"key" doc:"Stays when a small screen folds the row"`
}

// Page puts a report into words; lang is hi or en.
func (r *Report) Page(lang string) (*Page, error) {
	w, err := loadWords(lang, r.Zone)
	if err != nil {
		return nil, err
	}
	title := w.t("title."+r.Kind, w.month(r.Month))
	if r.one() != nil {
		title = w.t("title.machine", w.month(r.Month), w.name(r.one().Name, r.one().ID))
	}
	p := &Page{
		Lang: lang, Title: title,
		Subtitle: []string{w.name(r.SiteName, r.Site) + " (" + r.Site + ")", w.t("period", w.date(r.From), w.date(r.To.Add(-1)), w.zoneName())},
		footer:   w.name(r.SiteName, r.Site) + " · " + title, pageWord: w.t("page"),
	}
	if !r.Complete {
		p.Subtitle = append(p.Subtitle, w.t("provisional", w.moment(r.Until)))
	}
	var parts []Part
	switch {
	case r.Kind == KindMeter:
		parts = append(append(r.balanceParts(w), r.electricity(w)...), r.unknown(w), r.definitions(w))
	case r.one() != nil:
		parts = append([]Part{r.summary(w), r.days(w)}, r.electricity(w)...)
	case r.Kind == KindScheme:
		parts = append(parts, r.summary(w), r.people(w), r.groups(w), r.machines(w))
	default:
		parts = append(append([]Part{r.summary(w), r.machines(w)}, r.electricity(w)...), r.groups(w))
	}
	if r.Kind != KindMeter {
		parts = append(parts, r.unknown(w), r.settings(w), r.tariffs(w), r.definitions(w))
	}
	for _, part := range parts {
		if part.Heading != "" {
			p.Parts = append(p.Parts, part)
		}
	}
	return p, nil
}

// one is the machine of a report of one machine, else nil.
func (r *Report) one() *MachineMonth {
	if r.Kind == KindMonth && len(r.Groups) == 0 && len(r.Days) > 0 {
		return &r.Machines[0]
	}
	return nil
}

// part begins a part with a table of the columns; a name that begins with # is a column of numbers, one that ends with ! stays
// when a small screen folds the row.
func (w *words) part(heading string, columns ...string) Part {
	p := Part{Heading: heading, Paragraphs: []string{}, Columns: []Column{}, Rows: [][]string{}}
	for _, c := range columns {
		key, number := strings.CutPrefix(c, "#")
		key, stays := strings.CutSuffix(key, "!")
		p.Columns = append(p.Columns, Column{w.t("col." + key), number, stays})
	}
	return p
}

func (p *Part) row(cells ...cell) {
	shown, raw := make([]string, len(cells)), make([]string, len(cells))
	for i, c := range cells {
		shown[i], raw[i] = c.text, c.raw
	}
	p.Rows, p.raw = append(p.Rows, shown), append(p.raw, raw)
}

// link says by which page of the web app the last row is proved.
func (p *Part) link(page string) {
	for len(p.Links) < len(p.Rows) {
		p.Links = append(p.Links, "")
	}
	p.Links[len(p.Rows)-1] = page
}

// summary says the figures of the whole in lines of words, the two denominators side by side.
func (r *Report) summary(w *words) Part {
	p := w.part(w.t("summary"), "figure", "#month!")
	if r.Year != nil {
		p.Columns = append(p.Columns, Column{w.t("col.year", w.date(*r.YearFrom)), true, true})
	}
	line := func(key string, of func(f *Figures) cell) {
		cells := []cell{same(w.t("sum."+key, grouped(itoa(r.HoursAYear)))), of(&r.Total)}
		if r.Year != nil {
			cells = append(cells, of(r.Year))
		}
		p.row(cells...)
	}
	line("run", func(f *Figures) cell { return hours(f.RunMs) })
	line("idle", func(f *Figures) cell { return hours(f.IdleMs) })
	line("off", func(f *Figures) cell { return hours(f.OffMs) })
	line("unknown", func(f *Figures) cell { return hours(f.UnknownMs) })
	line("energy", func(f *Figures) cell { return f.energy() })
	line("idle-energy", func(f *Figures) cell { return f.idleEnergy() })
	line("pbt", func(f *Figures) cell { return hours(f.PBTMs) })
	line("coverage", func(f *Figures) cell { return coverage(f.Coverage) })
	line("availability", func(f *Figures) cell { return r.shown(w, f, f.Availability) })
	line("outside", func(f *Figures) cell { return hours(f.OutsideMs) })
	line("capacity-hours", func(f *Figures) cell { return hours(f.CapacityMs) })
	line("capacity", func(f *Figures) cell { return r.shown(w, f, f.Capacity) })
	if c := r.CO2; r.Total.silent() {
		p.Paragraphs = append(p.Paragraphs, w.t("note.silent"))
	} else if c == nil {
		p.Paragraphs = append(p.Paragraphs, w.t("note.noco2"))
	} else {
		key := "note.co2"
		if !c.Own {
			key = "note.co2-before"
		}
		kg := hundredths(halfUp(c.Grams, 10)).text
		p.Paragraphs = append(p.Paragraphs, w.t(key, kg, number(float64(c.MicroKgPerKWh)/1e6), c.FactorYear, c.Version))
	}
	if r.Uncalendared > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("note.nocalendar", r.Uncalendared))
	}
	if r.Total.UnknownMs > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("note.unknown", hours(r.Total.UnknownMs).text))
	}
	p.Paragraphs = append(p.Paragraphs, r.firstHeard(w)...)
	return p
}

// firstHeard says of which machines the data begin within what is reported, by days.
func (r *Report) firstHeard(w *words) []string {
	late, machines := map[string][]string{}, 0
	var days []string
	for _, m := range r.Machines {
		if m.Meter {
			continue
		}
		machines++
		if m.FirstHeard == nil {
			continue
		}
		day := w.date(*m.FirstHeard)
		if late[day] == nil {
			days = append(days, day)
		}
		late[day] = append(late[day], w.name(m.Name, m.ID))
	}
	for i, day := range days {
		if len(late[day]) == machines && machines > 1 {
			late[day] = []string{w.t("all-machines")}
		}
		days[i] = day + " (" + strings.Join(late[day], ", ") + ")"
	}
	if len(days) == 0 {
		return nil
	}
	return []string{w.t("note.first", strings.Join(days, ", "))}
}

// shown is a ratio, or why there is none.
func (r *Report) shown(w *words, f *Figures, v *float64) cell {
	c := percent(v)
	if v == nil && f.Coverage != nil && *f.Coverage < r.MinCoverage {
		c.text = w.t("hidden")
	}
	return c
}

func (r *Report) machines(w *words) Part {
	p := w.part(w.t("machines"), "machine", "#run!", "#idle", "#off", "#unknown", "#kwh", "#idle-kwh", "#pbt", "#coverage", "#availability!", "#allocation", "#utilization", "#outside", "#capacity")
	p.Columns[len(p.Columns)-1].Head = w.t("col.capacity", grouped(itoa(r.HoursAYear)))
	line := func(name string, f *Figures) {
		p.row(same(name), hours(f.RunMs), hours(f.IdleMs), hours(f.OffMs), hours(f.UnknownMs), f.energy(), f.idleEnergy(),
			hours(f.PBTMs), coverage(f.Coverage), r.shown(w, f, f.Availability), r.shown(w, f, f.Allocation), r.shown(w, f, f.Utilization), hours(f.OutsideMs), r.shown(w, f, f.Capacity))
	}
	for i, m := range r.Machines {
		if !m.Meter {
			line(w.name(m.Name, m.ID), &r.Machines[i].Figures)
			p.link("#/reports/" + r.Month + "?machine=" + m.ID)
			continue
		}
		if m.EnergyMilliWh > 0 {
			p.Paragraphs = append(p.Paragraphs, w.t("note.meter", w.name(m.Name, m.ID), kWh(m.EnergyMilliWh, m.EnergyEstimated).text))
		} else {
			p.Paragraphs = append(p.Paragraphs, w.t("note.nometer", w.name(m.Name, m.ID)))
		}
	}
	line(w.t("total"), &r.Total)
	p.Total = true
	var estimated []string
	for _, m := range r.Machines {
		if m.EnergyEstimated && m.EnergyMilliWh > 0 {
			estimated = append(estimated, w.name(m.Name, m.ID))
		}
	}
	if len(estimated) > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("note.estimated", strings.Join(estimated, ", ")))
	}
	var notes flagged
	for _, m := range r.Machines {
		notes.add(w, m.Name, m.ID, m.EnergyFlags)
	}
	p.Paragraphs = append(p.Paragraphs, notes.say(w)...)
	return p
}

func (r *Report) days(w *words) Part {
	p := w.part(w.t("days"), "day", "#run!", "#idle", "#off", "#unknown", "#kwh", "#idle-kwh", "#pbt", "#coverage", "#availability!", "#allocation", "#utilization", "#outside")
	line := func(name string, f *Figures) {
		p.row(same(name), hours(f.RunMs), hours(f.IdleMs), hours(f.OffMs), hours(f.UnknownMs), f.energy(), f.idleEnergy(),
			hours(f.PBTMs), coverage(f.Coverage), r.shown(w, f, f.Availability), r.shown(w, f, f.Allocation), r.shown(w, f, f.Utilization), hours(f.OutsideMs))
	}
	none := silent{w: w}
	for i, d := range r.Days {
		f := &r.Days[i].Figures
		line(w.date(d.From), f)
		p.link("#/machine/" + r.one().ID + "?day=" + d.From.In(w.zone).Format(time.DateOnly))
		if f.silent() {
			none.add(&p, d.From)
		}
	}
	none.say(&p)
	line(w.t("total"), &r.one().Figures)
	p.Total = true
	return p
}

func (r *Report) groups(w *words) Part {
	if r.Kind == KindScheme {
		return r.schemeGroups(w)
	}
	p := w.part(w.t("groups"), "group", "#sessions", "#run!", "#kwh", "#amount!", "note")
	p.Paragraphs = append(p.Paragraphs, w.t("note.drafts"))
	sum := r.sumGroups()
	for _, g := range r.Groups {
		p.row(same(w.name(g.Name, g.ID)), count(int64(g.Sessions)), hours(g.RunMs), kWh(g.EnergyWh*1000, false), rupees(g.AmountPaise), same(r.problems(w, g)))
		p.link("#/statements/" + r.Month)
	}
	if t := r.Training; t.RunMs+t.EnergyWh > 0 {
		p.row(same(w.t("training")), cell{"–", ""}, hours(t.RunMs), kWh(t.EnergyWh*1000, false), cell{"–", ""}, same(w.t("note.training")))
	}
	p.row(same(w.t("unattributed")), cell{"–", ""}, hours(r.Unattributed.RunMs), kWh(r.Unattributed.EnergyWh*1000, false), cell{"–", ""}, same(w.t("note.unattributed")))
	p.row(same(w.t("total")), count(int64(sum.Sessions)), hours(sum.RunMs), kWh(sum.EnergyWh*1000, false), rupees(sum.AmountPaise), same(""))
	p.Total = true
	return p
}

// problems says what is to be looked at in a draft, with the machines it is about. That the month is not over stands above.
func (r *Report) problems(w *words, g GroupMonth) string {
	names := map[string]registry.Name{}
	for _, m := range r.Machines {
		names[m.ID] = m.Name
	}
	var out []string
	for _, p := range g.ToLookAt {
		if p.Code == billing.ProblemMonthIsOpen {
			continue
		}
		text := w.t("problem." + p.Code)
		var machines []string
		for _, id := range p.Machines {
			machines = append(machines, w.name(names[id], id))
		}
		if len(machines) > 0 {
			text += " (" + strings.Join(machines, ", ") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// sumGroups are all groups and, in times and energy, training and what belongs to none.
func (r *Report) sumGroups() GroupMonth {
	sum := GroupMonth{Usage: Usage{r.Unattributed.RunMs + r.Training.RunMs, r.Unattributed.EnergyWh + r.Training.EnergyWh}}
	for _, g := range r.Groups {
		sum.Sessions += g.Sessions
		sum.RunMs += g.RunMs
		sum.EnergyWh += g.EnergyWh
		sum.AmountPaise += g.AmountPaise
	}
	return sum
}

func (r *Report) schemeGroups(w *words) Part {
	p := w.part(w.t("groups"), "group", "#members!", "#women!", "#sc", "#st", "since", "#sessions", "#run!", "#kwh")
	given := func(n *int64) cell {
		if n == nil {
			return cell{w.t("not-given"), ""}
		}
		return count(*n)
	}
	for _, g := range r.Groups {
		m, since := g.Members, same("")
		if m == nil {
			m = &Members{}
		} else {
			since = same(w.since(m.ValidFrom))
		}
		members := given(nil)
		if g.Members != nil {
			members = count(m.Members)
		}
		p.row(same(w.name(g.Name, g.ID)), members, given(m.Women), given(m.SC), given(m.ST), since, count(int64(g.Sessions)), hours(g.RunMs), kWh(g.EnergyWh*1000, false))
	}
	none := cell{"–", ""}
	if t := r.Training; t.RunMs+t.EnergyWh > 0 {
		p.row(same(w.t("training")), none, none, none, none, same(""), none, hours(t.RunMs), kWh(t.EnergyWh*1000, false))
	}
	p.row(same(w.t("unattributed")), none, none, none, none, same(""), none, hours(r.Unattributed.RunMs), kWh(r.Unattributed.EnergyWh*1000, false))
	sum, all := r.sumGroups(), r.AllPeople
	if all.partial() {
		p.Paragraphs = append(p.Paragraphs, w.t("note.given"))
	}
	p.row(same(w.t("total")), all.sum(w, all.Members, all.Given), all.sum(w, all.Women.Number, all.Women.Groups), all.sum(w, all.SC.Number, all.SC.Groups),
		all.sum(w, all.ST.Number, all.ST.Groups), same(""),
		count(int64(sum.Sessions)), hours(sum.RunMs), kWh(sum.EnergyWh*1000, false))
	p.Total = true
	return p
}

// sum is a number that so many of the groups give: with ≥ when not all do, never 0 when none does.
func (p *People) sum(w *words, number int64, groups int) cell {
	c := count(number)
	switch {
	case groups == 0:
		return cell{w.t("not-given"), ""}
	case groups < p.Groups:
		c.text = "≥ " + c.text
	}
	return c
}

// partial reports whether some group does not give some number.
func (p *People) partial() bool {
	return min(p.Given, p.Women.Groups, p.SC.Groups, p.ST.Groups) < p.Groups
}

// people are the shares of women, SC and ST members, of the groups that used a machine and of all.
func (r *Report) people(w *words) Part {
	p := w.part(w.t("people"), "people", "#used!", "#share!", "#all!", "#share!")
	both := []*People{&r.People, &r.AllPeople}
	line := func(key string, of func(*People) (number, groups int, share *float64)) {
		cells := []cell{same(w.t("people." + key))}
		for _, x := range both {
			n, groups, share := of(x)
			number := count(int64(n))
			switch {
			case groups == 0:
				number = cell{w.t("not-given"), ""}
			case groups < x.Groups:
				number.text += " " + w.t("given-by", groups, x.Groups)
			}
			of := percent(share)
			if share == nil {
				of.text = ""
			}
			cells = append(cells, number, of)
		}
		p.row(cells...)
	}
	if r.AllPeople.partial() {
		p.Paragraphs = append(p.Paragraphs, w.t("note.given"))
	}
	part := func(of func(*People) MemberCount) func(*People) (int, int, *float64) {
		return func(x *People) (int, int, *float64) { c := of(x); return int(c.Number), c.Groups, c.Share }
	}
	line("groups", func(x *People) (int, int, *float64) { return x.Groups, max(x.Groups, 1), nil })
	line("members", func(x *People) (int, int, *float64) { return int(x.Members), x.Given, nil })
	line("women", part(func(x *People) MemberCount { return x.Women }))
	line("sc", part(func(x *People) MemberCount { return x.SC }))
	line("st", part(func(x *People) MemberCount { return x.ST }))
	return p
}

// unknown is the unknown time by cause, of the machines that have any.
func (r *Report) unknown(w *words) Part {
	if r.Total.UnknownMs == 0 && r.one() == nil || r.one() != nil && r.one().UnknownMs == 0 {
		p := w.part(w.t("unknown"))
		p.Paragraphs = append(p.Paragraphs, w.t("note.known"))
		return p
	}
	columns, there := []string{"machine"}, []string{}
	for _, c := range causes { // those that there are
		if r.Total.unknownOf(c) > 0 {
			there, columns = append(there, c), append(columns, "#cause."+c)
		}
	}
	p := w.part(w.t("unknown"), append(columns, "#unknown!")...)
	line := func(name string, f *Figures) {
		cells := []cell{same(name)}
		for _, c := range there {
			cells = append(cells, hours(f.unknownOf(c)))
		}
		p.row(append(cells, hours(f.UnknownMs))...)
	}
	for i, m := range r.Machines {
		if m.UnknownMs > 0 && !m.Meter {
			line(w.name(m.Name, m.ID), &r.Machines[i].Figures)
			if r.one() == nil {
				p.link("#/reports/" + r.Month + "?machine=" + m.ID) // by days
			}
		}
	}
	if r.one() == nil {
		line(w.t("total"), &r.Total)
		p.Total = true
	}
	return p
}

func (r *Report) settings(w *words) Part {
	p := w.part(w.t("settings"), "machine", "since", "signal", "#idle-above", "#run-above!", "#hysteresis")
	p.Apart = true
	names := map[string]registry.Name{}
	for _, m := range r.Machines {
		names[m.ID] = m.Name
	}
	for _, s := range r.Settings {
		p.row(same(w.name(names[s.Machine], s.Machine)), same(w.since(s.ValidFrom)), same(w.t("signal."+s.Signal)), unit(measured(s.IdleAbove), w.t("unit."+s.Signal)), unit(measured(s.RunAbove), w.t("unit."+s.Signal)),
			measured(s.Hysteresis*100))
	}
	return p
}

func (r *Report) tariffs(w *words) Part {
	p := w.part(w.t("tariffs"), "class", "since", "#rate!")
	p.Apart = true
	if len(r.Tariffs) == 0 {
		p.Columns = []Column{}
		p.Paragraphs = append(p.Paragraphs, w.t("note.notariffs"))
	}
	for _, t := range r.Tariffs {
		p.row(same(w.t("class."+t.Class)), same(w.since(t.ValidFrom)), rupees(t.PaisePerRunHour))
	}
	return p
}

// definitions are those of the figures that stand on the page.
func (r *Report) definitions(w *words) Part {
	p := w.part(w.t("definitions"))
	p.Apart = true
	keys := []string{"states", "unknown", "coverage", "pbt", "availability", "allocation", "utilization", "outside", "capacity", "energy"}
	if r.one() == nil {
		keys = append(keys, "groups")
	}
	switch r.Kind {
	case KindScheme:
		keys = append(keys, "members")
	case KindMeter:
		keys = []string{"meter.gap", "meter.unmetered", "meter.unknown", "meter.estimated", "meter.over", "meter.silent", "energy", "elec"}
	default:
		keys = append(keys, "elec")
	}
	for _, k := range append(keys, "evidence", "dash", "rounding") {
		p.Paragraphs = append(p.Paragraphs, w.t("def."+k, number(r.MinCoverage*100), grouped(itoa(r.HoursAYear))))
	}
	return p
}
