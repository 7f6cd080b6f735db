package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/report"
	"karkhana/internal/influxd/influxdtest"
)

// BenchmarkMonthPDF makes the month of 40 machines, from InfluxDB and SQLite to the file. Run by make bench-reports.
func BenchmarkMonthPDF(b *testing.B) {
	began := time.Now()
	rig := newRigIn(b, influxdtest.Store(b), 40, late())
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
