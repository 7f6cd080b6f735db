package report

import (
	"time"

	"karkhana/analytics/energy"
	"karkhana/internal/registry"
)

// MainMeter is the main meter against the machines.
type MainMeter struct {
	Total    energy.MeterBalance `json:"total"`
	Days     []MeterDay          `json:"days" nullable:"false"`
	Machines []MeterShare        `json:"machines" nullable:"false"`
	Main     MeterShare          `json:"main" doc:"All main meters together"`
	PeakW    int64               `json:"peak_w" doc:"Highest quarter hour at the main meter"`
	PeakAt   *time.Time          `json:"peak_at,omitempty"`
}

// MeterDay is a day of it.
type MeterDay struct {
	From time.Time `json:"from"`
	energy.MeterBalance
}

// MeterShare is the energy of a machine or of the main meters.
type MeterShare struct {
	ID            string        `json:"id"`
	Name          registry.Name `json:"name"`
	EnergyMilliWh int64         `json:"energy_milliwh"`
	EstimatedMwh  int64         `json:"estimated_milliwh"`
	UnknownMs     int64         `json:"unknown_ms"`
	Coverage      *float64      `json:"coverage,omitempty" doc:"Known share of the time"`
}

// balance takes the balance of the month over; a site without a main meter has none.
func (w *work) balance(whole *energy.SiteUse, days []energy.SiteUse) {
	if whole.Main == nil {
		return
	}
	share := func(m registry.Machine, u *energy.Use) MeterShare {
		return MeterShare{m.ID, m.Name, u.MilliWh(), u.EstimatedMilliWh, u.UnknownMs, u.Coverage}
	}
	b := &MainMeter{Total: *whole.Balance, Days: []MeterDay{}, Machines: []MeterShare{}, Main: share(registry.Machine{}, whole.Main), PeakW: whole.Main.PeakW, PeakAt: atOrNil(whole.Main.PeakMs)}
	for _, d := range days {
		b.Days = append(b.Days, MeterDay{at(d.FromMs), *d.Balance})
	}
	for i := range whole.Machines {
		b.Machines = append(b.Machines, share(whole.Machines[i].Machine, &whole.Machines[i].Use))
	}
	w.r.MainMeter = b
}

// balanceParts are the parts of the main-meter report: the gap and what explains it, by days, by machines.
func (r *Report) balanceParts(w *words) []Part {
	b := r.MainMeter
	if b == nil {
		p := w.part(w.t("meter.summary"))
		p.Paragraphs = append(p.Paragraphs, w.t("meter.none"))
		return []Part{p}
	}
	return []Part{b.summary(w), b.days(w), b.machines(w)}
}

func (b *MainMeter) summary(w *words) Part {
	p := w.part(w.t("meter.summary"), "figure", "#kwh!", "#share-main!", "#hours")
	t := b.Total
	share := func(milliWh int64) cell { return percent(ratio(milliWh, t.MainMilliWh)) }
	none := cell{"", ""}
	p.row(same(w.t("meter.main")), kWh(t.MainMilliWh, b.Main.EstimatedMwh > 0), share(t.MainMilliWh), count(int64(t.Hours)))
	var estimated int64
	for _, m := range b.Machines {
		estimated += m.EstimatedMwh
	}
	p.row(same(w.t("meter.machines")), kWh(t.MachinesMilliWh, estimated > 0), share(t.MachinesMilliWh), none)
	p.row(same(w.t("meter.unmetered")), kWh(t.UnmeteredMilliWh, false), share(t.UnmeteredMilliWh), none) // of hours with estimates as well
	p.row(same(w.t("meter.unknown")), kWh(t.UnknownMilliWh, false), share(t.UnknownMilliWh), count(int64(t.UnknownHours)))
	p.row(same(w.t("meter.estimated")), kWh(t.EstimatedMilliWh, false), share(t.EstimatedMilliWh), count(int64(t.EstimatedHours)))
	p.row(same(w.t("meter.over")), kWh(-t.OverMilliWh, false), share(-t.OverMilliWh), count(int64(t.OverHours)))
	p.row(same(w.t("meter.silent")), kWh(-t.MainSilentMilliWh, false), share(-t.MainSilentMilliWh), count(int64(t.SilentHours)))
	p.row(same(w.t("meter.gap")), kWh(t.MainMilliWh-t.MachinesMilliWh, false), share(t.MainMilliWh-t.MachinesMilliWh), none)
	p.Total = true
	if b.PeakAt != nil {
		p.Paragraphs = append(p.Paragraphs, w.t("meter.peak", hundredths(halfUp(b.PeakW, 10)).text, w.moment(*b.PeakAt)))
	}
	if t.OverMilliWh > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("meter.over-note", t.OverHours))
	}
	if t.SilentHours > 0 || b.Main.UnknownMs > 0 {
		p.Paragraphs = append(p.Paragraphs, w.t("meter.silent-note", hours(b.Main.UnknownMs).text))
	}
	return p
}

func (b *MainMeter) days(w *words) Part {
	p := w.part(w.t("days"), "day", "#main!", "#machines-kwh", "#gap!", "#unmetered", "#unknown-kwh", "#estimated-kwh", "#over", "#silent")
	line := func(name string, x energy.MeterBalance) {
		p.row(same(name), kWh(x.MainMilliWh, false), kWh(x.MachinesMilliWh, false), kWh(x.MainMilliWh-x.MachinesMilliWh, false), kWh(x.UnmeteredMilliWh, false),
			kWh(x.UnknownMilliWh, false), kWh(x.EstimatedMilliWh, false), kWh(-x.OverMilliWh, false), kWh(-x.MainSilentMilliWh, false))
	}
	none := silent{w: w}
	for _, d := range b.Days {
		if d.Hours+d.SilentHours == 0 { // nothing is known of it: that is not zero
			p.row(append([]cell{same(w.date(d.From))}, make([]cell, len(p.Columns)-1)...)...)
			none.add(&p, d.From)
			continue
		}
		line(w.date(d.From), d.MeterBalance)
		p.link("#/energy")
	}
	none.say(&p)
	line(w.t("total"), b.Total)
	p.Total = true
	return p
}

func (b *MainMeter) machines(w *words) Part {
	p := w.part(w.t("machines"), "machine", "#kwh!", "#share-main!", "#est-kwh", "#unknown", "#known")
	line := func(name string, m MeterShare) {
		p.row(same(name), kWh(m.EnergyMilliWh, m.EstimatedMwh > 0), percent(ratio(m.EnergyMilliWh, b.Total.MainMilliWh)), kWh(m.EstimatedMwh, false), hours(m.UnknownMs), coverage(m.Coverage))
	}
	for _, m := range b.Machines {
		line(w.name(m.Name, m.ID), m)
		p.link("#/machine/" + m.ID)
	}
	line(w.t("meter.main"), b.Main)
	p.Total = true
	return p
}
