package report

import (
	"slices"
	"strings"

	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
)

// holeMark stands behind every cost that leaves energy or time without a tariff out.
const holeMark = " †"

// electricity is the energy of the machines by band with cost and CO2; of one machine the bands line by line.
func (r *Report) electricity(w *words) []Part {
	e := r.Electricity
	if e == nil {
		return nil
	}
	var out []Part
	if r.Kind == KindMonth && r.one() == nil {
		out = append(out, e.table(w))
	}
	if !e.unpriced() || r.Kind == KindMeter || r.one() != nil {
		out = append(out, e.cost(w, r))
	}
	if r.one() != nil {
		out = append(out, e.phases(w))
	}
	if len(r.Jobs) > 0 {
		out = append(out, r.jobs(w))
	}
	return out
}

// unpriced reports whether the site has no tariff at all.
func (e *Electricity) unpriced() bool { return slices.Contains(e.Total.Notes, "no-tariff") }

// priced is a cost; what it leaves out is marked, what is not known is a dash.
func (e *Electricity) priced(paise *int64, holed bool) cell {
	if paise == nil {
		return cell{"–", ""}
	}
	c := rupees(*paise)
	if holed {
		c.text += holeMark
	}
	return c
}

// whole is energy cost and fixed share together; nil when the energy cost is not known.
func (m *MachineElectricity) whole() *int64 {
	if m.EnergyPaise == nil || m.FixedPaise == nil {
		return m.EnergyPaise
	}
	v := *m.EnergyPaise + *m.FixedPaise
	return &v
}

// bandName names a band, with the day of its tariff when the month has several.
func (e *Electricity) bandName(w *words, b BandCost) string {
	name := w.name(b.Name, b.Band)
	if len(e.Orders) > 1 {
		name += " (" + w.t("elec.since", w.date(b.TariffFrom)) + ")"
	}
	return name
}

func (e *Electricity) table(w *words) Part {
	p := w.part(w.t("elec.title"), "machine", "#kwh!")
	for _, b := range e.Total.Bands {
		p.Columns = append(p.Columns, Column{w.t("elec.in", e.bandName(w, b)), true, false})
	}
	holed := e.Total.UntariffedMwh > 0 && !e.unpriced()
	if holed {
		p.Columns = append(p.Columns, Column{w.t("elec.untariffed"), true, false})
	}
	for _, c := range []string{"est-share", "energy-cost", "fixed-share", "cost", "co2"} {
		p.Columns = append(p.Columns, Column{w.t("col." + c), true, c == "cost"})
	}
	if holed {
		p.Columns = append(p.Columns, Column{w.t("col.note"), false, false})
	}
	line := func(name string, m *MachineElectricity, silent bool) {
		if silent { // its share of the fixed charge it bears all the same
			cells := []cell{same(name)}
			for _, c := range p.Columns[1:] {
				if c.Head == w.t("col.fixed-share") {
					cells = append(cells, e.priced(m.FixedPaise, e.HoleUntil != nil))
				} else {
					cells = append(cells, cell{"–", ""})
				}
			}
			p.row(cells...)
			return
		}
		cells := []cell{same(name), kWh(m.EnergyMilliWh, m.EstimatedMwh > 0)}
		for _, b := range e.Total.Bands {
			var milliWh int64
			if i := slices.IndexFunc(m.Bands, b.same); i >= 0 {
				milliWh = m.Bands[i].EnergyMilliWh
			}
			cells = append(cells, kWh(milliWh, false))
		}
		if holed {
			cells = append(cells, kWh(m.UntariffedMwh, false))
		}
		mine := m.UntariffedMwh > 0
		cells = append(cells, percent(ratio(m.EstimatedMwh, m.EnergyMilliWh)), e.priced(m.EnergyPaise, mine), e.priced(m.FixedPaise, e.HoleUntil != nil),
			e.priced(m.whole(), mine || e.HoleUntil != nil), m.co2())
		if holed && mine {
			cells = append(cells, same(w.t("elec.without", kWh(m.UntariffedMwh, false).text)))
		} else if holed {
			cells = append(cells, same(""))
		}
		p.row(cells...)
	}
	for i, m := range e.Machines {
		line(w.name(m.Name, m.ID), &e.Machines[i], m.silent())
	}
	line(w.t("total"), &e.Total, e.silent())
	p.Total = true
	p.Paragraphs = append(p.Paragraphs, e.notes(w)...)
	return p
}

// sum is what all of it costs: of one machine with its share of the fixed charge, of the site with all of it, shared out or not.
func (e *Electricity) sum(one bool) *int64 {
	if one || e.Total.EnergyPaise == nil {
		return e.Total.whole()
	}
	v := *e.Total.EnergyPaise
	for _, f := range e.Fixed {
		v += f.Paise + f.DutyPaise
	}
	return &v
}

// silent reports whether nothing was heard of any machine.
func (e *Electricity) silent() bool {
	return e.Total.silent() && !slices.ContainsFunc(e.Machines, func(m MachineElectricity) bool { return !m.silent() })
}

// silent reports whether nothing was heard of the machine.
func (m MachineElectricity) silent() bool {
	return m.EnergyMilliWh == 0 && (m.Coverage == nil || *m.Coverage == 0)
}

// co2 is kg with a mark when energy without a factor is left out.
func (m *MachineElectricity) co2() cell {
	if m.CO2UnknownMwh > 0 && m.CO2Grams == 0 {
		return cell{"–", ""}
	}
	c := hundredths(halfUp(m.CO2Grams, 10))
	if m.CO2UnknownMwh > 0 {
		c.text += " ‡"
	}
	return c
}

// notes say what stands on the costs: the orders, holes, what is missing and why.
func (e *Electricity) notes(w *words) []string {
	var out []string
	for _, o := range e.Orders {
		out = append(out, w.t("elec.order", w.date(o.From), o.Order, w.t("elec.basis."+o.Basis)))
	}
	if !e.unpriced() && (e.HoleUntil != nil || e.Total.UntariffedMwh > 0) {
		until := "–"
		if e.HoleUntil != nil {
			until = w.date(*e.HoleUntil)
		}
		out = append(out, w.t("elec.hole", until, kWh(e.Total.UntariffedMwh, false).text))
	}
	if e.Total.CO2UnknownMwh > 0 && e.Total.CO2Grams > 0 {
		out = append(out, w.t("elec.co2-hole", kWh(e.Total.CO2UnknownMwh, false).text))
	}
	if e.Total.EstimatedMwh > 0 {
		out = append(out, w.t("elec.estimated", percent(ratio(e.Total.EstimatedMwh, e.Total.EnergyMilliWh)).text))
	}
	var cut flagged
	for _, m := range e.Machines {
		if split := timeline.EnergySplit.Codes(); len(m.Bands) > 0 && slices.Contains(m.EnergyFlags, split[0]) { // the rest stands with the machines
			cut.add(w, m.Name, m.ID, split)
		}
	}
	out = append(out, cut.say(w)...)
	var little []string
	for _, m := range e.Machines {
		if slices.Contains(m.Notes, "low-coverage") {
			little = append(little, w.t("elec.known", w.name(m.Name, m.ID), coverage(m.Coverage).text))
		}
	}
	if len(little) > 0 {
		out = append(out, w.t("elec.little", strings.Join(little, ", ")))
	}
	for _, n := range []string{"no-tariff", "no-pf", "no-rating", "demand-no-pf", "no-main-meter"} {
		if slices.Contains(e.Total.Notes, n) || slices.Contains(e.Notes, n) {
			out = append(out, w.t("elec.note."+n))
		}
	}
	return out
}

// cost is how the cost is made up: each band line by line, the fixed charge, the sum.
func (e *Electricity) cost(w *words, r *Report) Part {
	heading := w.t("elec.cost")
	if r.Kind == KindMeter {
		heading = w.t("elec.cost-main")
	}
	p := w.part(heading, "band", "#kwh!", "#energy-charge", "#time-of-day", "#power-factor", "#surcharge", "#duty", "#cost!")
	none := cell{"", ""}
	for _, b := range e.Total.Bands {
		p.row(same(e.bandName(w, b)), kWh(b.EnergyMilliWh, false), rupees(b.EnergyPaise), rupees(b.TimeOfDayPaise), rupees(b.PowerFactorPaise), rupees(b.SurchargePaise), rupees(b.DutyPaise), e.priced(b.Paise, false))
	}
	if e.Total.UntariffedMwh > 0 && !e.unpriced() {
		p.row(same(w.t("elec.no-tariff")), kWh(e.Total.UntariffedMwh, false), none, none, none, none, none, cell{w.t("elec.noprice"), ""})
	}
	if r.one() != nil {
		if e.Total.FixedPaise != nil {
			p.row(same(w.t("col.fixed-share")), none, none, none, none, none, none, e.priced(e.Total.FixedPaise, e.HoleUntil != nil))
		}
	} else {
		for _, f := range e.Fixed {
			duty, sum := f.DutyPaise, f.Paise+f.DutyPaise
			text := w.t("elec.fixed", thousandths(f.BilledMill, "").text, w.t("elec.per."+f.Per), rupees(f.RatePaise).text, w.date(f.From), w.date(f.To.Add(-1)))
			if f.DemandAt != nil {
				text += " " + w.t("elec.demand", thousandths(f.DemandVA, "").text, w.moment(*f.DemandAt))
				if f.Per == electricity.PerKVA && f.BilledMill > f.DemandVA {
					text += " " + w.t("elec.least")
				}
			}
			p.Paragraphs = append(p.Paragraphs, text)
			label := w.t("elec.fixed-charge")
			if len(e.Fixed) > 1 {
				label += " (" + w.t("elec.since", w.date(f.From)) + ")"
			}
			p.row(same(label), none, rupees(f.Paise), none, none, none, rupees(duty), e.priced(&sum, e.HoleUntil != nil))
		}
	}
	if len(p.Rows) > 0 {
		holed := e.HoleUntil != nil || e.Total.UntariffedMwh > 0
		energy := kWh(e.Total.EnergyMilliWh, e.Total.EstimatedMwh > 0)
		if e.silent() {
			energy = cell{"–", ""}
		}
		p.row(same(w.t("total")), energy, none, none, none, none, none, e.priced(e.sum(r.one() != nil), holed))
		p.Total = true
	} else {
		p.Columns = []Column{}
	}
	if r.Kind == KindMeter || r.one() != nil {
		p.Paragraphs = append(p.Paragraphs, e.notes(w)...)
		if pf := e.Total.PowerFactorMill; pf > 0 {
			p.Paragraphs = append(p.Paragraphs, w.t("elec.pf", thousandths(pf, "").text))
		}
		if r.one() != nil && len(e.Orders) > 0 && e.Total.FixedPaise != nil {
			p.Paragraphs = append(p.Paragraphs, w.t("elec.shared", w.t("elec.share."+e.Orders[len(e.Orders)-1].Share)))
		}
	}
	return p
}

// phases are the phases of a furnace.
func (e *Electricity) phases(w *words) Part {
	if len(e.Machines) == 0 || len(e.Machines[0].Phases) == 0 {
		return Part{}
	}
	m := e.Machines[0]
	p := w.part(w.t("phase.title"), "phase", "#phase-hours!", "#kwh!", "#share!")
	rest := m.EnergyMilliWh
	for _, x := range m.Phases {
		p.row(same(w.t("phase."+x.Phase)), hours(x.Ms), kWh(x.EnergyMilliWh, false), percent(ratio(x.EnergyMilliWh, m.EnergyMilliWh)))
		rest -= x.EnergyMilliWh
	}
	p.row(same(w.t("phase.none")), cell{"", ""}, kWh(rest, false), percent(ratio(rest, m.EnergyMilliWh)))
	p.row(same(w.t("total")), cell{"", ""}, kWh(m.EnergyMilliWh, m.EstimatedMwh > 0), percent(ratio(m.EnergyMilliWh, m.EnergyMilliWh)))
	p.Total = true
	p.Paragraphs = append(p.Paragraphs, w.t("phase.note"))
	return p
}

// jobs are the furnace jobs of the month with their efficiency, and that of all which have one.
func (r *Report) jobs(w *words) Part {
	p := w.part(w.t("heat.jobs"), "job", "#weight", "metal", "heated", "#furnace-kwh!", "#useful-kwh", "#efficiency!", "note")
	var useful, drawn, grams int64
	var estimated bool
	for _, j := range r.Jobs {
		weight, metal, heated, heat, note := cell{"–", ""}, same(""), same(""), cell{"–", ""}, ""
		if j.WeightG > 0 {
			weight = thousandths(j.WeightG, "")
		}
		if j.Metal != "" {
			metal, heated = same(w.name(j.MetalName, j.Metal)), same(w.t("heat.from-to", grouped(itoa(j.StartC)), grouped(itoa(j.EndC))))
		}
		if j.UsefulMilliWh != nil {
			heat = kWh(*j.UsefulMilliWh, false)
		}
		share := percent(j.Efficiency)
		if j.Efficiency == nil {
			note = w.t("heat.undefined", w.t("heat."+j.Why))
		} else {
			useful, drawn, grams, estimated = useful+*j.UsefulMilliWh, drawn+j.FurnaceMilliWh, grams+j.WeightG, estimated || j.EnergyEstimated
		}
		p.row(same(strings.TrimSpace(j.Number+" "+j.Title)), weight, metal, heated, kWh(j.FurnaceMilliWh, j.EnergyEstimated), heat, share, same(note))
		p.link("#/job/" + j.Number)
	}
	if drawn > 0 {
		p.row(same(w.t("heat.all")), thousandths(grams, ""), same(""), same(""), kWh(drawn, estimated), kWh(useful, false), percent(ratio(useful, drawn)), same(""))
		p.Total = true
	}
	p.Paragraphs = append(p.Paragraphs, w.t("heat.formula"), w.t("heat.whole"))
	return p
}
