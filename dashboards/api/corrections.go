package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/billing"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Correction is what a person said of sessions, and what became of it.
type Correction struct {
	ID       int64      `json:"id"`
	Machine  string     `json:"machine"`
	Kind     string     `json:"kind" enum:"assign,group,split,end,training,void,confirm,reverse"`
	Start    *time.Time `json:"start,omitempty" doc:"Of the session, or of the assigned stretch"`
	End      *time.Time `json:"end,omitempty" doc:"Of the session when it was corrected (absent: it was open), or of the assigned stretch"`
	At       *time.Time `json:"at,omitempty" doc:"split, end: where; void: the tap"`
	GroupWas string     `json:"group_was" doc:"The session's group when it was corrected"`
	Group    string     `json:"group" doc:"The new one"`
	Reverses int64      `json:"reverses,omitempty"`
	Author   string     `json:"author"`
	Reason   string     `json:"reason"`
	Made     time.Time  `json:"made"`
	Status   string     `json:"status" enum:"applied,changed,partly,conflict,reversed" doc:"changed: applied, though the session is not what it was; partly: others hold a part by now; conflict: not applied"`
	Why      string     `json:"why,omitempty" doc:"gone, outside, taken, end, group: why it is changed, partly applied or in conflict"`
}

type correctionsInput struct {
	SiteInput
	Span
	Machine string `query:"machine" maxLength:"40"`
}

type correctionsOutput struct {
	Body struct {
		Corrections []Correction `json:"corrections" nullable:"false" doc:"In the order they were made"`
	}
}

type correctInput struct {
	SiteInput
	Body struct {
		Kind     string     `json:"kind" enum:"assign,group,split,end,training,void,confirm,reverse"`
		Machine  string     `json:"machine,omitempty" maxLength:"40" doc:"All kinds but reverse"`
		Start    *time.Time `json:"start,omitempty" doc:"The session's start as GET …/sessions gives it; assign, confirm: begin of the stretch"`
		End      *time.Time `json:"end,omitempty" doc:"assign, confirm: end of the stretch"`
		At       *time.Time `json:"at,omitempty" doc:"split, end: where; void: the time of the tap"`
		Card     string     `json:"card,omitempty" maxLength:"64" doc:"void: the card's hash"`
		Group    string     `json:"group,omitempty" maxLength:"40" doc:"assign, group: to whom; split: of the second part, left out: the same"`
		Reverses int64      `json:"reverses,omitempty" minimum:"0" doc:"reverse: id of the correction that shall not count"`
		Reason   string     `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type correctOutput struct {
	Body struct {
		Correction Correction `json:"correction"`
		Remade     int        `json:"remade" doc:"Draft statements that were made anew"`
	}
}

func (a *API) routeCorrections() {
	huma.Register(a.huma, operation("list-corrections", http.MethodGet, "/sites/{site}/corrections", "Corrections of sessions: who, why, and what became of them",
		"Those that touch from–to, at most 100 days. People of a group see those of their own sessions only."), a.listCorrections)
	huma.Register(a.huma, operation("correct-session", http.MethodPost, "/sites/{site}/corrections", "Correct sessions",
		"A row of its own in the name of the caller, on top of what the taps say; nothing is changed or taken out, and another correction (reverse) takes it back. Drafts that it touches are made anew."), a.correct)
}

func shownCorrection(t session.Told) Correction {
	return Correction{
		ID: t.ID, Machine: t.Machine, Kind: t.Kind, Start: atOrNil(t.FromMs), End: atOrNil(t.ToMs), At: atOrNil(t.AtMs), GroupWas: t.GroupWas, Group: t.Group,
		Reverses: t.Reverses, Author: t.Author, Reason: t.Reason, Made: at(t.MadeMs), Status: t.Status, Why: t.Why,
	}
}

func (a *API) listCorrections(ctx context.Context, in *correctionsInput) (*correctionsOutput, error) {
	fromMs, toMs, err := in.check(100 * day)
	if err != nil {
		return nil, err
	}
	own, err := ownGroup(ctx, "")
	if err != nil {
		return nil, err
	}
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	_, told, err := session.Read(ctx, a.reg, session.Query{Site: in.Site, FromMs: fromMs, ToMs: toMs, Machine: in.Machine})
	if err != nil {
		return nil, a.fail(ctx, "list the corrections", err)
	}
	var out correctionsOutput
	out.Body.Corrections = []Correction{}
	seen := map[int64]bool{}
	for _, t := range told {
		if own != "" && t.Group != own && t.GroupWas != own && !seen[t.Reverses] {
			continue
		}
		seen[t.ID] = true
		c := shownCorrection(t)
		if own != "" { // whose it was before or is now is not for other groups
			if c.Group != own {
				c.Group = ""
			}
			if c.GroupWas != own {
				c.GroupWas = ""
			}
		}
		out.Body.Corrections = append(out.Body.Corrections, c)
	}
	return &out, nil
}

func (a *API) correct(ctx context.Context, in *correctInput) (*correctOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	c, fromMs, err := a.correction(ctx, in)
	if err != nil {
		return nil, err
	}
	var touchMs int64
	if c.Kind == session.KindVoid {
		touchMs = c.AtMs
	}
	if c.Kind == session.KindReverse { // the reversal of a void tap changes what taps mean as well
		touchMs, c.AtMs = c.AtMs, 0
	}
	saved, err := a.reg.AddCorrection(ctx, c, touchMs)
	if errors.Is(err, registry.ErrReversed) {
		return nil, problem(http.StatusConflict, "%v; reverse that one to bring it back", err)
	}
	if err != nil {
		return nil, a.fail(ctx, "store the correction", err)
	}
	if touchMs > 0 {
		// The list of touched stretches has it rebuilt in any case; doing it here shows the caller the result.
		if err := session.New(session.Options{Store: a.store, Registry: a.reg, Logger: a.log, Now: a.now}).Rebuilt(ctx, c.Site, c.Machine, touchMs, 0); err != nil {
			return nil, a.fail(ctx, "rebuild the sessions", err)
		}
	}
	var out correctOutput
	if out.Body.Remade, err = a.remake(ctx, in.Site, fromMs); err != nil {
		return nil, err
	}
	out.Body.Correction = shownCorrection(session.Told{Correction: saved, Status: session.StatusApplied})
	_, told, err := session.Read(ctx, a.reg, session.Query{Site: in.Site, FromMs: fromMs, ToMs: fromMs + 1, Machine: c.Machine})
	if err != nil {
		return nil, a.fail(ctx, "read the corrections", err)
	}
	for _, t := range told {
		if t.ID == saved.ID {
			out.Body.Correction = shownCorrection(t)
		}
	}
	return &out, nil
}

// correction checks what was asked. fromMs is where the time begins that it changes.
func (a *API) correction(ctx context.Context, in *correctInput) (c registry.Correction, fromMs int64, err error) {
	b := in.Body
	nowMs := a.now().UnixMilli()
	c = registry.Correction{
		Site: in.Site, Machine: b.Machine, Kind: b.Kind, Group: b.Group, Author: caller(ctx).name, Reason: strings.TrimSpace(b.Reason), MadeMs: nowMs,
	}
	bad := func(format string, args ...any) (registry.Correction, int64, error) {
		return c, 0, problem(http.StatusBadRequest, format, args...)
	}
	if c.Reason == "" {
		return bad("write in the reason why the session is corrected")
	}
	if c.Kind == session.KindReverse {
		return a.reversal(ctx, c, b.Reverses)
	}
	if _, _, err := a.machine(ctx, in.Site, b.Machine); err != nil {
		return c, 0, err
	}
	takesGroup := b.Kind == session.KindAssign || b.Kind == session.KindGroup || b.Kind == session.KindSplit
	switch {
	case takesGroup && b.Group == "" && b.Kind != session.KindSplit:
		return bad("name the group (field group)")
	case !takesGroup && b.Group != "":
		return bad("kind %s takes no group", b.Kind)
	}
	if b.Group != "" {
		names, err := groupNames(ctx, a.reg, in.Site)
		if err != nil {
			return c, 0, a.fail(ctx, "list the groups", err)
		}
		if _, ok := names[b.Group]; !ok {
			ids := make([]string, 0, len(names))
			for id := range names {
				ids = append(ids, id)
			}
			return c, 0, problem(http.StatusNotFound, "no group %q at site %q; %s", b.Group, in.Site, known("groups", ids))
		}
	}
	if b.At != nil {
		c.AtMs = b.At.UnixMilli()
	}
	switch b.Kind {
	case session.KindConfirm:
		return a.confirmation(ctx, c, b.Start, b.End)
	case session.KindAssign:
		if b.Start == nil || b.End == nil {
			return bad("give start and end of the stretch")
		}
		c.FromMs, c.ToMs = b.Start.UnixMilli(), b.End.UnixMilli()
		switch {
		case c.FromMs >= c.ToMs || c.FromMs <= 0:
			return bad("start (%s) must lie before end (%s)", b.Start.Format(time.RFC3339), b.End.Format(time.RFC3339))
		case c.ToMs > nowMs:
			return bad("the stretch ends in the future (%s)", b.End.Format(time.RFC3339))
		case c.ToMs-c.FromMs > 31*day.Milliseconds():
			return bad("a stretch is at most 31 days long: assign it in pieces")
		}
		held, _, err := session.Read(ctx, a.reg, session.Query{Site: in.Site, FromMs: c.FromMs, ToMs: c.ToMs, Machine: b.Machine})
		if err != nil {
			return c, 0, a.fail(ctx, "read the sessions", err)
		}
		for _, h := range held {
			if h.Group != "" && h.EndMs != h.StartMs {
				return c, 0, problem(http.StatusConflict, "group %s holds the machine from %s: assign what lies beside it, or correct that session", h.Group, at(h.StartMs).Format(time.RFC3339))
			}
		}
		return c, c.FromMs, nil
	case session.KindVoid:
		if b.At == nil || b.Card == "" {
			return bad("give time (at) and card of the tap")
		}
		c.CardHash = b.Card
		found, err := a.tapped(ctx, in.Site, b.Machine, c.AtMs, b.Card)
		if err != nil {
			return c, 0, a.fail(ctx, "read the taps", err)
		}
		if !found {
			return c, 0, problem(http.StatusNotFound, "no tap of that card at %s: see the evidence of …/sessions", b.At.Format(time.RFC3339Nano))
		}
		c.FromMs = c.AtMs
		return c, c.AtMs, nil
	}
	if b.Start == nil {
		return bad("name the session by its start")
	}
	startMs := b.Start.UnixMilli()
	held, _, err := session.Read(ctx, a.reg, session.Query{Site: in.Site, FromMs: startMs, ToMs: startMs + 1, Machine: b.Machine})
	if err != nil {
		return c, 0, a.fail(ctx, "read the sessions", err)
	}
	i := slices.IndexFunc(held, func(h session.Held) bool { return h.StartMs == startMs })
	if i < 0 {
		return c, 0, problem(http.StatusNotFound, "no session of machine %s begins at %s: see …/sessions", b.Machine, b.Start.Format(time.RFC3339Nano))
	}
	h := held[i]
	c.FromMs, c.ToMs, c.CardHash, c.GroupWas = h.StartMs, h.EndMs, h.CardHash, h.Group
	switch b.Kind {
	case session.KindSplit, session.KindEnd:
		if c.AtMs <= h.StartMs || c.AtMs > nowMs || h.EndMs != 0 && c.AtMs >= h.EndMs {
			return bad("at must lie inside the session")
		}
	case session.KindGroup:
		if b.Group == h.Group {
			return bad("the session is of group %s already", b.Group)
		}
	case session.KindTraining:
		if h.Training {
			return bad("the session is training already")
		}
	}
	return c, c.FromMs, nil
}

// confirmation is the row by which a person takes the times of a stretch as they are stored, though the gateway had none.
func (a *API) confirmation(ctx context.Context, c registry.Correction, start, end *time.Time) (registry.Correction, int64, error) {
	if start == nil || end == nil || !start.Before(*end) {
		return c, 0, problem(http.StatusBadRequest, "give start and end of the stretch, as the statement's line has them in held")
	}
	c.FromMs, c.ToMs = start.UnixMilli(), end.UnixMilli()
	if c.FromMs <= 0 || c.ToMs-c.FromMs > 400*day.Milliseconds() {
		return c, 0, problem(http.StatusBadRequest, "a stretch is at most 400 days long")
	}
	found, err := timeline.ReadBounded(ctx, a.store, c.Site, c.Machine, c.FromMs, c.ToMs)
	if err != nil {
		return c, 0, a.fail(ctx, "read the trust in times", err)
	}
	if len(found) == 0 {
		return c, 0, problem(http.StatusNotFound, "machine %s has no samples with a bounded time from %s to %s: nothing is held back there", c.Machine, start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	return c, c.FromMs, nil
}

// reversal is the row that takes a correction back. AtMs is the tap when that correction voids one.
func (a *API) reversal(ctx context.Context, c registry.Correction, id int64) (registry.Correction, int64, error) {
	all, err := a.reg.Corrections(ctx, c.Site, "")
	if err != nil {
		return c, 0, a.fail(ctx, "read the corrections", err)
	}
	i := slices.IndexFunc(all, func(o registry.Correction) bool { return o.ID == id })
	if i < 0 {
		return c, 0, problem(http.StatusNotFound, "no correction %d at site %q: see …/corrections", id, c.Site)
	}
	first := all[i]
	c.Machine, c.Reverses, c.Group = first.Machine, id, ""
	for first.Kind == session.KindReverse { // what is changed in the end
		next := slices.IndexFunc(all, func(o registry.Correction) bool { return o.ID == first.Reverses })
		if next < 0 {
			break
		}
		first = all[next]
	}
	if first.Kind == session.KindVoid {
		c.AtMs = first.AtMs
	}
	return c, first.FromMs, nil
}

func (a *API) tapped(ctx context.Context, site, machine string, atMs int64, card string) (found bool, err error) {
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{quantity.Field(quantity.Card)}, FromMs: atMs, ToMs: atMs + 1}
	err = a.store.Read(ctx, q, func(row tsdb.Row) error {
		v, _ := row.Values[0].(string)
		found = found || v == card
		return nil
	})
	return found, err
}

// remake makes the drafts anew that can depend on sessions from fromMs on. What was issued is no draft and stays.
func (a *API) remake(ctx context.Context, site string, fromMs int64) (int, error) {
	s, err := a.site(ctx, site)
	if err != nil {
		return 0, err
	}
	loc, err := zone(s.Zone)
	if err != nil {
		return 0, err
	}
	rows, err := a.reg.Statements(ctx, site, "")
	if err != nil {
		return 0, a.fail(ctx, "list the statements", err)
	}
	months := map[string]bool{}
	for _, r := range rows {
		if _, toMs, err := billing.Bounds(r.Month, loc); err == nil && toMs > fromMs {
			months[r.Month] = true
		}
	}
	n := 0
	for month := range months {
		made, err := billing.Remake(ctx, a.store, a.reg, site, month, a.now().UnixMilli())
		if err != nil {
			return n, a.fail(ctx, "make the statements anew", err)
		}
		n += made
	}
	return n, nil
}
