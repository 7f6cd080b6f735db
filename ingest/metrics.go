package ingest

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/internal/wire"
)

// metrics are built for each instance on the registerer that was passed, so that two can live in one process.
// Labels are lanes and reasons: both are short lists.
type metrics struct {
	received, stored, values, duplicates, refused, statusesRefused *prometheus.CounterVec
	receipts, released, retries                                    prometheus.Counter
	write                                                          prometheus.Histogram
	lag, batch                                                     *prometheus.HistogramVec
	held                                                           *prometheus.GaugeVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "karkhana_ingest_" + name, Help: help}, labels)
	}
	single := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "karkhana_ingest_" + name, Help: help})
	}
	return &metrics{
		received:        counter("packs_received_total", "Messages taken from the broker, repeated ones too.", "lane"),
		stored:          counter("packs_stored_total", "Packs that the store has acknowledged.", "lane"),
		values:          counter("values_stored_total", "Values in stored packs.", "lane"),
		duplicates:      counter("packs_duplicate_total", "Packs seen not long before; stored again without effect.", "lane"),
		refused:         counter("packs_refused_total", "Packs put into quarantine.", "reason"),
		statusesRefused: counter("statuses_refused_total", "Statuses of gateways that could not be read.", "reason"),
		receipts:        single("receipts_total", "Receipt messages sent."),
		released:        single("packs_released_total", "Packs stored from quarantine."),
		retries:         single("retries_total", "Failed writes to the store or the registry that were tried again."),
		write: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "karkhana_ingest_write_seconds", Help: "Time of one write to the time-series store.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "karkhana_ingest_lag_seconds", Help: "Age of a pack's newest sample when it was stored.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 600, 3600, 86400, 604800},
		}, []string{"lane"}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "karkhana_ingest_batch_values", Help: "Values in one write to the time-series store.",
			Buckets: prometheus.ExponentialBuckets(10, 4, 7),
		}, []string{"lane"}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "karkhana_ingest_held_bytes", Help: "Messages in memory that are not acknowledged yet.",
		}, []string{"lane"}),
	}
}

// laneMetrics are the metrics of one lane, found once: packs are counted one by one.
type laneMetrics struct {
	received, stored, values, duplicates prometheus.Counter
	lag                                  prometheus.Observer
	batch                                prometheus.Observer
}

func (m *metrics) of(lane wire.Lane) laneMetrics {
	l := string(lane)
	return laneMetrics{
		received: m.received.WithLabelValues(l), stored: m.stored.WithLabelValues(l), values: m.values.WithLabelValues(l),
		duplicates: m.duplicates.WithLabelValues(l), lag: m.lag.WithLabelValues(l), batch: m.batch.WithLabelValues(l),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, reason := range Reasons() {
		m.refused.WithLabelValues(reason) // at zero from the start: else the first refusal is no increase
	}
	for _, reason := range wire.StatusReasons() {
		m.statusesRefused.WithLabelValues(reason)
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.received, m.stored, m.values, m.duplicates, m.refused, m.statusesRefused, m.receipts, m.released, m.retries, m.write, m.lag, m.batch, m.held} {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ingest: register metrics: %w", err)
	}
	return nil
}
