package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/maintenance"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// Baseline is what is usual for one vibration quantity of a machine, beside what it does now.
type Baseline struct {
	Quantity    string     `json:"quantity" doc:"vibration, acceleration, kurtosis"`
	Unit        string     `json:"unit" doc:"mm/s, m/s²; empty for kurtosis"`
	Known       bool       `json:"known" doc:"Enough running minutes were seen; without it there is no alarm"`
	Usual       *float64   `json:"usual,omitempty" doc:"Median of the running minutes of the first seven days"`
	High        *float64   `json:"high,omitempty" doc:"95th percentile of them"`
	Limit       *float64   `json:"limit,omitempty" doc:"Where the alarm lies; absent without a rule or baseline"`
	Present     *float64   `json:"present,omitempty" doc:"Median of the newest five running minutes of the last 24 h"`
	PresentAt   *time.Time `json:"present_at,omitempty" doc:"End of the newest of them"`
	RunMinutes  int        `json:"run_minutes" doc:"Running minutes found so far"`
	NeedMinutes int        `json:"need_minutes"`
	From        time.Time  `json:"from" doc:"Begin of the days it is learnt from"`
	To          time.Time  `json:"to" doc:"Their end; may lie in the future"`
}

type baselinesInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"polishing-1"`
}

type baselinesOutput struct {
	Body struct {
		Baselines []Baseline `json:"baselines" nullable:"false" doc:"Only quantities that the machine ever sent"`
	}
}

func (a *API) routeBaselines() {
	huma.Register(a.huma, operation("list-baselines", http.MethodGet, "/sites/{site}/machines/{machine}/baselines", "What is usual for a machine's vibration, and what is now",
		"Judged only while the machine runs. Limits come from its dated settings."),
		func(ctx context.Context, in *baselinesInput) (*baselinesOutput, error) {
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			now := a.now()
			rows, err := a.reg.SettingsAt(ctx, in.Site, in.Machine)
			if err != nil {
				return nil, a.fail(ctx, "read the settings", err)
			}
			var settings registry.Settings
			for _, r := range rows {
				if r.ValidFromMs <= now.UnixMilli() {
					settings = r
				}
			}
			found, err := maintenance.Compare(ctx, a.store, settings, in.Site, in.Machine, now)
			if err != nil {
				return nil, a.fail(ctx, "compute the baselines", err)
			}
			var out baselinesOutput
			out.Body.Baselines = make([]Baseline, len(found))
			for i, c := range found {
				b := Baseline{Quantity: c.Quantity, Unit: shakeUnit(c.Quantity), Known: c.Known, RunMinutes: c.RunMinutes, NeedMinutes: c.NeedMinutes, From: at(c.FromMs), To: at(c.ToMs)}
				if c.Known {
					b.Usual, b.High = &c.Usual, &c.High
				}
				if c.Limit > 0 {
					b.Limit = &c.Limit
				}
				if c.PresentMs > 0 {
					b.Present, b.PresentAt = &c.Present, atOrNil(c.PresentMs)
				}
				out.Body.Baselines[i] = b
			}
			return &out, nil
		})
}

// shakeUnit is the unit in which a vibration quantity is stored.
func shakeUnit(name string) string {
	switch name {
	case quantity.Vibration:
		return "mm/s"
	case quantity.Accel:
		return "m/s²"
	default:
		return ""
	}
}
