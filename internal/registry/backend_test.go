package registry

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/pgtest"
)

// onBoth runs a test on both databases; url is that of a fresh, empty one.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, backend := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "data", "reg istry#1%.db") }},
		{"postgres", func(t *testing.T) string { return pgtest.URL(t) }},
	} {
		t.Run(backend.name, func(t *testing.T) { test(t, backend.url(t)) })
	}
}

func open(t *testing.T, url string) *DB {
	t.Helper()
	d, err := Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// withDB runs a test with an open registry on both databases.
func withDB(t *testing.T, test func(t *testing.T, d *DB)) {
	t.Helper()
	onBoth(t, func(t *testing.T, url string) {
		if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
			file, err := emptyFile()
			require.NoError(t, err)
			require.NoError(t, createFile(path))
			require.NoError(t, os.WriteFile(path, file, 0o600))
		}
		test(t, open(t, url))
	})
}

// emptyFile is the SQLite file of an empty registry, as package registrytest has it: all migrations run for each test
// would take longer than most tests do.
var emptyFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "registry-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "registry.db")
	d, err := Open(context.Background(), "sqlite://"+path)
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil { // moves what the log holds into the file
		return nil, err
	}
	return os.ReadFile(path)
})

// withSite is withDB with the site of definition applied.
func withSite(t *testing.T, test func(t *testing.T, d *DB)) {
	t.Helper()
	withDB(t, func(t *testing.T, d *DB) {
		require.NoError(t, d.Apply(t.Context(), definition(), "asha", 1_000_000))
		test(t, d)
	})
}

// definition is a small site.
func definition() SiteDefinition {
	settings := func(fromMs int64, run float64) Settings {
		return Settings{ValidFromMs: fromMs, Signal: "power", IdleAbove: 20, RunAbove: run, Hysteresis: 0.1,
			DwellOffMs: 30_000, DwellIdleMs: 30_000, DwellRunMs: 10_000, ReportMs: 1000,
			TemperatureMaxC: 950, VibrationRatio: 1.5, SilentAfterMs: 300_000,
			AccelerationRatio: 2.5, KurtosisRise: 1.5, PersistOver: 4, PersistOf: 6, BaselineFromMs: 77}
	}
	return SiteDefinition{
		Site: Site{ID: "jodhpur-cfc", Name: Name{Hi: "जोधपुर", En: "Jodhpur"}, Zone: "Asia/Kolkata"},
		Machines: []MachineDefinition{
			{Machine: Machine{ID: "furnace-1", Class: "furnace", Name: Name{Hi: "भट्ठी", En: "Furnace"}},
				Settings: []Settings{settings(0, 500), settings(5000, 600)}},
			{Machine: Machine{ID: "cutter-10", Class: "cutting", Name: Name{Hi: "कटर १०", En: "Cutter 10"}},
				Settings: []Settings{settings(0, 300)}},
			{Machine: Machine{ID: "cutter-2", Class: "cutting", Name: Name{Hi: "कटर २", En: "Cutter 2"}},
				Settings: []Settings{settings(0, 300)}},
		},
		Gateways: []string{"gw-1", "gw-2"},
		Groups: []GroupDefinition{
			{Group: Group{ID: "kumhar", Name: Name{Hi: "कुम्हार", En: "Potters"}}, Cards: []string{"aa", "bb"}},
			{Group: Group{ID: "lohar", Name: Name{Hi: "लोहार", En: "Smiths"}}, Cards: []string{"cc"}},
		},
		Tariffs: []Tariff{{Class: "furnace", ValidFromMs: 0, PaisePerRunHour: 12_000}},
	}
}
