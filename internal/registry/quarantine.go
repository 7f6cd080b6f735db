package registry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

const quarantineColumns = `id, received_ms, topic, site, gateway, machine, reason, detail, payload, seen`

func scanQuarantined(row scanner) (q Quarantined, err error) {
	err = row.Scan(&q.ID, &q.ReceivedMs, &q.Topic, &q.Site, &q.Gateway, &q.Machine, &q.Reason, &q.Detail, &q.Payload, &q.Count)
	if q.Payload == nil {
		q.Payload = []byte{} // SQLite gives nil for no bytes
	}
	return q, err
}

// Quarantine keeps a pack that can't be stored. The same topic, reason and payload again raises Count and moves
// ReceivedMs, so that a gateway that sends it for ever fills nothing. ID and Count of p do not count.
func (d *DB) Quarantine(ctx context.Context, p Quarantined) error {
	if p.Payload == nil {
		p.Payload = []byte{}
	}
	key := digest([]byte(p.Topic), []byte(p.Reason), p.Payload)
	return d.tx(ctx, "quarantine pack of "+clean(p.Topic), func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "quarantine"); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `
			UPDATE quarantine SET seen = seen + 1, received_ms = CASE WHEN received_ms > $2 THEN received_ms ELSE $2 END, detail = $3
			WHERE digest = $1`, key, p.ReceivedMs, clean(p.Detail))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		id, err := next(ctx, tx, "quarantine")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO quarantine (digest, `+quarantineColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)`,
			key, id, p.ReceivedMs, clean(p.Topic), clean(p.Site), clean(p.Gateway), clean(p.Machine), clean(p.Reason), clean(p.Detail), p.Payload)
		return err
	})
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

// deleteIDs is the most ids of one statement.
const deleteIDs = 500

// DeleteQuarantined takes packs out of quarantine, in one transaction. Unknown ids do not count.
func (d *DB) DeleteQuarantined(ctx context.Context, ids ...int64) error {
	return d.tx(ctx, "delete from quarantine", func(tx *sql.Tx) error {
		for len(ids) > 0 {
			n := min(len(ids), deleteIDs)
			args := make([]any, n)
			marks := make([]string, n)
			for i, id := range ids[:n] {
				args[i], marks[i] = id, fmt.Sprintf("$%d", i+1)
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE id IN (`+strings.Join(marks, ", ")+`)`, args...); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
}
