package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const statementColumns = `id, site, group_id, month, made_ms, total_paise, body_json`

func scanStatement(row scanner) (s Statement, err error) {
	return s, row.Scan(&s.ID, &s.Site, &s.Group, &s.Month, &s.MadeMs, &s.TotalPaise, &s.BodyJSON)
}

// SaveStatement stores a draft and returns it with its ID. A draft of the same site, group and month is replaced and
// keeps its ID. ID of s does not count.
func (d *DB) SaveStatement(ctx context.Context, s Statement) (saved Statement, err error) {
	err = d.tx(ctx, "save statement of "+s.Site+"/"+s.Group+" for "+s.Month, func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "statement"); err != nil {
			return err
		}
		saved, err = one(ctx, tx, "statement", scanStatement, `
			UPDATE statement SET made_ms = $4, total_paise = $5, body_json = $6
			WHERE site = $1 AND group_id = $2 AND month = $3 RETURNING `+statementColumns,
			s.Site, s.Group, s.Month, s.MadeMs, s.TotalPaise, s.BodyJSON)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if s.ID, err = next(ctx, tx, "statement"); err != nil {
			return err
		}
		saved, err = one(ctx, tx, "statement", scanStatement, `
			INSERT INTO statement (`+statementColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING `+statementColumns,
			s.ID, s.Site, s.Group, s.Month, s.MadeMs, s.TotalPaise, s.BodyJSON)
		return err
	})
	if err != nil {
		return Statement{}, err
	}
	return saved, nil
}

// Statements returns the statements of a site for a month ("2026-11"; "" for all), newest month first, then by group.
func (d *DB) Statements(ctx context.Context, site, month string) ([]Statement, error) {
	s, err := list(ctx, d.read, "statements of "+site, scanStatement,
		`SELECT `+statementColumns+` FROM statement WHERE site = $1 AND ($2 = '' OR month = $2)`, site, month)
	slices.SortFunc(s, func(a, b Statement) int {
		if a.Month != b.Month {
			return strings.Compare(b.Month, a.Month)
		}
		return strings.Compare(a.Group, b.Group)
	})
	return s, err
}

// Statement returns one statement of a site, or ErrNotFound.
func (d *DB) Statement(ctx context.Context, site string, id int64) (Statement, error) {
	return one(ctx, d.read, fmt.Sprintf("statement %d of %s", id, site), scanStatement,
		`SELECT `+statementColumns+` FROM statement WHERE site = $1 AND id = $2`, site, id)
}
