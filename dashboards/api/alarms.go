package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/maintenance"
	"karkhana/internal/registry"
)

// Alarm is a condition on one machine that a technician must look at. Handling (state) is apart from the condition
// (active), as in ISA-18.2.
type Alarm struct {
	ID             int64      `json:"id"`
	Machine        string     `json:"machine"`
	Rule           string     `json:"rule" doc:"sensor-silent, temperature-high, vibration-high, threshold-drift"`
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
	Value          float64    `json:"value" doc:"At the last raise, unit of the stored field; of vibration-high that of rises[0]"`
	Limit          float64    `json:"limit"`
	Cause          string     `json:"cause,omitempty" doc:"sensor-silent: gateway, link, sensor; vibration-high: bearing, imbalance, wear, shaking; threshold-drift: margin-idle, margin-run, vanished-off, vanished-idle, vanished-run, scaled"`
	Rises          []Rise     `json:"rises,omitempty" doc:"vibration-high: every quantity over its limit, the one furthest over first"`
	ShelvedUntil   *time.Time `json:"shelved_until,omitempty" doc:"Not delivered until then, though shown; may lie in the past"`
	ShelvedBy      string     `json:"shelved_by,omitempty"`
	ShelveReason   string     `json:"shelve_reason,omitempty"`
}

// Rise is one quantity above the machine's own baseline.
type Rise struct {
	Quantity string    `json:"quantity" doc:"vibration, acceleration, kurtosis"`
	Unit     string    `json:"unit" doc:"mm/s, m/s²; empty for kurtosis"`
	Value    float64   `json:"value"`
	Baseline float64   `json:"baseline" doc:"Usual value of its healthy days; 0 when not known"`
	Limit    float64   `json:"limit"`
	Since    time.Time `json:"since" doc:"Begin of the first minute over the limit"`
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

type shelveInput struct {
	SiteInput
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Hours  float64 `json:"hours" minimum:"0.25" maximum:"24" doc:"For how long; at most a day"`
		Reason string  `json:"reason" minLength:"1" maxLength:"500" doc:"Why it need not be told, for example a part on order"`
	}
}

func (a *API) routeAlarms() {
	huma.Register(a.huma, operation("shelve-alarm", http.MethodPost, "/sites/{site}/alarms/{id}/shelve", "Put an alarm aside for some hours",
		"It is not delivered by webhook or mail until then, and stays in the list. Too high a temperature can't be shelved."),
		func(ctx context.Context, in *shelveInput) (*alarmOutput, error) {
			reason := strings.TrimSpace(in.Body.Reason)
			if reason == "" {
				return nil, problem(http.StatusBadRequest, "write in the reason why the alarm need not be told")
			}
			if err := a.mayShelve(ctx, in.Site, in.ID); err != nil {
				return nil, err
			}
			return a.handle(ctx, in.Site, in.ID, "shelve", fmt.Sprintf("for %v h: %s", in.Body.Hours, reason), func(by string, nowMs int64) (registry.Alarm, error) {
				return a.reg.ShelveAlarm(ctx, in.Site, in.ID, by, reason, nowMs+int64(in.Body.Hours*float64(time.Hour/time.Millisecond)))
			})
		})
	huma.Register(a.huma, operation("unshelve-alarm", http.MethodPost, "/sites/{site}/alarms/{id}/unshelve", "Take an alarm from the shelf", ""),
		func(ctx context.Context, in *acknowledgeInput) (*alarmOutput, error) {
			return a.handle(ctx, in.Site, in.ID, "unshelve", "", func(string, int64) (registry.Alarm, error) {
				return a.reg.UnshelveAlarm(ctx, in.Site, in.ID)
			})
		})
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

// mayShelve refuses to put a hot machine aside.
func (a *API) mayShelve(ctx context.Context, site string, id int64) error {
	rows, err := a.reg.Alarms(ctx, site, true, 0)
	if err != nil {
		return a.fail(ctx, "read the alarms", err)
	}
	for _, r := range rows {
		if r.ID == id && r.Rule == maintenance.RuleTemperatureHigh && r.Active {
			return problem(http.StatusConflict, "a machine that is too hot can't be put aside: let it cool first")
		}
	}
	return nil
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
	rises := make([]Rise, len(r.Rises))
	for i, v := range r.Rises {
		rises[i] = Rise{Quantity: v.Quantity, Unit: shakeUnit(v.Quantity), Value: v.Value, Baseline: v.Baseline, Limit: v.Limit, Since: at(v.SinceMs)}
	}
	return Alarm{
		Rises: rises, ShelvedUntil: atOrNil(r.ShelvedUntilMs), ShelvedBy: r.ShelvedBy, ShelveReason: r.ShelveReason,
		ID: r.ID, Machine: r.Machine, Rule: r.Rule, Component: r.Component, State: string(r.State), Active: r.Active,
		Opened: at(r.OpenedMs), Cleared: atOrNil(r.ClearedMs), Acknowledged: atOrNil(r.AcknowledgedMs), AcknowledgedBy: r.AcknowledgedBy,
		Resolved: atOrNil(r.ResolvedMs), ResolvedBy: r.ResolvedBy, Note: r.Note, Count: r.Count, Value: r.Value, Limit: r.Limit, Cause: r.Cause,
	}
}
