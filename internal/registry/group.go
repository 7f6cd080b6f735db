package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

func scanGroup(row scanner) (g Group, err error) {
	return g, row.Scan(&g.Site, &g.ID, &g.Name.Hi, &g.Name.En)
}

// Groups returns the producer groups of a site, ordered by id.
func (d *DB) Groups(ctx context.Context, site string) ([]Group, error) {
	return groups(ctx, d.read, site)
}

func groups(ctx context.Context, q querier, site string) ([]Group, error) {
	gs, err := list(ctx, q, "groups of "+site, scanGroup,
		`SELECT site, id, name_hi, name_en FROM producer_group WHERE site = $1`, site)
	slices.SortFunc(gs, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	return gs, err
}

func saveGroup(ctx context.Context, q querier, g Group) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO producer_group (site, id, name_hi, name_en) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, id) DO UPDATE SET name_hi = excluded.name_hi, name_en = excluded.name_en`,
		g.Site, g.ID, g.Name.Hi, g.Name.En)
	if err != nil {
		return fmt.Errorf("group %s: %w", g.ID, err)
	}
	return nil
}
