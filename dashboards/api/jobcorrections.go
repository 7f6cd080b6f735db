package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
)

type correctJobInput struct {
	JobInput
	Body struct {
		Work    int64      `json:"work,omitempty" minimum:"0" doc:"Id of the entered machine time that is wrong"`
		Machine string     `json:"machine,omitempty" maxLength:"40" doc:"Time of a job card that is wrong: the machine"`
		From    *time.Time `json:"from,omitempty" doc:"and the stretch as the sheet gives it"`
		To      *time.Time `json:"to,omitempty" doc:"Left out: the stretch is open, what its card gives from then on does not count until it is tapped out"`
		Instead *WorkTime  `json:"instead,omitempty" doc:"What is right; left out: nothing counts"`
		Reason  string     `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) routeJobCorrections() {
	huma.Register(a.huma, operation("correct-job-work", http.MethodPost, "/sites/{site}/jobs/{job}/corrections", "Correct machine time of a job",
		"Entered time is withdrawn, time of a job card is cut; what is right comes in its place. Nothing is taken out of the record: author, reason and time stand on the sheet."), a.correctWork)
}

func (a *API) correctWork(ctx context.Context, in *correctJobInput) (*jobSheetOutput, error) {
	s, err := a.jobSheet(ctx, &in.JobInput)
	if err != nil {
		return nil, err
	}
	b := in.Body
	c := registry.JobCorrection{Site: in.Site, Job: in.Job, Author: caller(ctx).name, Reason: strings.TrimSpace(b.Reason), MadeMs: a.now().UnixMilli()}
	switch {
	case c.Reason == "":
		return nil, problem(http.StatusBadRequest, "write in the reason why the machine time is corrected")
	case b.Work > 0:
		found := false
		works, err := a.reg.JobWorks(ctx, in.Site, in.Job)
		if err != nil {
			return nil, a.fail(ctx, "read the machine time", err)
		}
		for _, w := range works {
			if w.ID == b.Work && w.WithdrawnMs == 0 {
				found, c.Kind, c.Machine, c.FromMs, c.ToMs = true, registry.JobWithdraw, w.Machine, w.FromMs, w.ToMs
			}
		}
		if !found {
			return nil, problem(http.StatusNotFound, "job %s has no machine time %d that counts", in.Job, b.Work)
		}
	case b.Machine != "" && b.From != nil:
		found := false
		for _, x := range s.Stretches {
			found = found || x.ID == 0 && x.Machine == b.Machine && x.From.Equal(*b.From) && (x.Open && b.To == nil || !x.Open && b.To != nil && x.To.Equal(*b.To))
		}
		if !found {
			to := "until now (leave to out only while it is open)"
			if b.To != nil {
				to = "to " + b.To.Format(time.RFC3339Nano)
			}
			return nil, problem(http.StatusNotFound, "job %s has no time of a job card at %s from %s %s: see the stretches of its sheet",
				in.Job, b.Machine, b.From.Format(time.RFC3339Nano), to)
		}
		c.Kind, c.Machine, c.FromMs = registry.JobCut, b.Machine, b.From.UnixMilli()
		if b.To != nil {
			c.ToMs = b.To.UnixMilli()
		}
	default:
		return nil, problem(http.StatusBadRequest, "name what is wrong: work, or machine, from and to of a job card's time")
	}
	var instead *registry.JobWork
	if b.Instead != nil {
		w, err := a.work(ctx, &in.JobInput, *b.Instead)
		if err != nil {
			return nil, err
		}
		instead = &w
	}
	err = a.reg.CorrectJobWork(ctx, c, b.Work, instead)
	switch {
	case errors.Is(err, registry.ErrBusy):
		return nil, problem(http.StatusConflict, "%v: end or correct that first", err)
	case errors.Is(err, registry.ErrNotFound):
		return nil, problem(http.StatusConflict, "somebody else has corrected this machine time just now: load the sheet again")
	case err != nil:
		return nil, a.fail(ctx, "store the correction", err)
	}
	s, err = a.jobSheet(ctx, &in.JobInput)
	return &jobSheetOutput{Body: s}, err
}
