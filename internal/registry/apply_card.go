package registry

import (
	"context"
	"maps"
	"slices"
)

// applyCards moves cards between groups from nowMs on; see Apply.
func (a *applying) applyCards(ctx context.Context, def SiteDefinition) error {
	rows, err := cards(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	last := map[string]*Card{} // the newest stretch of each card
	for i := range rows {
		last[rows[i].Hash] = &rows[i]
	}
	defined := map[string]bool{}
	for _, g := range def.Groups {
		defined[g.Group.ID] = true
	}
	named := map[string]bool{}
	for _, g := range def.Groups {
		for i, hash := range slices.Concat(g.Cards, g.TrainingCards) {
			named[hash] = true
			if err := a.giveCard(ctx, last[hash], Card{Site: a.site, Hash: hash, Group: g.Group.ID, Training: i >= len(g.Cards)}); err != nil {
				return err
			}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(last)) {
		if c := last[hash]; c.ValidTo == 0 && defined[c.Group] && !named[hash] {
			if err := a.endCard(ctx, *c); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveCard makes c the card's holder; before is its newest stretch, nil when the card is new.
func (a *applying) giveCard(ctx context.Context, before *Card, c Card) error {
	switch {
	case before == nil:
		if err := a.touchSessionsOf(ctx, c.Hash); err != nil {
			return err
		}
	case before.ValidTo == 0 && before.Group == c.Group && before.Training == c.Training:
		return nil
	default:
		if before.ValidTo == 0 {
			if err := a.endCard(ctx, *before); err != nil {
				return err
			}
		}
		c.ValidFromMs = max(a.nowMs, before.ValidFromMs) // a clock set back must not put stretches in disorder
	}
	_, err := change(ctx, a, "card", c.Hash, nil, c, func() error { return a.saveCard(ctx, c) })
	return err
}

func (a *applying) endCard(ctx context.Context, before Card) error {
	after := before
	after.ValidTo = max(a.nowMs, before.ValidFromMs)
	_, err := change(ctx, a, "card", before.Hash, &before, after, func() error { return a.saveCard(ctx, after) })
	return err
}

func (a *applying) saveCard(ctx context.Context, c Card) error {
	if err := saveCard(ctx, a.tx, c); err != nil {
		return err
	}
	return cardsChanged(ctx, a.tx, a.site, a.nowMs)
}

// touchSessionsOf has the sessions of a card rebuilt, because they get a group now.
func (a *applying) touchSessionsOf(ctx context.Context, hash string) error {
	scan := func(row scanner) (t Touched, err error) { return t, row.Scan(&t.Machine, &t.FromMs) }
	rows, err := list(ctx, a.tx, "sessions of card", scan,
		`SELECT machine, MIN(start_ms) FROM session WHERE site = $1 AND card_hash = $2 GROUP BY machine`, a.site, hash)
	if err != nil {
		return err
	}
	for _, t := range rows {
		a.touch(t.Machine, t.FromMs, a.nowMs)
	}
	return nil
}
