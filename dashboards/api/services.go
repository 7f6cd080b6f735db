package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/service"
	"karkhana/internal/registry"
)

// Service is a task of preventive maintenance and how far it is used up.
type Service struct {
	ID           string        `json:"id" doc:"machine.task, for …/services/{id}/done" example:"polishing-1.bearings"`
	Machine      string        `json:"machine"`
	Task         string        `json:"task"`
	Name         registry.Name `json:"name"`
	Do           registry.Name `json:"do" doc:"What to do"`
	IntervalS    *float64      `json:"interval_s,omitempty" doc:"Run time between two services, s; absent: by the calendar only"`
	IntervalDays *int64        `json:"interval_days,omitempty" doc:"Days between two services; absent: by run time only"`
	State        string        `json:"state" enum:"ok,soon,due,overdue" doc:"soon from 90 % of an interval, due from the whole of it, overdue from 120 %"`
	Share        float64       `json:"share" doc:"Used part of the interval that is nearer to its end"`
	ByHours      bool          `json:"by_hours" doc:"That is the one by run time"`
	RunS         float64       `json:"run_s" doc:"Run time counted since"`
	UnknownS     float64       `json:"unknown_s" doc:"Time since of which nothing is known; not counted as run"`
	Since        *time.Time    `json:"since,omitempty" doc:"From when it is counted: last done, else the machine's first data"`
	DueAt        *time.Time    `json:"due_at,omitempty" doc:"When it is due at the pace of the last 30 days, or was by the calendar"`
	LastBy       string        `json:"last_by,omitempty"`
	LastNote     string        `json:"last_note,omitempty"`
	Recorded     bool          `json:"recorded" doc:"It was recorded as done at least once"`
}

type servicesOutput struct {
	Body struct {
		Services []Service `json:"services" nullable:"false" doc:"The most used up first"`
	}
}

type serviceOutput struct{ Body Service }

type doneInput struct {
	SiteInput
	ID   string `path:"id" doc:"machine.task" example:"polishing-1.bearings"`
	Body struct {
		Note string     `json:"note" minLength:"1" maxLength:"1000" doc:"What was done and found"`
		At   *time.Time `json:"at,omitempty" doc:"When it was done; absent: now"`
	}
}

func (a *API) routeServices() {
	huma.Register(a.huma, operation("list-services", http.MethodGet, "/sites/{site}/services", "Preventive maintenance and when it is due",
		"Tasks come from the kit of the machine's class and the site file. Run time is what is known; unknown time is told beside it."),
		func(ctx context.Context, in *SiteInput) (*servicesOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			rows, err := a.services(ctx, in.Site)
			if err != nil {
				return nil, err
			}
			var out servicesOutput
			out.Body.Services = make([]Service, len(rows))
			for i, r := range rows {
				out.Body.Services[i] = shownService(r)
			}
			return &out, nil
		})
	huma.Register(a.huma, operation("service-done", http.MethodPost, "/sites/{site}/services/{id}/done", "Record a service as done",
		"In the name of the caller. The hours are counted from then on."), a.serviceDone)
}

func (a *API) services(ctx context.Context, site string) ([]service.Status, error) {
	rows, err := service.List(ctx, service.Deps{Store: a.store, Registry: a.reg}, site, a.now().UnixMilli())
	if err != nil {
		return nil, a.fail(ctx, "list the services", err)
	}
	return rows, nil
}

func (a *API) serviceDone(ctx context.Context, in *doneInput) (*serviceOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	note, nowMs := strings.TrimSpace(in.Body.Note), a.now().UnixMilli()
	if note == "" {
		return nil, problem(http.StatusBadRequest, "write in the note what was done")
	}
	doneMs := nowMs
	if in.Body.At != nil {
		doneMs = in.Body.At.UnixMilli()
	}
	find := func() (service.Status, error) {
		rows, err := a.services(ctx, in.Site)
		if err != nil {
			return service.Status{}, err
		}
		i := slices.IndexFunc(rows, func(s service.Status) bool { return s.Machine+"."+s.ID == in.ID })
		if i < 0 {
			return service.Status{}, problem(http.StatusNotFound, "no service task %q at site %q: see …/services", in.ID, in.Site)
		}
		return rows[i], nil
	}
	s, err := find()
	if err != nil {
		return nil, err
	}
	if doneMs > nowMs {
		return nil, problem(http.StatusBadRequest, "the service can't have been done in the future (%s)", in.Body.At.Format(time.RFC3339))
	}
	if s.Last != nil && doneMs < s.Last.DoneMs {
		return nil, problem(http.StatusConflict, "it was recorded as done at %s already, which is later", at(s.Last.DoneMs).Format(time.RFC3339))
	}
	by := caller(ctx).name
	if _, err := a.reg.AddServiceDone(ctx, registry.ServiceDone{Site: in.Site, Machine: s.Machine, Task: s.ID, DoneMs: doneMs, By: by, Note: note, RunMs: s.RunMs}); err != nil {
		return nil, a.fail(ctx, "record the service", err)
	}
	if err := a.reg.Audit(ctx, by, "service done", fmt.Sprintf("site %s %s at %s: %s", in.Site, in.ID, at(doneMs).Format(time.RFC3339), note)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	if s, err = find(); err != nil {
		return nil, err
	}
	return &serviceOutput{Body: shownService(s)}, nil
}

func shownService(s service.Status) Service {
	out := Service{
		ID: s.Machine + "." + s.ID, Machine: s.Machine, Task: s.ID, Name: s.Name, Do: s.Do, State: s.State, Share: s.Share, ByHours: s.ByHours,
		RunS: seconds(s.RunMs), UnknownS: seconds(s.UnknownMs), Since: atOrNil(s.SinceMs), DueAt: atOrNil(s.DueMs),
	}
	if s.IntervalH > 0 {
		v := s.IntervalH * 3600
		out.IntervalS = &v
	}
	if s.IntervalDays > 0 {
		out.IntervalDays = &s.IntervalDays
	}
	if s.Last != nil {
		out.Recorded, out.LastBy, out.LastNote = true, s.Last.By, s.Last.Note
	}
	return out
}
