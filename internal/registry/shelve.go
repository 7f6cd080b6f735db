package registry

import (
	"context"
	"fmt"
)

// ShelveAlarm keeps an alarm from being delivered until untilMs, in the name of by and for a reason (shelving of
// ISA-18.2). It stays on the pages. Shelving it again replaces time, name and reason; a resolved alarm gives ErrState,
// an unknown one ErrNotFound. How long and for what rules it may be done is the caller's to judge.
func (d *DB) ShelveAlarm(ctx context.Context, site string, id int64, by, reason string, untilMs int64) (Alarm, error) {
	return d.handleAlarm(ctx, "shelve", site, id, `
		UPDATE alarm SET shelved_until_ms = $3, shelved_by = $4, shelve_reason = $5
		WHERE site = $1 AND id = $2 AND state <> 'resolved'`, untilMs, clean(by), clean(reason))
}

// UnshelveAlarm takes an alarm from the shelf before its time. Nothing happens to one that is not shelved.
func (d *DB) UnshelveAlarm(ctx context.Context, site string, id int64) (Alarm, error) {
	return d.handleAlarm(ctx, "unshelve", site, id, `
		UPDATE alarm SET shelved_until_ms = 0, shelved_by = '', shelve_reason = ''
		WHERE site = $1 AND id = $2 AND state <> 'resolved'`)
}

// UpdateAlarm replaces what an active alarm says (value, limit, cause, rises) and changes nothing else: no count, no
// delivery. Nothing happens when no such alarm is active.
func (d *DB) UpdateAlarm(ctx context.Context, a Alarm) error {
	what := "update alarm " + a.Rule + " of " + a.Site + "/" + a.Machine
	rises, err := risesText(a.Rises)
	if err != nil {
		return fmt.Errorf("registry: %s: %w", what, err)
	}
	if !finite(a.Value) || !finite(a.Limit) {
		return fmt.Errorf("registry: %s: value %v or limit %v is not finite", what, a.Value, a.Limit)
	}
	_, err = d.exec(ctx, what, `
		UPDATE alarm SET value = $5, limit_value = $6, cause = $7, rises_json = $8
		WHERE site = $1 AND machine = $2 AND rule = $3 AND component = $4 AND active`,
		a.Site, a.Machine, a.Rule, a.Component, a.Value, a.Limit, clean(a.Cause), rises)
	return err
}
