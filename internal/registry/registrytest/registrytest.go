// Package registrytest opens registries for tests.
package registrytest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// Open opens an empty registry of the test's own, in SQLite. It is closed with the test.
func Open(t testing.TB) *registry.DB {
	t.Helper()
	return OpenAt(t, "sqlite://"+filepath.Join(t.TempDir(), "registry.db"))
}

// OpenAt opens the registry at a URL, see registry.Open. It is closed with the test.
func OpenAt(t testing.TB, url string) *registry.DB {
	t.Helper()
	db, err := registry.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
