package maintenance

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	evaluation    prometheus.Histogram
	failures      prometheus.Counter
	raised        *prometheus.CounterVec
	notifications *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		evaluation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "karkhana_maintenance_evaluation_seconds",
			Help:    "Time of one round over all rules.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_maintenance_failures_total",
			Help: "Steps that failed because the store or the registry did not answer; they are tried again.",
		}),
		raised: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_maintenance_alarms_raised_total",
			Help: "Alarms raised, by rule; a repeated raise of the same alarm counts again.",
		}, []string{"rule"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_maintenance_notifications_total",
			Help: "Attempts to deliver an alarm, by notifier and result (delivered, failed).",
		}, []string{"notifier", "result"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.evaluation, m.failures, m.raised, m.notifications} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
