package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// metric is the sum of a metric over its labels.
func metric(t testing.TB, w *world, name string) float64 {
	t.Helper()
	return sum(t, w.ingest, name)
}

func sum(t testing.TB, in *Ingest, name string) float64 {
	t.Helper()
	families, err := in.opts.Registerer.(*prometheus.Registry).Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func timeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// runFor runs ingest while f does its work, and gives Run's error.
func runFor(t *testing.T, in *Ingest, f func()) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	f()
	cancel()
	return <-done
}
