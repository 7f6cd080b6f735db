package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

func scanTariff(row scanner) (t Tariff, err error) {
	return t, row.Scan(&t.Site, &t.Class, &t.ValidFromMs, &t.PaisePerRunHour, &t.Author)
}

// Tariffs returns all dated tariffs of a site, ordered by class and start.
func (d *DB) Tariffs(ctx context.Context, site string) ([]Tariff, error) {
	return tariffs(ctx, d.read, site)
}

func tariffs(ctx context.Context, q querier, site string) ([]Tariff, error) {
	ts, err := list(ctx, q, "tariffs of "+site, scanTariff,
		`SELECT site, class, valid_from_ms, paise_per_run_hour, author FROM tariff WHERE site = $1`, site)
	slices.SortFunc(ts, func(a, b Tariff) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.ValidFromMs, b.ValidFromMs))
	})
	return ts, err
}

func saveTariff(ctx context.Context, q querier, t Tariff) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO tariff (site, class, valid_from_ms, paise_per_run_hour, author) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (site, class, valid_from_ms) DO UPDATE SET
			paise_per_run_hour = excluded.paise_per_run_hour, author = excluded.author`,
		t.Site, t.Class, t.ValidFromMs, t.PaisePerRunHour, t.Author)
	if err != nil {
		return fmt.Errorf("tariff of %s: %w", t.Class, err)
	}
	return nil
}
