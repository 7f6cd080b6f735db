package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/utilisation"
)

// KPI are a machine's times, energies and ISO 22400-2 indicators of one hour, day or month of the site.
type KPI struct {
	From             time.Time `json:"from"`
	To               time.Time `json:"to"`
	OffS             float64   `json:"off_s"`
	IdleS            float64   `json:"idle_s"`
	RunS             float64   `json:"run_s"`
	UnknownS         float64   `json:"unknown_s"`
	OffWh            float64   `json:"off_wh"`
	IdleWh           float64   `json:"idle_wh"`
	RunWh            float64   `json:"run_wh"`
	UnknownWh        float64   `json:"unknown_wh"`
	EnergyWh         float64   `json:"energy_wh" doc:"Sum of the four"`
	EnergyEstimated  bool      `json:"energy_estimated"`
	EnergyFlags      []string  `json:"energy_flags" nullable:"false" enum:"integrated,interpolated,reset,wrap,swap,reversed,disagree,meter,split" doc:"As of intervals, of any hour of the period"`
	Coverage         *float64  `json:"coverage,omitempty" doc:"Known share of the time, 0–1"`
	Availability     *float64  `json:"availability,omitempty" doc:"ISO 22400-2, 0–1; absent when not defined"`
	UtilizationEff   *float64  `json:"utilization_efficiency,omitempty" doc:"ISO 22400-2, 0–1; absent when not defined"`
	AllocationEffncy *float64  `json:"allocation_efficiency,omitempty" doc:"ISO 22400-2, 0–1; absent when not defined"`
}

type kpisInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	By string `query:"by" enum:"hour,day,month" default:"day" doc:"Length of the pieces, in the site's zone"`
}

type kpisOutput struct {
	Body struct {
		KPIs []KPI `json:"kpis" nullable:"false"`
	}
}

// longestKPIs bounds the number of pieces in one answer.
var longestKPIs = map[string]time.Duration{"hour": 32 * day, "day": 400 * day, "month": 10 * 366 * day}

func (a *API) routeKPIs() {
	huma.Register(a.huma, operation("list-kpis", http.MethodGet, "/sites/{site}/machines/{machine}/kpis", "Times, energy and indicators of a machine",
		"At most 32 days by hour, 400 days by day, 10 years by month."),
		func(ctx context.Context, in *kpisInput) (*kpisOutput, error) {
			fromMs, toMs, err := in.check(longestKPIs[in.By])
			if err != nil {
				return nil, err
			}
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			rows, err := utilisation.KPIs(ctx, utilisation.Deps{Store: a.store, Registry: a.reg}, in.Site, in.Machine, fromMs, toMs, in.By, a.now().UnixMilli())
			if err != nil {
				return nil, a.fail(ctx, "work out the indicators", err)
			}
			var out kpisOutput
			out.Body.KPIs = make([]KPI, len(rows))
			for i, k := range rows {
				out.Body.KPIs[i] = KPI{
					From: at(k.FromMs), To: at(k.ToMs),
					OffS: seconds(k.OffMs), IdleS: seconds(k.IdleMs), RunS: seconds(k.RunMs), UnknownS: seconds(k.UnknownMs),
					OffWh: wattHours(k.OffMilliWh), IdleWh: wattHours(k.IdleMilliWh), RunWh: wattHours(k.RunMilliWh), UnknownWh: wattHours(k.UnknownMilliWh),
					EnergyWh:        wattHours(k.OffMilliWh + k.IdleMilliWh + k.RunMilliWh + k.UnknownMilliWh),
					EnergyEstimated: k.EnergyEstimated, EnergyFlags: k.EnergyFlags.Codes(), Coverage: k.Coverage, Availability: k.Availability,
					UtilizationEff: k.UtilizationEfficiency, AllocationEffncy: k.AllocationEfficiency,
				}
			}
			return &out, nil
		})
}
