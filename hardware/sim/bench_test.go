package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Fast-forwarding: nanoseconds per second of a machine's life.
func BenchmarkAdvance(b *testing.B) {
	for _, kind := range Kinds() {
		b.Run(kind, func(b *testing.B) {
			const span = 30 * 24 * time.Hour
			for b.Loop() {
				m := machine(b, 1, kind)
				require.NoError(b, m.Seek(epoch.Add(span)))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/span.Seconds(), "ns/machine-second")
		})
	}
}

// Reading once a second, through the drivers.
func BenchmarkSense(b *testing.B) {
	for _, kind := range Kinds() {
		b.Run(kind, func(b *testing.B) {
			m := machine(b, 1, kind)
			b.ReportAllocs()
			at := epoch.Add(time.Hour)
			for b.Loop() {
				if _, err := m.Sense(at); err != nil {
					b.Fatal(err)
				}
				at = at.Add(time.Second)
			}
		})
	}
}
