package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
)

const sessionColumns = `site, machine, start_ms, end_ms, group_id, card_hash, end_reason`

func scanSession(row scanner) (s Session, err error) {
	return s, row.Scan(&s.Site, &s.Machine, &s.StartMs, &s.EndMs, &s.Group, &s.CardHash, &s.EndReason)
}

// ReplaceSessions puts s in the place of all sessions of the machine that begin at fromMs or later, in one
// transaction. Every session of s must be of that machine and begin at fromMs or later. Writing what is there already
// writes nothing: sessions are rebuilt with every touch, and flash wears.
func (d *DB) ReplaceSessions(ctx context.Context, site, machine string, fromMs int64, s []Session) error {
	what := "sessions of " + site + "/" + machine
	rows := make([]Session, len(s))
	for i, v := range s {
		if v.Site != site || v.Machine != machine || v.StartMs < fromMs {
			return fmt.Errorf("registry: replace %s from %d: session %d (%s/%s from %d) does not belong there",
				what, fromMs, i, v.Site, v.Machine, v.StartMs)
		}
		v.CardHash, v.EndReason = clean(v.CardHash), clean(v.EndReason)
		rows[i] = v
	}
	old, err := sessionsFrom(ctx, d.read, site, machine, fromMs)
	if err != nil {
		return err
	}
	if slices.Equal(sortedSessions(old), sortedSessions(rows)) {
		return nil
	}
	return d.tx(ctx, "replace "+what, func(tx *sql.Tx) error {
		// One rebuild of a machine at a time: two at once would both insert.
		if _, err := tx.ExecContext(ctx, `UPDATE machine SET position = position WHERE site = $1 AND id = $2`, site, machine); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE site = $1 AND machine = $2 AND start_ms >= $3`, site, machine, fromMs); err != nil {
			return err
		}
		for _, v := range rows {
			_, err := tx.ExecContext(ctx, `INSERT INTO session (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				v.Site, v.Machine, v.StartMs, v.EndMs, v.Group, v.CardHash, v.EndReason)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func sessionsFrom(ctx context.Context, q querier, site, machine string, fromMs int64) ([]Session, error) {
	return list(ctx, q, "sessions of "+site+"/"+machine, scanSession,
		`SELECT `+sessionColumns+` FROM session WHERE site = $1 AND machine = $2 AND start_ms >= $3`, site, machine, fromMs)
}

// Sessions returns the sessions of a site that overlap [fromMs, toMs), open ones included, ordered by start and
// machine. An empty machine or group means any; toMs 0 means no end.
func (d *DB) Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]Session, error) {
	if toMs == 0 {
		toMs = math.MaxInt64
	}
	s, err := list(ctx, d.read, "sessions of "+site, scanSession, `
		SELECT `+sessionColumns+` FROM session
		WHERE site = $1 AND start_ms < $2 AND (end_ms = 0 OR end_ms > $3)
			AND ($4 = '' OR machine = $4) AND ($5 = '' OR group_id = $5)`,
		site, toMs, fromMs, machine, group)
	return sortedSessions(s), err
}

// sortedSessions orders by start, machine, and then whatever tells two sessions apart.
func sortedSessions(s []Session) []Session {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.StartMs, b.StartMs), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.EndMs, b.EndMs),
			cmp.Compare(a.CardHash, b.CardHash), cmp.Compare(a.Group, b.Group), cmp.Compare(a.EndReason, b.EndReason))
	})
	return s
}
