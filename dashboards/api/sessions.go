package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Session is one group holding one machine.
type Session struct {
	Machine   string     `json:"machine"`
	Group     string     `json:"group" doc:"Empty when the card belongs to nobody"`
	Start     time.Time  `json:"start"`
	End       *time.Time `json:"end,omitempty" doc:"Absent while open"`
	EndReason string     `json:"end_reason" doc:"tap, takeover, forgotten (closed at the last load), open"`
}

type sessionsInput struct {
	SiteInput
	Span
	Machine string `query:"machine" maxLength:"40"`
	Group   string `query:"group" maxLength:"40"`
}

type sessionsOutput struct {
	Body struct {
		Sessions []Session `json:"sessions" nullable:"false"`
	}
}

func (a *API) routeSessions() {
	huma.Register(a.huma, operation("list-sessions", http.MethodGet, "/sites/{site}/sessions", "Who held which machine",
		"Sessions that overlap from–to, at most 100 days. People of a group see their own only."),
		func(ctx context.Context, in *sessionsInput) (*sessionsOutput, error) {
			fromMs, toMs, err := in.check(100 * day)
			if err != nil {
				return nil, err
			}
			own, err := ownGroup(ctx, in.Group)
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
			rows, err := a.reg.Sessions(ctx, in.Site, fromMs, toMs, in.Machine, own)
			if err != nil {
				return nil, a.fail(ctx, "list the sessions", err)
			}
			var out sessionsOutput
			out.Body.Sessions = make([]Session, len(rows))
			for i, s := range rows {
				out.Body.Sessions[i] = Session{Machine: s.Machine, Group: s.Group, Start: at(s.StartMs), End: atOrNil(s.EndMs), EndReason: s.EndReason}
			}
			return &out, nil
		})
}
