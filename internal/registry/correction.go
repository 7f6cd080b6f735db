package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrReversed is returned when a correction is reversed that another correction has reversed already.
var ErrReversed = errors.New("reversed already")

// Correction is what a person says of sessions of a machine, on top of what taps and states give (package session).
// Rows are only added. What each kind uses is said there.
type Correction struct {
	ID            int64
	Site, Machine string
	Kind          string
	FromMs, ToMs  int64  // the session's start and its end when it was corrected (0: open), or the assigned stretch
	AtMs          int64  // split, end: where; void: the time of the tap
	CardHash      string // of the session, or of the tap
	GroupWas      string // of the session when it was corrected
	Group         string // the new one
	Reverses      int64  // reverse: id of another correction
	Author        string
	Reason        string
	MadeMs        int64
}

const correctionColumns = `id, site, machine, kind, from_ms, to_ms, at_ms, card_hash, group_was, group_id, reverses, author, reason, made_ms`

func scanCorrection(row scanner) (c Correction, err error) {
	return c, row.Scan(&c.ID, &c.Site, &c.Machine, &c.Kind, &c.FromMs, &c.ToMs, &c.AtMs, &c.CardHash, &c.GroupWas, &c.Group,
		&c.Reverses, &c.Author, &c.Reason, &c.MadeMs)
}

// AddCorrection stores a correction with its line of the audit log, in one transaction, and returns it with its ID.
// touchFromMs > 0 puts the machine on the list of touched stretches from there on, for corrections that change what
// taps mean. A correction that reverses one which is reversed gives ErrReversed.
func (d *DB) AddCorrection(ctx context.Context, c Correction, touchFromMs int64) (Correction, error) {
	err := d.tx(ctx, "correction at "+c.Site+"/"+c.Machine, func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "correction"); err != nil {
			return err
		}
		if c.Reverses != 0 {
			others, err := list(ctx, tx, "corrections of "+c.Site, scanCorrection,
				`SELECT `+correctionColumns+` FROM correction WHERE site = $1 AND reverses = $2`, c.Site, c.Reverses)
			if err != nil {
				return err
			}
			for _, o := range others {
				again, err := one(ctx, tx, "reversals", func(row scanner) (n int64, err error) { return n, row.Scan(&n) },
					`SELECT COUNT(*) FROM correction WHERE site = $1 AND reverses = $2`, c.Site, o.ID)
				if err != nil {
					return err
				}
				if again == 0 {
					return fmt.Errorf("correction %d: %w by correction %d", c.Reverses, ErrReversed, o.ID)
				}
			}
		}
		c.Author, c.Reason = clean(c.Author), clean(c.Reason)
		var err error
		if c.ID, err = next(ctx, tx, "correction"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO correction (`+correctionColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			c.ID, c.Site, c.Machine, c.Kind, c.FromMs, c.ToMs, c.AtMs, c.CardHash, c.GroupWas, c.Group, c.Reverses, c.Author, c.Reason, c.MadeMs)
		if err != nil {
			return err
		}
		if touchFromMs > 0 {
			if err := touch(ctx, tx, []Touched{{Site: c.Site, Machine: c.Machine, FromMs: touchFromMs, ToMs: max(touchFromMs, c.ToMs)}}); err != nil {
				return err
			}
		}
		detail, err := json.Marshal(c)
		if err != nil {
			return err
		}
		return audit(ctx, tx, c.MadeMs, c.Author, "correct session", string(detail))
	})
	if err != nil {
		return Correction{}, err
	}
	return c, nil
}

// Corrections returns the corrections of sessions at a machine ("": at every machine of the site) in the order they were
// made.
func (d *DB) Corrections(ctx context.Context, site, machine string) ([]Correction, error) {
	return list(ctx, d.read, "corrections of "+site, scanCorrection,
		`SELECT `+correctionColumns+` FROM correction WHERE site = $1 AND ($2 = '' OR machine = $2) ORDER BY id`, site, machine)
}
