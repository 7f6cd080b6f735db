package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// touchRows is the most rows of one statement; with four values each it stays far below the limits of both databases.
const touchRows = 256

// Touch notes stretches that hold new or late samples, in one transaction: a stretch already waiting grows to hold
// both (least FromMs, greatest ToMs), and its Version grows. Version of the given rows does not count.
func (d *DB) Touch(ctx context.Context, touches []Touched) error {
	if len(touches) == 0 {
		return nil
	}
	return d.tx(ctx, "touch", func(tx *sql.Tx) error { return touch(ctx, tx, touches) })
}

func touch(ctx context.Context, q querier, touches []Touched) error {
	rows := mergeTouches(touches)
	for n := touchRows; len(rows) > 0; {
		for n > len(rows) {
			n /= 2 // powers of two only: few texts, so that the driver's cache of prepared statements holds them
		}
		args := make([]any, 0, 4*n)
		for _, t := range rows[:n] {
			args = append(args, t.Site, t.Machine, t.FromMs, t.ToMs)
		}
		if _, err := q.ExecContext(ctx, touchQuery(n), args...); err != nil {
			return fmt.Errorf("touch %d machines: %w", n, err)
		}
		rows = rows[n:]
	}
	return nil
}

// mergeTouches leaves one row per machine, because a statement may touch a row only once, ordered, so that concurrent
// transactions take their row locks in the same order and can't wait for each other in a circle.
func mergeTouches(touches []Touched) []Touched {
	type key struct{ site, machine string }
	merged := make(map[key]Touched, len(touches))
	for _, t := range touches {
		k := key{t.Site, t.Machine}
		if old, ok := merged[k]; ok {
			t.FromMs, t.ToMs = min(t.FromMs, old.FromMs), max(t.ToMs, old.ToMs)
		}
		merged[k] = t
	}
	rows := make([]Touched, 0, len(merged))
	for _, t := range merged {
		rows = append(rows, t)
	}
	sortTouched(rows)
	return rows
}

func sortTouched(rows []Touched) {
	slices.SortFunc(rows, func(a, b Touched) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Machine, b.Machine))
	})
}

// touchQuery is the statement for n rows. A stretch that was built (not pending) begins anew, its version goes on.
func touchQuery(n int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO touched (site, machine, from_ms, to_ms, version, pending) VALUES `)
	for i := range n {
		if i > 0 {
			b.WriteString(`, `)
		}
		fmt.Fprintf(&b, `($%d, $%d, $%d, $%d, 1, TRUE)`, 4*i+1, 4*i+2, 4*i+3, 4*i+4)
	}
	b.WriteString(` ON CONFLICT (site, machine) DO UPDATE SET
		from_ms = CASE WHEN touched.pending AND touched.from_ms < excluded.from_ms THEN touched.from_ms ELSE excluded.from_ms END,
		to_ms = CASE WHEN touched.pending AND touched.to_ms > excluded.to_ms THEN touched.to_ms ELSE excluded.to_ms END,
		version = touched.version + 1, pending = TRUE`)
	return b.String()
}

// TouchedRows returns every stretch that waits to be built, ordered by site and machine.
func (d *DB) TouchedRows(ctx context.Context) ([]Touched, error) {
	scan := func(row scanner) (t Touched, err error) {
		return t, row.Scan(&t.Site, &t.Machine, &t.FromMs, &t.ToMs, &t.Version)
	}
	rows, err := list(ctx, d.read, "touched stretches", scan,
		`SELECT site, machine, from_ms, to_ms, version FROM touched WHERE pending`)
	sortTouched(rows)
	return rows, err
}

// TouchedDone takes a stretch off the list, unless it was touched again after t was read: then it stays as a whole and
// is built again, which changes nothing that is right already.
func (d *DB) TouchedDone(ctx context.Context, t Touched) error {
	_, err := d.exec(ctx, "touched stretch of "+t.Site+"/"+t.Machine+" done",
		`UPDATE touched SET pending = FALSE WHERE site = $1 AND machine = $2 AND version = $3 AND pending`,
		t.Site, t.Machine, t.Version)
	return err
}
