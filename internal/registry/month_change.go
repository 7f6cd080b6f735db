package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// SiteMonth is a month ("2026-11") of a site.
type SiteMonth struct{ Site, Month string }

// MonthsChanged notes that what statements of these months rest on may change until untilMs: drafts made by then are out of
// date. It never goes back. All are noted in one transaction: a country's sites one by one kept every other writer waiting.
func (d *DB) MonthsChanged(ctx context.Context, months []SiteMonth, untilMs int64) error {
	if len(months) == 0 {
		return nil
	}
	months = slices.Clone(months)
	slices.SortFunc(months, func(a, b SiteMonth) int { // one order of row locks for all
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Month, b.Month))
	})
	return d.txPrepared(ctx, "note changed months", func(q querier) error {
		for _, m := range months {
			_, err := q.ExecContext(ctx, `
				INSERT INTO month_change (site, month, until_ms) VALUES ($1, $2, $3)
				ON CONFLICT (site, month) DO UPDATE SET until_ms = excluded.until_ms WHERE month_change.until_ms < excluded.until_ms`, m.Site, m.Month, untilMs)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", m.Month, m.Site, err)
			}
		}
		return nil
	})
}

// noteStatements marks every month of which the site has drafts as changed.
func noteStatements(ctx context.Context, q querier, site string, untilMs int64) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO month_change (site, month, until_ms) SELECT DISTINCT site, month, `+bigint+` FROM statement WHERE site = $1
		ON CONFLICT (site, month) DO UPDATE SET until_ms = excluded.until_ms WHERE month_change.until_ms < excluded.until_ms`, site, untilMs)
	return err
}

// bigint is a parameter whose type PostgreSQL can't tell by itself.
const bigint = `CAST($2 AS BIGINT)`

// MonthChanges returns until when what each month's statements of a site rest on may have changed, by month.
func (d *DB) MonthChanges(ctx context.Context, site string) (map[string]int64, error) {
	type change struct {
		month   string
		untilMs int64
	}
	rows, err := list(ctx, d.read, "changed months of "+site, func(row scanner) (c change, err error) {
		return c, row.Scan(&c.month, &c.untilMs)
	}, `SELECT month, until_ms FROM month_change WHERE site = $1`, site)
	out := make(map[string]int64, len(rows))
	for _, c := range rows {
		out[c.month] = c.untilMs
	}
	return out, err
}

// StaleMonth is a site's month with drafts that are out of date.
type StaleMonth struct {
	Site, Month string
	OldestMs    int64 // when the oldest of them was made
	UntilMs     int64 // see MonthChanged
}

// StaleMonths returns the months of all sites with drafts that are out of date, by site and month.
func (d *DB) StaleMonths(ctx context.Context) ([]StaleMonth, error) {
	return list(ctx, d.read, "drafts that are out of date", func(row scanner) (s StaleMonth, err error) {
		return s, row.Scan(&s.Site, &s.Month, &s.OldestMs, &s.UntilMs)
	}, `SELECT s.site, s.month, MIN(s.made_ms), c.until_ms FROM statement s JOIN month_change c ON c.site = s.site AND c.month = s.month
		WHERE s.made_ms <= c.until_ms GROUP BY s.site, s.month, c.until_ms ORDER BY s.site, s.month`)
}
