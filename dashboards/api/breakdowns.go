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

// Breakdown is a stretch in which a machine was broken, as somebody wrote it down.
type Breakdown struct {
	ID      int64      `json:"id"`
	Machine string     `json:"machine"`
	From    time.Time  `json:"from"`
	To      *time.Time `json:"to,omitempty" doc:"Absent: still broken"`
	Note    string     `json:"note"`
	Author  string     `json:"author"`
	Made    time.Time  `json:"made"`
	EndedBy string     `json:"ended_by,omitempty"`
}

type breakdownsInput struct {
	SiteInput
	Span
	Machine string `query:"machine" maxLength:"40"`
}

type breakdownsOutput struct {
	Body struct {
		Breakdowns []Breakdown `json:"breakdowns" nullable:"false" doc:"Oldest first"`
	}
}

type breakdownInput struct {
	SiteInput
	Body struct {
		Machine string     `json:"machine" minLength:"1" maxLength:"40"`
		From    time.Time  `json:"from"`
		To      *time.Time `json:"to,omitempty" doc:"Absent: still broken"`
		Note    string     `json:"note" minLength:"1" maxLength:"1000" doc:"What broke"`
	}
}

type breakdownEndInput struct {
	SiteInput
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		At *time.Time `json:"at,omitempty" doc:"Since when it works again; absent: now"`
	}
}

type breakdownIDInput struct {
	SiteInput
	ID int64 `path:"id" minimum:"1"`
}

type breakdownOutput struct{ Body Breakdown }

func (a *API) routeBreakdowns() {
	huma.Register(a.huma, operation("list-breakdowns", http.MethodGet, "/sites/{site}/breakdowns", "When machines were broken",
		"Breakdowns that overlap from–to, at most 400 days. MTBF and MTTR are made of them."), a.breakdowns)
	huma.Register(a.huma, operation("add-breakdown", http.MethodPost, "/sites/{site}/breakdowns", "Write a breakdown down", "In the name of the caller."), a.addBreakdown)
	huma.Register(a.huma, operation("end-breakdown", http.MethodPost, "/sites/{site}/breakdowns/{id}/end", "The machine works again", "In the name of the caller."),
		func(ctx context.Context, in *breakdownEndInput) (*breakdownOutput, error) {
			nowMs := a.now().UnixMilli()
			endMs := nowMs
			if in.Body.At != nil {
				endMs = in.Body.At.UnixMilli()
			}
			if endMs > nowMs {
				return nil, problem(http.StatusBadRequest, "it can't have begun to work in the future (%s)", in.Body.At.Format(time.RFC3339))
			}
			return a.changeBreakdown(ctx, in.Site, in.ID, "ended", func(by string) (registry.Breakdown, error) {
				return a.reg.EndBreakdown(ctx, in.Site, in.ID, endMs, by)
			})
		})
	huma.Register(a.huma, operation("remove-breakdown", http.MethodPost, "/sites/{site}/breakdowns/{id}/remove", "Take back one written down by mistake", "In the name of the caller."),
		func(ctx context.Context, in *breakdownIDInput) (*breakdownOutput, error) {
			return a.changeBreakdown(ctx, in.Site, in.ID, "removed", func(by string) (registry.Breakdown, error) {
				return a.reg.RemoveBreakdown(ctx, in.Site, in.ID, by, a.now().UnixMilli())
			})
		})
}

func (a *API) breakdowns(ctx context.Context, in *breakdownsInput) (*breakdownsOutput, error) {
	fromMs, toMs, err := in.check(400 * day)
	if err != nil {
		return nil, err
	}
	if in.Machine != "" {
		_, _, err = a.machine(ctx, in.Site, in.Machine)
	} else {
		_, err = a.site(ctx, in.Site)
	}
	if err != nil {
		return nil, err
	}
	rows, err := a.reg.Breakdowns(ctx, in.Site, in.Machine, fromMs, toMs)
	if err != nil {
		return nil, a.fail(ctx, "list the breakdowns", err)
	}
	var out breakdownsOutput
	out.Body.Breakdowns = make([]Breakdown, len(rows))
	for i, b := range rows {
		out.Body.Breakdowns[i] = shownBreakdown(b)
	}
	return &out, nil
}

func (a *API) addBreakdown(ctx context.Context, in *breakdownInput) (*breakdownOutput, error) {
	if _, _, err := a.machine(ctx, in.Site, in.Body.Machine); err != nil {
		return nil, err
	}
	note, nowMs, by := strings.TrimSpace(in.Body.Note), a.now().UnixMilli(), caller(ctx).name
	b := registry.Breakdown{Site: in.Site, Machine: in.Body.Machine, FromMs: in.Body.From.UnixMilli(), Note: note, Author: by, MadeMs: nowMs}
	if in.Body.To != nil {
		b.ToMs, b.EndedBy = in.Body.To.UnixMilli(), by
	}
	switch {
	case note == "":
		return nil, problem(http.StatusBadRequest, "write in the note what broke")
	case in.Body.From.Year() < 2000:
		return nil, problem(http.StatusBadRequest, "from is %s: is the year mistyped?", in.Body.From.Format(time.RFC3339))
	case b.FromMs > nowMs || b.ToMs > nowMs:
		return nil, problem(http.StatusBadRequest, "a breakdown can't lie in the future; planned work belongs in the calendar")
	case b.ToMs != 0 && b.ToMs <= b.FromMs:
		return nil, problem(http.StatusBadRequest, "the end must lie after the begin")
	}
	b, err := a.reg.AddBreakdown(ctx, b)
	if errors.Is(err, registry.ErrOverlap) {
		return nil, problem(http.StatusConflict, "the machine is written down as broken in that time already: end or remove that entry first")
	}
	if err != nil {
		return nil, a.fail(ctx, "write the breakdown down", err)
	}
	return a.changedBreakdown(ctx, by, "added", b)
}

func (a *API) changeBreakdown(ctx context.Context, site string, id int64, verb string, change func(by string) (registry.Breakdown, error)) (*breakdownOutput, error) {
	if _, err := a.site(ctx, site); err != nil {
		return nil, err
	}
	by := caller(ctx).name
	b, err := change(by)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return nil, problem(http.StatusNotFound, "no breakdown %d at site %q: see …/breakdowns", id, site)
	case errors.Is(err, registry.ErrState):
		return nil, problem(http.StatusConflict, "it has ended already, or the end lies before its begin")
	case err != nil:
		return nil, a.fail(ctx, "change the breakdown", err)
	}
	return a.changedBreakdown(ctx, by, verb, b)
}

func (a *API) changedBreakdown(ctx context.Context, by, verb string, b registry.Breakdown) (*breakdownOutput, error) {
	detail := fmt.Sprintf("site %s breakdown %d of %s from %s: %s", b.Site, b.ID, b.Machine, at(b.FromMs).Format(time.RFC3339), b.Note)
	if err := a.reg.Audit(ctx, by, "breakdown "+verb, detail); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	return &breakdownOutput{Body: shownBreakdown(b)}, nil
}

func shownBreakdown(b registry.Breakdown) Breakdown {
	return Breakdown{ID: b.ID, Machine: b.Machine, From: at(b.FromMs), To: atOrNil(b.ToMs), Note: b.Note, Author: b.Author, Made: at(b.MadeMs), EndedBy: b.EndedBy}
}
