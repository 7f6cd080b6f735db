package ingest

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSpoolAges bounds the labels of the spool ages: only the gateways whose oldest pack waits longest are shown. An alert
// asks for the greatest, and whoever has more gateways behind than this has another trouble.
const maxSpoolAges = 20

// spoolAges shows how long the oldest pack without a receipt waits in gateways, by their last status.
type spoolAges struct {
	gateways *gateways
	age      *prometheus.Desc
	behind   *prometheus.Desc
}

func newSpoolAges(g *gateways) *spoolAges {
	return &spoolAges{
		gateways: g,
		age: prometheus.NewDesc("karkhana_ingest_gateway_spool_age_seconds",
			"Age of the oldest pack without a receipt, of the gateways whose packs wait longest.", []string{"site", "gateway"}, nil),
		behind: prometheus.NewDesc("karkhana_ingest_gateways_behind", "Gateways whose oldest pack without a receipt is older than ten minutes.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *spoolAges) Describe(ch chan<- *prometheus.Desc) {
	ch <- s.age
	ch <- s.behind
}

// Collect implements prometheus.Collector.
func (s *spoolAges) Collect(ch chan<- prometheus.Metric) {
	type age struct {
		id      gatewayID
		seconds int64
	}
	var all []age
	behind := 0
	s.gateways.mu.Lock()
	for id, g := range s.gateways.state {
		if g.oldestS > 0 {
			all = append(all, age{id, g.oldestS})
		}
		if g.oldestS > 600 {
			behind++
		}
	}
	s.gateways.mu.Unlock()
	slices.SortFunc(all, func(a, b age) int {
		return cmp.Or(cmp.Compare(b.seconds, a.seconds), cmp.Compare(a.id.site, b.id.site), cmp.Compare(a.id.gateway, b.id.gateway))
	})
	for _, a := range all[:min(len(all), maxSpoolAges)] {
		ch <- prometheus.MustNewConstMetric(s.age, prometheus.GaugeValue, float64(a.seconds), a.id.site, a.id.gateway)
	}
	ch <- prometheus.MustNewConstMetric(s.behind, prometheus.GaugeValue, float64(behind))
}
