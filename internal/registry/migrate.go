package registry

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	gooselock "github.com/pressly/goose/v3/lock"
)

//go:embed migration/*.sql
var migrations embed.FS

// migrateAttempts bounds how often a migration is tried again that another process ran at the same moment.
const migrateAttempts = 5

// migrate brings the schema to the newest version this program knows, and refuses a newer one.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect) error {
	files, err := fs.Sub(migrations, "migration")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if dialect == goose.DialectPostgres {
		locker, err := gooselock.NewPostgresSessionLocker(gooselock.WithLockTimeout(1, 120)) // every second, two minutes long
		if err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	// SQLite has no lock across migrations. Each one is a transaction: the process that comes second fails on what
	// the first has made, and finds it done when it looks again.
	for attempt := 1; ; attempt++ {
		if err = migrateOnce(ctx, p); err == nil || attempt == migrateAttempts || ctx.Err() != nil {
			return err
		}
	}
}

func migrateOnce(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > target {
		return fmt.Errorf("schema version %d is newer than this program knows (%d): install the program that wrote it, or restore a backup", current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", current, target, err)
	}
	return nil
}
