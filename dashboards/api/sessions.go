package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/session"
	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// Session is one group holding one machine.
type Session struct {
	Machine     string           `json:"machine"`
	Group       string           `json:"group" doc:"Empty when the card belongs to nobody"`
	Start       time.Time        `json:"start"`
	End         *time.Time       `json:"end,omitempty" doc:"Absent while open"`
	EndReason   string           `json:"end_reason" doc:"tap, takeover, forgotten (closed at the last load), correction, open"`
	Card        string           `json:"card" doc:"Salted hash of the card; empty of a session that a correction made"`
	Training    bool             `json:"training" doc:"Not billed"`
	Bounded     bool             `json:"bounded" doc:"Part of it lies where a gateway had no time, and nobody has confirmed it: when that was is known within bounds only, and run time there is held back from the bill"`
	Corrections []int64          `json:"corrections" nullable:"false" doc:"Ids of those that made it what it is"`
	Evidence    *SessionEvidence `json:"evidence,omitempty" doc:"When asked for"`
}

// SessionEvidence is what a session stands on.
type SessionEvidence struct {
	Taps      []Tap      `json:"taps" nullable:"false" doc:"Every tap from a minute before to a minute after"`
	Intervals []Interval `json:"intervals" nullable:"false" doc:"Cut to the session"`
}

// Tap is a card held to the reader.
type Tap struct {
	Time time.Time `json:"time"`
	Card string    `json:"card" doc:"Salted hash; people of a group see that of their session's card only"`
	Void bool      `json:"void" doc:"A correction says that it does not count"`
}

type sessionsInput struct {
	SiteInput
	Span
	Machine  string `query:"machine" maxLength:"40"`
	Group    string `query:"group" maxLength:"40"`
	Evidence bool   `query:"evidence" doc:"With taps and states of each session; from–to is then at most 7 days"`
}

type sessionsOutput struct {
	Body struct {
		Sessions []Session `json:"sessions" nullable:"false"`
	}
}

func (a *API) routeSessions() {
	huma.Register(a.huma, operation("list-sessions", http.MethodGet, "/sites/{site}/sessions", "Who held which machine",
		"Sessions that overlap from–to, at most 100 days, with the corrections on top. People of a group see their own only."),
		func(ctx context.Context, in *sessionsInput) (*sessionsOutput, error) {
			longest := 100 * day
			if in.Evidence {
				longest = 7 * day
			}
			fromMs, toMs, err := in.check(longest)
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
			rows, told, err := session.Read(ctx, a.reg, session.Query{Site: in.Site, FromMs: fromMs, ToMs: toMs, Machine: in.Machine, Group: own})
			if err != nil {
				return nil, a.fail(ctx, "list the sessions", err)
			}
			held, err := a.boundedSessions(ctx, in.Site, rows, told)
			if err != nil {
				return nil, err
			}
			var out sessionsOutput
			out.Body.Sessions = make([]Session, len(rows))
			for i, s := range rows {
				out.Body.Sessions[i] = Session{
					Machine: s.Machine, Group: s.Group, Start: at(s.StartMs), End: atOrNil(s.EndMs), EndReason: s.EndReason,
					Card: s.CardHash, Training: s.Training, Bounded: held[i], Corrections: append([]int64{}, s.Corrections...),
				}
				if in.Evidence {
					if out.Body.Sessions[i].Evidence, err = a.evidence(ctx, in.Site, s, told); err != nil {
						return nil, err
					}
				}
			}
			return &out, nil
		})
}

// evidence reads what a session stands on. People of a group see the taps of their own card only.
func (a *API) evidence(ctx context.Context, site string, s session.Held, told []session.Told) (*SessionEvidence, error) {
	own := ""
	if caller(ctx).role == group {
		own = s.Group
	}
	end := s.EndMs
	if end == 0 {
		end = a.now().UnixMilli()
	}
	out := &SessionEvidence{Taps: []Tap{}}
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Machine: s.Machine, Fields: []string{quantity.Field(quantity.Card)},
		FromMs: s.StartMs - 60_000, ToMs: end + 60_000,
	}
	err := a.store.Read(ctx, q, func(row tsdb.Row) error {
		card, ok := row.Values[0].(string)
		if !ok || card == "" || own != "" && card != s.CardHash {
			return nil
		}
		t := Tap{Time: at(row.TimeMs), Card: card}
		for _, c := range told {
			t.Void = t.Void || c.Kind == session.KindVoid && c.Status == session.StatusApplied && c.Machine == s.Machine && c.AtMs == row.TimeMs && c.CardHash == card
		}
		out.Taps = append(out.Taps, t)
		return nil
	})
	if err != nil {
		return nil, a.fail(ctx, "read the taps", err)
	}
	if out.Intervals, err = a.intervals(ctx, site, s.Machine, s.StartMs, end, true, own); err != nil {
		return nil, err
	}
	return out, nil
}
