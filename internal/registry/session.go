package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
)

const sessionColumns = `site, machine, start_ms, end_ms, group_id, card_hash, end_reason, training`

func scanSession(row scanner) (s Session, err error) {
	return s, row.Scan(&s.Site, &s.Machine, &s.StartMs, &s.EndMs, &s.Group, &s.CardHash, &s.EndReason, &s.Training)
}

// The kinds of rows in table session. A row of kind job keeps the job's number as group_id.
const (
	kindGroup = "group"
	kindJob   = "job"
)

// ReplaceSessions puts s in the place of all sessions of the machine that begin at fromMs or later, in one
// transaction. Every session of s must be of that machine and begin at fromMs or later. Writing what is there already
// writes nothing: sessions are rebuilt with every touch, and flash wears.
func (d *DB) ReplaceSessions(ctx context.Context, site, machine string, fromMs int64, s []Session) error {
	return d.replaceSessions(ctx, kindGroup, site, machine, fromMs, s)
}

// ReplaceJobTaps is ReplaceSessions for the stretches that job cards give; Group of s is the number of the job.
func (d *DB) ReplaceJobTaps(ctx context.Context, site, machine string, fromMs int64, s []Session) error {
	return d.replaceSessions(ctx, kindJob, site, machine, fromMs, s)
}

func (d *DB) replaceSessions(ctx context.Context, kind, site, machine string, fromMs int64, s []Session) error {
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
	old, err := sessionsFrom(ctx, d.read, kind, site, machine, fromMs)
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
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE site = $1 AND machine = $2 AND start_ms >= $3 AND kind = $4`, site, machine, fromMs, kind); err != nil {
			return err
		}
		for _, v := range rows {
			_, err := tx.ExecContext(ctx, `INSERT INTO session (`+sessionColumns+`, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
				v.Site, v.Machine, v.StartMs, v.EndMs, v.Group, v.CardHash, v.EndReason, v.Training, kind)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func sessionsFrom(ctx context.Context, q querier, kind, site, machine string, fromMs int64) ([]Session, error) {
	return list(ctx, q, "sessions of "+site+"/"+machine, scanSession,
		`SELECT `+sessionColumns+` FROM session WHERE site = $1 AND machine = $2 AND start_ms >= $3 AND kind = $4`, site, machine, fromMs, kind)
}

// Sessions returns the sessions of a site that overlap [fromMs, toMs), open ones included, ordered by start and
// machine, as taps and states give them: package session puts the corrections on top. An empty machine or group means
// any; toMs 0 means no end.
func (d *DB) Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]Session, error) {
	return d.sessions(ctx, kindGroup, site, fromMs, toMs, machine, group)
}

// JobTaps returns the stretches that job cards give, as Sessions; Group is the number of the job.
func (d *DB) JobTaps(ctx context.Context, site string, fromMs, toMs int64, machine, job string) ([]Session, error) {
	return d.sessions(ctx, kindJob, site, fromMs, toMs, machine, job)
}

func (d *DB) sessions(ctx context.Context, kind, site string, fromMs, toMs int64, machine, group string) ([]Session, error) {
	if toMs == 0 {
		toMs = math.MaxInt64
	}
	s, err := list(ctx, d.read, "sessions of "+site, scanSession, `
		SELECT `+sessionColumns+` FROM session
		WHERE site = $1 AND start_ms < $2 AND (end_ms = 0 OR end_ms > $3)
			AND ($4 = '' OR machine = $4) AND ($5 = '' OR group_id = $5) AND kind = $6`,
		site, toMs, fromMs, machine, group, kind)
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
