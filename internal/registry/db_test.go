package registry

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestReopenKeepsEverything(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		d, err := Open(t.Context(), url)
		require.NoError(t, err)
		require.NoError(t, d.Apply(t.Context(), definition(), "asha", 1000))
		require.NoError(t, d.Close())

		d = open(t, url)
		require.NoError(t, d.Ping(t.Context()))
		ms, err := d.Machines(t.Context(), "jodhpur-cfc")
		require.NoError(t, err)
		require.Len(t, ms, 3)
		require.NoError(t, d.VerifyAudit(t.Context()))
	})
}

func TestOpenAtTheSameTime(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error {
				d, err := Open(t.Context(), url)
				if err != nil {
					return err
				}
				return d.Close()
			})
		}
		require.NoError(t, g.Wait())
		id, err := open(t, url).countAudit(t.Context())
		require.NoError(t, err)
		require.Zero(t, id)
	})
}

// TestTwoProcessesWrite: `karkhana admin` beside `karkhana up`.
func TestTwoProcessesWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		const each = 20
		up, admin := open(t, url), open(t, url)
		var g errgroup.Group
		for process, d := range []*DB{up, admin} {
			g.Go(func() error {
				for i := range each {
					if err := d.Audit(t.Context(), "asha", "something", ""); err != nil {
						return err
					}
					if err := d.Touch(t.Context(), []Touched{{Site: "s", Machine: fmt.Sprintf("m-%d-%d", process, i)}}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		require.NoError(t, up.VerifyAudit(t.Context()))
		rows, err := admin.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Len(t, rows, 2*each)
		n, err := up.countAudit(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2*each, n)
	})
}

func (d *DB) countAudit(ctx context.Context) (n int64, err error) {
	return n, d.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit`).Scan(&n)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		d, err := Open(t.Context(), url)
		require.NoError(t, err)
		_, err = d.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		_, err = Open(t.Context(), url)
		require.ErrorContains(t, err, "schema version 9999 is newer than this program knows")
	})
}

// TestMigrationsGoDown takes every migration back and forth: a half-written Down shows here, not at a site.
func TestMigrationsGoDown(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		d := open(t, url)
		dialect := goose.DialectSQLite3
		if strings.HasPrefix(url, "postgres") {
			dialect = goose.DialectPostgres
		}
		files, err := fs.Sub(migrations, "migration")
		require.NoError(t, err)
		p, err := goose.NewProvider(dialect, d.write, files, goose.WithDisableGlobalRegistry(true))
		require.NoError(t, err)
		_, err = p.DownTo(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, migrate(t.Context(), d.write, dialect))
		require.NoError(t, migrate(t.Context(), d.write, dialect), "again changes nothing")
		require.NoError(t, d.Apply(t.Context(), definition(), "asha", 1000))
	})
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600))
	for _, c := range []struct{ name, url, want string }{
		{"no scheme", "registry.db", "use sqlite:///path/file.db or postgres://"},
		{"other database", "mysql://localhost/x", `"mysql" is no database kind`},
		{"no file", "sqlite://", "names no file"},
		{"folder", "sqlite://" + dir, "is a directory"},
		{"not a database", "sqlite://" + garbage, "file is not a database"},
		{"nobody answers", "postgres://u:topsecret@127.0.0.1:1/db?connect_timeout=2", "connect to PostgreSQL at 127.0.0.1:1, database db"},
		{"bad URL", "postgres://u:topsecret@127.0.0.1:port/db", "database URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(t.Context(), c.url)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "topsecret")
		})
	}
}

func TestSQLiteFileIsSafe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	d := open(t, "sqlite://"+path)
	require.NoError(t, d.Audit(t.Context(), "a", "b", "c"))
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		require.NoError(t, d.write.QueryRowContext(t.Context(), `PRAGMA `+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	_, err := d.read.ExecContext(t.Context(), `DELETE FROM audit`)
	require.ErrorContains(t, err, "readonly", "the reading handle can't write")
}

// TestReadersGoOnBesideAWriter: a page must not wait for a long write.
func TestReadersGoOnBesideAWriter(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, d.tx(ctx, "test", func(tx *sql.Tx) error {
			if err := audit(ctx, tx, 1, "x", "y", ""); err != nil {
				return err
			}
			_, err := d.Machines(ctx, "jodhpur-cfc")
			return err
		}))
	})
}

func TestRolledBackTransactionLeavesNothing(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		before, err := d.countAudit(t.Context())
		require.NoError(t, err)
		err = d.tx(t.Context(), "test", func(tx *sql.Tx) error {
			require.NoError(t, audit(t.Context(), tx, 1, "x", "y", ""))
			return ErrState
		})
		require.ErrorIs(t, err, ErrState)
		after, err := d.countAudit(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.NoError(t, d.VerifyAudit(t.Context()), "the number was given back with the row")
	})
}

func TestCancelledContext(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.Sites(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, d.Audit(ctx, "a", "b", "c"), context.Canceled)
	})
}

// TestPortableSQL looks for words that only one of the databases knows, in the statements and in the migrations.
func TestPortableSQL(t *testing.T) {
	foreign := regexp.MustCompile(`(?i)AUTOINCREMENT|\bSERIAL\b|\bINSERT OR\b|::|\bILIKE\b|\bNOW\(\)|datetime\(|strftime|GREATEST|LEAST|\bIFNULL\b|\bBLOB\b|\bREAL\b|JSONB|\bCOLLATE\b|\bFOR UPDATE\b|\bROWID\b|\? *[,)]`)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	sqlFiles, err := filepath.Glob("migration/*.sql")
	require.NoError(t, err)
	texts := regexp.MustCompile("(?s)`[^`]*`")
	for _, file := range append(files, sqlFiles...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		statements := []string{string(data)}
		if strings.HasSuffix(file, ".go") {
			statements = texts.FindAllString(string(data), -1)
		}
		for _, s := range statements {
			require.NotRegexp(t, foreign, s, file)
		}
	}
}
