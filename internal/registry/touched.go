package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// touchRows is the most rows of one statement. SQLite looks for the place of each value among the names of all of them, so that
// a row of a statement for 256 rows took twice as long as one of a statement for 32.
const touchRows = 32

// touch makes stretches wait in rows of touched, in the transaction q.
func touch(ctx context.Context, q querier, touches []Touched) error {
	rows := mergeTouches(touches)
	args := make([]any, 0, 4*touchRows)
	for n := touchRows; len(rows) > 0; {
		for n > len(rows) {
			n /= 2 // powers of two only: few texts, so that they can be kept prepared
		}
		args = args[:0]
		for _, t := range rows[:n] {
			args = append(args, t.Site, t.Machine, t.FromMs, t.ToMs)
		}
		if _, err := q.ExecContext(ctx, touchQueries[n], args...); err != nil {
			return fmt.Errorf("touch %d machines: %w", n, err)
		}
		rows = rows[n:]
	}
	return nil
}

// mergeTouches leaves one row per machine, because a statement may touch a row only once, ordered, so that concurrent
// transactions take their row locks in the same order and can't wait for each other in a circle.
func mergeTouches(touches []Touched) []Touched {
	rows := slices.Clone(touches)
	sortTouched(rows)
	merged := rows[:0]
	for _, t := range rows {
		if n := len(merged) - 1; n >= 0 && merged[n].Site == t.Site && merged[n].Machine == t.Machine {
			merged[n].FromMs, merged[n].ToMs = min(merged[n].FromMs, t.FromMs), max(merged[n].ToMs, t.ToMs)
			continue
		}
		merged = append(merged, t)
	}
	return merged
}

func sortTouched(rows []Touched) {
	slices.SortFunc(rows, func(a, b Touched) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Machine, b.Machine))
	})
}

// touchQueries are the statements by number of rows. A stretch that was built (not pending) begins anew, its version goes on.
var touchQueries = byRows(func(n int) string {
	return `INSERT INTO touched (site, machine, from_ms, to_ms, version, pending) VALUES ` +
		valueRows(n, 1, 4, `($%d, $%d, $%d, $%d, 1, TRUE)`) + ` ON CONFLICT (site, machine) DO UPDATE SET
		from_ms = CASE WHEN touched.pending AND touched.from_ms < excluded.from_ms THEN touched.from_ms ELSE excluded.from_ms END,
		to_ms = CASE WHEN touched.pending AND touched.to_ms > excluded.to_ms THEN touched.to_ms ELSE excluded.to_ms END,
		version = touched.version + 1, pending = TRUE`
})

// byRows makes a text for each number of rows that a statement may have.
func byRows(text func(rows int) string) map[int]string {
	out := map[int]string{}
	for n := touchRows; n > 0; n /= 2 {
		out[n] = text(n)
	}
	return out
}

// valueRows are n rows of values for a statement; columns of each are arguments of it, $first the very first.
func valueRows(n, first, columns int, row string) string {
	rows := make([]string, n)
	for i := range rows {
		at := make([]any, columns)
		for k := range at {
			at[k] = first + columns*i + k
		}
		rows[i] = fmt.Sprintf(row, at...)
	}
	return strings.Join(rows, ", ")
}

// TouchedRows returns every stretch that waits to be built or is being built, ordered by site and machine.
func (d *DB) TouchedRows(ctx context.Context) ([]Touched, error) {
	if err := d.mergeLog(ctx); err != nil {
		return nil, err
	}
	scan := func(row scanner) (t Touched, err error) {
		return t, row.Scan(&t.Site, &t.Machine, &t.FromMs, &t.ToMs, &t.Version)
	}
	rows, err := list(ctx, d.read, "touched stretches", scan, `SELECT site, machine,
			CASE WHEN claim_version = 0 OR pending AND from_ms < claim_from_ms THEN from_ms ELSE claim_from_ms END,
			CASE WHEN claim_version = 0 OR pending AND to_ms > claim_to_ms THEN to_ms ELSE claim_to_ms END, version
		FROM touched WHERE pending OR claim_version <> 0`)
	sortTouched(rows)
	return rows, err
}

// Claim is a touched stretch that is being built. What is touched meanwhile waits apart from it.
type Claim struct {
	Site, Machine string
	FromMs, ToMs  int64 // closed: oldest and newest touched sample
	NewestMs      int64 // newest touched sample, with what was touched since
	Version       int64
	// OwedMs: what is made from states, such as sessions, has yet to follow their changes from here on; 0: it has followed.
	OwedMs int64
}

const claimColumns = `touched.site, touched.machine, touched.claim_from_ms, touched.claim_to_ms,
	CASE WHEN touched.pending AND touched.to_ms > touched.claim_to_ms THEN touched.to_ms ELSE touched.claim_to_ms END,
	touched.claim_version, touched.owed_ms`

func scanClaim(row scanner) (c Claim, err error) {
	return c, row.Scan(&c.Site, &c.Machine, &c.FromMs, &c.ToMs, &c.NewestMs, &c.Version, &c.OwedMs)
}

// ClaimTouched claims every waiting stretch of the holder's sites (see TakeSites; "": of all sites) unless an earlier one of
// its machine is still claimed, and returns all claimed ones, with those that a former holder has left.
func (d *DB) ClaimTouched(ctx context.Context, holder string) ([]Claim, error) {
	if err := d.mergeLog(ctx); err != nil {
		return nil, err
	}
	var out []Claim
	return out, d.tx(ctx, "claim touched stretches", func(tx *sql.Tx) (err error) {
		_, err = tx.ExecContext(ctx, `WITH mine AS (
				SELECT site, machine FROM touched WHERE pending AND claim_version = 0 AND `+heldBy+d.inOrder()+`
			) UPDATE touched SET claim_from_ms = from_ms, claim_to_ms = to_ms, claim_version = touched.version, pending = FALSE
			FROM mine WHERE touched.site = mine.site AND touched.machine = mine.machine`, holder)
		if err != nil {
			return err
		}
		out, err = list(ctx, tx, "claimed stretches", scanClaim,
			`SELECT `+claimColumns+` FROM touched WHERE claim_version <> 0 AND `+heldBy, holder)
		return err
	})
}

// heldBy holds for rows of sites of holder $1.
const heldBy = `($1 = '' OR site IN (SELECT site FROM analytics_lease WHERE holder = $1))`

// OwedRows returns the rows of the holder's sites of which something is owed.
func (d *DB) OwedRows(ctx context.Context, holder string) ([]Claim, error) {
	return list(ctx, d.read, "owed stretches", scanClaim, `SELECT `+claimColumns+` FROM touched WHERE owed_ms <> 0 AND `+heldBy, holder)
}

// ClaimsDone takes claimed stretches off the list and notes what is owed of their machines. One that is no longer of the
// holder's sites stays: whoever has the site builds it.
func (d *DB) ClaimsDone(ctx context.Context, holder string, claims ...Claim) error {
	return d.eachClaims(ctx, "touched stretches done", holder, claims, func(q querier, head string, args []any) error {
		_, err := q.ExecContext(ctx, head+` UPDATE touched SET claim_version = 0, owed_ms = mine.owed_ms`+ofMine, args...)
		return err
	})
}

// OwedDone notes that nothing is owed any more of the claims' machines, unless more is owed by now.
func (d *DB) OwedDone(ctx context.Context, holder string, claims ...Claim) error {
	return d.eachClaims(ctx, "owed stretches done", holder, claims, func(q querier, head string, args []any) error {
		_, err := q.ExecContext(ctx, head+` UPDATE touched SET owed_ms = 0 FROM mine
			WHERE touched.site = mine.site AND touched.machine = mine.machine AND touched.owed_ms >= mine.owed_ms
			AND `+touchedHeldBy, args...)
		return err
	})
}

// Reclaim adds to claims what was touched since, so that the builds that begin now take it along. Claims that are no longer
// the holder's don't come back.
func (d *DB) Reclaim(ctx context.Context, holder string, claims ...Claim) ([]Claim, error) {
	if err := d.mergeLog(ctx); err != nil {
		return nil, err
	}
	var out []Claim
	err := d.eachClaims(ctx, "claim again", holder, claims, func(q querier, head string, args []any) error {
		rows, err := list(ctx, q, "claims", scanClaim, head+` UPDATE touched SET
				claim_from_ms = CASE WHEN pending AND from_ms < claim_from_ms THEN from_ms ELSE claim_from_ms END,
				claim_to_ms = CASE WHEN pending AND to_ms > claim_to_ms THEN to_ms ELSE claim_to_ms END,
				claim_version = touched.version, pending = FALSE`+ofMine+`
			RETURNING `+claimColumns, args...)
		out = append(out, rows...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachClaims calls f in one transaction with the head of a statement, which makes a table mine of some claims (site,
// machine, version, owed_ms) whose rows are there, and with its arguments; the first one is the holder.
func (d *DB) eachClaims(ctx context.Context, what, holder string, claims []Claim, f func(q querier, head string, args []any) error) error {
	if len(claims) == 0 {
		return nil
	}
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Machine, b.Machine))
	})
	return d.txPrepared(ctx, what, func(q querier) error {
		for n := touchRows; len(claims) > 0; claims = claims[n:] {
			for n > len(claims) {
				n /= 2 // as in touch
			}
			args := append(make([]any, 0, 4*n+1), holder)
			for _, c := range claims[:n] {
				args = append(args, c.Site, c.Machine, c.Version, c.OwedMs)
			}
			head := doneRows[n] + `, mine AS (SELECT touched.site, touched.machine, done.version, done.owed_ms FROM touched JOIN done
				ON touched.site = done.site AND touched.machine = done.machine` + d.inOrder() + `)`
			if err := f(q, head, args); err != nil {
				return fmt.Errorf("%d machines: %w", n, err)
			}
		}
		return nil
	})
}

// doneRows are heads of a statement by number of claims, with these as table done; $1 is left to the statement.
var doneRows = byRows(func(n int) string {
	return `WITH done (site, machine, version, owed_ms) AS (VALUES ` +
		valueRows(n, 2, 4, `(CAST($%d AS TEXT), CAST($%d AS TEXT), CAST($%d AS BIGINT), CAST($%d AS BIGINT))`) + `)`
})

// ofMine ends the update of the rows of table mine that are claimed as given and of sites of holder $1.
const ofMine = ` FROM mine WHERE touched.site = mine.site AND touched.machine = mine.machine
	AND touched.claim_version = mine.version AND ` + touchedHeldBy

const touchedHeldBy = `($1 = '' OR touched.site IN (SELECT site FROM analytics_lease WHERE holder = $1))`
