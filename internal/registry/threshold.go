package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"
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
// audit log, in one transaction; the machine is rebuilt from the row's date on. Thresholds that can't tell states apart, a date
// that nobody means and one before other settings of the machine are refused with a *SettingsFault each.
func (d *DB) ConfirmThresholds(ctx context.Context, s Settings, c Confirmed) error {
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
		rows, err := settings(ctx, tx, c.Site, c.Machine)
		if err != nil {
			return err
		}
		if err := confirmFaults(s, rows, c.ConfirmedMs); err != nil {
			return err
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
		if err := endDrift(ctx, tx, s, c); err != nil {
			return err
		}
		return touch(ctx, tx, a.touched)
	})
}

// RuleThresholdDrift is the alarm that a machine's thresholds no longer fit what it does; confirming thresholds ends it.
const RuleThresholdDrift = "threshold-drift"

func endDrift(ctx context.Context, tx *sql.Tx, s Settings, c Confirmed) error {
	note := fmt.Sprintf("idle_above %g, run_above %g, from %s", s.IdleAbove, s.RunAbove, time.UnixMilli(s.ValidFromMs).UTC().Format(time.RFC3339))
	_, err := tx.ExecContext(ctx, `
		UPDATE alarm SET active = FALSE, cleared_ms = $4, state = 'resolved', resolved_ms = $4, resolved_by = $5, note = $6
		WHERE site = $1 AND machine = $2 AND rule = $3 AND state <> 'resolved'`,
		c.Site, c.Machine, RuleThresholdDrift, c.ConfirmedMs, clean(c.Author), note)
	if err != nil {
		return fmt.Errorf("end the alarm %s: %w", RuleThresholdDrift, err)
	}
	return nil
}

// ConfirmedThresholds returns what was confirmed of a machine, newest settings first.
func (d *DB) ConfirmedThresholds(ctx context.Context, site, machine string) ([]Confirmed, error) {
	return confirmedThresholds(ctx, d.read, site, machine)
}

func confirmedThresholds(ctx context.Context, q querier, site, machine string) ([]Confirmed, error) {
	return list(ctx, q, "confirmed thresholds of "+site+"/"+machine, func(row scanner) (Confirmed, error) {
		c := Confirmed{Site: site, Machine: machine}
		var classes string
		if err := row.Scan(&c.ValidFromMs, &c.ConfirmedMs, &c.Author, &c.Signal, &c.FromMs, &c.ToMs, &classes); err != nil {
			return c, err
		}
		return c, json.Unmarshal([]byte(classes), &c.Classes)
	}, `SELECT valid_from_ms, confirmed_ms, author, signal, from_ms, to_ms, classes_json
		FROM threshold_confirmed WHERE site = $1 AND machine = $2 ORDER BY valid_from_ms DESC`, site, machine)
}
