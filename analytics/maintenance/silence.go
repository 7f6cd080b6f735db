package maintenance

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"karkhana/analytics/gap"
	"karkhana/internal/registry"
)

// gatewayKey is the key of the one alarm that stands for all machines of a gateway.
func gatewayKey(g registry.Gateway) key { return key{g.Site, "", RuleSensorSilent, g.ID} }

// refreshGateways reads what the registry knows of the site's gateways.
func (w *Watcher) refreshGateways(ctx context.Context, s *siteWatch, nowMs int64) error {
	gateways, err := w.o.Registry.Gateways(ctx, s.site.ID)
	if err != nil {
		return fmt.Errorf("read gateways: %w", err)
	}
	fresh := make(map[string]*gatewayWatch, len(gateways))
	for _, g := range gateways {
		gw := &gatewayWatch{Gateway: g}
		if former := s.gateways[g.ID]; former != nil {
			gw.onlineSinceMs = former.onlineSinceMs
			if g.Online && !former.Online {
				gw.onlineSinceMs = nowMs
			}
		}
		fresh[g.ID] = gw
	}
	s.gateways = fresh
	return nil
}

// cause tells why a machine of this gateway is silent.
func (g *gatewayWatch) cause() string {
	switch gap.Hear(g.Gateway) {
	case gap.HeardNow:
		return CauseSensor
	case gap.HeardNever:
		return CauseLink
	default:
		return CauseGateway
	}
}

// gatewayOf finds the gateway of a machine: the one that sampled it last, or the only one of the site. nil: not known.
func (s *siteWatch) gatewayOf(m *machineWatch) *gatewayWatch {
	if g := s.gateways[m.gateway]; g != nil {
		return g
	}
	if len(s.gateways) == 1 {
		for _, g := range s.gateways {
			return g
		}
	}
	return nil
}

// causeWithout tells why a machine is silent whose gateway is not known: the sensor when every gateway is online.
func (s *siteWatch) causeWithout() string {
	for _, g := range s.gateways {
		if !g.Online {
			return CauseLink
		}
	}
	if len(s.gateways) == 0 {
		return CauseLink
	}
	return CauseSensor
}

// evaluateSilence compares the newest sample of each machine with the server's clock. A machine gets its full time
// from the start of the watcher and from the return of its gateway. While a gateway is out, alarms of its machines are
// neither raised nor cleared: only a fresh sample clears them.
func (w *Watcher) evaluateSilence(s *siteWatch, newest map[string]int64, nowMs int64) {
	type outage struct{ newestMs, limitMs int64 }
	out := map[string]outage{} // by gateway
	heard := map[string]bool{} // gateways with a fresh machine
	for _, m := range s.machines {
		limit := m.settings.SilentAfterMs
		if limit == 0 {
			continue
		}
		k := m.key(RuleSensorSilent, "")
		g := s.gatewayOf(m)
		last := newest[m.ID]
		if nowMs-last < limit {
			if w.active[k] {
				w.clear(k, last)
			}
			if g != nil {
				heard[g.ID] = true
			}
			continue
		}
		since := max(last, m.sinceMs, w.started.UnixMilli())
		cause := s.causeWithout()
		if g != nil {
			since = max(since, g.onlineSinceMs)
			cause = g.cause()
		}
		if nowMs-since < limit {
			continue
		}
		if g != nil && cause != CauseSensor {
			o := out[g.ID]
			out[g.ID] = outage{max(o.newestMs, last), max(o.limitMs, limit)}
			continue
		}
		if !w.active[k] {
			w.raise(k, nowMs, silence(last, nowMs), float64(limit)/1000, cause)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.gateways)) {
		g := s.gateways[id]
		k := gatewayKey(g.Gateway)
		o, isOut := out[id]
		switch {
		case isOut && !w.active[k]:
			w.raise(k, nowMs, silence(o.newestMs, nowMs), float64(o.limitMs)/1000, g.cause())
		case !isOut && w.active[k] && (g.Online || heard[id]):
			w.clear(k, nowMs)
		}
	}
}

// silence is for how many seconds nothing was heard; 0 when there is no sample at all.
func silence(lastMs, nowMs int64) float64 {
	if lastMs == 0 {
		return 0
	}
	return float64(nowMs-lastMs) / 1000
}
