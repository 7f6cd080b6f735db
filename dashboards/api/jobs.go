package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/report"
	"karkhana/analytics/session"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// Job is a piece of work with a number.
type Job struct {
	Number  string    `json:"number"`
	Title   string    `json:"title"`
	Buyer   string    `json:"buyer"`
	Group   string    `json:"group" doc:"Whose work it is; empty: not said"`
	WeightG int64     `json:"weight_g" doc:"0: not weighed"`
	Pieces  int64     `json:"pieces" doc:"0: not counted"`
	Metal   string    `json:"metal" doc:"Of a furnace job: id of a metal of the site file; empty: not said"`
	StartC  int64     `json:"start_c" doc:"°C it is heated from"`
	EndC    int64     `json:"end_c" doc:"°C it is heated to"`
	Author  string    `json:"author" doc:"Who entered it, or changed it last"`
	Made    time.Time `json:"made"`
}

// Metal is a metal whose heats the site file has.
type Metal struct {
	ID    string        `json:"id"`
	Name  registry.Name `json:"name"`
	Pours int64         `json:"pours_c" doc:"°C at which it is poured"`
}

// JobInput is the path of one job.
type JobInput struct {
	SiteInput
	Job string `path:"job" maxLength:"40" example:"J-17"`
}

type jobsOutput struct {
	Body struct {
		Jobs   []Job   `json:"jobs" nullable:"false" doc:"Newest first"`
		Metals []Metal `json:"metals" nullable:"false" doc:"Of the site file, in force now"`
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
		Metal   string `json:"metal,omitempty" maxLength:"40" doc:"Of a furnace job: id of a metal of the site file"`
		StartC  int64  `json:"start_c,omitempty" minimum:"-50" maximum:"3000" doc:"°C the metal is heated from"`
		EndC    int64  `json:"end_c,omitempty" minimum:"0" maximum:"3000" doc:"°C it is heated to; above melting it is melted"`
		Reason  string `json:"reason,omitempty" maxLength:"500" doc:"Why it is changed: needed for a job that is there"`
	}
}

type jobOutput struct{ Body Job }

type jobSheetOutput struct{ Body session.JobSheet }

type jobFileInput struct {
	JobInput
	Lang string `query:"lang" enum:"hi,en" default:"hi" doc:"Language of the headings"`
}

type workInput struct {
	JobInput
	Body struct {
		WorkTime
	}
}

// WorkTime is machine time of a job as a person gives it.
type WorkTime struct {
	Machine string     `json:"machine" maxLength:"40"`
	From    *time.Time `json:"from,omitempty" doc:"Left out: now"`
	To      *time.Time `json:"to,omitempty" doc:"Left out: it goes on"`
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
	for _, form := range []struct {
		suffix, contentType, summary string
		write                        func(*report.Page, io.Writer) error
	}{
		{"csv", csvType, "as tables for spreadsheets", (*report.Page).WriteCSV},
		{"pdf", "application/pdf", "as a paper for the buyer", (*report.Page).WritePDF},
	} {
		op := operation("get-job-"+form.suffix, http.MethodGet, "/sites/{site}/jobs/{job}."+form.suffix, "Sheet of a job, "+form.summary, "")
		huma.Register(a.huma, giving(op, "The file", form.contentType), func(ctx context.Context, in *jobFileInput) (*fileOutput, error) {
			s, err := a.jobSheet(ctx, &in.JobInput)
			if err != nil {
				return nil, err
			}
			p, err := report.JobPage(s, in.Lang)
			if err != nil {
				return nil, a.fail(ctx, "put the sheet into words", err)
			}
			var b bytes.Buffer
			if err := form.write(p, &b); err != nil {
				return nil, a.fail(ctx, "write the sheet", err)
			}
			return file(form.contentType, in.Site+"-job-"+s.Number+"."+form.suffix, b.Bytes()), nil
		})
	}
	huma.Register(a.huma, operation("add-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/work", "Count machine time for a job",
		"From now on, or a stretch that has passed. A machine works on one job at a time."), a.addWork)
	huma.Register(a.huma, operation("end-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/work/{id}/end", "The job has left the machine", ""), a.endWork)
	a.routeJobCorrections()
	a.routeJobCards()
}

func shownJob(j registry.Job) Job {
	return Job{
		Number: j.Number, Title: j.Title, Buyer: j.Buyer, Group: j.Group, WeightG: j.WeightG, Pieces: j.Pieces,
		Metal: j.Heat.Metal, StartC: j.Heat.StartC, EndC: j.Heat.EndC, Author: j.Author, Made: at(j.MadeMs),
	}
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
	config, err := a.reg.Electricity(ctx, in.Site)
	if err != nil {
		return nil, a.fail(ctx, "read the metals", err)
	}
	var out jobsOutput
	out.Body.Jobs, out.Body.Metals = []Job{}, []Metal{}
	for _, m := range config.Metals {
		if now := config.Metal(m.ID, a.now().UnixMilli()); now != nil && *now == m {
			out.Body.Metals = append(out.Body.Metals, Metal{m.ID, registry.Name{Hi: m.Hi, En: m.En}, m.Pours})
		}
	}
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
	j := registry.Job{
		Site: in.Site, Number: b.Number, Title: b.Title, Buyer: b.Buyer, Group: b.Group, WeightG: b.WeightG, Pieces: b.Pieces, Author: caller(ctx).name, MadeMs: nowMs,
	}
	if b.Metal != "" {
		j.Heat = electricity.Heat{Metal: b.Metal, StartC: b.StartC, EndC: b.EndC}
		config, err := a.reg.Electricity(ctx, in.Site)
		switch {
		case err != nil:
			return nil, a.fail(ctx, "read the metals", err)
		case config.Metal(b.Metal, nowMs) == nil:
			ids := []string{}
			for _, m := range config.Metals {
				ids = append(ids, m.ID)
			}
			return nil, problem(http.StatusNotFound, "no metal %q in the file of site %q; %s", b.Metal, in.Site, known("metals", ids))
		case b.EndC <= b.StartC:
			return nil, problem(http.StatusBadRequest, "the metal is heated from %d °C to %d °C: end_c must lie above start_c", b.StartC, b.EndC)
		}
	}
	was, err := a.reg.Job(ctx, in.Site, b.Number)
	reason := strings.TrimSpace(b.Reason)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		reason = ""
	case err != nil:
		return nil, a.fail(ctx, "read the job", err)
	case reason == "":
		return nil, problem(http.StatusConflict, "job %s is there already: take another number, or write in the reason why it is changed", b.Number)
	}
	if err := a.reg.SaveJob(ctx, j, reason); err != nil {
		return nil, a.fail(ctx, "store the job", err)
	}
	detail, err := json.Marshal(struct {
		Was, Is registry.Job
		Reason  string
	}{was, j, reason})
	if err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	if err := a.reg.Audit(ctx, caller(ctx).name, "save job", string(detail)); err != nil {
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
	s, err := session.Sheet(ctx, session.JobDeps{Store: a.store, Registry: a.reg}, in.Site, in.Job, a.now().UnixMilli())
	if errors.Is(err, registry.ErrNotFound) || err == nil && own != "" && s.Group != own {
		return session.JobSheet{}, problem(http.StatusNotFound, "no job %q at site %q: see …/jobs", in.Job, in.Site)
	}
	if err != nil {
		return session.JobSheet{}, a.fail(ctx, "make the sheet", err)
	}
	return s, nil
}

func (a *API) addWork(ctx context.Context, in *workInput) (*jobSheetOutput, error) {
	if _, err := a.jobSheet(ctx, &in.JobInput); err != nil {
		return nil, err
	}
	w, err := a.work(ctx, &in.JobInput, in.Body.WorkTime)
	if err != nil {
		return nil, err
	}
	w, err = a.reg.AddJobWork(ctx, w)
	if errors.Is(err, registry.ErrBusy) {
		return nil, problem(http.StatusConflict, "%v: end or correct that first", err)
	}
	if err != nil {
		return nil, a.fail(ctx, "store the machine time", err)
	}
	return a.worked(ctx, &in.JobInput, "work on job", w.ID)
}

// work checks machine time that a person gives.
func (a *API) work(ctx context.Context, in *JobInput, t WorkTime) (registry.JobWork, error) {
	nowMs := a.now().UnixMilli()
	w := registry.JobWork{Site: in.Site, Job: in.Job, Machine: t.Machine, FromMs: nowMs, Author: caller(ctx).name, MadeMs: nowMs}
	if _, _, err := a.machine(ctx, in.Site, t.Machine); err != nil {
		return w, err
	}
	if t.From != nil {
		w.FromMs = t.From.UnixMilli()
	}
	if t.To != nil {
		w.ToMs = t.To.UnixMilli()
	}
	switch {
	case w.FromMs <= 0 || w.FromMs > nowMs || w.ToMs > nowMs:
		return w, problem(http.StatusBadRequest, "machine time can't lie in the future")
	case w.ToMs != 0 && w.FromMs >= w.ToMs:
		return w, problem(http.StatusBadRequest, "from must lie before to")
	case max(w.ToMs, nowMs)-w.FromMs > 100*day.Milliseconds() && w.ToMs == 0, w.ToMs-w.FromMs > 100*day.Milliseconds():
		return w, problem(http.StatusBadRequest, "machine time of a job is at most 100 days long: enter it in pieces")
	}
	return w, nil
}

func (a *API) endWork(ctx context.Context, in *workIDInput) (*jobSheetOutput, error) {
	if _, err := a.jobSheet(ctx, &in.JobInput); err != nil {
		return nil, err
	}
	atMs := a.now().UnixMilli()
	if in.Body.At != nil {
		if atMs = in.Body.At.UnixMilli(); atMs > a.now().UnixMilli() {
			return nil, problem(http.StatusBadRequest, "machine time can't end in the future")
		}
	}
	err := a.reg.EndJobWork(ctx, in.Site, in.Job, in.ID, atMs)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, problem(http.StatusNotFound, "job %s has no machine time %d that this fits: it has ended, was withdrawn, or begins later", in.Job, in.ID)
	}
	if err != nil {
		return nil, a.fail(ctx, "end the machine time", err)
	}
	return a.worked(ctx, &in.JobInput, "end work on job", in.ID)
}

func (a *API) worked(ctx context.Context, in *JobInput, what string, id int64) (*jobSheetOutput, error) {
	if err := a.reg.Audit(ctx, caller(ctx).name, what, fmt.Sprintf("site %s job %s row %d", in.Site, in.Job, id)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	s, err := a.jobSheet(ctx, in)
	return &jobSheetOutput{Body: s}, err
}
