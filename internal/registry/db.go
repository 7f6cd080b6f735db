package registry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// DB is the registry in a database. It is safe for concurrent use, by several processes too.
//
// Reading and writing go through handles of their own: SQLite has one writer at a time, and readers must not queue
// behind it. On PostgreSQL both are the same pool.
type DB struct {
	read, write *sql.DB
	now         func() time.Time // for expiry of tokens and the time of audit rows
	quarantine  QuarantineLimits
	statements  statements   // of write
	logged      atomic.Int64 // stretches put on the log since it was merged
}

// Open opens the database at url, "sqlite:///path/file.db" or "postgres://user:password@host/database", creates a
// missing SQLite file (mode 0600, with its folder) and brings the schema up to date. A database written by a newer
// program is refused. The caller closes the DB.
func Open(ctx context.Context, url string) (*DB, error) {
	switch scheme, rest, _ := strings.Cut(url, "://"); scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, url)
	default:
		return nil, fmt.Errorf("registry: %q is no database kind; use sqlite:///path/file.db or postgres://user:password@host/database", scheme)
	}
}

// Close closes the database. Calls under way are waited for.
func (d *DB) Close() error {
	err := d.read.Close()
	if d.write != d.read {
		err = errors.Join(err, d.write.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.read.PingContext(ctx); err != nil {
		return fmt.Errorf("registry: ping: %w", err)
	}
	return nil
}

// querier is what *sql.DB and *sql.Tx share.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row about to be read.
type scanner interface{ Scan(into ...any) error }

// list reads every row of a query; what names the rows in errors. No row gives nil.
func list[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("registry: read %s: %w", what, err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("registry: read %s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("registry: read %s: %w", what, err)
	}
	return out, nil
}

// one reads the single row of a query; what names it in errors. No row gives ErrNotFound.
func one[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(q.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("registry: %s: %w", what, ErrNotFound)
	}
	if err != nil {
		return v, fmt.Errorf("registry: read %s: %w", what, err)
	}
	return v, nil
}

// tx runs f in one transaction of the writer; what names it in errors.
func (d *DB) tx(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("registry: %s: begin: %w", what, err)
	}
	if err := f(tx); err != nil {
		if e := tx.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) {
			err = errors.Join(err, e)
		}
		return fmt.Errorf("registry: %s: %w", what, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("registry: %s: commit: %w", what, err)
	}
	return nil
}

// exec runs one writing statement and returns how many rows it changed; what names it in errors.
func (d *DB) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	res, err := d.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("registry: %s: %w", what, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("registry: %s: %w", what, err)
	}
	return n, nil
}

// lock makes transactions that name the same counter wait for each other until they end. On SQLite writers wait for
// each other anyway.
func lock(ctx context.Context, tx querier, counter string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE counter SET value = value WHERE name = $1`, counter); err != nil {
		return fmt.Errorf("lock %s: %w", counter, err)
	}
	return nil
}

// next takes the next id of a counter, without holes: a transaction rolled back gives its number back.
func next(ctx context.Context, tx querier, counter string) (id int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value`, counter).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("next %s: %w", counter, err)
	}
	return id, nil
}

// HashSecret is how secrets (gateway keys, tokens) are stored: SHA-256 in lower-case hex. Fit for long random secrets
// only, not for passwords that people choose.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// clean makes text from outside storable: PostgreSQL refuses NUL and broken UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// atMost turns a limit of a caller into one for SQL: not positive means all.
func atMost(limit int) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return int64(limit)
}
