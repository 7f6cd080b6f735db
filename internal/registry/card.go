package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

func scanCard(row scanner) (c Card, err error) {
	return c, row.Scan(&c.Site, &c.Hash, &c.Group, &c.ValidFromMs, &c.ValidTo, &c.Training)
}

// Cards returns every stretch of time in which a card of the site belonged to a group or stood for a job, ordered by
// hash and start.
func (d *DB) Cards(ctx context.Context, site string) ([]Card, error) {
	of, err := cards(ctx, d.read, site)
	if err != nil {
		return nil, err
	}
	jobs, err := jobCards(ctx, d.read, site)
	return sortedCards(append(of, jobs...)), err
}

func cards(ctx context.Context, q querier, site string) ([]Card, error) {
	cs, err := list(ctx, q, "cards of "+site, scanCard,
		`SELECT site, hash, group_id, valid_from_ms, valid_to_ms, training FROM card WHERE site = $1`, site)
	return sortedCards(cs), err
}

func sortedCards(cs []Card) []Card {
	slices.SortFunc(cs, func(a, b Card) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.ValidFromMs, b.ValidFromMs), cmp.Compare(a.Job, b.Job))
	})
	return cs
}

func saveCard(ctx context.Context, q querier, c Card) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO card (site, hash, group_id, valid_from_ms, valid_to_ms, training) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (site, hash, valid_from_ms) DO UPDATE SET group_id = excluded.group_id, valid_to_ms = excluded.valid_to_ms,
			training = excluded.training`,
		c.Site, c.Hash, c.Group, c.ValidFromMs, c.ValidTo, c.Training)
	if err != nil {
		return fmt.Errorf("card %s: %w", c.Hash, err)
	}
	return nil
}

// cardsChanged notes that cards of a site, or what they stand for, have changed: see ListGateways. It belongs into the
// transaction of the change.
func cardsChanged(ctx context.Context, q querier, site string, nowMs int64) error {
	_, err := q.ExecContext(ctx, `UPDATE site SET cards_changed = CASE WHEN cards_changed >= $2 THEN cards_changed + 1 ELSE $2 END WHERE id = $1`, site, nowMs)
	return err
}

// ListGateway is an online gateway, as the sending of lists of cards needs it.
type ListGateway struct {
	Site, ID   string
	StatusJSON string
	Changed    int64 // when the cards of its site changed last: another number than before means read them again
}

// ListGateways returns the online gateways of all sites, ordered by site and id.
func (d *DB) ListGateways(ctx context.Context) ([]ListGateway, error) {
	scan := func(row scanner) (g ListGateway, err error) {
		return g, row.Scan(&g.Site, &g.ID, &g.StatusJSON, &g.Changed)
	}
	gs, err := list(ctx, d.read, "online gateways", scan, `
		SELECT g.site, g.id, g.status_json, s.cards_changed FROM gateway g JOIN site s ON s.id = g.site WHERE g.online`)
	slices.SortFunc(gs, func(a, b ListGateway) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID)) })
	return gs, err
}
