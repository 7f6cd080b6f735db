package registry

import (
	"context"
	"database/sql"
	"fmt"
)

// Breakdown is a stretch in which a machine was broken, as a technician wrote it down. It is what MTBF and MTTR are made
// of: an alarm only tells that something may break.
type Breakdown struct {
	ID            int64
	Site, Machine string
	FromMs, ToMs  int64 // ToMs 0: still broken
	Note          string
	Author        string
	MadeMs        int64
	EndedBy       string // who wrote down that it works again
}

const breakdownColumns = `id, site, machine, from_ms, to_ms, note, author, made_ms, ended_by`

func scanBreakdown(row scanner) (b Breakdown, err error) {
	return b, row.Scan(&b.ID, &b.Site, &b.Machine, &b.FromMs, &b.ToMs, &b.Note, &b.Author, &b.MadeMs, &b.EndedBy)
}

// Breakdowns returns those that overlap [fromMs, toMs), of one machine or (machine "") of all, by start.
func (d *DB) Breakdowns(ctx context.Context, site, machine string, fromMs, toMs int64) ([]Breakdown, error) {
	return list(ctx, d.read, "breakdowns of "+site, scanBreakdown, `SELECT `+breakdownColumns+` FROM breakdown
		WHERE site = $1 AND removed_ms = 0 AND (machine = $2 OR $2 = '') AND from_ms < $4 AND (to_ms = 0 OR to_ms > $3)
		ORDER BY from_ms, machine, id`, site, machine, fromMs, toMs)
}

// AddBreakdown writes a breakdown down and returns it with its ID. One of the same machine that overlaps gives ErrOverlap.
func (d *DB) AddBreakdown(ctx context.Context, b Breakdown) (Breakdown, error) {
	b.Note, b.Author, b.EndedBy = clean(b.Note), clean(b.Author), clean(b.EndedBy)
	err := d.tx(ctx, "breakdown of "+b.Site+"/"+b.Machine, func(tx *sql.Tx) error {
		id, err := next(ctx, tx, "breakdown") // also: one at a time
		if err != nil {
			return err
		}
		b.ID = id
		if err := aloneInTime(ctx, tx, b); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO breakdown (`+breakdownColumns+`, removed_ms, removed_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')`, b.ID, b.Site, b.Machine, b.FromMs, b.ToMs, b.Note, b.Author, b.MadeMs, b.EndedBy)
		return err
	})
	return b, err
}

func aloneInTime(ctx context.Context, tx *sql.Tx, b Breakdown) error {
	var others int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM breakdown WHERE site = $1 AND machine = $2 AND id <> $3 AND removed_ms = 0
		AND (from_ms < $5 OR $5 = 0) AND (to_ms = 0 OR to_ms > $4)`, b.Site, b.Machine, b.ID, b.FromMs, b.ToMs).Scan(&others)
	if err == nil && others > 0 {
		err = ErrOverlap
	}
	return err
}

// EndBreakdown writes down since when the machine works again. An ended one gives ErrState, an unknown one ErrNotFound;
// an end before the begin is refused.
func (d *DB) EndBreakdown(ctx context.Context, site string, id, toMs int64, by string) (Breakdown, error) {
	return d.changeBreakdown(ctx, "end", site, id, func(tx *sql.Tx, b *Breakdown) error {
		if b.ToMs != 0 {
			return fmt.Errorf("it has ended already: %w", ErrState)
		}
		if toMs <= b.FromMs {
			return fmt.Errorf("the end must lie after the begin: %w", ErrState)
		}
		b.ToMs, b.EndedBy = toMs, clean(by)
		_, err := tx.ExecContext(ctx, `UPDATE breakdown SET to_ms = $2, ended_by = $3 WHERE id = $1`, id, b.ToMs, b.EndedBy)
		return err
	})
}

// RemoveBreakdown takes back one that was written down by mistake; it is remembered by whom.
func (d *DB) RemoveBreakdown(ctx context.Context, site string, id int64, by string, atMs int64) (Breakdown, error) {
	return d.changeBreakdown(ctx, "remove", site, id, func(tx *sql.Tx, _ *Breakdown) error {
		_, err := tx.ExecContext(ctx, `UPDATE breakdown SET removed_ms = $2, removed_by = $3 WHERE id = $1`, id, atMs, clean(by))
		return err
	})
}

func (d *DB) changeBreakdown(ctx context.Context, what, site string, id int64, do func(*sql.Tx, *Breakdown) error) (Breakdown, error) {
	var b Breakdown
	err := d.tx(ctx, fmt.Sprintf("%s breakdown %d of %s", what, id, site), func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "breakdown"); err != nil {
			return err
		}
		var err error
		b, err = one(ctx, tx, "breakdown", scanBreakdown, `SELECT `+breakdownColumns+` FROM breakdown WHERE site = $1 AND id = $2 AND removed_ms = 0`, site, id)
		if err != nil {
			return err
		}
		return do(tx, &b)
	})
	return b, err
}
