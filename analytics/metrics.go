package analytics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one service. "mode" is tip (the fold went on) or rebuild (it started again at a checkpoint).
type metrics struct {
	samples  *prometheus.CounterVec
	builds   *prometheus.CounterVec
	copies   *prometheus.CounterVec
	hours    prometheus.Counter
	points   prometheus.Counter
	failures prometheus.Counter
	amended  prometheus.Counter
	rebuiltS prometheus.Counter
	waiting  prometheus.Gauge
	owed     prometheus.Gauge
	lag      prometheus.Gauge
	seconds  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_analytics_samples_folded_total", Help: "Samples folded, by mode.",
		}, []string{"mode"}),
		builds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_analytics_builds_total", Help: "Stretches brought up to date, by mode.",
		}, []string{"mode"}),
		copies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_analytics_hour_reads_total",
			Help: "Hours of samples read where copies of hours are looked for, by what was read: copy; samples because there was no copy, it was outdated or it was damaged.",
		}, []string{"read"}),
		hours: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_analytics_hour_folds_total", Help: "Machine hours folded again or for the first time by rebuilds.",
		}),
		points: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_analytics_points_written_total", Help: "Points written: pieces, hours and checkpoints.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_analytics_failures_total", Help: "Attempts to bring a stretch up to date that failed and are repeated.",
		}),
		amended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_analytics_amended_total", Help: "Builds during which the site went to another process, which was asked to build the stretch again.",
		}),
		rebuiltS: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_analytics_rebuilt_seconds_total", Help: "Machine time folded again or for the first time by rebuilds, in seconds of the samples.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "karkhana_analytics_machines_waiting", Help: "Machines with new samples that are not yet in states.",
		}),
		owed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "karkhana_analytics_machines_owed", Help: "Machines whose sessions and gaps have yet to follow their states.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "karkhana_analytics_lag_seconds", Help: "How long the longest waiting machine has been on the list.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "karkhana_analytics_build_seconds", Help: "Time to bring one stretch up to date.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
	}
	for _, c := range []prometheus.Collector{m.samples, m.builds, m.copies, m.hours, m.points, m.failures, m.amended, m.rebuiltS, m.waiting, m.owed, m.lag, m.seconds} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of analytics: %w", err)
		}
	}
	return m, nil
}
