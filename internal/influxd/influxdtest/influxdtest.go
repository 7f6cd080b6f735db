// Package influxdtest starts InfluxDB servers for tests.
package influxdtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd"
	"karkhana/internal/tsdb"
)

// Start runs an influxd with its data in dir until the end of the test, and waits until it answers.
func Start(t testing.TB, dir string) *influxd.Server {
	t.Helper()
	binary, err := influxd.Find()
	require.NoError(t, err)
	server, err := influxd.New(influxd.Options{Binary: binary, DataDir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	wait, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	require.NoError(t, server.WaitReady(wait))
	return server
}

// Store is the empty store of an influxd of its own.
func Store(t testing.TB) tsdb.Store {
	t.Helper()
	server := Start(t, t.TempDir())
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: server.URL(), Token: server.Token(), Bucket: influxd.Bucket})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}
