// Package registrytest opens registries for tests. In a program that imports it, SQLite doesn't wait for the disk: what
// tests write need not outlast a power cut, and most of them would spend most of their time on it.
package registrytest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"karkhana/internal/registry"
)

func init() { // the driver wants it before the first connection
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		_, err := c.ExecContext(context.Background(), "PRAGMA synchronous = OFF", []driver.NamedValue{})
		return err
	})
}

// Open opens an empty registry of the test's own, in SQLite. It is closed with the test.
func Open(t testing.TB) *registry.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registry.db")
	require.NoError(t, Create(path))
	return OpenAt(t, "sqlite://"+path)
}

// OpenAt opens the registry at a URL, see registry.Open. It is closed with the test.
func OpenAt(t testing.TB, url string) *registry.DB {
	t.Helper()
	db, err := registry.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// Create makes the SQLite file of an empty registry at path, whose folder exists: what registry.Open makes of a missing
// one, but much faster from the second on.
func Create(path string) error {
	file, err := emptyFile()
	if err != nil {
		return fmt.Errorf("make an empty registry: %w", err)
	}
	return os.WriteFile(path, file, 0o600)
}

// emptyFile is what Create copies. All migrations run for each test would take longer than most tests do.
var emptyFile = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "registrytest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "registry.db")
	db, err := registry.Open(context.Background(), "sqlite://"+path)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // moves what the log holds into the file
		return nil, err
	}
	return os.ReadFile(path)
})
