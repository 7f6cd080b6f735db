package report

import (
	"strings"
	"time"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// longestEvidence is how many rows of states a paper carries; more stand in the table for spreadsheets only.
const longestEvidence = 80

// JobPage puts the sheet of a job into words; lang is hi or en. It is what an exporter sends to a buyer: every figure with
// what it stands on.
func JobPage(s session.JobSheet, lang string) (*Page, error) {
	w, err := loadWords(lang, s.Zone)
	if err != nil {
		return nil, err
	}
	title := w.t("job.title", s.Number)
	p := &Page{
		Lang: lang, Title: title, Subtitle: []string{w.name(s.SiteName, s.Site) + " (" + s.Site + ")", w.t("job.made", w.moment(s.Made), w.zoneName())},
		footer: w.name(s.SiteName, s.Site) + " · " + title, pageWord: w.t("page"), tall: true,
	}
	j := jobPage{s, w}
	for _, part := range []func() Part{j.summary, j.machines, j.registers, j.heat, j.corrections, j.evidence, j.definitions} {
		if made := part(); made.Heading != "" {
			p.Parts = append(p.Parts, made)
		}
	}
	return p, nil
}

// jobPage is a job's page under way.
type jobPage struct {
	session.JobSheet
	w *words
}

func (j jobPage) summary() Part {
	w := j.w
	p := w.part(w.t("job.summary"), "figure", "value")
	line := func(key string, c cell) {
		if c.text != "" {
			p.row(same(w.t("job."+key)), c)
		}
	}
	line("what", same(j.Title))
	line("buyer", same(j.Buyer))
	if j.Group != "" {
		line("group", same(w.name(j.GroupName, j.Group)))
	}
	if j.WeightG > 0 {
		line("weight", thousandths(j.WeightG, " kg"))
	}
	if j.Pieces > 0 {
		line("pieces", count(j.Pieces))
	}
	if len(j.Stretches) == 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("job.nowork"))
		return p
	}
	line("energy", jobEnergy(j.Total.MilliWh, j.Total.EnergyEstimated, " kWh"))
	if j.Total.EnergyEstimated {
		line("estimated", jobEnergy(j.Total.EstimatedMwh, false, " kWh"))
	}
	line("co2", j.co2(j.Total.GramsCO2, " kg"))
	if j.WhPerKg != nil {
		line("per-kg", thousandths(*j.WhPerKg, " kWh"))
	}
	if j.WhPer != nil {
		line("per-piece", thousandths(*j.WhPer, " kWh"))
	}
	if h := j.Heat; h != nil {
		line("efficiency", j.efficiency())
	}
	line("run", unit(hours(j.Total.RunMs), w.t("h")))
	line("idle", unit(hours(j.Total.IdleMs), w.t("h")))
	line("off", unit(hours(j.Total.OffMs), w.t("h")))
	line("unknown", unit(hours(j.Total.UnknownMs), w.t("h")))
	line("coverage", coverage(j.Total.Coverage))
	line("entered", same(w.t("job.by", j.EnteredBy, w.moment(j.Entered))))
	for _, f := range j.Factors {
		key := "job.factor"
		if f.Year != f.UsedFor {
			key = "job.factor-before"
		}
		p.Paragraphs = append(p.Paragraphs, w.t(key, number(float64(f.MicroKgPerKWh)/1e6), f.Version, f.Year, f.UsedFor))
	}
	if j.Total.GramsCO2 == nil {
		p.Paragraphs = append(p.Paragraphs, w.t("job.noco2"))
	}
	p.Paragraphs = append(p.Paragraphs, j.flagged()...)
	for _, l := range j.Late {
		p.Paragraphs = append(p.Paragraphs, w.t("job.late", w.name(l.MachineName, l.Machine), w.moment(l.From), j.until(l.From, l.To), w.moment(l.Filled)))
	}
	if j.Total.UnknownMs > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("job.gap", hours(j.Total.UnknownMs).text))
	}
	return p
}

func (j jobPage) co2(grams *int64, of string) cell {
	if grams == nil {
		return cell{"–", ""}
	}
	return thousandths(*grams, of)
}

func (j jobPage) efficiency() cell {
	c := percent(j.Heat.Efficiency)
	switch {
	case j.Heat.Efficiency == nil:
		c.text = j.w.t("heat.undefined", j.w.t("heat."+j.Heat.Why))
	case j.Heat.EnergyEstimated:
		c.text = "~" + c.text
	}
	return c
}

// flagged says of each machine what is to be known of its energy.
func (j jobPage) flagged() []string {
	var machines []string
	flags := map[string][]string{}
	names := map[string]registry.Name{}
	for _, x := range j.Stretches {
		if _, ok := flags[x.Machine]; !ok {
			machines = append(machines, x.Machine)
		}
		flags[x.Machine], names[x.Machine] = timeline.JoinCodes(flags[x.Machine], x.EnergyFlags), x.MachineName
	}
	var notes flagged
	for _, m := range machines {
		notes.add(j.w, names[m], m, flags[m])
	}
	return notes.say(j.w)
}

// who says where a stretch comes from, and what is to be known of it.
func (j jobPage) who(x session.JobStretch) string {
	w := j.w
	notes := []string{w.t("job.tap")}
	if x.Source == session.SourceEntered {
		notes[0] = w.t("job.entered-by", x.By)
	}
	if x.Open {
		notes = append(notes, w.t("job.open"))
	}
	if x.Shared {
		notes = append(notes, w.t("job.shared"))
	}
	return strings.Join(notes, "; ")
}

func (j jobPage) machines() Part {
	if len(j.Stretches) == 0 {
		return Part{}
	}
	w := j.w
	p := w.part(w.t("job.machines"), "machine", "from", "to", "#run", "#kwh", "#co2", "#coverage", "who")
	for _, x := range j.Stretches {
		p.row(same(w.name(x.MachineName, x.Machine)), same(w.moment(x.From)), same(j.until(x.From, x.To)), hours(x.RunMs), jobEnergy(x.MilliWh, x.EnergyEstimated, ""),
			j.co2(x.GramsCO2, ""), coverage(x.Coverage), same(j.who(x)))
	}
	p.row(same(w.t("total")), same(""), same(""), hours(j.Total.RunMs), jobEnergy(j.Total.MilliWh, j.Total.EnergyEstimated, ""), j.co2(j.Total.GramsCO2, ""), coverage(j.Total.Coverage), same(""))
	p.Total = true
	return p
}

// until is the clock alone when it is of the same day.
func (j jobPage) until(from, to time.Time) string {
	if j.w.date(from) == j.w.date(to) {
		return to.In(j.w.zone).Format("15:04")
	}
	return j.w.moment(to)
}

// registers are the readings of the meters at the ends of stretches, by which a buyer can check the energy.
func (j jobPage) registers() Part {
	w := j.w
	p := w.part(w.t("job.registers"), "machine", "read-from", "read-to", "#register-from", "#register-to", "#difference", "#kwh")
	for _, x := range j.Stretches {
		if x.Register == nil {
			p.Paragraphs = append(p.Paragraphs, w.t("job.noregister", w.name(x.MachineName, x.Machine), w.moment(x.From)))
			continue
		}
		r := x.Register
		milli := func(wh float64) int64 { return int64(wh*1000 + 0.5) }
		p.row(same(w.name(x.MachineName, x.Machine)), same(w.second(r.FromAt)), same(w.second(r.ToAt)), jobEnergy(milli(r.FromWh), false, ""), jobEnergy(milli(r.ToWh), false, ""),
			jobEnergy(milli(r.ToWh)-milli(r.FromWh), false, ""), jobEnergy(x.MilliWh, x.EnergyEstimated, ""))
	}
	if len(p.Rows) == 0 {
		p.Columns = []Column{}
	}
	if len(p.Rows)+len(p.Paragraphs) == 0 {
		return Part{}
	}
	return p
}

func (j jobPage) heat() Part {
	h := j.Heat
	if h == nil {
		return Part{}
	}
	w := j.w
	p := w.part(w.t("heat.title"), "figure", "value")
	if j.WeightG > 0 {
		p.row(same(w.t("job.weight")), thousandths(j.WeightG, " kg"))
	}
	if h.Metal != "" {
		p.row(same(w.t("heat.metal")), same(w.name(h.MetalName, h.Metal)))
		p.row(same(w.t("heat.temperatures")), same(w.t("heat.from-to", grouped(itoa(h.StartC)), grouped(itoa(h.EndC)))))
	}
	if h.UsefulMilliWh != nil {
		p.row(same(w.t("heat.useful")), jobEnergy(*h.UsefulMilliWh, false, " kWh"))
	}
	p.row(same(w.t("heat.energy")), jobEnergy(h.FurnaceMilliWh, h.EnergyEstimated, " kWh"))
	p.row(same(w.t("heat.efficiency")), j.efficiency())
	p.Paragraphs = append(p.Paragraphs, w.t("heat.formula"))
	return p
}

func (j jobPage) corrections() Part {
	if len(j.Corrections) == 0 {
		return Part{}
	}
	w := j.w
	p := w.part(w.t("job.corrections"), "when", "correction", "author", "reason")
	for _, c := range j.Corrections {
		what := w.t("job.c." + c.Kind)
		if c.From != nil {
			end := w.t("job.open")
			if c.To != nil {
				end = j.until(*c.From, *c.To)
			}
			what += ": " + w.name(c.MachineName, c.Machine) + ", " + w.moment(*c.From) + " – " + end
		}
		p.row(same(w.moment(c.Made)), same(what), same(c.Author), same(c.Reason))
	}
	return p
}

// evidence are the states that the energy was counted in.
func (j jobPage) evidence() Part {
	w := j.w
	p := w.part(w.t("job.evidence"), "machine", "from", "to", "state", "#kwh", "measured")
	for _, x := range j.Stretches {
		for _, i := range x.Intervals {
			how := w.t("job.measured")
			switch {
			case i.Estimated:
				how = w.t("job.is-estimated")
			case i.State == timeline.StateUnknown && i.MilliWh == 0:
				how = w.t("job.not-measured")
			}
			if len(i.Flags) > 0 {
				how += ": " + w.flags.Join(i.Flags)
			}
			p.row(same(w.name(x.MachineName, x.Machine)), same(w.second(i.From)), same(w.second(i.To)), same(w.t("state."+i.State)), jobEnergy(i.MilliWh, i.Estimated, ""), same(how))
		}
	}
	if len(p.Rows) == 0 {
		return Part{}
	}
	if n := len(p.Rows); n > longestEvidence {
		p.Paragraphs, p.tableOnly = append(p.Paragraphs, w.t("job.long", grouped(itoa(int64(n))))), true
	}
	return p
}

func (j jobPage) definitions() Part {
	p := j.w.part(j.w.t("definitions"))
	for _, k := range []string{"job.def.energy", "job.def.register", "job.def.co2", "job.def.coverage", "job.def.shared"} {
		p.Paragraphs = append(p.Paragraphs, j.w.t(k))
	}
	return p
}

// jobEnergy shows milliwatt-hours as kWh with three decimals; an estimated figure has ~ before it.
func jobEnergy(milliWh int64, estimated bool, of string) cell {
	c := thousandths(halfUp(max(milliWh, 0), 1000), of)
	if estimated && milliWh != 0 {
		c.text = "~" + c.text
	}
	return c
}
