package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// NotGiven stands in Members for a number that the site file does not give: not known, which is not zero.
const NotGiven = int64(-1)

// Members says how many people a group has from a day on, until the next row of the group. They are counts: who the
// people are is not stored. Women are counted among the members, and so are members of scheduled castes (SC) and of
// scheduled tribes (ST); a woman of a scheduled caste is in both.
type Members struct {
	Group         string
	ValidFromMs   int64
	Members       int64
	Women, SC, ST int64 // NotGiven when not known
}

func scanMembers(row scanner) (m Members, err error) {
	return m, row.Scan(&m.Group, &m.ValidFromMs, &m.Members, &m.Women, &m.SC, &m.ST)
}

// Members returns all dated numbers of members of a site's groups, ordered by group and start.
func (d *DB) Members(ctx context.Context, site string) ([]Members, error) {
	return members(ctx, d.read, site)
}

func members(ctx context.Context, q querier, site string) ([]Members, error) {
	rows, err := list(ctx, q, "members of groups of "+site, scanMembers,
		`SELECT producer, valid_from_ms, members, women, sc, st FROM group_members WHERE site = $1`, site)
	slices.SortFunc(rows, func(a, b Members) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ValidFromMs, b.ValidFromMs))
	})
	return rows, err
}

func (a *applying) applyMembers(ctx context.Context, def SiteDefinition) error {
	old, err := members(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	type key struct {
		group  string
		fromMs int64
	}
	before := index(old, func(m Members) key { return key{m.Group, m.ValidFromMs} })
	for _, g := range def.Groups {
		for _, m := range g.Members {
			m.Group = g.Group.ID
			b := before[key{m.Group, m.ValidFromMs}]
			if _, err := change(ctx, a, "members of group", m.Group, b, m, func() error { return saveMembers(ctx, a.tx, a.site, m) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func saveMembers(ctx context.Context, q querier, site string, m Members) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO group_members (site, producer, valid_from_ms, members, women, sc, st) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (site, producer, valid_from_ms) DO UPDATE SET
			members = excluded.members, women = excluded.women, sc = excluded.sc, st = excluded.st`,
		site, m.Group, m.ValidFromMs, m.Members, m.Women, m.SC, m.ST)
	if err != nil {
		return fmt.Errorf("members of group %s: %w", m.Group, err)
	}
	return nil
}
