package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
)

// Alarm is a condition on one machine that a technician must look at. Handling (state) is apart from the condition
// (active), as in ISA-18.2.
type Alarm struct {
	ID             int64      `json:"id"`
	Machine        string     `json:"machine"`
	Rule           string     `json:"rule" doc:"sensor-silent, temperature-high, vibration-high"`
	Component      string     `json:"component" doc:"Quantity or gateway the rule speaks of"`
	State          string     `json:"state" enum:"open,acknowledged,resolved"`
	Active         bool       `json:"active" doc:"The condition still holds"`
	Opened         time.Time  `json:"opened"`
	Cleared        *time.Time `json:"cleared,omitempty"`
	Acknowledged   *time.Time `json:"acknowledged,omitempty"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	Resolved       *time.Time `json:"resolved,omitempty"`
	ResolvedBy     string     `json:"resolved_by,omitempty"`
	Note           string     `json:"note,omitempty"`
	Count          int64      `json:"count" doc:"How often the condition was raised"`
	Value          float64    `json:"value" doc:"At the last raise, unit of the stored field"`
	Limit          float64    `json:"limit"`
	Cause          string     `json:"cause,omitempty" doc:"sensor-silent only: gateway, link, sensor"`
}

type alarmsInput struct {
	SiteInput
	Unresolved bool `query:"unresolved" doc:"Leave resolved ones out"`
	Limit      int  `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type alarmsOutput struct {
	Body struct {
		Alarms []Alarm `json:"alarms" nullable:"false" doc:"Newest first"`
	}
}

type alarmOutput struct{ Body Alarm }

type acknowledgeInput struct {
	SiteInput
	ID int64 `path:"id" minimum:"1"`
}

type resolveInput struct {
	SiteInput
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Note string `json:"note" minLength:"1" maxLength:"1000" doc:"What was found and done"`
	}
}

func (a *API) routeAlarms() {
	huma.Register(a.huma, operation("list-alarms", http.MethodGet, "/sites/{site}/alarms", "Alarms of a site", ""),
		func(ctx context.Context, in *alarmsInput) (*alarmsOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			rows, err := a.alarms(ctx, in.Site, in.Unresolved, in.Limit)
			if err != nil {
				return nil, a.fail(ctx, "list the alarms", err)
			}
			var out alarmsOutput
			out.Body.Alarms = rows
			return &out, nil
		})
	huma.Register(a.huma, operation("acknowledge-alarm", http.MethodPost, "/sites/{site}/alarms/{id}/acknowledge", "Take an alarm on",
		"From open to acknowledged, in the name of the caller."),
		func(ctx context.Context, in *acknowledgeInput) (*alarmOutput, error) {
			return a.handle(ctx, in.Site, in.ID, "acknowledge", "", func(by string, nowMs int64) (registry.Alarm, error) {
				return a.reg.AcknowledgeAlarm(ctx, in.Site, in.ID, by, nowMs)
			})
		})
	huma.Register(a.huma, operation("resolve-alarm", http.MethodPost, "/sites/{site}/alarms/{id}/resolve", "Close an alarm with a note", ""),
		func(ctx context.Context, in *resolveInput) (*alarmOutput, error) {
			note := strings.TrimSpace(in.Body.Note)
			if note == "" {
				return nil, problem(http.StatusBadRequest, "write in the note what was found and done")
			}
			return a.handle(ctx, in.Site, in.ID, "resolve", note, func(by string, nowMs int64) (registry.Alarm, error) {
				return a.reg.ResolveAlarm(ctx, in.Site, in.ID, by, note, nowMs)
			})
		})
}

// handle moves an alarm on in the caller's name and writes that down.
func (a *API) handle(ctx context.Context, site string, id int64, what, note string, move func(by string, nowMs int64) (registry.Alarm, error)) (*alarmOutput, error) {
	if _, err := a.site(ctx, site); err != nil {
		return nil, err
	}
	by := caller(ctx).name
	moved, err := move(by, a.now().UnixMilli())
	if errors.Is(err, registry.ErrNotFound) {
		return nil, problem(http.StatusNotFound, "no alarm %d at site %q: see …/alarms", id, site)
	}
	if errors.Is(err, registry.ErrState) {
		return nil, problem(http.StatusConflict, "%v", err)
	}
	if err != nil {
		return nil, a.fail(ctx, what+" the alarm", err)
	}
	if err := a.reg.Audit(ctx, by, what+" alarm", fmt.Sprintf("site %s alarm %d %s", site, id, note)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	return &alarmOutput{Body: shownAlarm(moved)}, nil
}

// alarms lists a site's alarms, newest first.
func (a *API) alarms(ctx context.Context, site string, onlyUnresolved bool, limit int) ([]Alarm, error) {
	rows, err := a.reg.Alarms(ctx, site, onlyUnresolved, limit)
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", err)
	}
	out := make([]Alarm, len(rows))
	for i, r := range rows {
		out[i] = shownAlarm(r)
	}
	return out, nil
}

func shownAlarm(r registry.Alarm) Alarm {
	return Alarm{
		ID: r.ID, Machine: r.Machine, Rule: r.Rule, Component: r.Component, State: string(r.State), Active: r.Active,
		Opened: at(r.OpenedMs), Cleared: atOrNil(r.ClearedMs), Acknowledged: atOrNil(r.AcknowledgedMs), AcknowledgedBy: r.AcknowledgedBy,
		Resolved: atOrNil(r.ResolvedMs), ResolvedBy: r.ResolvedBy, Note: r.Note, Count: r.Count, Value: r.Value, Limit: r.Limit, Cause: r.Cause,
	}
}
