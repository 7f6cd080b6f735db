package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// postgresConns bounds the connections of one process; PostgreSQL allows 100 in all by default.
const postgresConns = 10

func openPostgres(ctx context.Context, url string) (*DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("registry: database URL: %w", err) // pgx leaves the password out
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	where := fmt.Sprintf("PostgreSQL at %s:%d, database %s", cfg.Host, cfg.Port, cfg.Database)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("registry: connect to %s: %w", where, err), pool.Close())
	}
	if err := migrate(ctx, pool, goose.DialectPostgres); err != nil {
		return nil, errors.Join(fmt.Errorf("registry: %s: %w", where, err), pool.Close())
	}
	return &DB{read: pool, write: pool, now: time.Now, quarantine: DefaultQuarantineLimits}, nil
}

// inOrder makes PostgreSQL lock rows of touched in the order in which Touch does: otherwise both could wait for each other
// in a circle. On SQLite there is one writer anyway.
func (d *DB) inOrder() string {
	if d.read != d.write {
		return ""
	}
	return " ORDER BY touched.site COLLATE \"C\", touched.machine COLLATE \"C\" FOR UPDATE OF touched" // PostgreSQL only
}
