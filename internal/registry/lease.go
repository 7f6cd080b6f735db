package registry

import (
	"context"
	"database/sql"
	"fmt"
)

// Member is an analytics process that shares the sites with others.
type Member struct {
	ID   string // drawn anew each time a process joins, so that nobody is taken for a former self
	Name string
	Beat int64 // grows as long as the process lives
}

// JoinAnalytics adds a member.
func (d *DB) JoinAnalytics(ctx context.Context, id, name string) error {
	_, err := d.exec(ctx, "join analytics", `INSERT INTO analytics_member (id, name, beat) VALUES ($1, $2, 0)`, id, name)
	return err
}

// Beat shows that the member lives. False: it is none any more, its sites may be another's.
func (d *DB) Beat(ctx context.Context, id string) (bool, error) {
	n, err := d.exec(ctx, "beat of analytics", `UPDATE analytics_member SET beat = beat + 1 WHERE id = $1`, id)
	return n == 1, err
}

// AnalyticsMembers returns all members, ordered by id.
func (d *DB) AnalyticsMembers(ctx context.Context) ([]Member, error) {
	return list(ctx, d.read, "members of analytics", func(row scanner) (m Member, err error) {
		return m, row.Scan(&m.ID, &m.Name, &m.Beat)
	}, `SELECT id, name, beat FROM analytics_member ORDER BY id`)
}

// RemoveMember takes a member out unless its beat has gone on since; its sites are free then.
func (d *DB) RemoveMember(ctx context.Context, m Member) error {
	_, err := d.exec(ctx, "remove member of analytics", `DELETE FROM analytics_member WHERE id = $1 AND beat = $2`, m.ID, m.Beat)
	return err
}

// LeaveAnalytics takes a member out; its sites are free then.
func (d *DB) LeaveAnalytics(ctx context.Context, id string) error {
	_, err := d.exec(ctx, "leave analytics", `DELETE FROM analytics_member WHERE id = $1`, id)
	return err
}

// Leases returns the holder of each site that ever had one. A holder that is no member holds nothing.
func (d *DB) Leases(ctx context.Context) (map[string]string, error) {
	type lease struct{ site, holder string }
	rows, err := list(ctx, d.read, "leases", func(row scanner) (l lease, err error) {
		return l, row.Scan(&l.site, &l.holder)
	}, `SELECT site, holder FROM analytics_lease`)
	out := make(map[string]string, len(rows))
	for _, l := range rows {
		out[l.site] = l.holder
	}
	return out, err
}

// TakeSites gives the member those of the sites that no other member holds. Leases tells which.
func (d *DB) TakeSites(ctx context.Context, id string, sites []string) error {
	return d.tx(ctx, "take sites", func(tx *sql.Tx) error {
		for _, site := range sites {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO analytics_lease (site, holder) SELECT CAST($1 AS TEXT), id FROM analytics_member WHERE id = $2
				ON CONFLICT (site) DO UPDATE SET holder = excluded.holder
				WHERE analytics_lease.holder NOT IN (SELECT id FROM analytics_member)`, site, id)
			if err != nil {
				return fmt.Errorf("%s: %w", site, err)
			}
		}
		return nil
	})
}

// DropSites frees sites that the member holds.
func (d *DB) DropSites(ctx context.Context, id string, sites []string) error {
	return d.tx(ctx, "drop sites", func(tx *sql.Tx) error {
		for _, site := range sites {
			if _, err := tx.ExecContext(ctx, `UPDATE analytics_lease SET holder = '' WHERE site = $1 AND holder = $2`, site, id); err != nil {
				return fmt.Errorf("%s: %w", site, err)
			}
		}
		return nil
	})
}
