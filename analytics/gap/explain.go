package gap

import (
	"encoding/json"
	"math"
	"slices"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// Known is everything that the causes of a site's gaps are told by. Orders don't matter.
type Known struct {
	Gaps     []registry.Gap // of all machines of the site, as far as they overlap the asked time
	Limits   map[string]int64
	Boots    []registry.MachineBoot
	Events   []registry.GatewayEvent
	Gateways []registry.Gateway
	Outages  []Outage // stretches in which a supply sensor read no mains
	// Newest is until when each machine is known to have been sampled. It is asked for by open gaps only.
	Newest  map[string]int64
	Unbuilt []registry.Touched // stretches of which samples have come that the gaps do not know yet
}

// Outage is a stretch, closed, in which a supply sensor read no mains: from the first such reading to the next other one.
type Outage struct{ FromMs, ToMs int64 }

// minToleranceMs is how far apart things lie that happened together: the usual gap limit, and the broker's patience
// with a silent gateway is shorter.
const minToleranceMs = 180_000

// witnessMs is by how much a gap must outlast a neighbour's gap limit before the neighbour can witness anything: of
// a shorter one the neighbour would not even have a gap.
const witnessMs = 60_000

// Explain works out the cause of each gap, in the order of k.Gaps. It is pure.
func Explain(k Known) []Gap {
	s := newSite(k)
	out := make([]Gap, len(k.Gaps))
	for i, g := range k.Gaps {
		out[i] = s.explain(g)
	}
	return out
}

// site is Known made ready for asking.
type site struct {
	Known
	holes    map[string][]registry.Gap // by machine, unfilled
	boots    map[string][]registry.MachineBoot
	gateways map[string]registry.Gateway
	unbuilt  map[string][]registry.Touched
}

func newSite(k Known) *site {
	s := &site{
		Known: k, holes: map[string][]registry.Gap{}, boots: map[string][]registry.MachineBoot{}, gateways: map[string]registry.Gateway{},
		unbuilt: map[string][]registry.Touched{},
	}
	for _, g := range k.Gaps {
		if g.FilledMs == 0 {
			s.holes[g.Machine] = append(s.holes[g.Machine], g)
		}
	}
	for _, b := range k.Boots {
		s.boots[b.Machine] = append(s.boots[b.Machine], b)
	}
	for _, g := range k.Gateways {
		s.gateways[g.ID] = g
	}
	for _, u := range k.Unbuilt {
		s.unbuilt[u.Machine] = append(s.unbuilt[u.Machine], u)
	}
	return s
}

func (s *site) tolerance(machine string) int64 { return max(s.Limits[machine], minToleranceMs) }

func endOf(g registry.Gap) int64 {
	if g.ToMs == 0 {
		return math.MaxInt64
	}
	return g.ToMs
}

// bootAt is the boot that a machine was sampled in at an instant: the one that began last by then. ok is false before
// the first.
func (s *site) bootAt(machine string, ms int64) (newest registry.MachineBoot, ok bool) {
	for _, b := range s.boots[machine] {
		if b.FromMs <= ms && (!ok || b.FromMs > newest.FromMs || b.FromMs == newest.FromMs && b.Boot > newest.Boot) {
			newest, ok = b, true
		}
	}
	return newest, ok
}

// newBoot returns the boot in which a machine was sampled after its gap, when that is another one than before.
func (s *site) newBoot(g registry.Gap) (registry.MachineBoot, bool) {
	before, ok := s.bootAt(g.Machine, g.FromMs)
	if !ok || g.ToMs == 0 {
		return registry.MachineBoot{}, false
	}
	after, _ := s.bootAt(g.Machine, g.ToMs)
	return after, after.Boot != before.Boot && after.FromMs > g.FromMs
}

// together returns the hole of another machine that began with g, if there is one.
func (s *site) together(g registry.Gap, machine string) (registry.Gap, bool) {
	tolerance := max(s.tolerance(g.Machine), s.tolerance(machine))
	for _, h := range s.holes[machine] {
		if h.FromMs <= g.FromMs+tolerance && endOf(h) > g.FromMs && (h.FromMs >= g.FromMs-tolerance || endOf(h) > g.FromMs+tolerance) {
			return h, true
		}
	}
	return registry.Gap{}, false
}

// neighbours says how the other machines of g's gateway did when g began: sampled (a witness that the gateway worked) or
// silent with it. Machines that can say nothing count for neither.
func (s *site) neighbours(g registry.Gap, gateway string) (sampled, silent int) {
	for machine := range s.boots {
		b, ok := s.bootAt(machine, g.FromMs)
		if machine == g.Machine || !ok || b.Gateway != gateway {
			continue
		}
		switch _, with := s.together(g, machine); {
		case with:
			silent++
		case s.witness(g, machine):
			sampled++
		}
	}
	return sampled, silent
}

// witness reports whether a machine that has no hole with g can tell that the gateway worked. While g goes on, that there
// is no hole may only mean that nobody has looked yet: then the machine must have been sampled since.
func (s *site) witness(g registry.Gap, machine string) bool {
	if g.ToMs == 0 {
		return s.Newest[machine] > g.FromMs+max(s.tolerance(g.Machine), s.tolerance(machine))
	}
	return g.ToMs-g.FromMs > s.tolerance(machine)+witnessMs
}

// arrived reports whether samples of the gap's time have come that it does not know yet.
func (s *site) arrived(g registry.Gap) bool {
	return slices.ContainsFunc(s.unbuilt[g.Machine], func(u registry.Touched) bool { return u.FromMs < endOf(g) && u.ToMs > g.FromMs })
}

// explain finds the first of the rules that tells the cause.
func (s *site) explain(g registry.Gap) Gap {
	out := Gap{Gap: g}
	boot, known := s.bootAt(g.Machine, g.FromMs)
	if out.Gateway = boot.Gateway; !known && len(s.Gateways) == 1 {
		out.Gateway = s.Gateways[0].ID
	}
	say := func(cause, evidence string, sinceMs int64) Gap {
		out.Cause, out.Evidence, out.SinceMs = cause, evidence, sinceMs
		return out
	}
	if g.FilledMs != 0 && s.connected(g, out.Gateway) {
		return say(CauseLink, EvidenceLate, g.FilledMs)
	}
	if g.FilledMs != 0 {
		return say(CauseLink, EvidenceFilled, g.FilledMs)
	}
	if s.supplyOut(g, out.Gateway) {
		return say(CauseSupply, EvidenceSupplySensor, 0)
	}
	if g.Fault != "" {
		return say(CauseSensor, EvidenceFault, 0)
	}
	if ms, waits := s.backlog(out.Gateway); waits && g.ToMs != 0 && ms < g.ToMs-lateAfterMs {
		return say(CauseUnknown, EvidenceBacklog, ms)
	}
	if s.arrived(g) {
		return say(CauseUnknown, EvidenceArrived, 0)
	}
	sampled, silent := s.neighbours(g, out.Gateway)
	if sampled > 0 {
		return say(CauseSensor, EvidenceNeighbours, 0)
	}
	if g.ToMs == 0 {
		return s.explainOpen(g, out, say)
	}
	if after, changed := s.newBoot(g); changed {
		if s.allGateways(g, out.Gateway) {
			return say(CauseSupply, EvidenceSite, after.FromMs)
		}
		return say(CauseGateway, EvidenceBoot, after.FromMs)
	}
	if ms, ok := s.event(g, out.Gateway, registry.GatewayStopped); ok {
		return say(CauseGateway, EvidenceStopped, ms)
	}
	if silent > 0 {
		return say(CauseGateway, EvidenceTogether, 0)
	}
	if ms, ok := s.event(g, out.Gateway, registry.GatewayLost); ok {
		return say(CauseGateway, EvidenceLost, ms)
	}
	if s.onlineThrough(g, out.Gateway) {
		return say(CauseSensor, EvidenceGatewayOnline, 0)
	}
	return say(CauseUnknown, EvidenceNone, 0)
}

// explainOpen explains a gap that goes on. Whether the gateway or its link is out can't be told before it is back.
func (s *site) explainOpen(g registry.Gap, out Gap, say func(cause, evidence string, sinceMs int64) Gap) Gap {
	gw, ok := s.gateways[out.Gateway]
	came, back := s.cameBack(g, out.Gateway)
	switch {
	case ok && Hear(gw) == HeardNow && back && gw.SeenMs-came < s.tolerance(g.Machine):
		return say(CauseUnknown, EvidenceBacklog, came) // it has only just come back
	case ok && Hear(gw) == HeardNow && s.holdsBack(out.Gateway, gw.SeenMs-s.tolerance(g.Machine)):
		return say(CauseUnknown, EvidenceBacklog, came)
	case ok && Hear(gw) == HeardNow && gw.SeenMs > g.FromMs+s.tolerance(g.Machine):
		return say(CauseSensor, EvidenceGatewayOnline, gw.SeenMs)
	case !ok:
		return say(CauseUnknown, EvidenceNone, 0)
	}
	if ms, stopped := s.event(g, out.Gateway, registry.GatewayStopped); stopped && Hear(gw) != HeardNow {
		return say(CauseGateway, EvidenceStopped, ms)
	}
	return say(CauseUnknown, EvidenceNotHeard, gw.SeenMs)
}

// cameBack is when the gateway came online last, if that was after the gap began.
func (s *site) cameBack(g registry.Gap, gateway string) (atMs int64, ok bool) {
	for _, e := range s.Events {
		if e.Gateway == gateway && e.Kind == registry.GatewayOnline && e.AtMs > g.FromMs && e.AtMs > atMs {
			atMs, ok = e.AtMs, true
		}
	}
	return atMs, ok
}

// supplyOut reports whether a sensor or a status says that the mains were out when the gap began.
func (s *site) supplyOut(g registry.Gap, gateway string) bool {
	tolerance := s.tolerance(g.Machine)
	from, to := g.FromMs, min(g.FromMs+tolerance, endOf(g))
	for _, o := range s.Outages {
		if o.FromMs < to && o.ToMs >= from {
			return true
		}
	}
	out := false // as the gateway's statuses have it, at the begin of the window
	var newest int64 = math.MinInt64
	for _, e := range s.Events {
		if e.Gateway != gateway || e.Kind != registry.GatewaySupplyLost && e.Kind != registry.GatewaySupplyBack {
			continue
		}
		lost := e.Kind == registry.GatewaySupplyLost
		switch {
		case e.AtMs < from && e.AtMs > newest:
			newest, out = e.AtMs, lost
		case e.AtMs >= from && e.AtMs < to && lost:
			return true
		}
	}
	return out
}

// event finds the first event of a kind while the gap began or lasted.
func (s *site) event(g registry.Gap, gateway, kind string) (atMs int64, ok bool) {
	for _, e := range s.Events {
		if e.Gateway == gateway && e.Kind == kind && e.AtMs >= g.FromMs-s.tolerance(g.Machine) && e.AtMs < endOf(g) && (!ok || e.AtMs < atMs) {
			atMs, ok = e.AtMs, true
		}
	}
	return atMs, ok
}

// onlineThrough reports whether the gateway is known to have been online from before the gap until its end.
func (s *site) onlineThrough(g registry.Gap, gateway string) bool {
	online := false
	var newest int64 = math.MinInt64
	for _, e := range s.Events {
		if e.Gateway != gateway {
			continue
		}
		switch e.Kind {
		case registry.GatewayOnline, registry.GatewayLost, registry.GatewayStopped:
		default:
			continue
		}
		if e.AtMs > g.FromMs && e.AtMs < endOf(g) {
			return false // it came or went
		}
		if e.AtMs <= g.FromMs && e.AtMs > newest {
			newest, online = e.AtMs, e.Kind == registry.GatewayOnline
		}
	}
	return online
}

// connected reports whether the gateway, as far as was heard, came online soon after the gap began, or was so before, and
// stayed so until its end. The broker loses a gateway that is cut off within a minute.
func (s *site) connected(g registry.Gap, gateway string) bool {
	online := false
	var newest int64 = math.MinInt64
	for _, e := range s.Events {
		if e.Gateway != gateway || e.Kind != registry.GatewayOnline && e.Kind != registry.GatewayLost && e.Kind != registry.GatewayStopped {
			continue
		}
		switch {
		case e.Kind != registry.GatewayOnline && e.AtMs > g.FromMs && e.AtMs < g.ToMs:
			return false
		case e.AtMs <= g.FromMs+lateAfterMs && e.AtMs > newest:
			newest, online = e.AtMs, e.Kind == registry.GatewayOnline
		}
	}
	return online
}

// holdsBack reports whether a gateway's last status says that it holds packs of before a time, or packs that wait until its
// clock has a time.
func (s *site) holdsBack(gateway string, beforeMs int64) bool {
	var st wire.Status
	if g := s.gateways[gateway]; g.StatusJSON == "" || json.Unmarshal([]byte(g.StatusJSON), &st) != nil || st.SpoolPacks == 0 {
		return false
	}
	return st.Clock == wire.ClockBounded || st.TimeMs != 0 && st.TimeMs-st.OldestAgeS*1000 < beforeMs
}

// backlog returns the time of the oldest pack that the gateway's last status says it still holds.
func (s *site) backlog(gateway string) (oldestMs int64, waits bool) {
	var st wire.Status
	if g := s.gateways[gateway]; g.StatusJSON == "" || json.Unmarshal([]byte(g.StatusJSON), &st) != nil || st.SpoolPacks == 0 || st.TimeMs == 0 {
		return 0, false
	}
	return st.TimeMs - st.OldestAgeS*1000, true
}

// allGateways reports whether the site has other gateways and all that sampled before the gap stopped with it and came
// back in another boot.
func (s *site) allGateways(g registry.Gap, own string) bool {
	restarted := map[string]bool{}
	for machine := range s.boots {
		b, ok := s.bootAt(machine, g.FromMs)
		if !ok || b.Gateway == own {
			continue
		}
		hole, with := s.together(g, machine)
		if !with {
			return false
		}
		if _, changed := s.newBoot(hole); changed {
			restarted[b.Gateway] = true
		} else if !restarted[b.Gateway] {
			restarted[b.Gateway] = false
		}
	}
	for _, yes := range restarted {
		if !yes {
			return false
		}
	}
	return len(restarted) > 0
}
