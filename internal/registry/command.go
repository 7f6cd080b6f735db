package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// CommandState is where a command to a gateway stands.
type CommandState string

// The states of a command.
const (
	CommandQueued  CommandState = "queued"  // not sent yet: the gateway is not online, or another command is before it
	CommandSent    CommandState = "sent"    // at least once; the gateway has not answered
	CommandDone    CommandState = "done"    // the gateway says so
	CommandFailed  CommandState = "failed"  // the gateway says so
	CommandExpired CommandState = "expired" // no answer in time
)

// Command is a command to a gateway with what became of it.
type Command struct {
	Site, Gateway string
	ID            int64  // grows with each command to the gateway
	Kind          string // wire.Command…
	Body          string // as the kind says
	By            string // who asked for it
	QueuedMs      int64
	ExpiresMs     int64
	State         CommandState
	SentMs        int64 // last sending, 0: none yet
	Sendings      int64
	EndedMs       int64  // 0: open
	Detail        string // what the gateway said, or why there is no answer
}

// maxOpenCommands bounds what waits for a gateway.
const maxOpenCommands = 20

// ErrTooMany is returned when so much waits already that no more is taken.
var ErrTooMany = errors.New("too many wait already")

const commandColumns = `site, gateway, id, kind, body, queued_by, queued_ms, expires_ms, state, sent_ms, sendings, ended_ms, detail`

func scanCommand(row scanner) (c Command, err error) {
	return c, row.Scan(&c.Site, &c.Gateway, &c.ID, &c.Kind, &c.Body, &c.By, &c.QueuedMs, &c.ExpiresMs, &c.State,
		&c.SentMs, &c.Sendings, &c.EndedMs, &c.Detail)
}

// QueueCommand queues a command (Site, Gateway, Kind, Body, By, QueuedMs and ExpiresMs are taken) and writes it into the
// audit log. ErrNotFound when the site has no such gateway, ErrTooMany when twenty commands wait for it already.
func (d *DB) QueueCommand(ctx context.Context, c Command) (Command, error) {
	name := c.Site + "/" + c.Gateway
	c.By, c.State, c.SentMs, c.Sendings, c.EndedMs, c.Detail = clean(c.By), CommandQueued, 0, 0, 0, ""
	return c, d.tx(ctx, "queue a command for gateway "+name, func(tx *sql.Tx) error {
		// The gateway's row is the lock for its ids.
		res, err := tx.ExecContext(ctx, `UPDATE gateway SET seen_ms = seen_ms WHERE site = $1 AND id = $2`, c.Site, c.Gateway)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		var last, open int64
		err = tx.QueryRowContext(ctx, `
			SELECT COALESCE(MAX(id), 0), COALESCE(SUM(CASE WHEN ended_ms = 0 THEN 1 ELSE 0 END), 0) FROM command
			WHERE site = $1 AND gateway = $2`, c.Site, c.Gateway).Scan(&last, &open)
		if err != nil {
			return err
		}
		if open >= maxOpenCommands {
			return fmt.Errorf("%w: %d commands are open, the oldest goes first", ErrTooMany, open)
		}
		c.ID = max(c.QueuedMs, last+1)
		_, err = tx.ExecContext(ctx, `INSERT INTO command (`+commandColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, '')`,
			c.Site, c.Gateway, c.ID, c.Kind, c.Body, c.By, c.QueuedMs, c.ExpiresMs, string(c.State))
		if err != nil {
			return err
		}
		return audit(ctx, tx, c.QueuedMs, c.By, "command to gateway", fmt.Sprintf("%s %s %d %s", name, c.Kind, c.ID, c.Body))
	})
}

// Command returns one command, or ErrNotFound.
func (d *DB) Command(ctx context.Context, site, gateway string, id int64) (Command, error) {
	return one(ctx, d.read, fmt.Sprintf("command %d to gateway %s/%s", id, site, gateway), scanCommand,
		`SELECT `+commandColumns+` FROM command WHERE site = $1 AND gateway = $2 AND id = $3`, site, gateway, id)
}

// Commands returns the commands to a gateway, newest first, at most limit (0: all).
func (d *DB) Commands(ctx context.Context, site, gateway string, limit int) ([]Command, error) {
	return list(ctx, d.read, "commands to gateway "+site+"/"+gateway, scanCommand,
		`SELECT `+commandColumns+` FROM command WHERE site = $1 AND gateway = $2 ORDER BY id DESC LIMIT $3`, site, gateway, atMost(limit))
}

// NextCommands returns the oldest open command of each gateway that has one. Only that one may be sent: a gateway takes
// commands in the order of their ids.
func (d *DB) NextCommands(ctx context.Context) ([]Command, error) {
	return list(ctx, d.read, "open commands", scanCommand, `
		SELECT `+commandColumns+` FROM command c WHERE ended_ms = 0 AND id = (
			SELECT MIN(o.id) FROM command o WHERE o.site = c.site AND o.gateway = c.gateway AND o.ended_ms = 0)
		ORDER BY site, gateway`)
}

// ClaimCommand notes a sending that is about to be made. False: another process has sent the command since c was read, or
// it has ended, and it must not be sent now.
func (d *DB) ClaimCommand(ctx context.Context, c Command, atMs int64) (bool, error) {
	n, err := d.exec(ctx, "claim the sending of a command", `
		UPDATE command SET state = $5, sent_ms = $4, sendings = sendings + 1
		WHERE site = $1 AND gateway = $2 AND id = $3 AND sendings = $6 AND ended_ms = 0`,
		c.Site, c.Gateway, c.ID, atMs, string(CommandSent), c.Sendings)
	return n == 1, err
}

// UnclaimCommand takes back a claim whose sending failed; c is the command as it was before.
func (d *DB) UnclaimCommand(ctx context.Context, c Command) error {
	_, err := d.exec(ctx, "take back the sending of a command", `
		UPDATE command SET state = $5, sent_ms = $4, sendings = $6
		WHERE site = $1 AND gateway = $2 AND id = $3 AND sendings = $6 + 1 AND ended_ms = 0`,
		c.Site, c.Gateway, c.ID, c.SentMs, string(c.State), c.Sendings)
	return err
}

// EndCommand closes a command as done, failed or expired. One that has ended keeps its first end.
func (d *DB) EndCommand(ctx context.Context, site, gateway string, id int64, state CommandState, detail string, atMs int64) error {
	_, err := d.exec(ctx, "close a command", `
		UPDATE command SET state = $5, detail = $6, ended_ms = $4
		WHERE site = $1 AND gateway = $2 AND id = $3 AND ended_ms = 0`, site, gateway, id, max(atMs, 1), string(state), clean(detail))
	return err
}

// AllowListVersion returns the version of a site's list of cards whose content has the digest: a new one, above all
// before it, when the content has changed. An empty digest stands for a site without cards, which has no list (0) until
// it had cards once.
func (d *DB) AllowListVersion(ctx context.Context, site, digest string, nowMs int64) (int64, error) {
	scan := func(row scanner) (v struct {
		version int64
		digest  string
	}, err error) {
		return v, row.Scan(&v.version, &v.digest)
	}
	kept, err := one(ctx, d.read, "version of the list of cards", scan, `SELECT version, digest FROM allow_list WHERE site = $1`, site)
	switch {
	case errors.Is(err, ErrNotFound):
		if digest == "" {
			return 0, nil
		}
	case err != nil:
		return 0, err
	case kept.digest == digest:
		return kept.version, nil
	}
	var version int64
	err = d.tx(ctx, "new version of the list of cards of site "+site, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			INSERT INTO allow_list (site, version, digest) VALUES ($1, $2, $3)
			ON CONFLICT (site) DO UPDATE SET digest = excluded.digest, version = CASE
				WHEN allow_list.digest = excluded.digest THEN allow_list.version
				WHEN allow_list.version >= excluded.version THEN allow_list.version + 1
				ELSE excluded.version END
			RETURNING version`, site, max(nowMs, 1), digest).Scan(&version)
	})
	return version, err
}

// ClaimList notes that a gateway is about to be sent a version of the list of cards. False: it was sent that version less
// than againMs ago, by this process or another one.
func (d *DB) ClaimList(ctx context.Context, site, gateway string, version, atMs, againMs int64) (bool, error) {
	n, err := d.exec(ctx, "claim the sending of a list of cards", `
		UPDATE gateway SET list_version = $3, list_sent_ms = $4
		WHERE site = $1 AND id = $2 AND (list_version <> $3 OR list_sent_ms <= $5 OR list_sent_ms >= $6)`,
		site, gateway, version, atMs, atMs-againMs, atMs+againMs) // far in the future: the clock was set back
	return n == 1, err
}

// UnclaimList takes back a claim of ClaimList whose sending failed.
func (d *DB) UnclaimList(ctx context.Context, site, gateway string, version, atMs int64) error {
	_, err := d.exec(ctx, "take back the sending of a list of cards", `
		UPDATE gateway SET list_sent_ms = 0 WHERE site = $1 AND id = $2 AND list_version = $3 AND list_sent_ms = $4`,
		site, gateway, version, atMs)
	return err
}
