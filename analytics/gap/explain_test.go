package gap

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

const (
	minute = int64(60_000)
	hour   = 60 * minute
	noon   = int64(1_795_000_000_000)
)

// hole is a gap of a machine in minutes after noon; to 0 is open.
func hole(machine string, from, to int64) registry.Gap {
	g := registry.Gap{Site: "s", Machine: machine, FromMs: noon + from*minute}
	if to != 0 {
		g.ToMs = noon + to*minute
	}
	return g
}

func boot(machine, gateway, id string, from int64) registry.MachineBoot {
	return registry.MachineBoot{Site: "s", Machine: machine, Gateway: gateway, Boot: id, FromMs: noon + from*minute}
}

func event(gateway, kind string, at int64) registry.GatewayEvent {
	return registry.GatewayEvent{Site: "s", Gateway: gateway, AtMs: noon + at*minute, Kind: kind}
}

func status(gateway string, online bool, seen int64, json string) registry.Gateway {
	return registry.Gateway{Site: "s", ID: gateway, Online: online, SeenMs: noon + seen*minute, StatusJSON: json}
}

// day is a site with two gateways of two machines each, all sampled since the day before.
func day() Known {
	return Known{
		Boots: []registry.MachineBoot{
			boot("a1", "ga", "b1", -1000), boot("a2", "ga", "b1", -1000),
			boot("b1", "gb", "c1", -1000), boot("b2", "gb", "c1", -1000),
		},
		Gateways: []registry.Gateway{status("ga", true, 600, "{}"), status("gb", true, 600, "{}")},
		Events:   []registry.GatewayEvent{event("ga", registry.GatewayOnline, -1000), event("gb", registry.GatewayOnline, -1000)},
	}
}

func TestCauses(t *testing.T) {
	faulty := hole("a1", 0, 60)
	faulty.Fault = "fault:open"
	filledGap := hole("a1", 0, 60)
	filledGap.FilledMs = noon + 70*minute
	for _, c := range []struct {
		name     string
		change   func(k *Known)
		gaps     []registry.Gap // the first is asked for
		cause    string
		evidence string
		since    int64
	}{
		{"a neighbour was sampled", nil, []registry.Gap{hole("a1", 0, 60)}, CauseSensor, EvidenceNeighbours, 0},
		{"a neighbour failed later", nil, []registry.Gap{hole("a1", 0, 60), hole("a2", 20, 60)}, CauseSensor, EvidenceNeighbours, 0},
		{"the sensor said so", nil, []registry.Gap{faulty, hole("a2", 0, 60)}, CauseSensor, EvidenceFault, 0},
		{"killed and started again", nil, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceTogether, 0},
		{"stopped by hand", func(k *Known) { k.Events = append(k.Events, event("ga", registry.GatewayStopped, 0)) },
			[]registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceStopped, noon},
		{"started anew", func(k *Known) {
			k.Boots = append(k.Boots, boot("a1", "ga", "b2", 60), boot("a2", "ga", "b2", 60))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceBoot, noon + 60*minute},
		{"started anew while the other gateway went on", func(k *Known) {
			k.Boots = append(k.Boots, boot("a1", "ga", "b2", 60), boot("a2", "ga", "b2", 60))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60), hole("b1", 30, 60)}, CauseGateway, EvidenceBoot, noon + 60*minute},
		{"all gateways started anew", func(k *Known) {
			k.Boots = append(k.Boots, boot("a1", "ga", "b2", 60), boot("a2", "ga", "b2", 60), boot("b1", "gb", "c2", 62), boot("b2", "gb", "c2", 62))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60), hole("b1", 1, 62), hole("b2", 1, 62)}, CauseSupply, EvidenceSite, noon + 60*minute},
		{"the supply was sensed to be out, then the gateway died", func(k *Known) {
			k.Outages = []Outage{{noon - minute, noon + 2*minute}}
			k.Boots = append(k.Boots, boot("a1", "ga", "b2", 60), boot("a2", "ga", "b2", 60))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseSupply, EvidenceSupplySensor, 0},
		{"the supply was out and its meter with it", func(k *Known) { k.Outages = []Outage{{noon, noon + 30*minute}} },
			[]registry.Gap{faulty}, CauseSupply, EvidenceSupplySensor, 0},
		{"an outage long before", func(k *Known) { k.Outages = []Outage{{noon - 30*minute, noon - 2*minute}} },
			[]registry.Gap{hole("a1", 0, 60)}, CauseSensor, EvidenceNeighbours, 0},
		{"the status says that the supply is out", func(k *Known) {
			k.Events = append(k.Events, event("ga", registry.GatewaySupplyLost, -20), event("ga", registry.GatewaySupplyBack, 50))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseSupply, EvidenceSupplySensor, 0},
		{"the status says that the supply was back", func(k *Known) {
			k.Events = append(k.Events, event("ga", registry.GatewaySupplyLost, -20), event("ga", registry.GatewaySupplyBack, -10))
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceTogether, 0},
		{"not heard yet", func(k *Known) { k.Gateways[0] = status("ga", false, 0, "{}") },
			[]registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseUnknown, EvidenceNotHeard, noon},
		{"stopped and not back", func(k *Known) {
			k.Gateways[0] = status("ga", false, 0, "{}")
			k.Events = append(k.Events, event("ga", registry.GatewayStopped, 0))
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseGateway, EvidenceStopped, noon},
		{"a neighbour that nobody has looked at yet", func(k *Known) { k.Gateways[0] = status("ga", false, 0, "{}") },
			[]registry.Gap{hole("a1", 0, 0)}, CauseUnknown, EvidenceNotHeard, noon},
		{"a neighbour that has just been silent", func(k *Known) {
			k.Gateways[0] = status("ga", false, 0, "{}")
			k.Newest = map[string]int64{"a2": noon + 2*minute}
		}, []registry.Gap{hole("a1", 0, 0)}, CauseUnknown, EvidenceNotHeard, noon},
		{"a neighbour was sampled since", func(k *Known) { k.Newest = map[string]int64{"a2": noon + 5*minute} },
			[]registry.Gap{hole("a1", 0, 0)}, CauseSensor, EvidenceNeighbours, 0},
		{"its samples have come", func(k *Known) {
			k.Unbuilt = []registry.Touched{{Machine: "a1", FromMs: noon + 10*minute, ToMs: noon + 70*minute}}
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseUnknown, EvidenceArrived, 0},
		{"samples of later have come, and a neighbour's", func(k *Known) {
			k.Unbuilt = []registry.Touched{{Machine: "a1", FromMs: noon + 60*minute, ToMs: noon + 70*minute}, {Machine: "a2", FromMs: noon, ToMs: noon + 70*minute}}
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceTogether, 0},
		{"the first sample after it has come", func(k *Known) {
			k.Unbuilt = []registry.Touched{{Machine: "a1", FromMs: noon + 60*minute, ToMs: noon + 60*minute}}
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseUnknown, EvidenceArrived, 0},
		{"the sensor said so, and says so again", func(k *Known) {
			k.Unbuilt = []registry.Touched{{Machine: "a1", FromMs: noon + 10*minute, ToMs: noon + 10*minute}}
		}, []registry.Gap{faulty}, CauseSensor, EvidenceFault, 0},
		{"all silent while the gateway speaks", nil, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseSensor, EvidenceGatewayOnline, noon + 600*minute},
		{"only just back, nothing of this machine yet", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, "{}")
			k.Events = append(k.Events, event("ga", registry.GatewayOnline, 60))
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 60)}, CauseUnknown, EvidenceBacklog, noon + 60*minute},
		{"online without a time: its packs wait", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":9,"clock":"bounded","time_ms":1795003660000}`)
			k.Events = append(k.Events, event("ga", registry.GatewayOnline, 20))
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseUnknown, EvidenceBacklog, noon + 20*minute},
		{"online, and its backlog is long", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":900,"oldest_age_s":3000,"clock":"synced","time_ms":1795003660000}`)
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseUnknown, EvidenceBacklog, 0},
		{"online, what waits is of the moment", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":2,"oldest_age_s":5,"clock":"synced","time_ms":1795003660000}`)
		}, []registry.Gap{hole("a1", 0, 0), hole("a2", 0, 0)}, CauseSensor, EvidenceGatewayOnline, noon + 61*minute},
		{"back, its backlog on the way", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":900,"oldest_age_s":3000,"time_ms":1795003660000}`)
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseUnknown, EvidenceBacklog, 1795003660000 - 3000_000},
		{"back, a backlog of later", func(k *Known) {
			k.Gateways[0] = status("ga", true, 90, `{"spool_packs":3,"oldest_age_s":10,"time_ms":1795005400000}`)
		}, []registry.Gap{hole("a1", 0, 60), hole("a2", 0, 60)}, CauseGateway, EvidenceTogether, 0},
		{"late data filled it", func(k *Known) {
			k.Events = append(k.Events, event("ga", registry.GatewayLost, 1), event("ga", registry.GatewayOnline, 60))
		},
			[]registry.Gap{filledGap}, CauseLink, EvidenceFilled, noon + 70*minute},
		{"late data filled it, while the gateway was connected", nil, []registry.Gap{filledGap}, CauseLink, EvidenceLate, noon + 70*minute},
		{"booted without a time, connected, and sent when it had one", func(k *Known) {
			k.Events = append(k.Events, event("ga", registry.GatewayLost, -10), event("ga", registry.GatewayOnline, 1))
		}, []registry.Gap{filledGap}, CauseLink, EvidenceLate, noon + 70*minute},
		{"a neighbour's backlog came first", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":900,"oldest_age_s":3000,"time_ms":1795003660000}`)
		}, []registry.Gap{hole("a1", 0, 60)}, CauseUnknown, EvidenceBacklog, 1795003660000 - 3000_000},
		{"what waits is of the moment", func(k *Known) {
			k.Gateways[0] = status("ga", true, 61, `{"spool_packs":2,"oldest_age_s":5,"time_ms":1795003603000}`)
		}, []registry.Gap{hole("a1", 0, 60)}, CauseSensor, EvidenceNeighbours, 0},
		{"too short for the neighbour to witness", nil, []registry.Gap{{Site: "s", Machine: "a1", FromMs: noon, ToMs: noon + 200_000}}, CauseSensor, EvidenceGatewayOnline, 0},
		{"alone and lost", func(k *Known) {
			k.Boots, k.Events = k.Boots[:1], append(k.Events, event("ga", registry.GatewayLost, 1))
		}, []registry.Gap{hole("a1", 0, 60)}, CauseGateway, EvidenceLost, noon + minute},
		{"alone while the gateway was online", func(k *Known) { k.Boots = k.Boots[:1] }, []registry.Gap{hole("a1", 0, 60)}, CauseSensor, EvidenceGatewayOnline, 0},
		{"nothing known", func(k *Known) { *k = Known{} }, []registry.Gap{hole("a1", 0, 60)}, CauseUnknown, EvidenceNone, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := day()
			if c.change != nil {
				c.change(&k)
			}
			k.Gaps = c.gaps
			got := Explain(k)[0]
			require.Equal(t, []any{c.cause, c.evidence, c.since}, []any{got.Cause, got.Evidence, got.SinceMs})
			for range 20 { // the order of what is known changes nothing
				first := k.Gaps[0]
				for _, n := range []struct {
					n    int
					swap func(i, j int)
				}{
					{len(k.Boots), func(i, j int) { k.Boots[i], k.Boots[j] = k.Boots[j], k.Boots[i] }},
					{len(k.Events), func(i, j int) { k.Events[i], k.Events[j] = k.Events[j], k.Events[i] }},
					{len(k.Gaps), func(i, j int) { k.Gaps[i], k.Gaps[j] = k.Gaps[j], k.Gaps[i] }},
				} {
					rand.Shuffle(n.n, n.swap)
				}
				for _, again := range Explain(k) {
					if again.Gap == first {
						require.Equal(t, got, again)
					}
				}
				for i, g := range k.Gaps {
					if g == first {
						k.Gaps[0], k.Gaps[i] = k.Gaps[i], k.Gaps[0]
					}
				}
			}
		})
	}
}
