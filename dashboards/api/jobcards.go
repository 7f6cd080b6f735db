package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/session"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// cardsWithin is how long ago an unknown card may have been tapped to be offered for a job.
const cardsWithin = 24 * time.Hour

// UnknownCard is a card that was tapped lately and belongs to nobody.
type UnknownCard struct {
	Card    string    `json:"card" doc:"Salted hash"`
	Machine string    `json:"machine" doc:"Where it was tapped last"`
	First   time.Time `json:"first" doc:"Its first tap of the last 24 hours"`
	Last    time.Time `json:"last"`
}

type unknownCardsOutput struct {
	Body struct {
		Cards []UnknownCard `json:"cards" nullable:"false" doc:"Tapped last first"`
	}
}

type giveCardInput struct {
	JobInput
	Body struct {
		Card string     `json:"card" minLength:"1" maxLength:"64" doc:"Salted hash"`
		From *time.Time `json:"from,omitempty" doc:"From when on its taps count for the job, at most 24 hours ago; left out: now"`
	}
}

type endCardInput struct {
	JobInput
	Card string `path:"card" maxLength:"64"`
}

func (a *API) routeJobCards() {
	huma.Register(a.huma, operation("list-unknown-cards", http.MethodGet, "/sites/{site}/cards/unknown", "Cards of nobody that were tapped in the last 24 hours",
		"Tap a new card at any machine, then give it to a job."),
		func(ctx context.Context, in *SiteInput) (*unknownCardsOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			cards, err := a.unknownCards(ctx, in.Site)
			if err != nil {
				return nil, a.fail(ctx, "read the taps", err)
			}
			var out unknownCardsOutput
			out.Body.Cards = cards
			return &out, nil
		})
	huma.Register(a.huma, operation("give-job-card", http.MethodPost, "/sites/{site}/jobs/{job}/cards", "Let a card stand for a job",
		"Its taps tap the job in and out at any machine, until it is given to another job or its time for this one is ended."), a.giveJobCard)
	huma.Register(a.huma, operation("end-job-card", http.MethodPost, "/sites/{site}/jobs/{job}/cards/{card}/end", "A card no longer stands for the job", ""), a.endJobCard)
}

// taps reads the taps of the site's machines from fromMs on.
func (a *API) taps(ctx context.Context, site string, fromMs int64, fn func(machine, card string, atMs int64)) error {
	machines, err := a.reg.Machines(ctx, site)
	if err != nil {
		return err
	}
	for _, m := range machines {
		q := tsdb.Query{
			Measurement: tsdb.Telemetry, Site: site, Machine: m.ID, Fields: []string{quantity.Field(quantity.Card)}, FromMs: fromMs, ToMs: a.now().UnixMilli() + 1,
		}
		err := a.store.Read(ctx, q, func(row tsdb.Row) error {
			if card, ok := row.Values[0].(string); ok && card != "" {
				fn(m.ID, card, row.TimeMs)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *API) unknownCards(ctx context.Context, site string) ([]UnknownCard, error) {
	cards, err := a.reg.Cards(ctx, site)
	if err != nil {
		return nil, err
	}
	nowMs := a.now().UnixMilli()
	out := []UnknownCard{}
	err = a.taps(ctx, site, nowMs-cardsWithin.Milliseconds(), func(machine, card string, atMs int64) {
		if holder(cards, card, atMs, nowMs) != nil {
			return
		}
		i := slices.IndexFunc(out, func(c UnknownCard) bool { return c.Card == card })
		if i < 0 {
			out = append(out, UnknownCard{Card: card, Machine: machine, First: at(atMs), Last: at(atMs)})
			return
		}
		if at(atMs).Before(out[i].First) {
			out[i].First = at(atMs)
		}
		if at(atMs).After(out[i].Last) {
			out[i].Last, out[i].Machine = at(atMs), machine
		}
	})
	slices.SortFunc(out, func(a, b UnknownCard) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Card, b.Card)) })
	return out, err
}

// holder is who held a card at some time of [fromMs, toMs]; nil: nobody.
func holder(cards []registry.Card, card string, fromMs, toMs int64) *registry.Card {
	for i, c := range cards {
		if c.Hash == card && c.ValidFromMs <= toMs && (c.ValidTo == 0 || c.ValidTo > fromMs) {
			return &cards[i]
		}
	}
	return nil
}

func (a *API) giveJobCard(ctx context.Context, in *giveCardInput) (*jobSheetOutput, error) {
	if _, err := a.jobSheet(ctx, &in.JobInput); err != nil {
		return nil, err
	}
	b, nowMs := in.Body, a.now().UnixMilli()
	if _, err := wire.ParseCardHash(b.Card); err != nil {
		return nil, problem(http.StatusBadRequest, "card: %v", err)
	}
	fromMs := nowMs
	if b.From != nil {
		if fromMs = b.From.UnixMilli(); fromMs > nowMs || fromMs < nowMs-cardsWithin.Milliseconds() {
			return nil, problem(http.StatusBadRequest, "a card can be given to a job from 24 hours ago until now, not from %s", b.From.Format(time.RFC3339))
		}
	}
	cards, err := a.reg.Cards(ctx, in.Site)
	if err != nil {
		return nil, a.fail(ctx, "read the cards", err)
	}
	switch held := holder(cards, b.Card, fromMs, nowMs); {
	case held == nil || held.Job != "" && fromMs == nowMs: // a job's card passes on to the next job
	case held.Group != "":
		return nil, problem(http.StatusConflict, "that card belongs to group %s: take another one for jobs", held.Group)
	default:
		return nil, problem(http.StatusConflict, "that card stands for job %s at that time: give it from now on", held.Job)
	}
	if err := a.reg.GiveJobCard(ctx, in.Site, b.Card, in.Job, fromMs); err != nil {
		return nil, a.fail(ctx, "store the job's card", err)
	}
	return a.cardChanged(ctx, &in.JobInput, "give card to job", b.Card, fromMs)
}

func (a *API) endJobCard(ctx context.Context, in *endCardInput) (*jobSheetOutput, error) {
	s, err := a.jobSheet(ctx, &in.JobInput)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.Cards, func(c session.JobCard) bool { return c.Hash == in.Card && c.To == nil }) {
		return nil, problem(http.StatusNotFound, "that card does not stand for job %s", in.Job)
	}
	nowMs := a.now().UnixMilli()
	if err := a.reg.GiveJobCard(ctx, in.Site, in.Card, "", nowMs); err != nil {
		return nil, a.fail(ctx, "store the job's card", err)
	}
	return a.cardChanged(ctx, &in.JobInput, "end card of job", in.Card, nowMs)
}

// cardChanged writes the audit line and works out anew what the card's taps from fromMs on mean.
func (a *API) cardChanged(ctx context.Context, in *JobInput, what, card string, fromMs int64) (*jobSheetOutput, error) {
	if err := a.reg.Audit(ctx, caller(ctx).name, what, fmt.Sprintf("site %s job %s card %s from_ms %d", in.Site, in.Job, card, fromMs)); err != nil {
		return nil, a.fail(ctx, "write the audit log", err)
	}
	tapped := map[string]int64{}
	err := a.taps(ctx, in.Site, fromMs, func(machine, of string, atMs int64) {
		if first, ok := tapped[machine]; of == card && (!ok || atMs < first) {
			tapped[machine] = atMs
		}
	})
	if err != nil {
		return nil, a.fail(ctx, "read the taps", err)
	}
	rebuilder := session.New(session.Options{Store: a.store, Registry: a.reg, Logger: a.log, Now: a.now})
	for machine, atMs := range tapped {
		if err := rebuilder.Rebuilt(ctx, in.Site, machine, atMs, 0); err != nil {
			return nil, a.fail(ctx, "rebuild the sessions", err)
		}
	}
	s, err := a.jobSheet(ctx, in)
	return &jobSheetOutput{Body: s}, err
}
