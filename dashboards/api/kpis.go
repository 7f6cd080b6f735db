package api

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/calendar"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
)

// KPI are a machine's times, energies and ISO 22400-2 indicators of one hour, shift, day, month or year of the site, up
// to the present.
type KPI struct {
	From            time.Time      `json:"from"`
	To              time.Time      `json:"to"`
	Shift           string         `json:"shift,omitempty" doc:"By shift: its id; absent: the time between shifts"`
	ShiftName       *registry.Name `json:"shift_name,omitempty"`
	OffS            float64        `json:"off_s"`
	IdleS           float64        `json:"idle_s"`
	RunS            float64        `json:"run_s"`
	UnknownS        float64        `json:"unknown_s"`
	OffWh           float64        `json:"off_wh"`
	IdleWh          float64        `json:"idle_wh"`
	RunWh           float64        `json:"run_wh"`
	UnknownWh       float64        `json:"unknown_wh"`
	EnergyWh        float64        `json:"energy_wh" doc:"Sum of the four"`
	EnergyEstimated bool           `json:"energy_estimated"`
	EnergyFlags     []string       `json:"energy_flags" nullable:"false" doc:"What is to be known of the energy; see docs/energy.md"`

	Calendar     string  `json:"calendar" enum:"set,part,none" doc:"none: there is none, the whole period counts as planned; part: it was in force for some of the period"`
	POTS         float64 `json:"pot_s" doc:"Planned operation time: shifts without holidays"`
	PBTS         float64 `json:"pbt_s" doc:"Planned busy time: POT without breaks, closures and planned maintenance"`
	BreakS       float64 `json:"break_s"`
	MaintenanceS float64 `json:"maintenance_s" doc:"Planned maintenance"`
	ClosureS     float64 `json:"closure_s"`
	HolidayS     float64 `json:"holiday_s" doc:"Shifts that fell on a holiday"`

	APTS           float64 `json:"apt_s" doc:"Actual production time: run within PBT"`
	PlannedIdleS   float64 `json:"planned_idle_s" doc:"Idle within PBT"`
	PlannedOffS    float64 `json:"planned_off_s" doc:"Off within PBT"`
	PlannedUnknown float64 `json:"planned_unknown_s" doc:"Unknown within PBT, power cuts included"`
	PowerCutS      float64 `json:"power_cut_s" doc:"Of planned_unknown_s: the mains were out"`
	SessionS       float64 `json:"session_s" doc:"Held by a card within PBT"`
	UnattributedS  float64 `json:"unattributed_s" doc:"Run within PBT without a session"`
	AUBTS          float64 `json:"aubt_s" doc:"Actual unit busy time: session_s + unattributed_s"`
	OutsideRunS    float64 `json:"outside_run_s" doc:"Run outside of PBT: in no figure but the capacity ratio"`
	Failures       int64   `json:"failures" doc:"FE: recorded breakdowns that began in the period"`
	OpenFailures   int64   `json:"open_failures" doc:"Those of them that have not ended"`
	RepairS        float64 `json:"repair_s" doc:"Their time within PBT, to their end or the present"`
	CapacityS      float64 `json:"capacity_s" doc:"The schemes' hours for what has passed of the period"`
	CapacityYearH  int64   `json:"capacity_year_h" doc:"Those hours a year, 300 × 8 h = 2400 h unless the site says otherwise"`
	MinCoverage    float64 `json:"min_coverage" doc:"Below it figures are hidden"`

	Coverage         *float64          `json:"coverage,omitempty" doc:"Known share of PBT, 0–1"`
	Availability     *float64          `json:"availability,omitempty" doc:"ISO 22400-2: APT ÷ PBT, 0–1; absent: see why"`
	UtilizationEff   *float64          `json:"utilization_efficiency,omitempty" doc:"ISO 22400-2: APT ÷ AUBT, 0–1; absent: see why"`
	AllocationEffncy *float64          `json:"allocation_efficiency,omitempty" doc:"ISO 22400-2: AUBT ÷ PBT, 0–1; absent: see why"`
	CapacityRatio    *float64          `json:"capacity_ratio,omitempty" doc:"run_s ÷ capacity_s; not ISO, may exceed 1; absent: see why"`
	MTBFS            *float64          `json:"mtbf_s,omitempty" doc:"AUBT ÷ FE; absent: see why"`
	MTTRS            *float64          `json:"mttr_s,omitempty" doc:"repair_s ÷ FE; absent: see why"`
	Why              map[string]string `json:"why" doc:"For each figure that is absent the code of the reason; reasons has the words"`
}

// MachineKPIs are the figures of one machine.
type MachineKPIs struct {
	Machine string        `json:"machine"`
	Name    registry.Name `json:"name"`
	Class   string        `json:"class"`
	KPIs    []KPI         `json:"kpis" nullable:"false"`
}

type kpisInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	By string `query:"by" enum:"hour,shift,day,month,year" default:"day" doc:"Length of the pieces, in the site's zone. By shift: the shifts that begin in from–to, and the time between"`
}

type kpisOutput struct {
	Body struct {
		KPIs    []KPI                    `json:"kpis" nullable:"false"`
		Reasons map[string]registry.Name `json:"reasons" doc:"Words of the codes in why"`
	}
}

type siteKPIsInput struct {
	SiteInput
	Span
	By string `query:"by" enum:"hour,shift,day,month,year" default:"month" doc:"Length of the pieces, in the site's zone"`
}

type siteKPIsOutput struct {
	Body struct {
		Machines []MachineKPIs            `json:"machines" nullable:"false" doc:"In the order of the pages, without main meters"`
		Reasons  map[string]registry.Name `json:"reasons" doc:"Words of the codes in why"`
	}
}

type siteKPIsTableInput struct {
	SiteInput
	Span
	By   string `query:"by" enum:"hour,shift,day,month,year" default:"month" doc:"Length of the pieces, in the site's zone"`
	Lang string `query:"lang" enum:"hi,en" default:"hi"`
}

// longestKPIs and longestSiteKPIs bound the number of pieces in one answer.
var (
	longestKPIs     = map[string]time.Duration{"hour": 32 * day, "shift": 100 * day, "day": 400 * day, "month": 10 * 366 * day, "year": 10 * 366 * day}
	longestSiteKPIs = map[string]time.Duration{"hour": 2 * day, "shift": 32 * day, "day": 62 * day, "month": 3 * 366 * day, "year": 10 * 366 * day}
)

func (a *API) routeKPIs() {
	huma.Register(a.huma, operation("list-kpis", http.MethodGet, "/sites/{site}/machines/{machine}/kpis", "Times, energy and indicators of a machine",
		"At most 32 days by hour, 100 by shift, 400 by day, 10 years by month or year."),
		func(ctx context.Context, in *kpisInput) (*kpisOutput, error) {
			fromMs, toMs, err := in.check(longestKPIs[in.By])
			if err != nil {
				return nil, err
			}
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			rows, err := a.kpis(ctx, utilisation.Asked{Site: in.Site, Machines: []string{in.Machine}, FromMs: fromMs, ToMs: toMs, By: in.By})
			if err != nil {
				return nil, err
			}
			var out kpisOutput
			out.Body.KPIs = []KPI{}
			if len(rows) > 0 {
				out.Body.KPIs = shownKPIs(rows[0].KPIs)
			}
			out.Body.Reasons, err = a.reasons(ctx)
			return &out, err
		})
	huma.Register(a.huma, operation("list-site-kpis", http.MethodGet, "/sites/{site}/kpis", "Times, energy and indicators of all machines",
		"At most 2 days by hour, 32 by shift, 62 by day, 3 years by month, 10 by year."),
		func(ctx context.Context, in *siteKPIsInput) (*siteKPIsOutput, error) {
			_, rows, err := a.siteKPIs(ctx, in)
			if err != nil {
				return nil, err
			}
			var out siteKPIsOutput
			out.Body.Machines = make([]MachineKPIs, len(rows))
			for i, m := range rows {
				out.Body.Machines[i] = MachineKPIs{Machine: m.Machine.ID, Name: m.Machine.Name, Class: m.Machine.Class, KPIs: shownKPIs(m.KPIs)}
			}
			out.Body.Reasons, err = a.reasons(ctx)
			return &out, err
		})
	table := operation("get-site-kpis-csv", http.MethodGet, "/sites/{site}/kpis.csv", "The indicators of all machines as a table for spreadsheets", "Times are the site's.")
	table = giving(table, "The table", "text/csv")
	huma.Register(a.huma, table, func(ctx context.Context, in *siteKPIsTableInput) (*fileOutput, error) {
		s, rows, err := a.siteKPIs(ctx, &siteKPIsInput{SiteInput: in.SiteInput, Span: in.Span, By: in.By})
		if err != nil {
			return nil, err
		}
		loc, err := zone(s.Zone)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := utilisation.WriteCSV(&b, rows, in.Lang, loc); err != nil {
			return nil, a.fail(ctx, "write the indicators", err)
		}
		return file(csvType, in.Site+"-kpis-"+in.From.In(loc).Format(time.DateOnly)+".csv", b.Bytes()), nil
	})
}

func (a *API) siteKPIs(ctx context.Context, in *siteKPIsInput) (registry.Site, []utilisation.MachineKPIs, error) {
	fromMs, toMs, err := in.check(longestSiteKPIs[in.By])
	if err != nil {
		return registry.Site{}, nil, err
	}
	s, err := a.site(ctx, in.Site)
	if err != nil {
		return s, nil, err
	}
	rows, err := a.kpis(ctx, utilisation.Asked{Site: in.Site, FromMs: fromMs, ToMs: toMs, By: in.By})
	return s, rows, err
}

func (a *API) kpis(ctx context.Context, q utilisation.Asked) ([]utilisation.MachineKPIs, error) {
	q.NowMs = a.now().UnixMilli()
	rows, err := utilisation.SiteKPIs(ctx, utilisation.Deps{Store: a.store, Registry: a.reg}, q)
	if err != nil {
		return nil, a.fail(ctx, "work out the indicators", err)
	}
	return rows, nil
}

func (a *API) reasons(ctx context.Context) (map[string]registry.Name, error) {
	texts, err := utilisation.ReasonTexts()
	if err != nil {
		return nil, a.fail(ctx, "read the reasons", err)
	}
	return texts, nil
}

func shownKPIs(rows []utilisation.KPI) []KPI {
	out := make([]KPI, len(rows))
	for i := range rows {
		out[i] = shownKPI(&rows[i])
	}
	return out
}

func shownKPI(k *utilisation.KPI) KPI {
	out := KPI{
		From: at(k.FromMs), To: at(k.ToMs),
		OffS: seconds(k.OffMs), IdleS: seconds(k.IdleMs), RunS: seconds(k.RunMs), UnknownS: seconds(k.UnknownMs),
		OffWh: wattHours(k.OffMilliWh), IdleWh: wattHours(k.IdleMilliWh), RunWh: wattHours(k.RunMilliWh), UnknownWh: wattHours(k.UnknownMilliWh),
		EnergyWh:        wattHours(k.OffMilliWh + k.IdleMilliWh + k.RunMilliWh + k.UnknownMilliWh),
		EnergyEstimated: k.EnergyEstimated,
		EnergyFlags:     k.EnergyFlags.Codes(),

		Calendar: k.Calendar, POTS: seconds(k.POTMs), PBTS: seconds(k.PBTMs),
		BreakS: seconds(k.KindMs[calendar.KindBreak]), MaintenanceS: seconds(k.KindMs[calendar.KindMaintenance]),
		ClosureS: seconds(k.KindMs[calendar.KindClosure]), HolidayS: seconds(k.KindMs[calendar.KindHoliday]),

		APTS: seconds(k.APTMs()), PlannedIdleS: seconds(k.Planned.IdleMs), PlannedOffS: seconds(k.Planned.OffMs),
		PlannedUnknown: seconds(k.Planned.UnknownMs), PowerCutS: seconds(k.PowerCutMs), SessionS: seconds(k.SessionMs),
		UnattributedS: seconds(k.UnattributedMs), AUBTS: seconds(k.AUBTMs), OutsideRunS: seconds(k.OutsideRunMs),
		Failures: k.Failures, OpenFailures: k.OpenFailures, RepairS: seconds(k.RepairMs),
		CapacityS: seconds(k.CapacityMs), CapacityYearH: k.CapacityPerYearH, MinCoverage: k.MinCoverage,

		Coverage: k.Coverage, Availability: k.Availability, UtilizationEff: k.UtilizationEfficiency, AllocationEffncy: k.AllocationEfficiency,
		CapacityRatio: k.CapacityRatio, MTBFS: inSeconds(k.MTBFMs), MTTRS: inSeconds(k.MTTRMs), Why: k.Why,
	}
	if k.Shift != nil {
		out.Shift, out.ShiftName = k.Shift.Shift, &k.Shift.Name
	}
	return out
}

func inSeconds(ms *float64) *float64 {
	if ms == nil {
		return nil
	}
	v := *ms / 1000
	return &v
}
