package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"karkhana/analytics/billing"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// The kinds of a report.
const (
	KindMonth  = "month"
	KindScheme = "scheme"
	KindMeter  = "meter" // the main meter against the machines
)

// ErrNotBegun says that the asked month lies in the future.
var ErrNotBegun = errors.New("the month has not begun")

// Registry is what reports ask of SQL; *registry.DB answers it.
type Registry interface {
	utilisation.Registry
	billing.Registry
	gap.Reading
	session.JobRegistry
	Members(ctx context.Context, site string) ([]registry.Members, error)
}

// Deps are where reports read from.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
}

// Asked says which report is wanted.
type Asked struct {
	Kind    string // KindMonth, KindScheme or KindMeter
	Site    string
	Month   string // 2026-11
	Machine string // KindMonth: one machine by days; "": all machines
	NowMs   int64
}

// Report is a report as figures. Times are milliseconds, energy milliwatt-hours, money paise, ratios 0–1; nil is not
// known, not defined or hidden for want of coverage.
type Report struct {
	Kind     string        `json:"kind"`
	Site     string        `json:"site"`
	SiteName registry.Name `json:"site_name"`
	Zone     string        `json:"zone"`
	Month    string        `json:"month"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Until    time.Time     `json:"until" doc:"What is counted: up to here. The end of the month, or the present"`
	Complete bool          `json:"complete" doc:"The month is over"`

	Machines []MachineMonth `json:"machines" nullable:"false"`
	Total    Figures        `json:"total" doc:"All machines but main meters"`
	Days     []MachineDay   `json:"days" nullable:"false" doc:"Of one machine, when one was asked for"`

	Groups       []GroupMonth `json:"groups" nullable:"false" doc:"Not for one machine"`
	Unattributed Usage        `json:"unattributed" doc:"Run time that belongs to no group"`
	Training     Usage        `json:"training" doc:"In training sessions of groups, which are not billed and in no group's row"`
	People       People       `json:"people" doc:"Members of the groups that used a machine"`
	AllPeople    People       `json:"all_people" doc:"Members of all groups of the site"`

	YearFrom *time.Time `json:"year_from,omitempty" doc:"Scheme report: 1 April of the financial year"`
	Year     *Figures   `json:"year,omitempty" doc:"Scheme report: the financial year up to here"`

	Electricity *Electricity `json:"electricity,omitempty" doc:"By tariff band, with cost; not in the scheme report"`
	Jobs        []FurnaceJob `json:"jobs,omitempty" doc:"Month: furnace jobs of the machines"`
	MainMeter   *MainMeter   `json:"main_meter,omitempty" doc:"Main-meter report; absent: the site has no main meter"`

	CO2 *Emission `json:"co2,omitempty" doc:"Of all energy of the total; absent: no factor is given"`

	MinCoverage  float64        `json:"min_coverage" doc:"Below it no ratio is given"`
	Uncalendared int            `json:"uncalendared" doc:"Machines without a calendar for all of the month"`
	HoursAYear   int64          `json:"hours_a_year" doc:"The schemes' denominator"`
	Settings     []SettingsUsed `json:"settings" nullable:"false" doc:"That the states of the month were made with"`
	Tariffs      []PriceUsed    `json:"tariffs" nullable:"false" doc:"That the drafts of the month were made with"`
}

// MachineMonth is one machine's month.
type MachineMonth struct {
	ID    string        `json:"id"`
	Name  registry.Name `json:"name"`
	Class string        `json:"class"`
	Meter bool          `json:"meter" doc:"A main meter: energy only, in no sum"`

	Calendar   string     `json:"calendar" enum:"set,part,none" doc:"Without one all time counts as planned"`
	FirstHeard *time.Time `json:"first_heard,omitempty" doc:"The hour of its first sample, when that lies after the begin of the month (scheme report: of the financial year)"`
	Figures
}

// MachineDay is one day of a machine.
type MachineDay struct {
	From time.Time `json:"from"`
	Figures
}

// Emission is the CO2 of the month's energy, with the factor it was reckoned by.
type Emission struct {
	Grams         int64  `json:"grams"`
	FactorYear    string `json:"factor_year" doc:"Fiscal year of the factor" example:"2024-25"`
	Own           bool   `json:"own" doc:"It is the factor of the month's own year; else the newest one before it"`
	MicroKgPerKWh int64  `json:"micro_kg_per_kwh"`
	Version       string `json:"version"`
}

// Usage is what was used.
type Usage struct {
	RunMs    int64 `json:"run_ms"`
	EnergyWh int64 `json:"energy_wh"`
}

// GroupMonth is one group's month, by the drafts of its statements.
type GroupMonth struct {
	ID       string        `json:"id"`
	Name     registry.Name `json:"name"`
	Sessions int           `json:"sessions"`
	Usage
	AmountPaise int64    `json:"amount_paise" doc:"Of the draft, not a bill"`
	ToLookAt    []Look   `json:"to_look_at" nullable:"false" doc:"What they are, in the order of the draft"`
	Members     *Members `json:"members,omitempty" doc:"In force at the end; absent: not given"`
}

// Look is something to look at in a draft.
type Look struct {
	Code     string   `json:"code" doc:"month-open, no-tariff, open-session, bounded-time, unbalanced, correction: see docs of statements"`
	Machines []string `json:"machines" nullable:"false" doc:"That it is about"`
}

// Members are the numbers of a group's members.
type Members struct {
	ValidFrom *time.Time `json:"valid_from,omitempty" doc:"Absent: since ever"`
	Members   int64      `json:"members"`
	Women     *int64     `json:"women,omitempty"`
	SC        *int64     `json:"sc,omitempty"`
	ST        *int64     `json:"st,omitempty"`
}

// People sums up members of several groups.
type People struct {
	Groups  int         `json:"groups"`
	Given   int         `json:"given" doc:"How many of the groups give a number of members"`
	Members int64       `json:"members"`
	Women   MemberCount `json:"women"`
	SC      MemberCount `json:"sc"`
	ST      MemberCount `json:"st"`
}

// MemberCount is a number among the members of those groups that give it.
type MemberCount struct {
	Number int64    `json:"number"`
	Of     int64    `json:"of" doc:"Members of the groups that give it"`
	Groups int      `json:"groups" doc:"How many groups give it"`
	Share  *float64 `json:"share,omitempty" doc:"number ÷ of; absent when no group gives it"`
}

// SettingsUsed is a dated row of a machine's settings that was in force in the month.
type SettingsUsed struct {
	Machine    string     `json:"machine"`
	ValidFrom  *time.Time `json:"valid_from,omitempty" doc:"Absent: since ever"`
	Signal     string     `json:"signal"`
	IdleAbove  float64    `json:"idle_above"`
	RunAbove   float64    `json:"run_above"`
	Hysteresis float64    `json:"hysteresis"`
}

// PriceUsed is a price that was in force in the month.
type PriceUsed struct {
	Class           string     `json:"class"`
	ValidFrom       *time.Time `json:"valid_from,omitempty" doc:"Absent: since ever"`
	PaisePerRunHour int64      `json:"paise_per_run_hour"`
}

// Make gathers a report. A site or machine that the registry does not know gives registry.ErrNotFound, a month in a wrong form
// billing.ErrMonth, one in the future ErrNotBegun.
func Make(ctx context.Context, d Deps, q Asked) (*Report, error) {
	r, err := gather(ctx, d, q)
	if err != nil {
		return nil, fmt.Errorf("%s report of %s for %s: %w", q.Kind, q.Site, q.Month, err)
	}
	return r, nil
}
