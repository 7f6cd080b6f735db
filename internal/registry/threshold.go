package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
)

// ThresholdClass is one state as it showed when thresholds were confirmed.
type ThresholdClass struct {
	State  string  `json:"state"`
	Centre float64 `json:"centre"` // median, unit of the signal
	Share  float64 `json:"share"`  // of the known time
}

// Confirmed is what was known when a person confirmed learnt thresholds.
type Confirmed struct {
	Site, Machine string
	ValidFromMs   int64 // of the settings row it made
	ConfirmedMs   int64
	Author        string
	Signal        string
	FromMs, ToMs  int64 // the stretch it was learnt from
	Classes       []ThresholdClass
}

// ConfirmThresholds writes a dated row of settings with the thresholds of s, what it was learnt from, and an entry of the
// audit log, in one transaction; the machine is rebuilt from the row's date on.
func (d *DB) ConfirmThresholds(ctx context.Context, s Settings, c Confirmed) error {
	if !(s.IdleAbove > 0 && s.IdleAbove <= s.RunAbove) {
		return fmt.Errorf("registry: thresholds of %s/%s: idle from %v and run from %v: want 0 < idle ≤ run", c.Site, c.Machine, s.IdleAbove, s.RunAbove)
	}
	return d.tx(ctx, "confirm thresholds of "+c.Site+"/"+c.Machine, func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "audit"); err != nil {
			return err
		}
		old, err := machines(ctx, tx, c.Site)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(old, func(m Machine) bool { return m.ID == c.Machine }) {
			return fmt.Errorf("machine %s/%s: %w", c.Site, c.Machine, ErrNotFound)
		}
		a := &applying{tx: tx, site: c.Site, author: c.Author, nowMs: c.ConfirmedMs}
		if err := a.applySettings(ctx, c.Machine, true, []Settings{s}); err != nil {
			return err
		}
		classes, err := json.Marshal(c.Classes)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO threshold_confirmed (site, machine, valid_from_ms, confirmed_ms, author, signal, from_ms, to_ms, classes_json)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (site, machine, valid_from_ms) DO UPDATE SET confirmed_ms = excluded.confirmed_ms, author = excluded.author,
				signal = excluded.signal, from_ms = excluded.from_ms, to_ms = excluded.to_ms, classes_json = excluded.classes_json`,
			c.Site, c.Machine, s.ValidFromMs, c.ConfirmedMs, c.Author, s.Signal, c.FromMs, c.ToMs, string(classes))
		if err != nil {
			return fmt.Errorf("what was confirmed: %w", err)
		}
		return touch(ctx, tx, a.touched)
	})
}

// ConfirmedThresholds returns what was confirmed of a machine, newest settings first.
func (d *DB) ConfirmedThresholds(ctx context.Context, site, machine string) ([]Confirmed, error) {
	return list(ctx, d.read, "confirmed thresholds of "+site+"/"+machine, func(row scanner) (Confirmed, error) {
		c := Confirmed{Site: site, Machine: machine}
		var classes string
		if err := row.Scan(&c.ValidFromMs, &c.ConfirmedMs, &c.Author, &c.Signal, &c.FromMs, &c.ToMs, &classes); err != nil {
			return c, err
		}
		return c, json.Unmarshal([]byte(classes), &c.Classes)
	}, `SELECT valid_from_ms, confirmed_ms, author, signal, from_ms, to_ms, classes_json
		FROM threshold_confirmed WHERE site = $1 AND machine = $2 ORDER BY valid_from_ms DESC`, site, machine)
}
