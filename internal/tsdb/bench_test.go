package tsdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// monthOf makes a machine-month of n rows: a noisy power, a growing register and a temperature.
func monthOf(site, machine string, n int) []tsdb.Point {
	from := time.Date(2026, 6, 30, 18, 30, 0, 0, time.UTC).UnixMilli()
	step := 30 * 86_400_000 / int64(n)
	rng := rand.New(rand.NewPCG(1, 1))
	energy := 0.0
	points := make([]tsdb.Point, n)
	for i := range points {
		power := float64(rng.IntN(40_000)) / 10
		energy += power * float64(step) / 3_600_000
		points[i] = tsdb.Point{
			Measurement: tsdb.Telemetry, Site: site, Machine: machine, TimeMs: from + int64(i)*step,
			Fields: []tsdb.Field{{Key: "power_w", Value: power}, {Key: "energy_wh", Value: energy}, {Key: "temperature_c", Value: 20 + power/100}},
		}
	}
	return points
}

// Writing is measured in points of three values, 5,000 in a request.
func BenchmarkInfluxWrite(b *testing.B) {
	store, _ := openInflux(b)
	points := monthOf(fmt.Sprintf("w%08x", rand.Uint32()), "m-1", 100_000)
	sent := 0
	b.ReportAllocs()
	for b.Loop() {
		from := sent % len(points)
		require.NoError(b, store.Write(context.Background(), points[from:from+5000]))
		sent += 5000
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "points/s")
}

// Reading is measured over a machine-month of 100,000 rows of three values.
func BenchmarkInfluxRead(b *testing.B) {
	store, _ := openInflux(b)
	site := fmt.Sprintf("r%08x", rand.Uint32())
	points := monthOf(site, "m-1", 100_000)
	require.NoError(b, store.Write(context.Background(), points))
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Machine: "m-1", Fields: []string{"power_w", "energy_wh", "temperature_c"},
		FromMs: points[0].TimeMs, ToMs: points[len(points)-1].TimeMs + 1,
	}
	values := 0
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, store.Read(context.Background(), q, func(r tsdb.Row) error {
			values += len(r.Values)
			return nil
		}))
	}
	b.ReportMetric(float64(values)/b.Elapsed().Seconds(), "values/s")
}
