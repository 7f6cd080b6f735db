package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics"
	"karkhana/analytics/timeline"
	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// TestAnalyticsShareSites runs analytics as two processes on the same stores. One is killed, another one stopped for a
// while in the middle of its work: its sites move, within ten seconds on a computer that is not crowded, and in the end the
// states are those of one fold. analytics/lease tests the times.
func TestAnalyticsShareSites(t *testing.T) {
	const moves = time.Minute
	dir := t.TempDir()
	influx := influxdtest.Start(t, filepath.Join(dir, "influxdb"))
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: influx.URL(), Token: influx.Token(), Bucket: "karkhana/autogen"})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	token := filepath.Join(dir, "influx.token")
	require.NoError(t, os.WriteFile(token, []byte(influx.Token()), 0o600))
	data := filepath.Join(dir, "data")
	db := sharedSites(t, "sqlite://"+filepath.Join(data, "karkhana.db"))

	start := func() *process {
		return run(t, nil, serverBinary(t), "analytics", "--data", data, "--influx-url", influx.URL(), "--influx-token-file", token,
			"--database", "sqlite://"+filepath.Join(data, "karkhana.db"))
	}
	// Every site gets a sample a second; the states follow.
	feed := &sharedFeed{t: t, store: store, db: db, at: time.Now().UnixMilli()/1000*1000 - 3*timeline.HourMs}
	first, second := start(), start()
	feed.until(t, time.Minute, "both hold half of the sites", func() bool { return holders(t, db) == "2 2" })

	first.signal(syscall.SIGKILL)
	feed.until(t, moves, "a killed process's sites have moved", func() bool { return holders(t, db) == "4" && feed.shown() })

	third := start()
	feed.until(t, time.Minute, "both hold half of the sites", func() bool { return holders(t, db) == "2 2" && feed.shown() })
	second.signal(syscall.SIGSTOP)
	feed.until(t, moves, "a stopped process's sites have moved", func() bool { return holders(t, db) == "4" && feed.shown() })
	second.signal(syscall.SIGCONT)
	feed.until(t, time.Minute, "it takes part again", func() bool { return holders(t, db) == "2 2" && feed.shown() })
	require.Contains(t, second.out.String(), "stood still")

	require.True(t, waitFor(2*time.Minute, func() bool {
		rows, err := db.TouchedRows(t.Context())
		require.NoError(t, err)
		return len(rows) == 0
	}), "everything is built: %s %s", second.out.tail(), third.out.tail())
	second.end(t, syscall.SIGTERM)
	third.end(t, syscall.SIGTERM)
	members, err := db.AnalyticsMembers(t.Context())
	require.NoError(t, err)
	require.Empty(t, members, "who ends in order gives its sites back")
	require.Equal(t, derived(t, oneFold(t, feed.points)), derived(t, store))
}

var sharedSiteIDs = []string{"s1", "s2", "s3", "s4"}

// sharedSites opens a registry with four sites of one machine.
func sharedSites(t *testing.T, url string) *registry.DB {
	t.Helper()
	db := registrytest.OpenAt(t, url)
	for _, site := range sharedSiteIDs {
		require.NoError(t, db.Apply(t.Context(), registry.SiteDefinition{
			Site: registry.Site{ID: site, Name: registry.Name{Hi: site, En: site}, Zone: "Asia/Kolkata"},
			Machines: []registry.MachineDefinition{{
				Machine: registry.Machine{ID: "lathe", Class: "lathe", Name: registry.Name{Hi: "खराद", En: "Lathe"}},
				Settings: []registry.Settings{{
					ValidFromMs: 1, Signal: "power", IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1,
					DwellOffMs: 60_000, DwellIdleMs: 60_000, DwellRunMs: 60_000, ReportMs: 10_000, TemperatureMaxC: 60,
				}},
			}},
		}, "test", 1))
	}
	return db
}

// holders says how many sites each member holds.
func holders(t *testing.T, db *registry.DB) string {
	members, err := db.AnalyticsMembers(t.Context())
	require.NoError(t, err)
	leases, err := db.Leases(t.Context())
	require.NoError(t, err)
	var out []string
	for _, m := range members {
		n := 0
		for _, holder := range leases {
			if holder == m.ID {
				n++
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprint(n))
		}
	}
	return strings.Join(out, " ")
}

// sharedFeed stores and touches samples as ingest does.
type sharedFeed struct {
	t      *testing.T
	store  tsdb.Store
	db     *registry.DB
	at     int64
	points []tsdb.Point
}

// until feeds until the condition holds, which it must within the limit.
func (f *sharedFeed) until(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); {
		require.True(t, time.Now().Before(end), "not in time: %s; sites: %s", what, holders(t, f.db))
		var points []tsdb.Point
		var touches []registry.Touched
		for _, site := range sharedSiteIDs {
			for range 20 {
				points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: site, Machine: "lathe", TimeMs: f.at, Fields: []tsdb.Field{
					{Key: "power_w", Value: float64(f.at / 700_000 % 3 * 800)},
				}})
				f.at += 3
			}
			touches = append(touches, registry.Touched{Site: site, Machine: "lathe", FromMs: points[len(points)-20].TimeMs, ToMs: points[len(points)-1].TimeMs})
		}
		f.at += 10_000
		f.points = append(f.points, points...)
		require.NoError(t, f.store.Write(t.Context(), points))
		require.NoError(t, f.db.Touch(t.Context(), touches))
		time.Sleep(50 * time.Millisecond)
	}
}

// shown reports whether the states of all sites have reached the samples of a moment ago.
func (f *sharedFeed) shown() bool {
	if len(f.points) < 1000*len(sharedSiteIDs)/4 {
		return false
	}
	then := f.points[max(0, len(f.points)-80*80)].TimeMs // eighty rounds ago: four seconds
	for _, site := range sharedSiteIDs {
		newest, found, err := timeline.Newest(f.t.Context(), f.store, site, "lathe")
		require.NoError(f.t, err)
		if !found || newest.EndMs < then {
			return false
		}
	}
	return true
}

// oneFold builds all points at once in memory.
func oneFold(t *testing.T, points []tsdb.Point) tsdb.Store {
	t.Helper()
	store := tsdb.NewMemory()
	db := sharedSites(t, "sqlite://"+filepath.Join(t.TempDir(), "one.db"))
	require.NoError(t, store.Write(t.Context(), points))
	for _, site := range sharedSiteIDs {
		require.NoError(t, db.Touch(t.Context(), []registry.Touched{{Site: site, Machine: "lathe", FromMs: points[0].TimeMs, ToMs: points[len(points)-1].TimeMs}}))
	}
	s, err := analytics.New(analytics.Options{Store: store, Registry: db, Every: 20 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	require.True(t, waitFor(time.Minute, func() bool {
		rows, err := db.TouchedRows(ctx)
		require.NoError(t, err)
		return len(rows) == 0
	}))
	cancel()
	require.NoError(t, <-done)
	return store
}

// derived is everything that analytics has written, as text.
func derived(t *testing.T, store tsdb.Store) string {
	t.Helper()
	var b strings.Builder
	for _, site := range sharedSiteIDs {
		for _, q := range []tsdb.Query{
			{Measurement: tsdb.State, Fields: []string{"state", "end_ms", "energy_milliwh", "energy_estimated", "open"}},
			{Measurement: tsdb.MachineHour, Fields: []string{"off_ms", "idle_ms", "run_ms", "unknown_ms", "run_milliwh", "estimated", "checkpoint"}},
		} {
			q.Site, q.Machine, q.ToMs = site, "lathe", 1<<42
			require.NoError(t, store.Read(t.Context(), q, func(r tsdb.Row) error {
				if r.Values[0] != timeline.StateVoid {
					fmt.Fprintln(&b, site, q.Measurement, r.TimeMs, r.Values)
				}
				return nil
			}))
		}
	}
	return b.String()
}
