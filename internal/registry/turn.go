package registry

import "context"

// TakeTurn says whether the caller has the turn at something that several processes look after, but one at a time and each
// everyMs: true for the first that asks when so much time is over since the last turn. A turn that lies further ahead than
// everyMs was taken by a clock that was wrong, and is over.
func (d *DB) TakeTurn(ctx context.Context, name string, nowMs, everyMs int64) (bool, error) {
	n, err := d.exec(ctx, "turn at "+name, `INSERT INTO turn (name, taken_ms) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET taken_ms = excluded.taken_ms
		WHERE turn.taken_ms <= excluded.taken_ms - $3 OR turn.taken_ms > excluded.taken_ms + $3`, name, nowMs, everyMs)
	return n > 0, err
}
