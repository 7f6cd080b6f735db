package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrState is returned when a thing is not in a state that allows what was asked, such as acknowledging a resolved
// alarm. The text around it names the state.
var ErrState = errors.New("not possible in this state")

// alarmReopenMs is how long after it was resolved an alarm that is raised again is still the same alarm: a condition
// that flutters gives one alarm, not a dozen.
const alarmReopenMs = int64(10 * time.Minute / time.Millisecond)

const alarmColumns = `id, site, machine, rule, component, state, active, opened_ms, cleared_ms, acknowledged_ms,
	acknowledged_by, resolved_ms, resolved_by, note, raised, value, limit_value, cause, notified_ms,
	rises_json, shelved_until_ms, shelved_by, shelve_reason`

func scanAlarm(row scanner) (a Alarm, err error) {
	var rises string
	err = row.Scan(&a.ID, &a.Site, &a.Machine, &a.Rule, &a.Component, &a.State, &a.Active, &a.OpenedMs, &a.ClearedMs,
		&a.AcknowledgedMs, &a.AcknowledgedBy, &a.ResolvedMs, &a.ResolvedBy, &a.Note, &a.Count, &a.Value, &a.Limit,
		&a.Cause, &a.NotifiedMs, &rises, &a.ShelvedUntilMs, &a.ShelvedBy, &a.ShelveReason)
	if err == nil && rises != "" {
		err = json.Unmarshal([]byte(rises), &a.Rises)
	}
	return a, err
}

// risesText is how the rises of an alarm are kept.
func risesText(rises []Rise) (string, error) {
	if len(rises) == 0 {
		return "", nil
	}
	b, err := json.Marshal(rises)
	return string(b), err
}

// RaiseAlarm notes at time a.OpenedMs that a condition holds. Of a only Site, Machine, Rule, Component, OpenedMs, Value,
// Limit, Cause and Rises count.
//
// When an unresolved alarm of the same site, machine, rule and component is there, it becomes active and its Count
// grows. One that was resolved less than ten minutes ago is opened again (its count grows, its acknowledgement,
// resolution and shelf are gone, it is to be notified again). Otherwise a new alarm is made and isNew is true. However many
// callers raise at once, there is one unresolved alarm.
func (d *DB) RaiseAlarm(ctx context.Context, a Alarm) (raised Alarm, isNew bool, err error) {
	if !finite(a.Value) || !finite(a.Limit) {
		return Alarm{}, false, fmt.Errorf("registry: raise alarm %s of %s/%s: value %v or limit %v is not finite", a.Rule, a.Site, a.Machine, a.Value, a.Limit)
	}
	a.Cause = clean(a.Cause)
	rises, err := risesText(a.Rises)
	if err != nil {
		return Alarm{}, false, fmt.Errorf("registry: raise alarm %s of %s/%s: %w", a.Rule, a.Site, a.Machine, err)
	}
	err = d.tx(ctx, "raise alarm "+a.Rule+" of "+a.Site+"/"+a.Machine, func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "alarm"); err != nil {
			return err
		}
		if raised, err = raiseAgain(ctx, tx, a, rises); !errors.Is(err, ErrNotFound) {
			return err
		}
		if raised, err = reopen(ctx, tx, a, rises); !errors.Is(err, ErrNotFound) {
			return err
		}
		isNew = true
		raised, err = newAlarm(ctx, tx, a, rises)
		return err
	})
	if err != nil {
		return Alarm{}, false, err
	}
	return raised, isNew, nil
}

func raiseAgain(ctx context.Context, tx *sql.Tx, a Alarm, rises string) (Alarm, error) {
	return one(ctx, tx, "unresolved alarm", scanAlarm, `
		UPDATE alarm SET active = TRUE, cleared_ms = 0, raised = raised + 1, value = $5, limit_value = $6, cause = $7,
			rises_json = $8
		WHERE site = $1 AND machine = $2 AND rule = $3 AND component = $4 AND state <> 'resolved'
		RETURNING `+alarmColumns, a.Site, a.Machine, a.Rule, a.Component, a.Value, a.Limit, a.Cause, rises)
}

func reopen(ctx context.Context, tx *sql.Tx, a Alarm, rises string) (Alarm, error) {
	return one(ctx, tx, "alarm resolved lately", scanAlarm, `
		UPDATE alarm SET state = 'open', active = TRUE, cleared_ms = 0, raised = raised + 1,
			value = $5, limit_value = $6, cause = $7, notified_ms = 0,
			acknowledged_ms = 0, acknowledged_by = '', resolved_ms = 0, resolved_by = '',
			rises_json = $9, shelved_until_ms = 0, shelved_by = '', shelve_reason = ''
		WHERE id = (SELECT id FROM alarm
			WHERE site = $1 AND machine = $2 AND rule = $3 AND component = $4 AND resolved_ms > $8
			ORDER BY resolved_ms DESC, id DESC LIMIT 1)
		RETURNING `+alarmColumns,
		a.Site, a.Machine, a.Rule, a.Component, a.Value, a.Limit, a.Cause, a.OpenedMs-alarmReopenMs, rises)
}

func newAlarm(ctx context.Context, tx *sql.Tx, a Alarm, rises string) (Alarm, error) {
	id, err := next(ctx, tx, "alarm")
	if err != nil {
		return Alarm{}, err
	}
	return one(ctx, tx, "new alarm", scanAlarm, `
		INSERT INTO alarm (`+alarmColumns+`)
		VALUES ($1, $2, $3, $4, $5, 'open', TRUE, $6, 0, 0, '', 0, '', '', 1, $7, $8, $9, 0, $10, 0, '', '')
		RETURNING `+alarmColumns, id, a.Site, a.Machine, a.Rule, a.Component, a.OpenedMs, a.Value, a.Limit, a.Cause, rises)
}

// ClearAlarm notes that a condition holds no more since atMs. The alarm stays for people to resolve. Nothing happens
// when no such alarm is active.
func (d *DB) ClearAlarm(ctx context.Context, site, machine, rule, component string, atMs int64) error {
	_, err := d.exec(ctx, "clear alarm "+rule+" of "+site+"/"+machine, `
		UPDATE alarm SET active = FALSE, cleared_ms = $5
		WHERE site = $1 AND machine = $2 AND rule = $3 AND component = $4 AND active`, site, machine, rule, component, atMs)
	return err
}

// AcknowledgeAlarm notes that by has seen the alarm and looks after it. Acknowledging it again keeps the first name
// and time; a resolved alarm gives ErrState, an unknown one ErrNotFound.
func (d *DB) AcknowledgeAlarm(ctx context.Context, site string, id int64, by string, atMs int64) (Alarm, error) {
	return d.handleAlarm(ctx, "acknowledge", site, id, `
		UPDATE alarm SET state = 'acknowledged', acknowledged_by = $3, acknowledged_ms = $4
		WHERE site = $1 AND id = $2 AND state = 'open'`, clean(by), atMs)
}

// ResolveAlarm closes the alarm with a note of what was done. A resolved alarm gives ErrState, an unknown one
// ErrNotFound.
func (d *DB) ResolveAlarm(ctx context.Context, site string, id int64, by, note string, atMs int64) (Alarm, error) {
	return d.handleAlarm(ctx, "resolve", site, id, `
		UPDATE alarm SET state = 'resolved', resolved_by = $3, resolved_ms = $4, note = $5
		WHERE site = $1 AND id = $2 AND state <> 'resolved'`, clean(by), atMs, clean(note))
}

// handleAlarm runs an update of one alarm that first checks that it is not resolved.
func (d *DB) handleAlarm(ctx context.Context, verb, site string, id int64, query string, args ...any) (a Alarm, err error) {
	err = d.tx(ctx, fmt.Sprintf("%s alarm %d of %s", verb, id, site), func(tx *sql.Tx) error {
		if err := lock(ctx, tx, "alarm"); err != nil {
			return err
		}
		if a, err = alarm(ctx, tx, site, id); err != nil {
			return err
		}
		if a.State == AlarmResolved {
			return fmt.Errorf("%w: it was resolved by %s at %s; if the condition comes back it is raised anew",
				ErrState, a.ResolvedBy, time.UnixMilli(a.ResolvedMs).UTC().Format(time.RFC3339))
		}
		if _, err := tx.ExecContext(ctx, query, append([]any{site, id}, args...)...); err != nil {
			return err
		}
		a, err = alarm(ctx, tx, site, id)
		return err
	})
	if err != nil {
		return Alarm{}, err
	}
	return a, nil
}

func alarm(ctx context.Context, q querier, site string, id int64) (Alarm, error) {
	return one(ctx, q, fmt.Sprintf("alarm %d of %s", id, site), scanAlarm,
		`SELECT `+alarmColumns+` FROM alarm WHERE site = $1 AND id = $2`, site, id)
}

// Alarms returns the alarms of a site, newest first, at most limit of them (0: all).
func (d *DB) Alarms(ctx context.Context, site string, onlyUnresolved bool, limit int) ([]Alarm, error) {
	return list(ctx, d.read, "alarms of "+site, scanAlarm, `
		SELECT `+alarmColumns+` FROM alarm WHERE site = $1 AND (state <> 'resolved' OR NOT $2)
		ORDER BY opened_ms DESC, id DESC LIMIT $3`, site, onlyUnresolved, atMost(limit))
}

// UnnotifiedAlarms returns the unresolved alarms of all sites that were not delivered yet and are not shelved at nowMs,
// oldest first.
func (d *DB) UnnotifiedAlarms(ctx context.Context, nowMs int64) ([]Alarm, error) {
	return list(ctx, d.read, "undelivered alarms", scanAlarm, `
		SELECT `+alarmColumns+` FROM alarm WHERE notified_ms = 0 AND state <> 'resolved' AND shelved_until_ms <= $1
		ORDER BY opened_ms, id`, nowMs)
}

// AlarmNotified notes that an alarm was delivered at atMs.
func (d *DB) AlarmNotified(ctx context.Context, id, atMs int64) error {
	_, err := d.exec(ctx, fmt.Sprintf("alarm %d notified", id), `UPDATE alarm SET notified_ms = $2 WHERE id = $1`, id, atMs)
	return err
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
