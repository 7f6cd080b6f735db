package session

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// Registry is what the rebuilder asks of SQL; *registry.DB answers it.
type Registry interface {
	Cards(ctx context.Context, site string) ([]registry.Card, error)
	Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]registry.Session, error)
	ReplaceSessions(ctx context.Context, site, machine string, fromMs int64, s []registry.Session) error
	JobTaps(ctx context.Context, site string, fromMs, toMs int64, machine, job string) ([]registry.Session, error)
	ReplaceJobTaps(ctx context.Context, site, machine string, fromMs int64, s []registry.Session) error
	Corrections(ctx context.Context, site, machine string) ([]registry.Correction, error)
}

// Options of a Rebuilder. Store and Registry are needed.
type Options struct {
	Store    tsdb.Store
	Registry Registry
	Logger   *slog.Logger     // nil: silent
	Now      func() time.Time // nil: time.Now; only bounds how far ahead is read
	Rules    Rules            // zero: DefaultRules
}

// Rebuilder keeps the sessions of the registry equal to the fold of the stored taps and states. It implements
// analytics.Follower. Calls for different machines may run at once; calls for one machine come one after another.
type Rebuilder struct{ o Options }

// New returns a Rebuilder.
func New(o Options) *Rebuilder {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rules == (Rules{}) {
		o.Rules = DefaultRules
	}
	return &Rebuilder{o: o}
}

// Rebuilt brings the machine's sessions up to date after taps or states from fromMs on have changed. What lies
// before fromMs is taken as unchanged since the last call; toMs is not needed, because a change reaches as far as
// the next tap or the end of data.
//
// The fold starts at the last stored session that begins before fromMs: its opening tap lies in the unchanged past
// and fixes the state of the fold, so that the result is the same as a fold of everything.
func (r *Rebuilder) Rebuilt(ctx context.Context, site, machine string, fromMs, _ int64) error {
	if err := r.rebuilt(ctx, site, machine, fromMs); err != nil {
		return fmt.Errorf("sessions of %s/%s: %w", site, machine, err)
	}
	return nil
}

func (r *Rebuilder) rebuilt(ctx context.Context, site, machine string, fromMs int64) error {
	reg := r.o.Registry
	cards, err := reg.Cards(ctx, site)
	if err != nil {
		return fmt.Errorf("read cards: %w", err)
	}
	held := holdersOf(cards)
	job := func(card string, atMs int64) string { return held(card, atMs).Job }
	groups := folding{
		what: "sessions", stored: reg.Sessions, replace: reg.ReplaceSessions,
		counts: func(t Tap) bool { return job(t.Card, t.TimeMs) == "" },
		whose:  func(card string, atMs int64) string { return held(card, atMs).Group },
		finish: func(s *registry.Session) { s.Training = held(s.CardHash, s.StartMs).Training },
	}
	if err := r.rebuild(ctx, site, machine, fromMs, groups); err != nil {
		return err
	}
	if !slices.ContainsFunc(cards, func(c registry.Card) bool { return c.Job != "" }) {
		return nil
	}
	return r.rebuild(ctx, site, machine, fromMs, folding{
		what: "job taps", stored: reg.JobTaps, replace: reg.ReplaceJobTaps, whose: job,
		counts: func(t Tap) bool { return job(t.Card, t.TimeMs) != "" },
		finish: func(*registry.Session) {},
	})
}

// folding is what tells the fold of groups from the fold of jobs: a job card taps a job in and out as a group's card
// does with its group, beside it.
type folding struct {
	what    string
	stored  func(ctx context.Context, site string, fromMs, toMs int64, machine, whose string) ([]registry.Session, error)
	replace func(ctx context.Context, site, machine string, fromMs int64, s []registry.Session) error
	counts  func(Tap) bool
	whose   func(card string, atMs int64) string
	finish  func(*registry.Session)
}

// restart returns the start of the last stored session that begins before fromMs, else 0. It looks back in growing
// steps, so that the usual call reads few rows.
func (f folding) restart(ctx context.Context, site, machine string, fromMs int64) (int64, error) {
	const day = 24 * 3600_000
	for back := int64(day); ; back *= 8 {
		from := max(fromMs-back, 0)
		stored, err := f.stored(ctx, site, from, fromMs, machine, "")
		if err != nil {
			return 0, fmt.Errorf("read stored %s: %w", f.what, err)
		}
		var start int64
		for _, s := range stored {
			if s.StartMs < fromMs {
				start = max(start, s.StartMs)
			}
		}
		if start > 0 || from == 0 {
			return start, nil
		}
	}
}

// rebuild folds everything that can have changed and stores the result; the registry writes only what differs.
func (r *Rebuilder) rebuild(ctx context.Context, site, machine string, fromMs int64, f folding) error {
	startMs, err := f.restart(ctx, site, machine, fromMs)
	if err != nil {
		return err
	}
	endMs := r.o.Now().Add(wire.MaxFuture).UnixMilli() + 1 // nothing stored lies further ahead
	taps, err := r.taps(ctx, site, machine, startMs, endMs)
	if err != nil {
		return err
	}
	taps = slices.DeleteFunc(taps, func(t Tap) bool { return !f.counts(t) })
	var sessions []registry.Session
	if len(taps) > 0 {
		if sessions, err = r.fold(ctx, site, machine, taps, endMs, f); err != nil {
			return err
		}
	}
	if err := f.replace(ctx, site, machine, startMs, sessions); err != nil {
		return fmt.Errorf("store %s: %w", f.what, err)
	}
	r.o.Logger.Debug("sessions rebuilt", "of", f.what, "site", site, "machine", machine, "from_ms", startMs, "sessions", len(sessions))
	return nil
}

func (r *Rebuilder) fold(ctx context.Context, site, machine string, taps []Tap, endMs int64, f folding) ([]registry.Session, error) {
	corrections, err := r.o.Registry.Corrections(ctx, site, machine)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	// No state is held up to the clock (gap limit 0): how far the last sample reaches must not depend on when this runs.
	intervals, err := timeline.Read(ctx, r.o.Store, site, machine, taps[0].TimeMs, endMs, endMs, 0)
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	sessions := Fold(taps, intervals, f.whose, voided(corrections), r.o.Rules)
	for i := range sessions {
		sessions[i].Site, sessions[i].Machine = site, machine
		f.finish(&sessions[i])
	}
	return sessions, nil
}

func (r *Rebuilder) taps(ctx context.Context, site, machine string, fromMs, toMs int64) ([]Tap, error) {
	var taps []Tap
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Machine: machine,
		Fields: []string{quantity.Field(quantity.Card)}, FromMs: fromMs, ToMs: toMs,
	}
	err := r.o.Store.Read(ctx, q, func(row tsdb.Row) error {
		if card, ok := row.Values[0].(string); ok && card != "" {
			taps = append(taps, Tap{TimeMs: row.TimeMs, Card: card})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read taps: %w", err)
	}
	return taps, nil
}

// holdersOf returns a function that gives the row of a card that holds at an instant, an empty one when it belongs to
// nobody. Of rows that overlap, the one that begins last holds.
func holdersOf(cards []registry.Card) func(card string, atMs int64) registry.Card {
	byHash := map[string][]registry.Card{}
	for _, c := range cards {
		byHash[c.Hash] = append(byHash[c.Hash], c)
	}
	return func(card string, atMs int64) registry.Card {
		var best *registry.Card
		for i, c := range byHash[card] {
			held := c.ValidFromMs <= atMs && (c.ValidTo == 0 || atMs < c.ValidTo)
			if held && (best == nil || c.ValidFromMs > best.ValidFromMs) {
				best = &byHash[card][i]
			}
		}
		if best == nil {
			return registry.Card{}
		}
		return *best
	}
}
