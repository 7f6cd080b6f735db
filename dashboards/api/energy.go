package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/energy"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// EnergyUse is what a machine, or the main meter, drew in a period. States, bands with untariffed_wh, and sessions with
// no_session_wh add up to energy_wh.
type EnergyUse struct {
	From            time.Time       `json:"from"`
	To              time.Time       `json:"to"`
	EnergyWh        float64         `json:"energy_wh"`
	OffWh           float64         `json:"off_wh"`
	IdleWh          float64         `json:"idle_wh"`
	RunWh           float64         `json:"run_wh"`
	UnknownWh       float64         `json:"unknown_wh"`
	RunS            float64         `json:"run_s"`
	IdleS           float64         `json:"idle_s"`
	UnknownS        float64         `json:"unknown_s"`
	EnergyEstimated bool            `json:"energy_estimated"`
	EnergyFlags     []string        `json:"energy_flags" nullable:"false" doc:"Of any hour of the period; see docs/energy.md"`
	Coverage        *float64        `json:"coverage,omitempty" doc:"Known share of the time, 0–1"`
	Bands           []EnergyBand    `json:"bands" nullable:"false"`
	UntariffedWh    float64         `json:"untariffed_wh" doc:"Drawn before the first tariff: without price"`
	Sessions        []EnergySession `json:"sessions,omitempty" doc:"Of one machine only"`
	NoSessionWh     float64         `json:"no_session_wh" doc:"Drawn while nobody held the machine"`
	Phases          []EnergyPhase   `json:"phases,omitempty" doc:"Of a furnace"`
	IdleShare       *float64        `json:"idle_share,omitempty" doc:"Idle energy ÷ energy, 0–1"`
	WhPerRunHour    *float64        `json:"wh_per_run_hour,omitempty" doc:"Energy while running ÷ run-hours"`
	PeakW           int64           `json:"peak_w" doc:"Highest quarter hour"`
	PeakAt          *time.Time      `json:"peak_at,omitempty"`
	LoadFactor      *float64        `json:"load_factor,omitempty" doc:"Energy ÷ (peak × hours known), 0–1"`
	Loading         *float64        `json:"loading,omitempty" doc:"Mean power while running ÷ rated power"`
	PowerFactor     *float64        `json:"power_factor,omitempty" doc:"kWh ÷ kVAh of the period; estimated from quarter hours"`
	CO2Kg           float64         `json:"co2_kg"`
	CO2             []EnergyCO2     `json:"co2" nullable:"false" doc:"By fiscal year of use, with the factor's version"`
	EnergyPaise     *int64          `json:"energy_paise,omitempty" doc:"Of all bands, exact; absent when no tariff holds or it needs a power factor that is not measured"`
	FixedPaise      *int64          `json:"fixed_paise,omitempty" doc:"Share of the site's fixed charge with the duty on it, by the key of the tariff: never part of energy_paise"`
	Notes           []string        `json:"notes" nullable:"false" doc:"untariffed, no-tariff, no-pf, no-rating, low-coverage, factor-before, no-factor: see docs/energy.md"`
}

// EnergyBand is the energy in one band of one tariff and its price. Every line is rounded once, half away from zero.
type EnergyBand struct {
	TariffFrom       time.Time     `json:"tariff_from"`
	Order            string        `json:"order"`
	Band             string        `json:"band"`
	Name             registry.Name `json:"name"`
	Percent          float64       `json:"percent" doc:"Of the energy charge"`
	EnergyWh         float64       `json:"energy_wh"`
	EnergyPaise      int64         `json:"energy_paise" doc:"At the tariff's rate"`
	TimeOfDayPaise   int64         `json:"time_of_day_paise"`
	PowerFactorPaise int64         `json:"power_factor_paise"`
	SurchargePaise   int64         `json:"surcharge_paise"`
	DutyPaise        int64         `json:"duty_paise"`
	Paise            *int64        `json:"paise,omitempty" doc:"Sum of the five"`
}

// EnergySession is what was drawn in a session, as far as it lies in the period.
type EnergySession struct {
	Start       time.Time  `json:"start"`
	End         *time.Time `json:"end,omitempty"`
	Group       string     `json:"group"`
	EnergyWh    float64    `json:"energy_wh"`
	EnergyFlags []string   `json:"energy_flags" nullable:"false"`
}

// EnergyPhase is time and energy of a furnace phase.
type EnergyPhase struct {
	Phase    string  `json:"phase" enum:"heating,soak,cooling"`
	Seconds  float64 `json:"seconds"`
	EnergyWh float64 `json:"energy_wh"`
}

// EnergyCO2 is the emission of a fiscal year's part of the period.
type EnergyCO2 struct {
	Year       string  `json:"year" example:"2026-27"`
	FactorYear string  `json:"factor_year" doc:"Differs from year while the year's own factor is not published"`
	KgPerKWh   float64 `json:"kg_per_kwh"`
	Version    string  `json:"version"`
	EnergyWh   float64 `json:"energy_wh"`
	Kg         float64 `json:"kg"`
}

// MachineEnergy is a machine's part of a site's period.
type MachineEnergy struct {
	Machine string `json:"machine"`
	EnergyUse
}

// SiteEnergy is a period of a site.
type SiteEnergy struct {
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	Machines []MachineEnergy `json:"machines" nullable:"false"`
	Main     *EnergyUse      `json:"main,omitempty" doc:"All main meters together"`
	Balance  *EnergyBalance  `json:"balance,omitempty"`
	Fixed    []FixedCharge   `json:"fixed" nullable:"false"`
	Notes    []string        `json:"notes" nullable:"false" doc:"demand-no-pf, no-main-meter"`
}

// EnergyBalance is the main meter against the sum of the machines: main − machines = unmetered + unknown + estimated − over −
// main_silent.
type EnergyBalance struct {
	MainWh         float64 `json:"main_wh"`
	MachinesWh     float64 `json:"machines_wh"`
	UnmeteredWh    float64 `json:"unmetered_wh" doc:"While all were known: what has no meter of its own"`
	UnknownWh      float64 `json:"unknown_wh" doc:"In hours in which a machine was not heard"`
	EstimatedWh    float64 `json:"estimated_wh" doc:"In hours with estimated energy"`
	OverWh         float64 `json:"over_wh" doc:"More at the machines than at the main meter: a meter or a ratio is wrong"`
	MainSilentWh   float64 `json:"main_silent_wh" doc:"At the machines while the main meter was not heard"`
	Hours          int     `json:"hours"`
	UnknownHours   int     `json:"unknown_hours"`
	EstimatedHours int     `json:"estimated_hours"`
	OverHours      int     `json:"over_hours"`
	SilentHours    int     `json:"silent_hours"`
}

// FixedCharge is what is due whatever is used: the period's part of the month.
type FixedCharge struct {
	From       time.Time  `json:"from"`
	To         time.Time  `json:"to"`
	Order      string     `json:"order"`
	Per        string     `json:"per" enum:"kw,hp,kva"`
	DemandW    int64      `json:"demand_w" doc:"Highest mean power at the main meter over demand_minutes, in the month so far"`
	DemandAt   *time.Time `json:"demand_at,omitempty"`
	DemandVA   int64      `json:"demand_va"`
	BilledLoad float64    `json:"billed_load" doc:"kW, HP or kVA the charge is taken on"`
	Paise      int64      `json:"paise"`
	DutyPaise  int64      `json:"duty_paise"`
	ShareBy    string     `json:"share_by" enum:"rated-kw,run-hours,energy"`
}

// SiteEnergyInput asks for the energy of a site.
type SiteEnergyInput struct {
	SiteInput
	Span
	By string `query:"by" enum:"hour,day,month,all" default:"all" doc:"Length of the pieces, in the site's zone; all: one"`
}

type siteEnergyOutput struct {
	Body struct {
		Periods []SiteEnergy `json:"periods" nullable:"false"`
	}
}

type machineEnergyInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	By string `query:"by" enum:"hour,day,month,all" default:"all" doc:"As of the site's energy"`
}

type machineEnergyOutput struct {
	Body struct {
		Periods []EnergyUse `json:"periods" nullable:"false"`
	}
}

// longestEnergy bounds the time of one answer.
var longestEnergy = map[string]time.Duration{"hour": 8 * day, "day": 100 * day, "month": 400 * day, "all": 400 * day}

func (a *API) energyDeps() energy.Deps {
	return energy.Deps{Store: a.store, Registry: a.reg, Jobs: a.reg}
}

func (a *API) routeEnergy() {
	huma.Register(a.huma, operation("get-energy", http.MethodGet, "/sites/{site}/energy", "Energy, cost and balance of a site",
		"All machines, the main meter against them, fixed charges. At most 8 days by hour, 100 days by day, 400 days by month or as one."),
		func(ctx context.Context, in *SiteEnergyInput) (*siteEnergyOutput, error) {
			periods, err := a.siteEnergy(ctx, in)
			if err != nil {
				return nil, err
			}
			var out siteEnergyOutput
			out.Body.Periods = make([]SiteEnergy, len(periods))
			for i, p := range periods {
				out.Body.Periods[i] = shownSiteEnergy(p)
			}
			return &out, nil
		})
	huma.Register(a.huma, operation("get-machine-energy", http.MethodGet, "/sites/{site}/machines/{machine}/energy", "Energy and cost of a machine",
		"By state, tariff band, session and furnace phase. Spans as of the site's energy."),
		func(ctx context.Context, in *machineEnergyInput) (*machineEnergyOutput, error) {
			fromMs, toMs, err := in.check(longestEnergy[in.By])
			if err != nil {
				return nil, err
			}
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			uses, err := energy.Machine(ctx, a.energyDeps(), in.Site, in.Machine, fromMs, toMs, in.By, a.now().UnixMilli())
			if err != nil {
				return nil, a.fail(ctx, "work out the energy", err)
			}
			var out machineEnergyOutput
			out.Body.Periods = make([]EnergyUse, len(uses))
			for i := range uses {
				out.Body.Periods[i] = shownUse(&uses[i], true)
			}
			return &out, nil
		})
	a.routeEnergyBaseline()
	a.routeEnergyTable()
}

func (a *API) siteEnergy(ctx context.Context, in *SiteEnergyInput) ([]energy.SiteUse, error) {
	fromMs, toMs, err := in.check(longestEnergy[in.By])
	if err != nil {
		return nil, err
	}
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	periods, err := energy.Site(ctx, a.energyDeps(), in.Site, fromMs, toMs, in.By, a.now().UnixMilli())
	if err != nil {
		return nil, a.fail(ctx, "work out the energy", err)
	}
	return periods, nil
}

func shownSiteEnergy(p energy.SiteUse) SiteEnergy {
	out := SiteEnergy{From: at(p.FromMs), To: at(p.ToMs), Machines: make([]MachineEnergy, len(p.Machines)), Fixed: make([]FixedCharge, len(p.Fixed)), Notes: append([]string{}, p.Notes...)}
	for i := range p.Machines {
		out.Machines[i] = MachineEnergy{p.Machines[i].Machine.ID, shownUse(&p.Machines[i].Use, false)}
	}
	if p.Main != nil {
		main := shownUse(p.Main, false)
		out.Main = &main
	}
	if b := p.Balance; b != nil {
		out.Balance = &EnergyBalance{
			MainWh: wattHours(b.MainMilliWh), MachinesWh: wattHours(b.MachinesMilliWh), UnmeteredWh: wattHours(b.UnmeteredMilliWh),
			UnknownWh: wattHours(b.UnknownMilliWh), EstimatedWh: wattHours(b.EstimatedMilliWh), OverWh: wattHours(b.OverMilliWh), MainSilentWh: wattHours(b.MainSilentMilliWh),
			Hours: b.Hours, UnknownHours: b.UnknownHours, EstimatedHours: b.EstimatedHours, OverHours: b.OverHours, SilentHours: b.SilentHours,
		}
	}
	for i, c := range p.Fixed {
		out.Fixed[i] = FixedCharge{
			From: at(c.FromMs), To: at(c.ToMs), Order: c.Tariff.Order, Per: c.Tariff.Fixed.Per, DemandW: c.DemandW, DemandAt: atOrNil(c.DemandMs), DemandVA: c.DemandVA,
			BilledLoad: float64(c.BilledLoad) / 1000, Paise: c.Paise, DutyPaise: c.DutyPaise, ShareBy: c.Tariff.ShareBy,
		}
	}
	return out
}

func shownUse(u *energy.Use, sessions bool) EnergyUse {
	out := EnergyUse{
		From: at(u.FromMs), To: at(u.ToMs), EnergyWh: wattHours(u.MilliWh()),
		OffWh: wattHours(u.OffMilliWh), IdleWh: wattHours(u.IdleMilliWh), RunWh: wattHours(u.RunMilliWh), UnknownWh: wattHours(u.UnknownMilliWh),
		RunS: seconds(u.RunMs), IdleS: seconds(u.IdleMs), UnknownS: seconds(u.UnknownMs),
		EnergyEstimated: u.Flags.Estimated(), EnergyFlags: u.Flags.Codes(), Coverage: u.Coverage, Bands: make([]EnergyBand, len(u.Bands)),
		UntariffedWh: wattHours(u.UntariffedMwh), NoSessionWh: wattHours(u.NoSessionMilliWh), IdleShare: u.IdleShare,
		PeakW: u.PeakW, PeakAt: atOrNil(u.PeakMs), LoadFactor: u.LoadFactor, Loading: u.Loading,
		CO2Kg: float64(u.CO2Grams) / 1000, CO2: make([]EnergyCO2, len(u.CO2)), EnergyPaise: u.EnergyPaise, FixedPaise: u.FixedPaise, Notes: append([]string{}, u.Notes...),
	}
	if u.MilliWhPerRunH != nil {
		v := wattHours(*u.MilliWhPerRunH)
		out.WhPerRunHour = &v
	}
	if pf := u.Apparent.Mill(); pf > 0 {
		v := float64(pf) / 1000
		out.PowerFactor = &v
	}
	for i, b := range u.Bands {
		band := b.Tariff.Bands[b.Band]
		out.Bands[i] = EnergyBand{
			TariffFrom: at(b.Tariff.ValidFromMs), Order: b.Tariff.Order, Band: band.ID, Name: registry.Name{Hi: band.Hi, En: band.En}, Percent: float64(band.Percent) / 100,
			EnergyWh: wattHours(b.MilliWh), EnergyPaise: b.EnergyPaise, TimeOfDayPaise: b.TimeOfDayPaise, PowerFactorPaise: b.PowerFactorPaise,
			SurchargePaise: b.SurchargePaise, DutyPaise: b.DutyPaise, Paise: b.Paise,
		}
	}
	for i, c := range u.CO2 {
		out.CO2[i] = EnergyCO2{
			Year: electricity.FiscalYear(c.Year), FactorYear: electricity.FiscalYear(c.Factor.Year), KgPerKWh: float64(c.Factor.MicroKgPerKWh) / 1e6,
			Version: c.Factor.Version, EnergyWh: wattHours(c.MilliWh), Kg: float64(c.Grams) / 1000,
		}
	}
	for _, p := range u.Phases {
		out.Phases = append(out.Phases, EnergyPhase{Phase: p.Phase, Seconds: seconds(p.Ms), EnergyWh: wattHours(p.MilliWh)})
	}
	if !sessions {
		return out
	}
	for _, s := range u.Sessions {
		out.Sessions = append(out.Sessions, EnergySession{
			Start: at(s.Session.StartMs), End: atOrNil(s.Session.EndMs), Group: s.Session.Group, EnergyWh: wattHours(s.MilliWh), EnergyFlags: s.Flags.Codes(),
		})
	}
	return out
}
