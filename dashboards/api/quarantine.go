package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
)

// Quarantined is a pack that could not be stored.
type Quarantined struct {
	ID       int64     `json:"id"`
	Received time.Time `json:"received"`
	Topic    string    `json:"topic"`
	Gateway  string    `json:"gateway,omitempty"`
	Machine  string    `json:"machine,omitempty"`
	Reason   string    `json:"reason" doc:"not-senml, unknown-machine, unknown-unit, absurd-time, wrong-type, …"`
	Detail   string    `json:"detail"`
	Count    int64     `json:"count" doc:"How often the same bytes came"`
	Bytes    int64     `json:"bytes" doc:"Size of the message"`
	SHA256   string    `json:"sha256,omitempty" doc:"Of the whole message, hex"`
	Payload  []byte    `json:"payload,omitempty" doc:"The first 4 kB of the message, base64"`
	Waiting  bool      `json:"waiting" doc:"Somebody asked that it be tried again"`
}

// QuarantineCount is what the quarantine holds of one machine and reason.
type QuarantineCount struct {
	Machine string    `json:"machine,omitempty"`
	Reason  string    `json:"reason"`
	Packs   int64     `json:"packs"`
	Bytes   int64     `json:"bytes"`
	Cut     int64     `json:"cut" doc:"Of the packs: only their beginning is kept, they can't be tried again"`
	Waiting int64     `json:"waiting" doc:"Of the packs: they are about to be tried again"`
	First   time.Time `json:"first" doc:"When the oldest was received"`
	Last    time.Time `json:"last"`
	Detail  string    `json:"detail" doc:"Of one of them"`
}

// QuarantineSummary is what is left of packs that had to make room for newer ones.
type QuarantineSummary struct {
	Topic  string    `json:"topic,omitempty" doc:"Absent where many topics of a month were made one row"`
	Reason string    `json:"reason"`
	Day    string    `json:"day" doc:"UTC"`
	Packs  int64     `json:"packs"`
	Bytes  int64     `json:"bytes"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	SHA256 string    `json:"sha256" doc:"Of one of them, hex"`
}

type quarantineInput struct {
	SiteInput
	Machine string    `query:"machine" maxLength:"40"`
	Reason  string    `query:"reason" maxLength:"64"`
	Since   time.Time `query:"since" doc:"Received then or later (RFC 3339)"`
	Before  int64     `query:"before" minimum:"0" doc:"Ids below this one only: the next page"`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type quarantineOutput struct {
	Body struct {
		Quarantined []Quarantined `json:"quarantined" nullable:"false" doc:"Newest first"`
	}
}

type quarantineCountsOutput struct {
	Body struct {
		Counts     []QuarantineCount   `json:"counts" nullable:"false" doc:"Most packs first"`
		Summarised []QuarantineSummary `json:"summarised" nullable:"false" doc:"What had to make room, newest first, at most 200"`
	}
}

// QuarantineChoice says which packs of a site are meant; at least one field must be given.
type QuarantineChoice struct {
	Machine string  `json:"machine,omitempty" maxLength:"40"`
	Reason  string  `json:"reason,omitempty" maxLength:"64"`
	IDs     []int64 `json:"ids,omitempty" maxItems:"500"`
}

type quarantineActInput struct {
	SiteInput
	Body QuarantineChoice
}

type quarantineActOutput struct {
	Body struct {
		Packs int64 `json:"packs" doc:"That were meant"`
		Cut   int64 `json:"cut" doc:"Further ones that can't be tried again, because only their beginning is kept"`
	}
}

func (a *API) routeQuarantine() {
	huma.Register(a.huma, operation("list-quarantine", http.MethodGet, "/sites/{site}/quarantine", "Packs that could not be stored, and why", ""), a.listQuarantine)
	huma.Register(a.huma, operation("count-quarantine", http.MethodGet, "/sites/{site}/quarantine/counts", "How many packs could not be stored, by machine and reason",
		"With what is left of those that had to make room."), a.countQuarantine)
	huma.Register(a.huma, operation("replay-quarantine", http.MethodPost, "/sites/{site}/quarantine/replay", "Try packs again",
		"Marks them: ingest takes them within seconds. What is refused again stays, under its new reason."),
		func(ctx context.Context, in *quarantineActInput) (*quarantineActOutput, error) {
			f, err := a.quarantineChoice(ctx, in)
			if err != nil {
				return nil, err
			}
			ids, cut, err := a.reg.AskReplay(ctx, f, a.now().UnixMilli())
			if err != nil {
				return nil, a.fail(ctx, "mark the packs", err)
			}
			var out quarantineActOutput
			out.Body.Packs, out.Body.Cut = int64(len(ids)), cut
			return &out, a.auditQuarantine(ctx, "replay quarantine", in, out.Body.Packs)
		})
	huma.Register(a.huma, operation("drop-quarantine", http.MethodPost, "/sites/{site}/quarantine/drop", "Throw packs away", ""),
		func(ctx context.Context, in *quarantineActInput) (*quarantineActOutput, error) {
			f, err := a.quarantineChoice(ctx, in)
			if err != nil {
				return nil, err
			}
			n, err := a.reg.DropQuarantined(ctx, f)
			if err != nil {
				return nil, a.fail(ctx, "throw the packs away", err)
			}
			var out quarantineActOutput
			out.Body.Packs = n
			return &out, a.auditQuarantine(ctx, "drop quarantine", in, n)
		})
}

func (a *API) listQuarantine(ctx context.Context, in *quarantineInput) (*quarantineOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	f := registry.QuarantineFilter{Site: in.Site, Machine: in.Machine, Reason: in.Reason, BeforeID: in.Before, Limit: in.Limit}
	if !in.Since.IsZero() {
		f.SinceMs = in.Since.UnixMilli()
	}
	rows, err := a.reg.FindQuarantined(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, "list the quarantine", err)
	}
	var out quarantineOutput
	out.Body.Quarantined = make([]Quarantined, len(rows))
	for i, q := range rows {
		out.Body.Quarantined[i] = Quarantined{
			ID: q.ID, Received: at(q.ReceivedMs), Topic: q.Topic, Gateway: q.Gateway, Machine: q.Machine, Reason: q.Reason,
			Detail: q.Detail, Count: q.Count, Bytes: q.Length, SHA256: q.SHA256, Payload: q.Payload, Waiting: q.ReplayMs > 0,
		}
	}
	return &out, nil
}

func (a *API) countQuarantine(ctx context.Context, in *SiteInput) (*quarantineCountsOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	counts, err := a.reg.QuarantineCounts(ctx, in.Site)
	if err != nil {
		return nil, a.fail(ctx, "count the quarantine", err)
	}
	summaries, err := a.reg.QuarantineSummaries(ctx, in.Site, 200)
	if err != nil {
		return nil, a.fail(ctx, "list the summary of the quarantine", err)
	}
	var out quarantineCountsOutput
	out.Body.Counts = make([]QuarantineCount, len(counts))
	for i, c := range counts {
		out.Body.Counts[i] = QuarantineCount{
			Machine: c.Machine, Reason: c.Reason, Packs: c.Packs, Bytes: c.Bytes, Cut: c.Cut, Waiting: c.Waiting, First: at(c.FirstMs), Last: at(c.LastMs), Detail: c.Detail,
		}
	}
	out.Body.Summarised = make([]QuarantineSummary, len(summaries))
	for i, s := range summaries {
		out.Body.Summarised[i] = QuarantineSummary{
			Topic: s.Topic, Reason: s.Reason, Day: s.Day, Packs: s.Packs, Bytes: s.Bytes, First: at(s.FirstMs), Last: at(s.LastMs), SHA256: s.SHA256,
		}
	}
	return &out, nil
}

func (a *API) quarantineChoice(ctx context.Context, in *quarantineActInput) (registry.QuarantineFilter, error) {
	f := registry.QuarantineFilter{Site: in.Site, Machine: in.Body.Machine, Reason: in.Body.Reason, IDs: in.Body.IDs}
	if _, err := a.site(ctx, in.Site); err != nil {
		return f, err
	}
	if f.Machine == "" && f.Reason == "" && len(f.IDs) == 0 {
		return f, problem(http.StatusBadRequest, "say which packs: machine, reason or ids")
	}
	return f, nil
}

func (a *API) auditQuarantine(ctx context.Context, what string, in *quarantineActInput, packs int64) error {
	detail := fmt.Sprintf("site %s machine %q reason %q ids %d: %d packs", in.Site, in.Body.Machine, in.Body.Reason, len(in.Body.IDs), packs)
	if err := a.reg.Audit(ctx, caller(ctx).name, what, detail); err != nil {
		return a.fail(ctx, "write the audit log", err)
	}
	return nil
}
