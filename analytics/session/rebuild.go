package session

import (
	"context"
	"fmt"
	"log/slog"
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
	start, err := r.restart(ctx, site, machine, fromMs)
	if err != nil {
		return fmt.Errorf("sessions of %s/%s: %w", site, machine, err)
	}
	if err := r.rebuild(ctx, site, machine, start); err != nil {
		return fmt.Errorf("sessions of %s/%s: %w", site, machine, err)
	}
	return nil
}

// restart returns the start of the last stored session that begins before fromMs, else 0. It looks back in growing
// steps, so that the usual call reads few rows.
func (r *Rebuilder) restart(ctx context.Context, site, machine string, fromMs int64) (int64, error) {
	const day = 24 * 3600_000
	for back := int64(day); ; back *= 8 {
		from := max(fromMs-back, 0)
		stored, err := r.o.Registry.Sessions(ctx, site, from, fromMs, machine, "")
		if err != nil {
			return 0, fmt.Errorf("read stored sessions: %w", err)
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

// rebuild folds everything from startMs on and stores the result; the registry writes only what differs.
func (r *Rebuilder) rebuild(ctx context.Context, site, machine string, startMs int64) error {
	endMs := r.o.Now().Add(wire.MaxFuture).UnixMilli() + 1 // nothing stored lies further ahead
	taps, err := r.taps(ctx, site, machine, startMs, endMs)
	if err != nil {
		return err
	}
	var sessions []registry.Session
	if len(taps) > 0 {
		if sessions, err = r.fold(ctx, site, machine, taps, endMs); err != nil {
			return err
		}
	}
	if err := r.o.Registry.ReplaceSessions(ctx, site, machine, startMs, sessions); err != nil {
		return fmt.Errorf("store sessions: %w", err)
	}
	r.o.Logger.Debug("sessions rebuilt", "site", site, "machine", machine, "from_ms", startMs, "sessions", len(sessions))
	return nil
}

func (r *Rebuilder) fold(ctx context.Context, site, machine string, taps []Tap, endMs int64) ([]registry.Session, error) {
	cards, err := r.o.Registry.Cards(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("read cards: %w", err)
	}
	// No state is held up to the clock (gap limit 0): how far the last sample reaches must not depend on when this runs.
	intervals, err := timeline.Read(ctx, r.o.Store, site, machine, taps[0].TimeMs, endMs, endMs, 0)
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	sessions := Fold(taps, intervals, GroupOf(cards), r.o.Rules)
	for i := range sessions {
		sessions[i].Site, sessions[i].Machine = site, machine
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

// GroupOf returns a function that names the group holding a card at an instant, "" when nobody does. Of rows that
// overlap, the one that begins last holds.
func GroupOf(cards []registry.Card) func(card string, atMs int64) string {
	byHash := map[string][]registry.Card{}
	for _, c := range cards {
		byHash[c.Hash] = append(byHash[c.Hash], c)
	}
	return func(card string, atMs int64) string {
		var best *registry.Card
		for i, c := range byHash[card] {
			held := c.ValidFromMs <= atMs && (c.ValidTo == 0 || atMs < c.ValidTo)
			if held && (best == nil || c.ValidFromMs > best.ValidFromMs) {
				best = &byHash[card][i]
			}
		}
		if best == nil {
			return ""
		}
		return best.Group
	}
}
