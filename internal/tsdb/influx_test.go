package tsdb_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd"
	"karkhana/internal/tsdb"
	"karkhana/internal/tsdb/tsdbtest"
)

// The InfluxDB to test against: KARKHANA_TEST_INFLUX_URL with _TOKEN, _ORG and _BUCKET, or else one influxd for all
// tests of this package, started by the first that needs it.
var (
	influxOnce    sync.Once
	influxOptions tsdb.InfluxOptions
	influxErr     error
	influxStop    = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	influxStop()
	os.Exit(code)
}

func openInflux(t testing.TB) (*tsdb.Influx, tsdb.InfluxOptions) {
	t.Helper()
	influxOnce.Do(func() { influxOptions, influxStop, influxErr = startInflux() })
	require.NoError(t, influxErr)
	store, err := tsdb.NewInflux(influxOptions)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store, influxOptions
}

func startInflux() (tsdb.InfluxOptions, func(), error) {
	if u := os.Getenv("KARKHANA_TEST_INFLUX_URL"); u != "" {
		return tsdb.InfluxOptions{
			URL: u, Token: os.Getenv("KARKHANA_TEST_INFLUX_TOKEN"), Org: os.Getenv("KARKHANA_TEST_INFLUX_ORG"),
			Bucket: cmp.Or(os.Getenv("KARKHANA_TEST_INFLUX_BUCKET"), influxd.Bucket),
		}, func() {}, nil
	}
	none := func() {}
	binary, err := influxd.Find()
	if err != nil {
		return tsdb.InfluxOptions{}, none, err
	}
	dir, err := os.MkdirTemp("", "karkhana-influxd-")
	if err != nil {
		return tsdb.InfluxOptions{}, none, err
	}
	server, err := influxd.New(influxd.Options{Binary: binary, DataDir: dir})
	if err != nil {
		return tsdb.InfluxOptions{}, func() { _ = os.RemoveAll(dir) }, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "influxd ended:", err)
		}
		_ = os.RemoveAll(dir)
	}
	wait, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	err = server.WaitReady(wait)
	return tsdb.InfluxOptions{URL: server.URL(), Token: server.Token(), Bucket: influxd.Bucket}, stop, err
}

func TestInflux(t *testing.T) {
	store, _ := openInflux(t)
	tsdbtest.Suite(t, store)
}
