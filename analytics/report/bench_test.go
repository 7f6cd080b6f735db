package report_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/report"
	"karkhana/internal/influxd"
	"karkhana/internal/tsdb"
)

func openInflux(t testing.TB) tsdb.Store {
	binary, err := influxd.Find()
	require.NoError(t, err)
	server, err := influxd.New(influxd.Options{Binary: binary, DataDir: t.TempDir()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	wait, done := context.WithTimeout(ctx, 60*time.Second)
	defer done()
	require.NoError(t, server.WaitReady(wait))
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: server.URL(), Token: server.Token(), Bucket: influxd.Bucket})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

// BenchmarkMonthPDF makes the month of 40 machines, from InfluxDB and SQLite to the file. Run by make bench-reports.
func BenchmarkMonthPDF(b *testing.B) {
	began := time.Now()
	rig := newRigIn(b, openInflux(b), 40, late())
	b.Logf("a centre of 40 machines with 40 days is stored (%.1f s)", time.Since(began).Seconds())
	make1 := func(kind, machine, lang string) *report.Page {
		p, err := rig.make(b, kind, machine).Page(lang)
		require.NoError(b, err)
		return p
	}
	for _, c := range []struct{ name, kind, machine, lang string }{
		{"site-hi", report.KindMonth, "", "hi"}, {"site-en", report.KindMonth, "", "en"}, {"machine-hi", report.KindMonth, "cutting-1", "hi"},
		{"scheme-hi", report.KindScheme, "", "hi"}, {"meter-hi", report.KindMeter, "", "hi"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var size int
			for b.Loop() {
				var paper bytes.Buffer
				require.NoError(b, make1(c.kind, c.machine, c.lang).WritePDF(&paper))
				size = paper.Len()
			}
			b.ReportMetric(float64(size)/1024, "kB/file")
		})
	}
	p := make1(report.KindMonth, "", "hi")
	b.Run("paper-hi", func(b *testing.B) { // the setting of the paper alone
		for b.Loop() {
			require.NoError(b, p.WritePDF(&bytes.Buffer{}))
		}
	})
}
