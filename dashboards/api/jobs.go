package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/session"
	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// Emissions gives the grid's emission factor by time for a site; a nil function means that the site has none.
type Emissions func(ctx context.Context, site string) (func(atMs int64) *session.GridFactor, error)

// Job is a piece of work with a number.
type Job struct {
	Number  string    `json:"number"`
	Title   string    `json:"title"`
	Buyer   string    `json:"buyer"`
	Group   string    `json:"group" doc:"Whose work it is; empty: not said"`
	WeightG int64     `json:"weight_g" doc:"0: not weighed"`
	Pieces  int64     `json:"pieces" doc:"0: not counted"`
	Made    time.Time `json:"made"`
}

// JobInput is the path of one job.
type JobInput struct {
	SiteInput
	Job string `path:"job" maxLength:"40" example:"J-17"`
}

type jobsOutput struct {
	Body struct {
		Jobs []Job `json:"jobs" nullable:"false" doc:"Newest first"`
	}
}

type saveJobInput struct {
	SiteInput
	Body struct {
		Number  string `json:"number" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$" patternDescription:"letters, digits, - and _, at most 40" example:"J-17"`
		Title   string `json:"title,omitempty" maxLength:"200"`
		Buyer   string `json:"buyer,omitempty" maxLength:"200"`
		Group   string `json:"group,omitempty" maxLength:"40"`
		WeightG int64  `json:"weight_g,omitempty" minimum:"0" maximum:"1000000000"`
		Pieces  int64  `json:"pieces,omitempty" minimum:"0" maximum:"1000000000"`
		Card    string `json:"card,omitempty" maxLength:"32" doc:"Hash of a card that stands for the job from now on"`
	}
}

type jobOutput struct{ Body Job }

type jobSheetOutput struct{ Body session.JobSheet }

type jobCSVInput struct {
	JobInput
	Lang string `query:"lang" enum:"hi,en" default:"hi" doc:"Language of the headings"`
}

type workInput struct {
	JobInput
	Body struct {
		Machine string     `json:"machine" maxLength:"40"`
		From    *time.Time `json:"from,omitempty" doc:"Left out: now"`
		To      *time.Time `json:"to,omitempty" doc:"Left out: it goes on"`
	}
}

type workIDInput struct {
	JobInput
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		At *time.Time `json:"at,omitempty" doc:"end: when; left out: now"`
	}
}

func (a *API) routeJobs() {
	huma.Register(a.huma, operation("list-jobs", http.MethodGet, "/sites/{site}/jobs", "Jobs", "People of a group see their own only."), a.listJobs)
	huma.Register(a.huma, operation("save-job", http.MethodPost, "/sites/{site}/jobs", "Enter a job, or change what is said of one", ""), a.saveJob)
	huma.Register(a.huma, operation("get-job", http.MethodGet, "/sites/{site}/jobs/{job}", "Sheet of a job: machine time, energy, CO2",
		"Each figure with its coverage, whether it is estimated, and the states it stands on."),
		func(ctx context.Context, in *JobInput) (*jobSheetOutput, error) {
			s, err := a.jobSheet(ctx, in)
			return &jobSheetOutput{Body: s}, err
		})
	table := operation("get-job-csv", http.MethodGet, "/sites/{site}/jobs/{job}.csv", "Sheet of a job as a table for spreadsheets", "")
	table = giving(table, "The table", "text/csv")
	huma.Register(a.huma, table, func(ctx context.Context, in *jobCSVInput) (*fileOutput, error) {
		s, err := a.jobSheet(ctx, &in.JobInput)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := s.WriteCSV(&b, in.Lang); err != nil {
			return nil, a.fail(ctx, "write the sheet", err)
		}
		return file(csvType, s.Number+".csv", b.Bytes()), nil
	})
	huma.Register(a.huma, operation("add-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/work", "Count machine time for a job",
		"From now on, or a stretch that has passed. A machine works on one job at a time."), a.addWork)
	huma.Register(a.huma, operation("end-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/work/{id}/end", "The job has left the machine", ""),
		func(ctx context.Context, in *workIDInput) (*jobSheetOutput, error) {
			return a.changeWork(ctx, in, "end work on job", func(atMs int64) error { return a.reg.EndJobWork(ctx, in.Site, in.Job, in.ID, atMs) })
		})
	huma.Register(a.huma, operation("withdraw-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/work/{id}/withdraw", "Machine time was entered by mistake", "The row stays on record and no longer counts."),
		func(ctx context.Context, in *workIDInput) (*jobSheetOutput, error) {
			return a.changeWork(ctx, in, "withdraw work on job", func(atMs int64) error {
				return a.reg.WithdrawJobWork(ctx, in.Site, in.Job, in.ID, caller(ctx).name, atMs)
			})
		})
}

func shownJob(j registry.Job) Job {
	return Job{Number: j.Number, Title: j.Title, Buyer: j.Buyer, Group: j.Group, WeightG: j.WeightG, Pieces: j.Pieces, Made: at(j.MadeMs)}
}

func (a *API) listJobs(ctx context.Context, in *SiteInput) (*jobsOutput, error) {
	own, err := ownGroup(ctx, "")
	if err != nil {
		return nil, err
	}
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	rows, err := a.reg.Jobs(ctx, in.Site)
	if err != nil {
		return nil, a.fail(ctx, "list the jobs", err)
	}
	var out jobsOutput
	out.Body.Jobs = []Job{}
	for _, j := range rows {
		if own == "" || j.Group == own {
			out.Body.Jobs = append(out.Body.Jobs, shownJob(j))
		}
	}
	return &out, nil
}

func (a *API) saveJob(ctx context.Context, in *saveJobInput) (*jobOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	b, nowMs := in.Body, a.now().UnixMilli()
	if b.Group != "" {
		names, err := groupNames(ctx, a.reg, in.Site)
		if err != nil {
			return nil, a.fail(ctx, "list the groups", err)
		}
		if _, ok := names[b.Group]; !ok {
			return nil, problem(http.StatusNotFound, "no group %q at site %q", b.Group, in.Site)
		}
	}
	if b.Card != "" {
		if _, err := wire.ParseCardHash(b.Card); err != nil {
			return nil, problem(http.StatusBadRequest, "card: %v", err)
		}
		cards, err := a.reg.Cards(ctx, in.Site)
		if err != nil {
			return nil, a.fail(ctx, "read the cards", err)
		}
		for _, c := range cards {
			if c.Hash == b.Card && c.Group != "" && (c.ValidTo == 0 || c.ValidTo > nowMs) {
				return nil, problem(http.StatusConflict, "that card belongs to group %s: take another one for jobs", c.Group)
			}
		}
	}
	j := registry.Job{Site: in.Site, Number: b.Number, Title: b.Title, Buyer: b.Buyer, Group: b.Group, WeightG: b.WeightG, Pieces: b.Pieces, Author: caller(ctx).name, MadeMs: nowMs}
	if err := a.reg.SaveJob(ctx, j); err != nil {
		return nil, a.fail(ctx, "store the job", err)
	}
	if b.Card != "" {
		if err := a.reg.GiveJobCard(ctx, in.Site, b.Card, b.Number, nowMs); err != nil {
			return nil, a.fail(ctx, "store the job's card", err)
		}
	}
	if err := a.reg.Audit(ctx, caller(ctx).name, "save job", fmt.Sprintf("site %s job %s: weight_g %d pieces %d card %q", in.Site, b.Number, b.WeightG, b.Pieces, b.Card)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	saved, err := a.reg.Job(ctx, in.Site, b.Number)
	if err != nil {
		return nil, a.fail(ctx, "read the job", err)
	}
	return &jobOutput{Body: shownJob(saved)}, nil
}

// jobSheet makes the sheet of a job that the caller may see. To people of a group, others' jobs do not exist.
func (a *API) jobSheet(ctx context.Context, in *JobInput) (session.JobSheet, error) {
	own, err := ownGroup(ctx, "")
	if err != nil {
		return session.JobSheet{}, err
	}
	if _, err := a.site(ctx, in.Site); err != nil {
		return session.JobSheet{}, err
	}
	deps := session.JobDeps{Store: a.store, Registry: a.reg}
	if a.emissions != nil {
		if deps.Emission, err = a.emissions(ctx, in.Site); err != nil {
			return session.JobSheet{}, a.fail(ctx, "read the emission factors", err)
		}
	}
	s, err := session.Sheet(ctx, deps, in.Site, in.Job, a.now().UnixMilli())
	if errors.Is(err, registry.ErrNotFound) || err == nil && own != "" && s.Group != own {
		return session.JobSheet{}, problem(http.StatusNotFound, "no job %q at site %q: see …/jobs", in.Job, in.Site)
	}
	if err != nil {
		return session.JobSheet{}, a.fail(ctx, "make the sheet", err)
	}
	return s, nil
}

func (a *API) addWork(ctx context.Context, in *workInput) (*jobSheetOutput, error) {
	if _, _, err := a.machine(ctx, in.Site, in.Body.Machine); err != nil {
		return nil, err
	}
	if _, err := a.jobSheet(ctx, &in.JobInput); err != nil {
		return nil, err
	}
	nowMs := a.now().UnixMilli()
	w := registry.JobWork{Site: in.Site, Job: in.Job, Machine: in.Body.Machine, FromMs: nowMs, Author: caller(ctx).name, MadeMs: nowMs}
	if in.Body.From != nil {
		w.FromMs = in.Body.From.UnixMilli()
	}
	if in.Body.To != nil {
		w.ToMs = in.Body.To.UnixMilli()
	}
	switch {
	case w.FromMs <= 0 || w.FromMs > nowMs || w.ToMs > nowMs:
		return nil, problem(http.StatusBadRequest, "machine time can't lie in the future")
	case w.ToMs != 0 && w.FromMs >= w.ToMs:
		return nil, problem(http.StatusBadRequest, "from must lie before to")
	}
	w, err := a.reg.AddJobWork(ctx, w)
	if errors.Is(err, registry.ErrBusy) {
		return nil, problem(http.StatusConflict, "%v: end or withdraw that first", err)
	}
	if err != nil {
		return nil, a.fail(ctx, "store the machine time", err)
	}
	return a.worked(ctx, &in.JobInput, "work on job", w.ID)
}

func (a *API) changeWork(ctx context.Context, in *workIDInput, what string, change func(atMs int64) error) (*jobSheetOutput, error) {
	if _, err := a.jobSheet(ctx, &in.JobInput); err != nil {
		return nil, err
	}
	atMs := a.now().UnixMilli()
	if in.Body.At != nil {
		atMs = min(atMs, in.Body.At.UnixMilli())
	}
	err := change(atMs)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, problem(http.StatusNotFound, "job %s has no machine time %d that this fits: it has ended, was withdrawn, or begins later", in.Job, in.ID)
	}
	if err != nil {
		return nil, a.fail(ctx, "change the machine time", err)
	}
	return a.worked(ctx, &in.JobInput, what, in.ID)
}

func (a *API) worked(ctx context.Context, in *JobInput, what string, id int64) (*jobSheetOutput, error) {
	if err := a.reg.Audit(ctx, caller(ctx).name, what, fmt.Sprintf("site %s job %s row %d", in.Site, in.Job, id)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	s, err := a.jobSheet(ctx, in)
	return &jobSheetOutput{Body: s}, err
}
