package spool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAppend is the rate with an fsync each second, packs of 400 bytes.
func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	require.NoError(b, err)
	defer s.Close()
	pack := make([]byte, 400)
	last := time.Now()
	for b.Loop() {
		if _, err := s.Append("furnace-1", 1, func(uint64) ([]byte, error) { return pack, nil }); err != nil {
			b.Fatal(err)
		}
		if s.Buffered() > maxBuffered/2 || time.Since(last) > time.Second {
			if _, err := s.Sync(); err != nil {
				b.Fatal(err)
			}
			last = time.Now()
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packs/s")
}
