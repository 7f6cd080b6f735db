package analytics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

// The names and help texts of the metrics are as Prometheus wants them.
func TestMetricsAreWellFormed(t *testing.T) {
	r := prometheus.NewRegistry()
	m, err := newMetrics(r)
	require.NoError(t, err)
	for _, v := range []*prometheus.CounterVec{m.samples, m.builds, m.copies} {
		v.WithLabelValues("any")
	}
	families, err := r.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}
