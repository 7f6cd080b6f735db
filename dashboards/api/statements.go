package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/billing"
	"karkhana/internal/registry"
)

// StatementRow is a statement in a list.
type StatementRow struct {
	ID        int64         `json:"id"`
	Group     string        `json:"group"`
	GroupName registry.Name `json:"group_name"`
	Month     string        `json:"month" example:"2026-11"`
	Made      time.Time     `json:"made"`
	Complete  bool          `json:"complete" doc:"The month was over when it was made"`
	Total     billing.Total `json:"total"`
	Stale     bool          `json:"stale" doc:"What it rests on has changed since it was made: it is being made anew by itself"`
	Was       *billing.Was  `json:"was,omitempty" doc:"The total before it was made anew by itself"`
	Problems  int           `json:"problems" doc:"Different things to look at before it is issued"`
}

// StatementDetail is one draft bill with all its lines.
type StatementDetail struct {
	ID        int64             `json:"id"`
	Statement billing.Statement `json:"statement"`
}

// MonthInput is the asked month.
type MonthInput struct {
	Month string `query:"month" required:"true" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" patternDescription:"a month like 2026-11" example:"2026-11"`
}

type makeInput struct {
	SiteInput
	Body struct {
		Month string `json:"month" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" patternDescription:"a month like 2026-11" example:"2026-11"`
		Group string `json:"group,omitempty" maxLength:"40" doc:"One group; left out: all groups"`
	}
}

type statementsInput struct {
	SiteInput
	MonthInput
}

// StatementInput is the path of one statement.
type StatementInput struct {
	SiteInput
	ID int64 `path:"id" minimum:"1"`
}

type csvInput struct {
	StatementInput
	Lang string `query:"lang" enum:"hi,en" default:"hi" doc:"Language of the headings"`
}

type statementsOutput struct {
	Body struct {
		Statements []StatementRow `json:"statements" nullable:"false"`
	}
}

type statementOutput struct{ Body StatementDetail }

type unattributedOutput struct {
	Body struct {
		Machines []billing.UnattributedRun `json:"machines" nullable:"false"`
	}
}

func (a *API) routeStatements() {
	huma.Register(a.huma, operation("make-statements", http.MethodPost, "/sites/{site}/statements", "Make drafts for a month",
		"For one group or all. Making again replaces the draft and keeps its id."), a.makeStatements)

	huma.Register(a.huma, operation("list-statements", http.MethodGet, "/sites/{site}/statements", "Statements of a month", "People of a group see their own only."),
		func(ctx context.Context, in *statementsInput) (*statementsOutput, error) {
			own, err := ownGroup(ctx, "")
			if err != nil {
				return nil, err
			}
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			rows, err := a.reg.Statements(ctx, in.Site, in.Month)
			if err != nil {
				return nil, a.fail(ctx, "list the statements", err)
			}
			changes, err := a.reg.MonthChanges(ctx, in.Site)
			if err != nil {
				return nil, a.fail(ctx, "see whether the statements are up to date", err)
			}
			var out statementsOutput
			out.Body.Statements = []StatementRow{}
			for _, r := range rows {
				if own != "" && r.Group != own {
					continue
				}
				s, err := body(r)
				if err != nil {
					return nil, a.fail(ctx, "read the statement", err)
				}
				out.Body.Statements = append(out.Body.Statements, statementRow(r.ID, aged(s, r, changes)))
			}
			return &out, nil
		})

	huma.Register(a.huma, operation("get-statement", http.MethodGet, "/sites/{site}/statements/{id}", "One statement with its lines",
		"Each line carries its evidence: the states it stands on."),
		func(ctx context.Context, in *StatementInput) (*statementOutput, error) {
			s, err := a.statement(ctx, in)
			if err != nil {
				return nil, err
			}
			return &statementOutput{Body: StatementDetail{ID: in.ID, Statement: s}}, nil
		})

	csv := operation("get-statement-csv", http.MethodGet, "/sites/{site}/statements/{id}.csv", "One statement as a table for spreadsheets", "")
	csv = giving(csv, "The table", "text/csv")
	huma.Register(a.huma, csv, func(ctx context.Context, in *csvInput) (*fileOutput, error) {
		s, err := a.statement(ctx, &in.StatementInput)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := s.WriteCSV(&b, in.Lang); err != nil {
			return nil, a.fail(ctx, "write the statement", err)
		}
		return file(csvType, s.Month+"-"+s.Group+".csv", b.Bytes()), nil
	})

	huma.Register(a.huma, operation("list-unattributed", http.MethodGet, "/sites/{site}/unattributed", "Run time without a session",
		"What no group can be billed for: somebody used a machine without a card, or with a card that belongs to nobody."),
		func(ctx context.Context, in *statementsInput) (*unattributedOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			rows, err := billing.Unattributed(ctx, billing.Deps{Store: a.store, Registry: a.reg}, in.Site, in.Month, a.now().UnixMilli())
			if err != nil {
				return nil, a.fail(ctx, "look for unattributed run time", err)
			}
			var out unattributedOutput
			out.Body.Machines = rows
			return &out, nil
		})
}

func (a *API) makeStatements(ctx context.Context, in *makeInput) (*statementsOutput, error) {
	s, err := a.site(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	loc, err := zone(s.Zone)
	if err != nil {
		return nil, err
	}
	nowMs := a.now().UnixMilli()
	fromMs, _, err := billing.Bounds(in.Body.Month, loc)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "%v", err)
	}
	if fromMs > nowMs {
		return nil, problem(http.StatusBadRequest, "month %s has not begun: statements are made for past months and the present one", in.Body.Month)
	}
	drafts, err := a.drafts(ctx, in.Site, in.Body.Month, in.Body.Group, nowMs)
	if err != nil {
		return nil, err
	}
	var out statementsOutput
	out.Body.Statements = make([]StatementRow, len(drafts))
	for i, d := range drafts {
		row, err := d.Row()
		if err != nil {
			return nil, a.fail(ctx, "save the statement", err)
		}
		saved, err := a.reg.SaveStatement(ctx, row)
		if err != nil {
			return nil, a.fail(ctx, "save the statement", err)
		}
		out.Body.Statements[i] = statementRow(saved.ID, d)
	}
	if err := a.reg.Audit(ctx, caller(ctx).name, "make statements", fmt.Sprintf("site %s month %s: %d drafts", in.Site, in.Body.Month, len(drafts))); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	return &out, nil
}

// drafts makes the draft of one group, or of all when group is "".
func (a *API) drafts(ctx context.Context, site, name, of string, nowMs int64) ([]billing.Statement, error) {
	deps := billing.Deps{Store: a.store, Registry: a.reg}
	if of == "" {
		all, err := billing.MakeAll(ctx, deps, site, name, nowMs)
		if err != nil {
			return nil, a.fail(ctx, "make the statements", err)
		}
		return all, nil
	}
	one, err := billing.Make(ctx, deps, site, name, of, nowMs)
	if errors.Is(err, registry.ErrNotFound) {
		names, err := groupNames(ctx, a.reg, site)
		if err != nil {
			return nil, a.fail(ctx, "list the groups", err)
		}
		ids := make([]string, 0, len(names))
		for id := range names {
			ids = append(ids, id)
		}
		return nil, problem(http.StatusNotFound, "no group %q at site %q; %s", of, site, known("groups", ids))
	}
	if err != nil {
		return nil, a.fail(ctx, "make the statement", err)
	}
	return []billing.Statement{one}, nil
}

// statement reads one statement that the caller may see. To people of a group, others' statements do not exist.
func (a *API) statement(ctx context.Context, in *StatementInput) (billing.Statement, error) {
	own, err := ownGroup(ctx, "")
	if err != nil {
		return billing.Statement{}, err
	}
	if _, err := a.site(ctx, in.Site); err != nil {
		return billing.Statement{}, err
	}
	row, err := a.reg.Statement(ctx, in.Site, in.ID)
	if errors.Is(err, registry.ErrNotFound) || (err == nil && own != "" && row.Group != own) {
		return billing.Statement{}, problem(http.StatusNotFound, "no statement %d at site %q: see …/statements?month=", in.ID, in.Site)
	}
	if err != nil {
		return billing.Statement{}, a.fail(ctx, "read the statement", err)
	}
	s, err := body(row)
	if err != nil {
		return s, a.fail(ctx, "read the statement", err)
	}
	if own != "" {
		s.Balance = nil // it speaks of all groups
	}
	changes, err := a.reg.MonthChanges(ctx, in.Site)
	if err != nil {
		return s, a.fail(ctx, "see whether the statement is up to date", err)
	}
	return aged(s, row, changes), nil
}

// aged adds to a statement the problem that it is out of date, when it is.
func aged(s billing.Statement, row registry.Statement, changes map[string]int64) billing.Statement {
	if until, ok := changes[row.Month]; ok && row.MadeMs <= until {
		s.Problems = append(s.Problems, billing.Problem{Code: billing.ProblemStale})
	}
	return s
}

func body(r registry.Statement) (billing.Statement, error) {
	var s billing.Statement
	if err := json.Unmarshal([]byte(r.BodyJSON), &s); err != nil {
		return s, fmt.Errorf("statement %d: %w", r.ID, err)
	}
	return s, nil
}

func statementRow(id int64, s billing.Statement) StatementRow {
	problems := map[billing.Problem]bool{}
	for _, p := range s.Problems {
		problems[billing.Problem{Code: p.Code, Machine: p.Machine}] = true
	}
	return StatementRow{
		ID: id, Group: s.Group, GroupName: s.GroupName, Month: s.Month, Made: s.Made, Complete: s.Complete, Total: s.Total, Problems: len(problems),
		Stale: problems[billing.Problem{Code: billing.ProblemStale}], Was: s.Was,
	}
}
