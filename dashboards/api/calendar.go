package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/calendar"
	"karkhana/internal/registry"
)

// PlannedStretch is what a stretch of time is planned to be.
type PlannedStretch struct {
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Kind      string         `json:"kind" enum:"outside,none,work,break,maintenance,closure,holiday" doc:"outside any shift; none: no calendar is in force"`
	Shift     string         `json:"shift,omitempty" doc:"Id of the shift it lies in"`
	ShiftName *registry.Name `json:"shift_name,omitempty"`
	Stop      int64          `json:"stop,omitempty" doc:"Id of the planned stop that makes it so"`
}

// PlannedStop is a holiday, a closure or planned maintenance.
type PlannedStop struct {
	ID      int64         `json:"id"`
	Kind    string        `json:"kind" enum:"holiday,closure,maintenance"`
	Machine string        `json:"machine,omitempty" doc:"Absent: the whole site"`
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Name    registry.Name `json:"name"`
	Source  string        `json:"source" enum:"file,person" doc:"file: of the site file, changed there only"`
	Author  string        `json:"author"`
	Made    time.Time     `json:"made"`
}

// CalendarWeek is a working week from a day on.
type CalendarWeek struct {
	Machine  string           `json:"machine,omitempty" doc:"Absent: the site's"`
	From     *time.Time       `json:"from,omitempty" doc:"Absent: since ever"`
	LikeSite bool             `json:"like_site" doc:"The machine follows the site's week again"`
	Shifts   []registry.Shift `json:"shifts" nullable:"false" doc:"Times are minutes after midnight of the day on which the shift begins; days 0 Sunday to 6 Saturday"`
}

type calendarInput struct {
	SiteInput
	Span
	Machine string `query:"machine" maxLength:"40" doc:"Absent: machines without hours of their own"`
}

type calendarOutput struct {
	Body struct {
		Zone      string           `json:"zone"`
		Calendar  string           `json:"calendar" enum:"set,part,none" doc:"Whether one is in force in from–to"`
		Weeks     []CalendarWeek   `json:"weeks" nullable:"false"`
		Stops     []PlannedStop    `json:"stops" nullable:"false" doc:"Those that overlap from–to, of all machines"`
		Stretches []PlannedStretch `json:"stretches" nullable:"false" doc:"Tile from–to"`
	}
}

type stopInput struct {
	SiteInput
	Body struct {
		Kind    string        `json:"kind" enum:"holiday,closure,maintenance"`
		Machine string        `json:"machine,omitempty" maxLength:"40" doc:"Absent: the whole site"`
		From    time.Time     `json:"from"`
		To      time.Time     `json:"to"`
		Name    registry.Name `json:"name" doc:"At least one language"`
	}
}

type stopIDInput struct {
	SiteInput
	ID int64 `path:"id" minimum:"1"`
}

type stopOutput struct{ Body PlannedStop }

// longestStop bounds a planned stop that somebody enters; longer is a slip of the pen.
const longestStop = 366 * day

func (a *API) routeCalendar() {
	huma.Register(a.huma, operation("get-calendar", http.MethodGet, "/sites/{site}/calendar", "When the site is meant to work",
		"Weeks, planned stops, and what they make of from–to, at most 400 days."), a.calendarOf)
	huma.Register(a.huma, operation("add-planned-stop", http.MethodPost, "/sites/{site}/calendar/stops", "Enter a holiday, a closure or planned maintenance",
		"In the name of the caller. One of the same kind and machine must not overlap."), a.addStop)
	huma.Register(a.huma, operation("remove-planned-stop", http.MethodPost, "/sites/{site}/calendar/stops/{id}/remove", "Take a planned stop out",
		"Those that people entered; those of the site file are changed there."), a.removeStop)
}

func (a *API) calendarOf(ctx context.Context, in *calendarInput) (*calendarOutput, error) {
	fromMs, toMs, err := in.check(400 * day)
	if err != nil {
		return nil, err
	}
	s, err := a.site(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	if in.Machine != "" {
		if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
			return nil, err
		}
	}
	loc, err := zone(s.Zone)
	if err != nil {
		return nil, err
	}
	c, err := a.reg.Calendar(ctx, in.Site, fromMs, toMs)
	if err != nil {
		return nil, a.fail(ctx, "read the calendar", err)
	}
	plan := calendar.New(loc, c).Plan(in.Machine, fromMs, toMs)
	var out calendarOutput
	out.Body.Zone, out.Body.Calendar = s.Zone, calendar.Known(plan)
	out.Body.Weeks = make([]CalendarWeek, len(c.Weeks))
	for i, w := range c.Weeks {
		shifts := w.Shifts
		if shifts == nil {
			shifts = []registry.Shift{}
		}
		out.Body.Weeks[i] = CalendarWeek{Machine: w.Machine, From: atOrNil(w.ValidFromMs), LikeSite: w.LikeSite, Shifts: shifts}
	}
	out.Body.Stops = make([]PlannedStop, len(c.Stops))
	for i, stop := range c.Stops {
		out.Body.Stops[i] = shownStop(stop)
	}
	out.Body.Stretches = make([]PlannedStretch, len(plan))
	for i, p := range plan {
		shown := PlannedStretch{From: at(p.FromMs), To: at(p.ToMs), Kind: p.Kind.String()}
		if p.Turn != nil {
			shown.Shift, shown.ShiftName = p.Turn.Shift, &p.Turn.Name
		}
		if p.Stop != nil {
			shown.Stop = p.Stop.ID
		}
		out.Body.Stretches[i] = shown
	}
	return &out, nil
}

func (a *API) addStop(ctx context.Context, in *stopInput) (*stopOutput, error) {
	b := in.Body
	b.Name = registry.Name{Hi: strings.TrimSpace(b.Name.Hi), En: strings.TrimSpace(b.Name.En)}
	_, err := a.site(ctx, in.Site)
	if err == nil && b.Machine != "" {
		_, _, err = a.machine(ctx, in.Site, b.Machine)
	}
	switch {
	case err != nil:
		return nil, err
	case b.Name.Hi == "" && b.Name.En == "":
		return nil, problem(http.StatusBadRequest, "give the %s a name, in Hindi or English or both", b.Kind)
	case len(b.Name.Hi) > 400 || len(b.Name.En) > 400:
		return nil, problem(http.StatusBadRequest, "the name is too long; a few words are enough")
	}
	if _, _, err := (Span{From: b.From, To: b.To}).check(longestStop); err != nil {
		return nil, err
	}
	by := caller(ctx).name
	made, err := a.reg.AddPlannedStop(ctx, registry.PlannedStop{
		Site: in.Site, Machine: b.Machine, Kind: b.Kind, FromMs: b.From.UnixMilli(), ToMs: b.To.UnixMilli(), Name: b.Name,
		Source: registry.StopFromPerson, Author: by, MadeMs: a.now().UnixMilli(),
	})
	if errors.Is(err, registry.ErrOverlap) {
		return nil, problem(http.StatusConflict, "there is a %s already that overlaps it: take that out first, or choose another time", b.Kind)
	}
	if err != nil {
		return nil, a.fail(ctx, "write the calendar", err)
	}
	return a.changedStop(ctx, by, "added", made)
}

func (a *API) removeStop(ctx context.Context, in *stopIDInput) (*stopOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	by := caller(ctx).name
	s, err := a.reg.RemovePlannedStop(ctx, in.Site, in.ID, by, a.now().UnixMilli())
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return nil, problem(http.StatusNotFound, "no planned stop %d at site %q: see …/calendar", in.ID, in.Site)
	case errors.Is(err, registry.ErrState):
		return nil, problem(http.StatusConflict, "it stands in the site file: take it out there and apply the file again")
	case err != nil:
		return nil, a.fail(ctx, "write the calendar", err)
	}
	return a.changedStop(ctx, by, "removed", s)
}

func (a *API) changedStop(ctx context.Context, by, verb string, s registry.PlannedStop) (*stopOutput, error) {
	detail := fmt.Sprintf("site %s %d %s %s to %s: %s / %s", s.Site, s.ID, s.Machine, at(s.FromMs).Format(time.RFC3339), at(s.ToMs).Format(time.RFC3339), s.Name.Hi, s.Name.En)
	if err := a.reg.Audit(ctx, by, s.Kind+" "+verb, detail); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	return &stopOutput{Body: shownStop(s)}, nil
}

func shownStop(s registry.PlannedStop) PlannedStop {
	return PlannedStop{ID: s.ID, Kind: s.Kind, Machine: s.Machine, From: at(s.FromMs), To: at(s.ToMs), Name: s.Name, Source: s.Source, Author: s.Author, Made: at(s.MadeMs)}
}
