package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
)

// Interval is a machine in one state.
type Interval struct {
	State           string       `json:"state" enum:"off,idle,run,unknown"`
	Phase           string       `json:"phase,omitempty" enum:"heating,soak,cooling" doc:"Furnaces with phases only"`
	DoorDips        int64        `json:"door_dips,omitempty" doc:"Furnaces with phases only: how often the door was opened, by the temperature"`
	Start           time.Time    `json:"start"`
	End             time.Time    `json:"end"`
	DurationS       float64      `json:"duration_s"`
	EnergyWh        float64      `json:"energy_wh"`
	EnergyEstimated bool         `json:"energy_estimated" doc:"Integrated from power, not read from a register"`
	EnergyFlags     []string     `json:"energy_flags" nullable:"false" enum:"integrated,interpolated,reset,wrap,swap,reversed,disagree,meter,split" doc:"Where the energy comes from and what the meter did; empty: read from a register that went on plainly. See docs/energy.md"`
	Quality         string       `json:"quality" enum:"measured,estimated,bounded,unknown" doc:"How far the interval can be trusted. bounded: what happened is right and how long it took, but the gateway had no time then; when it was is known only to lie between its neighbours"`
	Open            bool         `json:"open" doc:"Still growing"`
	Cause           string       `json:"cause,omitempty" doc:"Of an unknown interval: supply, link, gateway, sensor, unknown, or no-data before the first sample"`
	Evidence        string       `json:"evidence,omitempty" doc:"What tells the cause, see GET …/gaps"`
	Sessions        []SessionRef `json:"sessions" nullable:"false" doc:"Who held the machine meanwhile"`
}

// SessionRef is a session as far as it lies in an interval.
type SessionRef struct {
	Group string     `json:"group" doc:"Empty when the card belongs to nobody"`
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end,omitempty" doc:"Absent while open"`
}

type intervalsInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	Clip bool `query:"clip" doc:"Cut the first and last interval to from–to, their energy pro rata; otherwise they are given whole"`
}

type intervalsOutput struct {
	Body struct {
		Intervals []Interval `json:"intervals" nullable:"false" doc:"They tile from–to, as far as it has passed, without holes; oldest first"`
	}
}

func (a *API) routeIntervals() {
	huma.Register(a.huma, operation("list-intervals", http.MethodGet, "/sites/{site}/machines/{machine}/intervals", "States of a machine",
		"At most 100 days at once. What nobody knows is state unknown, never left out."),
		func(ctx context.Context, in *intervalsInput) (*intervalsOutput, error) {
			fromMs, toMs, err := in.check(100 * day)
			if err != nil {
				return nil, err
			}
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			var out intervalsOutput
			if out.Body.Intervals, err = a.intervals(ctx, in.Site, in.Machine, fromMs, toMs, in.Clip, ""); err != nil {
				return nil, err
			}
			if !may(caller(ctx).role, "list-sessions") { // who held the machine in the past is not for everybody
				for i := range out.Body.Intervals {
					out.Body.Intervals[i].Sessions = []SessionRef{}
				}
			}
			return &out, nil
		})
}

// intervals reads a machine's intervals with the sessions in them; group narrows the sessions, "" is any.
func (a *API) intervals(ctx context.Context, site, machine string, fromMs, toMs int64, clip bool, group string) ([]Interval, error) {
	nowMs := a.now().UnixMilli()
	if toMs = min(toMs, nowMs); fromMs >= toMs {
		return []Interval{}, nil
	}
	limit, err := gapLimit(ctx, a.reg, site, machine, nowMs)
	if err != nil {
		return nil, a.fail(ctx, "read the settings", err)
	}
	pieces, err := timeline.ReadPhases(ctx, a.store, site, machine, fromMs, toMs, nowMs, limit)
	if err != nil {
		return nil, a.fail(ctx, "read the states", err)
	}
	if clip {
		pieces = timeline.Clip(pieces, fromMs, toMs)
	}
	sessions, _, err := session.Read(ctx, a.reg, session.Query{Site: site, FromMs: fromMs, ToMs: toMs, Machine: machine, Group: group})
	if err != nil {
		return nil, a.fail(ctx, "list the sessions", err)
	}
	doubtful, err := a.bounded(ctx, site, machine, pieces)
	if err != nil {
		return nil, a.fail(ctx, "read the trust in times", err)
	}
	out := make([]Interval, len(pieces))
	for i, p := range pieces {
		out[i] = Interval{
			State: p.State, Start: at(p.StartMs), End: at(p.EndMs), DurationS: seconds(p.EndMs - p.StartMs),
			EnergyWh: wattHours(p.EnergyMilliWh), EnergyEstimated: p.EnergyEstimated, EnergyFlags: p.Flags.Codes(), Quality: quality(p), Open: p.Open, Cause: p.Cause,
			Sessions: overlapping(sessions, p.StartMs, p.EndMs), Phase: p.Phase, DoorDips: p.DoorDips,
		}
		if p.State != timeline.StateUnknown && doubtful.within(p.StartMs, p.EndMs) {
			out[i].Quality = "bounded"
		}
	}
	return out, a.explainUnknown(ctx, site, machine, out)
}

func quality(p timeline.Interval) string {
	switch {
	case p.State == timeline.StateUnknown:
		return "unknown"
	case p.EnergyEstimated:
		return "estimated"
	}
	return "measured"
}

// overlapping are the sessions that share time with [fromMs, toMs).
func overlapping(all []session.Held, fromMs, toMs int64) []SessionRef {
	out := []SessionRef{}
	for _, s := range all {
		if s.StartMs < toMs && (s.EndMs == 0 || s.EndMs > fromMs) {
			out = append(out, SessionRef{Group: s.Group, Start: at(s.StartMs), End: atOrNil(s.EndMs)})
		}
	}
	return out
}
