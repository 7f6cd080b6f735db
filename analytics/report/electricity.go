package report

import (
	"context"
	"slices"
	"time"

	"karkhana/analytics/energy"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// Electricity is the month's energy by tariff band and what it costs, per machine and of the site.
type Electricity struct {
	Machines []MachineElectricity `json:"machines" nullable:"false" doc:"Without main meters"`
	Total    MachineElectricity   `json:"total" doc:"Sums of the machines"`
	Fixed    []FixedCost          `json:"fixed" nullable:"false" doc:"What the supplier takes whatever is used: of the whole site"`
	Orders   []Order              `json:"orders" nullable:"false" doc:"Tariffs in force in the month"`

	HoleUntil *time.Time `json:"hole_until,omitempty" doc:"Before it no tariff is in force: no price stands on the energy drawn and no fixed charge on the time"`
	Notes     []string   `json:"notes" nullable:"false" doc:"demand-no-pf, no-main-meter: see docs/energy.md"`
}

// MachineElectricity is one machine's part of it.
type MachineElectricity struct {
	ID              string        `json:"id"`
	Name            registry.Name `json:"name"`
	EnergyMilliWh   int64         `json:"energy_milliwh"`
	EstimatedMwh    int64         `json:"estimated_milliwh" doc:"Of the hours with an estimate in them: at most so much is estimated"`
	EnergyFlags     []string      `json:"energy_flags" nullable:"false" doc:"What is to be known of the energy; see docs/energy.md"`
	Coverage        *float64      `json:"coverage,omitempty" doc:"Known share of the time; absent of sums"`
	Bands           []BandCost    `json:"bands" nullable:"false" doc:"With untariffed_milliwh they add up to energy_milliwh"`
	UntariffedMwh   int64         `json:"untariffed_milliwh" doc:"Drawn while no tariff was in force: without price"`
	EnergyPaise     *int64        `json:"energy_paise,omitempty" doc:"Of all bands; without untariffed energy. Absent: no tariff, or it needs a power factor that is not measured"`
	FixedPaise      *int64        `json:"fixed_paise,omitempty" doc:"Share of the fixed charges with the duty on them"`
	CO2Grams        int64         `json:"co2_g"`
	CO2UnknownMwh   int64         `json:"co2_unknown_milliwh" doc:"Without an emission factor"`
	PowerFactorMill int64         `json:"power_factor_mill,omitempty" doc:"kWh ÷ kVAh, thousandths; absent: not measured for enough of the energy"`
	Phases          []PhaseUse    `json:"phases,omitempty" doc:"Of one furnace"`
	Notes           []string      `json:"notes" nullable:"false" doc:"untariffed, no-tariff, no-pf, no-rating, low-coverage, factor-before, no-factor: see docs/energy.md"`
}

// BandCost is the energy of a band of a tariff and its price, line by line.
type BandCost struct {
	TariffFrom       time.Time     `json:"tariff_from"`
	Band             string        `json:"band"`
	Name             registry.Name `json:"name"`
	EnergyMilliWh    int64         `json:"energy_milliwh"`
	EnergyPaise      int64         `json:"energy_paise"`
	TimeOfDayPaise   int64         `json:"time_of_day_paise"`
	PowerFactorPaise int64         `json:"power_factor_paise"`
	SurchargePaise   int64         `json:"surcharge_paise"`
	DutyPaise        int64         `json:"duty_paise"`
	Paise            *int64        `json:"paise,omitempty" doc:"Sum of the five; absent: the power factor is needed and not measured"`
}

// Order is a tariff that was in force.
type Order struct {
	From  time.Time `json:"from"`
	Order string    `json:"order"`
	Basis string    `json:"basis" enum:"kwh,kvah"`
	Share string    `json:"share_by" enum:"rated-kw,run-hours,energy" doc:"How machines share the fixed charge"`
}

// FixedCost is a fixed charge of the site.
type FixedCost struct {
	From       time.Time  `json:"from"`
	To         time.Time  `json:"to"`
	Per        string     `json:"per" enum:"kw,hp,kva"`
	RatePaise  int64      `json:"rate_paise" doc:"Per kW, HP or kVA and month"`
	BilledMill int64      `json:"billed_mill" doc:"Thousandths of kW, HP or kVA it is taken on"`
	DemandVA   int64      `json:"demand_va" doc:"Highest mean demand at the main meter; 0: not measured"`
	DemandAt   *time.Time `json:"demand_at,omitempty"`
	Paise      int64      `json:"paise"`
	DutyPaise  int64      `json:"duty_paise"`
}

// PhaseUse is time and energy of a furnace in a phase.
type PhaseUse struct {
	Phase         string `json:"phase" enum:"heating,soak,cooling"`
	Ms            int64  `json:"ms"`
	EnergyMilliWh int64  `json:"energy_milliwh"`
}

// readEnergy reads the month from package energy: bands, costs, and the main meter against the machines.
func (w *work) readEnergy(ctx context.Context) error {
	whole, days, err := energy.Span(ctx, energy.Deps{Store: w.Store, Registry: w.Registry, Hours: w.hours}, w.q.Site, w.q.Machine, w.fromMs, w.untilMs, w.q.NowMs)
	if err != nil {
		return err
	}
	if w.q.Kind == KindMeter {
		w.balance(&whole, days)
	}
	config, err := w.Registry.Electricity(ctx, w.q.Site)
	if err != nil {
		return err
	}
	e := &Electricity{Machines: []MachineElectricity{}, Fixed: []FixedCost{}, Orders: orders(config, w.fromMs, w.untilMs), Notes: slices.Clone(whole.Notes)}
	if e.Notes == nil {
		e.Notes = []string{}
	}
	if len(config.Tariffs) > 0 && config.Tariffs[0].ValidFromMs > w.fromMs {
		until := at(min(config.Tariffs[0].ValidFromMs, w.untilMs))
		e.HoleUntil = &until
	}
	e.Total = MachineElectricity{EnergyFlags: []string{}, Bands: []BandCost{}, Notes: []string{}}
	var uses []energy.MachineUse
	for _, m := range whole.Machines {
		if w.q.Machine == "" || m.Machine.ID == w.q.Machine {
			uses = append(uses, m)
		}
	}
	for i := range uses {
		m := machineElectricity(uses[i].Machine, &uses[i].Use)
		e.Machines = append(e.Machines, m)
		e.Total.add(&m, i == 0)
	}
	slices.SortFunc(e.Total.Bands, func(a, b BandCost) int { return a.TariffFrom.Compare(b.TariffFrom) })
	for _, c := range whole.Fixed {
		f := FixedCost{From: at(c.FromMs), To: at(c.ToMs), Per: c.Tariff.Fixed.Per, RatePaise: c.Tariff.Fixed.Paise, BilledMill: c.BilledLoad, DemandVA: c.DemandVA, DemandAt: atOrNil(c.DemandMs), Paise: c.Paise, DutyPaise: c.DutyPaise}
		e.Fixed = append(e.Fixed, f)
	}
	if w.q.Kind == KindMeter && whole.Main != nil { // what the supplier reads: the cost is the main meter's
		main := machineElectricity(registry.Machine{}, whole.Main)
		e.Machines, e.Total = []MachineElectricity{}, main
		var fixed int64
		for _, f := range e.Fixed {
			fixed += f.Paise + f.DutyPaise
		}
		if len(e.Fixed) > 0 {
			e.Total.FixedPaise = &fixed
		}
	}
	w.r.Electricity = e
	return nil
}

func orders(config electricity.Config, fromMs, toMs int64) []Order {
	out := []Order{}
	for i, t := range config.Tariffs {
		if t.ValidFromMs < toMs && (i+1 == len(config.Tariffs) || config.Tariffs[i+1].ValidFromMs > fromMs) {
			out = append(out, Order{at(t.ValidFromMs), t.Order, t.Basis, t.ShareBy})
		}
	}
	return out
}

func machineElectricity(m registry.Machine, u *energy.Use) MachineElectricity {
	out := MachineElectricity{
		ID: m.ID, Name: m.Name, EnergyMilliWh: u.MilliWh(), EstimatedMwh: u.EstimatedMilliWh, EnergyFlags: u.Flags.Codes(), Coverage: u.Coverage, Bands: []BandCost{}, UntariffedMwh: u.UntariffedMwh,
		EnergyPaise: u.EnergyPaise, FixedPaise: u.FixedPaise, CO2Grams: u.CO2Grams, CO2UnknownMwh: u.CO2UnknownMwh, PowerFactorMill: u.Apparent.Mill(), Notes: append([]string{}, u.Notes...),
	}
	for _, b := range u.Bands {
		band := b.Tariff.Bands[b.Band]
		out.Bands = append(out.Bands, BandCost{
			TariffFrom: at(b.Tariff.ValidFromMs), Band: band.ID, Name: registry.Name{Hi: band.Hi, En: band.En}, EnergyMilliWh: b.MilliWh, EnergyPaise: b.EnergyPaise,
			TimeOfDayPaise: b.TimeOfDayPaise, PowerFactorPaise: b.PowerFactorPaise, SurchargePaise: b.SurchargePaise, DutyPaise: b.DutyPaise, Paise: b.Paise,
		})
	}
	for _, p := range u.Phases {
		out.Phases = append(out.Phases, PhaseUse{p.Phase, p.Ms, p.MilliWh})
	}
	return out
}

// same reports whether two are the same band of the same tariff.
func (b BandCost) same(c BandCost) bool { return b.Band == c.Band && b.TariffFrom.Equal(c.TariffFrom) }

// add counts another machine in. A cost that one of them lacks, the sum lacks.
func (e *MachineElectricity) add(m *MachineElectricity, first bool) {
	e.EnergyMilliWh += m.EnergyMilliWh
	e.EstimatedMwh += m.EstimatedMwh
	e.EnergyFlags = timeline.JoinCodes(e.EnergyFlags, m.EnergyFlags)
	e.UntariffedMwh += m.UntariffedMwh
	e.CO2Grams += m.CO2Grams
	e.CO2UnknownMwh += m.CO2UnknownMwh
	e.EnergyPaise = plus(e.EnergyPaise, m.EnergyPaise, first)
	switch {
	case m.FixedPaise == nil:
	case e.FixedPaise == nil:
		v := *m.FixedPaise
		e.FixedPaise = &v
	default:
		*e.FixedPaise += *m.FixedPaise
	}
	for _, b := range m.Bands {
		i := slices.IndexFunc(e.Bands, b.same)
		if i < 0 {
			if b.Paise != nil {
				v := *b.Paise
				b.Paise = &v
			}
			e.Bands = append(e.Bands, b)
			continue
		}
		t := &e.Bands[i]
		t.EnergyMilliWh += b.EnergyMilliWh
		t.EnergyPaise += b.EnergyPaise
		t.TimeOfDayPaise += b.TimeOfDayPaise
		t.PowerFactorPaise += b.PowerFactorPaise
		t.SurchargePaise += b.SurchargePaise
		t.DutyPaise += b.DutyPaise
		t.Paise = plus(t.Paise, b.Paise, false)
	}
	for _, n := range m.Notes {
		if !slices.Contains(e.Notes, n) {
			e.Notes = append(e.Notes, n)
		}
	}
}

// plus adds what is known; nil when one is not. first: there is nothing before b.
func plus(a, b *int64, first bool) *int64 {
	if b == nil || a == nil && !first {
		return nil
	}
	v := *b
	if !first {
		v += *a
	}
	return &v
}

// FurnaceJob is a job that was on a furnace in the month, with its useful heat.
type FurnaceJob struct {
	Number  string `json:"number"`
	Title   string `json:"title"`
	WeightG int64  `json:"weight_g"`
	session.JobHeat
}

// readJobs reads the furnace jobs of the report's machines. They are whole: what of a job lies in another month is in it.
func (w *work) readJobs(ctx context.Context) error {
	var furnaces []string
	for _, m := range w.machines {
		if m.Class == session.ClassFurnace {
			furnaces = append(furnaces, m.ID)
		}
	}
	if len(furnaces) == 0 {
		return nil
	}
	sheets, err := session.Sheets(ctx, session.JobDeps{Store: w.Store, Registry: w.Registry}, w.q.Site, furnaces, w.fromMs, w.untilMs, w.q.NowMs)
	if err != nil {
		return err
	}
	for _, s := range sheets {
		if s.Heat != nil {
			w.r.Jobs = append(w.r.Jobs, FurnaceJob{s.Number, s.Title, s.WeightG, *s.Heat})
		}
	}
	return nil
}
