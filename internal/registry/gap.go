package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
)

// Gap is a stretch of a machine without usable samples, from its last good sample to its next one. Why it is there is
// worked out when it is read (package gap), because what tells it may come later.
type Gap struct {
	Site, Machine string
	FromMs, ToMs  int64  // ToMs 0: no sample since
	FilledMs      int64  // 0: a hole. Else late data filled it, the last of it at this time: then it is no longer unknown
	Fault         string // what the sensor sent inside it: a quality such as "fault:open", "other" for other quantities; "" nothing
}

const gapColumns = `site, machine, from_ms, to_ms, filled_ms, fault`

func scanGap(row scanner) (g Gap, err error) {
	return g, row.Scan(&g.Site, &g.Machine, &g.FromMs, &g.ToMs, &g.FilledMs, &g.Fault)
}

// filledKept is how long it is remembered that there was a gap which late data filled: 400 days.
const filledKept = 400 * 24 * 3600_000

// ReplaceGaps puts gaps in the place of all holes of the machine that reach beyond fromMs, in one transaction. What was
// a hole and is none now, and lies before lateMs, is kept as filled at atMs; such rows that touch each other become one.
// Every gap of gaps must be of that machine and not filled. Writing what is there already writes nothing.
func (d *DB) ReplaceGaps(ctx context.Context, site, machine string, fromMs int64, gaps []Gap, lateMs, atMs int64) error {
	what := "gaps of " + site + "/" + machine
	rows := slices.Clone(gaps)
	for i := range rows {
		if g := rows[i]; g.Site != site || g.Machine != machine || g.FilledMs != 0 {
			return fmt.Errorf("registry: replace %s: gap %d (%s/%s from %d) does not belong there", what, i, g.Site, g.Machine, g.FromMs)
		}
		rows[i].Fault = clean(rows[i].Fault)
	}
	rows = sortedGaps(rows)
	old, err := holesBeyond(ctx, d.read, site, machine, fromMs)
	if err != nil {
		return err
	}
	if slices.Equal(old, rows) {
		return nil
	}
	return d.tx(ctx, "replace "+what, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE machine SET position = position WHERE site = $1 AND id = $2`, site, machine); err != nil {
			return err // one rebuild of a machine at a time
		}
		old, err := holesBeyond(ctx, tx, site, machine, fromMs)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM gap WHERE site = $1 AND machine = $2 AND filled_ms = 0 AND (to_ms = 0 OR to_ms > $3)`, site, machine, fromMs)
		if err != nil {
			return err
		}
		for _, g := range rows {
			if err := addGap(ctx, tx, g); err != nil {
				return err
			}
		}
		for _, f := range filled(old, rows, lateMs) {
			f.FilledMs = atMs
			if err := addFilled(ctx, tx, f); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM gap WHERE site = $1 AND machine = $2 AND filled_ms > 0 AND from_ms < $3`, site, machine, atMs-filledKept)
		return err
	})
}

func addGap(ctx context.Context, q querier, g Gap) error {
	_, err := q.ExecContext(ctx, `INSERT INTO gap (`+gapColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		g.Site, g.Machine, g.FromMs, g.ToMs, g.FilledMs, g.Fault)
	return err
}

// addFilled adds a filled row, made one with those that touch it: a backlog fills a hole piece by piece.
func addFilled(ctx context.Context, tx *sql.Tx, f Gap) error {
	const touching = `site = $1 AND machine = $2 AND filled_ms > 0 AND from_ms <= $4 AND to_ms >= $3`
	others, err := list(ctx, tx, "filled gaps", scanGap, `SELECT `+gapColumns+` FROM gap WHERE `+touching, f.Site, f.Machine, f.FromMs, f.ToMs)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		if _, err := tx.ExecContext(ctx, `DELETE FROM gap WHERE `+touching, f.Site, f.Machine, f.FromMs, f.ToMs); err != nil {
			return err
		}
	}
	for _, o := range others {
		f.FromMs, f.ToMs, f.FilledMs = min(f.FromMs, o.FromMs), max(f.ToMs, o.ToMs), max(f.FilledMs, o.FilledMs)
	}
	return addGap(ctx, tx, f)
}

// filled returns the parts of old holes before lateMs that are in none of the new ones.
func filled(old, now []Gap, lateMs int64) []Gap {
	var out []Gap
	for _, o := range old {
		from, to := o.FromMs, min(end(o), lateMs)
		o.Fault = ""
		for _, n := range now { // ascending
			if end(n) <= from || n.FromMs >= to {
				continue
			}
			if n.FromMs > from {
				o.FromMs, o.ToMs = from, n.FromMs
				out = append(out, o)
			}
			from = end(n)
		}
		if from < to {
			o.FromMs, o.ToMs = from, to
			out = append(out, o)
		}
	}
	return out
}

func end(g Gap) int64 {
	if g.ToMs == 0 {
		return math.MaxInt64
	}
	return g.ToMs
}

// HolesBeyond returns the holes of a machine that reach beyond fromMs, ascending. Filled ones are not among them.
func (d *DB) HolesBeyond(ctx context.Context, site, machine string, fromMs int64) ([]Gap, error) {
	return holesBeyond(ctx, d.read, site, machine, fromMs)
}

func holesBeyond(ctx context.Context, q querier, site, machine string, fromMs int64) ([]Gap, error) {
	g, err := list(ctx, q, "gaps of "+site+"/"+machine, scanGap, `
		SELECT `+gapColumns+` FROM gap WHERE site = $1 AND machine = $2 AND filled_ms = 0 AND (to_ms = 0 OR to_ms > $3)`, site, machine, fromMs)
	return sortedGaps(g), err
}

// Gaps returns the gaps of a site that overlap [fromMs, toMs), open and filled ones included, ordered by start and
// machine.
func (d *DB) Gaps(ctx context.Context, site string, fromMs, toMs int64) ([]Gap, error) {
	g, err := list(ctx, d.read, "gaps of "+site, scanGap, `
		SELECT `+gapColumns+` FROM gap WHERE site = $1 AND from_ms < $2 AND (to_ms = 0 OR to_ms > $3)`, site, toMs, fromMs)
	return sortedGaps(g), err
}

func sortedGaps(g []Gap) []Gap {
	slices.SortFunc(g, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.FromMs, b.FromMs), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.FilledMs, b.FilledMs), cmp.Compare(end(a), end(b)))
	})
	return g
}
