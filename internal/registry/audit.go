package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// AuditRow is one line of the audit log. Hash covers PreviousHash and everything else of the row, so a row changed or
// taken out afterwards breaks the chain: see VerifyAudit.
type AuditRow struct {
	ID                 int64
	AtMs               int64
	Who, What, Detail  string
	PreviousHash, Hash string
}

// seal computes the hash of a row from its content and PreviousHash.
func (r AuditRow) seal() string {
	return digest([]byte(r.PreviousHash), []byte(strconv.FormatInt(r.ID, 10)), []byte(strconv.FormatInt(r.AtMs, 10)),
		[]byte(r.Who), []byte(r.What), []byte(r.Detail))
}

func scanAudit(row scanner) (r AuditRow, err error) {
	return r, row.Scan(&r.ID, &r.AtMs, &r.Who, &r.What, &r.Detail, &r.PreviousHash, &r.Hash)
}

const auditColumns = `id, at_ms, who, what, detail, previous_hash, hash`

// Audit appends to the audit log: who did what (a short fixed phrase), and the detail, JSON where there are values.
func (d *DB) Audit(ctx context.Context, who, what, detail string) error {
	return d.tx(ctx, "audit", func(tx *sql.Tx) error { return audit(ctx, tx, d.now().UnixMilli(), who, what, detail) })
}

// audit appends within a transaction. Its lock is held to the end of the transaction: take it last.
func audit(ctx context.Context, tx *sql.Tx, atMs int64, who, what, detail string) error {
	id, err := next(ctx, tx, "audit")
	if err != nil {
		return err
	}
	r := AuditRow{ID: id, AtMs: atMs, Who: clean(who), What: clean(what), Detail: clean(detail)}
	if id > 1 {
		last, err := one(ctx, tx, "last audit row", scanAudit, `SELECT `+auditColumns+` FROM audit WHERE id = $1`, id-1)
		if err != nil {
			return err
		}
		r.PreviousHash = last.Hash
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		r.ID, r.AtMs, r.Who, r.What, r.Detail, r.PreviousHash, r.seal())
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// AuditLog returns the audit log, newest first, at most limit rows (0: all).
func (d *DB) AuditLog(ctx context.Context, limit int) ([]AuditRow, error) {
	return list(ctx, d.read, "audit log", scanAudit, `SELECT `+auditColumns+` FROM audit ORDER BY id DESC LIMIT $1`, atMost(limit))
}

// ErrTampered is returned by VerifyAudit when the audit log is not what was written.
var ErrTampered = errors.New("the audit log was tampered with")

// VerifyAudit walks the whole chain and returns ErrTampered, with the first row that does not fit, when a row was
// changed, inserted or taken out, the last ones included.
func (d *DB) VerifyAudit(ctx context.Context) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("registry: verify audit log: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	scan := func(row scanner) (n int64, err error) { return n, row.Scan(&n) }
	written, err := one(ctx, tx, "audit counter", scan, `SELECT value FROM counter WHERE name = 'audit'`)
	if err != nil {
		return err
	}
	rows, err := list(ctx, tx, "audit log", scanAudit, `SELECT `+auditColumns+` FROM audit ORDER BY id`)
	if err != nil {
		return err
	}
	previous := ""
	for i, r := range rows {
		if r.ID != int64(i+1) || r.PreviousHash != previous || r.Hash != r.seal() {
			return fmt.Errorf("registry: %w: row %d does not follow row %d", ErrTampered, r.ID, i)
		}
		previous = r.Hash
	}
	if int64(len(rows)) != written {
		return fmt.Errorf("registry: %w: %d rows were written, %d are there", ErrTampered, written, len(rows))
	}
	return nil
}
