package registry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const quarantineColumns = `id, received_ms, topic, site, gateway, machine, reason, detail, payload, seen, length, sha256, replay_ms`

func scanQuarantined(row scanner) (q Quarantined, err error) {
	err = row.Scan(&q.ID, &q.ReceivedMs, &q.Topic, &q.Site, &q.Gateway, &q.Machine, &q.Reason, &q.Detail, &q.Payload, &q.Count, &q.Length, &q.SHA256, &q.ReplayMs)
	if q.Payload == nil {
		q.Payload = []byte{} // SQLite gives nil for no bytes
	}
	return q, err
}

// Whole reports whether all bytes of the message are kept, so that it can be tried again. Rows of listings carry only
// the first bytes: of those it says nothing.
func (q Quarantined) Whole() bool { return int64(len(q.Payload)) == q.Length }

// Quarantine keeps packs that can't be stored, in one transaction: one for each pack let a gateway that sends nothing else
// hold up everybody's. The same topic, reason and message again raises Count and moves ReceivedMs, so that a gateway that
// sends it for ever fills nothing. ID, Count and ReplayMs of packs do not count. Length and SHA256 say what the message was
// when Payload is only its beginning; Length 0 means that Payload is all of it.
//
// When a site's share or the total is full, the oldest packs make room: see LimitQuarantine.
func (d *DB) Quarantine(ctx context.Context, packs ...Quarantined) error {
	if len(packs) == 0 {
		return nil
	}
	return d.txPrepared(ctx, fmt.Sprintf("quarantine %d packs, the first of %s", len(packs), clean(packs[0].Topic)), func(q querier) error {
		if err := lock(ctx, q, "quarantine"); err != nil {
			return err
		}
		grown := map[string]QuarantineUsage{}
		for _, p := range packs {
			fresh, err := keep(ctx, q, &p)
			if err != nil {
				return err
			}
			if u := grown[p.Site]; fresh {
				grown[p.Site] = QuarantineUsage{Packs: u.Packs + 1, Bytes: u.Bytes + int64(len(p.Payload))}
			}
		}
		for _, site := range slices.Sorted(maps.Keys(grown)) {
			if err := useQuarantine(ctx, q, site, grown[site].Packs, grown[site].Bytes); err != nil {
				return err
			}
			if err := d.makeRoom(ctx, q, site); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep writes a pack, or counts it when it is there already; fresh says that it was not. The caller holds the lock and
// books it.
func keep(ctx context.Context, q querier, p *Quarantined) (fresh bool, err error) {
	if p.Payload == nil {
		p.Payload = []byte{}
	}
	if p.Length == 0 {
		sum := sha256.Sum256(p.Payload)
		p.Length, p.SHA256 = int64(len(p.Payload)), hex.EncodeToString(sum[:])
	}
	p.Topic, p.Site, p.Gateway, p.Machine = clean(p.Topic), clean(p.Site), clean(p.Gateway), clean(p.Machine)
	p.Reason, p.Detail = clean(p.Reason), clean(p.Detail)
	key := quarantineKey(*p)
	res, err := q.ExecContext(ctx, `
		UPDATE quarantine SET seen = seen + 1, received_ms = CASE WHEN received_ms > $2 THEN received_ms ELSE $2 END, detail = $3
		WHERE digest = $1`, key, p.ReceivedMs, p.Detail)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return false, err
	}
	if p.ID, err = next(ctx, q, "quarantine"); err != nil {
		return false, err
	}
	_, err = q.ExecContext(ctx, `
		INSERT INTO quarantine (digest, `+quarantineColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, 0)`,
		key, p.ID, p.ReceivedMs, p.Topic, p.Site, p.Gateway, p.Machine, p.Reason, p.Detail, p.Payload, p.Length, p.SHA256)
	return true, err
}

// quarantineKey tells packs apart: topic, reason and the whole message.
func quarantineKey(p Quarantined) string {
	if p.Whole() {
		return digest([]byte(p.Topic), []byte(p.Reason), p.Payload)
	}
	return digest([]byte(p.Topic), []byte(p.Reason), []byte(p.SHA256), nil)
}

// digest is the SHA-256 of parts, each with its length before it, so that no two lists of parts look alike.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// QuarantineFilter chooses packs. Zero values choose all.
type QuarantineFilter struct {
	Site, Machine, Reason string
	NoSite                bool // those that came on no topic of the contract: Site is not looked at
	SinceMs               int64
	BeforeID              int64 // ids below: the next page
	IDs                   []int64
	Limit                 int
}

// where is the condition of a filter with its arguments.
func (f QuarantineFilter) where() (string, []any) {
	args := []any{f.Site, f.Machine, f.Reason, f.SinceMs, f.BeforeID}
	where := `($1 = '' OR site = $1) AND ($2 = '' OR machine = $2) AND ($3 = '' OR reason = $3) AND received_ms >= $4 AND ($5 = 0 OR id < $5)`
	if f.NoSite {
		where = strings.Replace(where, `($1 = '' OR site = $1)`, `site = '' AND $1 = ''`, 1)
		args[0] = ""
	}
	if len(f.IDs) > 0 {
		marks := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			args = append(args, id)
			marks[i] = fmt.Sprintf("$%d", len(args))
		}
		where += ` AND id IN (` + strings.Join(marks, ", ") + `)`
	}
	return where, args
}

// MaxQuarantineIDs is the most ids that a filter may name.
const MaxQuarantineIDs = 500

// check refuses a filter that one statement can't hold.
func (f QuarantineFilter) check() error {
	if len(f.IDs) > MaxQuarantineIDs {
		return fmt.Errorf("registry: quarantine: %d ids, at most %d at once", len(f.IDs), MaxQuarantineIDs)
	}
	return nil
}

// QuarantineHead is how many bytes of each payload FindQuarantined gives.
const QuarantineHead = 4 << 10

// FindQuarantined returns the chosen packs, newest id first, with the first bytes of their payloads only.
func (d *DB) FindQuarantined(ctx context.Context, f QuarantineFilter) ([]Quarantined, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	where, args := f.where()
	columns := strings.Replace(quarantineColumns, "payload", fmt.Sprintf("SUBSTR(payload, 1, %d)", QuarantineHead), 1)
	return list(ctx, d.read, "quarantine of "+f.Site, scanQuarantined,
		`SELECT `+columns+` FROM quarantine WHERE `+where+fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args)+1), append(args, atMost(f.Limit))...)
}

// QuarantinedByID returns one pack with all bytes that are kept, or ErrNotFound.
func (d *DB) QuarantinedByID(ctx context.Context, id int64) (Quarantined, error) {
	return one(ctx, d.read, fmt.Sprintf("quarantined pack %d", id), scanQuarantined, `SELECT `+quarantineColumns+` FROM quarantine WHERE id = $1`, id)
}

// QuarantinedList returns the quarantined packs of a site ("" for all), newest first, at most limit (0: all).
func (d *DB) QuarantinedList(ctx context.Context, site string, limit int) ([]Quarantined, error) {
	return list(ctx, d.read, "quarantine of "+site, scanQuarantined, `
		SELECT `+quarantineColumns+` FROM quarantine WHERE ($1 = '' OR site = $1)
		ORDER BY received_ms DESC, id DESC LIMIT $2`, site, atMost(limit))
}

// QuarantinedFor returns the packs of a machine that were refused for a reason, in the order they first came, at most
// limit (0: all). Ingest stores them once the machine is registered.
func (d *DB) QuarantinedFor(ctx context.Context, site, machine, reason string, limit int) ([]Quarantined, error) {
	return list(ctx, d.read, "quarantine of "+site+"/"+machine, scanQuarantined, `
		SELECT `+quarantineColumns+` FROM quarantine WHERE site = $1 AND machine = $2 AND reason = $3
		ORDER BY id LIMIT $4`, site, machine, reason, atMost(limit))
}

// RegisteredInQuarantine returns the registered machines of which packs are in quarantine for a reason, in no order.
func (d *DB) RegisteredInQuarantine(ctx context.Context, reason string) ([]MachineRef, error) {
	scan := func(s scanner) (m MachineRef, err error) {
		err = s.Scan(&m.Site, &m.Machine)
		return m, err
	}
	return list(ctx, d.read, "registered machines in quarantine", scan, `
		SELECT DISTINCT q.site, q.machine FROM quarantine q JOIN machine m ON m.site = q.site AND m.id = q.machine
		WHERE q.reason = $1`, reason)
}

// MachineRef names a machine.
type MachineRef struct{ Site, Machine string }

// DeleteQuarantined takes packs out of quarantine, in one transaction. Unknown ids do not count.
func (d *DB) DeleteQuarantined(ctx context.Context, ids ...int64) error {
	return d.tx(ctx, "delete from quarantine", func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "quarantine"); err != nil {
			return err
		}
		for len(ids) > 0 {
			n := min(len(ids), MaxQuarantineIDs)
			if _, err := deleteQuarantined(ctx, tx, QuarantineFilter{IDs: ids[:n]}); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
}

// DropQuarantined throws the chosen packs away and returns how many there were.
func (d *DB) DropQuarantined(ctx context.Context, f QuarantineFilter) (dropped int64, err error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	err = d.tx(ctx, "drop from quarantine", func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "quarantine"); err != nil {
			return err
		}
		dropped, err = deleteQuarantined(ctx, tx, f)
		return err
	})
	return dropped, err
}

// deleteQuarantined deletes the chosen packs and books them out of their sites' shares. The caller holds the lock.
func deleteQuarantined(ctx context.Context, tx *sql.Tx, f QuarantineFilter) (deleted int64, err error) {
	where, args := f.where()
	scan := func(row scanner) (u QuarantineUsage, err error) { return u, row.Scan(&u.Site, &u.Packs, &u.Bytes) }
	sums, err := list(ctx, tx, "quarantine", scan, `SELECT site, COUNT(*), SUM(LENGTH(payload)) FROM quarantine WHERE `+where+` GROUP BY site`, args...)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE `+where, args...); err != nil {
		return 0, err
	}
	for _, s := range sums {
		deleted += s.Packs
		if err := useQuarantine(ctx, tx, s.Site, -s.Packs, -s.Bytes); err != nil {
			return 0, err
		}
	}
	return deleted, nil
}

// What became of a pack that was tried again.
const (
	ReplayStored  = "stored"
	ReplayRefused = "refused"
)

// QuarantineReplay says what became of a pack that was tried again.
type QuarantineReplay struct {
	ID             int64
	AtMs           int64
	Outcome        string // ReplayStored or ReplayRefused
	Reason, Detail string // why it was refused again
}

// replaysKept is how many outcomes are remembered.
const replaysKept = 20_000

// AskReplay marks the chosen packs to be tried again by ingest and returns their ids, oldest first, and how many can't be
// because only their beginning is kept.
func (d *DB) AskReplay(ctx context.Context, f QuarantineFilter, atMs int64) (ids []int64, cut int64, err error) {
	if err := f.check(); err != nil {
		return nil, 0, err
	}
	where, args := f.where()
	err = d.tx(ctx, "ask that packs be tried again", func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "quarantine"); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM quarantine WHERE LENGTH(payload) < length AND `+where, args...).Scan(&cut)
		if err != nil {
			return err
		}
		scan := func(row scanner) (id int64, err error) { return id, row.Scan(&id) }
		ids, err = list(ctx, tx, "quarantine", scan, `SELECT id FROM quarantine WHERE LENGTH(payload) = length AND `+where+
			fmt.Sprintf(` ORDER BY id LIMIT $%d`, len(args)+1), append(args, atMost(f.Limit))...)
		if err != nil {
			return err
		}
		for rest := ids; len(rest) > 0; {
			n := min(len(rest), MaxQuarantineIDs)
			chosen, args := QuarantineFilter{IDs: rest[:n]}.where()
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`UPDATE quarantine SET replay_ms = $%d WHERE `, len(args)+1)+chosen, append(args, atMs)...); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	return ids, cut, err
}

// ToReplay returns packs that somebody asked to be tried again, oldest first.
func (d *DB) ToReplay(ctx context.Context, limit int) ([]Quarantined, error) {
	return list(ctx, d.read, "quarantine", scanQuarantined,
		`SELECT `+quarantineColumns+` FROM quarantine WHERE replay_ms > 0 ORDER BY id LIMIT $1`, atMost(limit))
}

// Replayed notes what became of a pack that was tried again: one that was stored leaves, one that was refused stays under
// its new reason. A pack that is there no more is no error.
func (d *DB) Replayed(ctx context.Context, r QuarantineReplay) error {
	r.Reason, r.Detail = clean(r.Reason), clean(r.Detail)
	return d.tx(ctx, fmt.Sprintf("note the replay of pack %d", r.ID), func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "quarantine"); err != nil {
			return err
		}
		p, err := one(ctx, tx, "pack", scanQuarantined, `SELECT `+quarantineColumns+` FROM quarantine WHERE id = $1`, r.ID)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Outcome == ReplayStored {
			_, err = deleteQuarantined(ctx, tx, QuarantineFilter{IDs: []int64{r.ID}})
		} else {
			err = refuseAgain(ctx, tx, p, r)
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO quarantine_replay (id, at_ms, outcome, reason, detail) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id, at_ms) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, detail = excluded.detail`,
			r.ID, r.AtMs, r.Outcome, r.Reason, r.Detail)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM quarantine_replay WHERE at_ms <
			(SELECT at_ms FROM quarantine_replay ORDER BY at_ms DESC LIMIT 1 OFFSET $1)`, replaysKept-1)
		return err
	})
}

// refuseAgain puts a pack under its new reason, or makes it one with the pack that is there already.
func refuseAgain(ctx context.Context, tx *sql.Tx, p Quarantined, r QuarantineReplay) error {
	p.Reason = r.Reason
	key := quarantineKey(p)
	res, err := tx.ExecContext(ctx, `UPDATE quarantine SET seen = seen + $3 WHERE digest = $1 AND id <> $2`, key, p.ID, p.Count)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		if err == nil {
			_, err = deleteQuarantined(ctx, tx, QuarantineFilter{IDs: []int64{p.ID}})
		}
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE quarantine SET digest = $2, reason = $3, detail = $4, replay_ms = 0 WHERE id = $1`, p.ID, key, r.Reason, r.Detail)
	return err
}

// Replays returns what became of the packs, as far as it is remembered and happened at sinceMs or later.
func (d *DB) Replays(ctx context.Context, ids []int64, sinceMs int64) ([]QuarantineReplay, error) {
	scan := func(row scanner) (r QuarantineReplay, err error) {
		return r, row.Scan(&r.ID, &r.AtMs, &r.Outcome, &r.Reason, &r.Detail)
	}
	var out []QuarantineReplay
	for len(ids) > 0 {
		n := min(len(ids), MaxQuarantineIDs)
		args := []any{sinceMs}
		marks := make([]string, n)
		for i, id := range ids[:n] {
			args = append(args, id)
			marks[i] = fmt.Sprintf("$%d", len(args))
		}
		rows, err := list(ctx, d.read, "replays", scan, `SELECT id, at_ms, outcome, reason, detail FROM quarantine_replay
			WHERE at_ms >= $1 AND id IN (`+strings.Join(marks, ", ")+`) ORDER BY id, at_ms`, args...)
		if err != nil {
			return nil, err
		}
		out, ids = append(out, rows...), ids[n:]
	}
	return out, nil
}
