package gap

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// delivery is a pack or a word of a gateway, as it may arrive at any time.
type delivery struct {
	machine string
	points  []tsdb.Point
	boot    registry.MachineBoot
	event   *registry.GatewayEvent
}

// stepMs is the distance of samples in the tests.
const stepMs = 20_000

// world is a site with two gateways and their outages, drawn once and delivered in many ways.
type world struct {
	deliveries []delivery
	endMs      int64
}

// drawWorld draws some hours: each gateway may be out or started anew, each machine's sensor silent or faulty, the
// supply out and sensed by one of them.
func drawWorld(t *rapid.T) world {
	w := world{endMs: noon + 6*hour}
	type outage struct {
		from, to int64
		kind     string
	}
	draw := func(name string, kinds ...string) []outage {
		var out []outage
		at := noon + 20*minute
		for i := rapid.IntRange(0, 2).Draw(t, name); i > 0; i-- {
			at += rapid.Int64Range(10, 60).Draw(t, name+" after") * minute
			to := at + rapid.Int64Range(2, 70).Draw(t, name+" minutes")*minute
			out = append(out, outage{at, to, rapid.SampledFrom(kinds).Draw(t, name+" kind")})
			at = to
		}
		return out
	}
	supply := draw("supply", "")
	within := func(ms int64, all []outage) *outage {
		for i := range all {
			if ms >= all[i].from && ms < all[i].to {
				return &all[i]
			}
		}
		return nil
	}
	for _, gateway := range []string{"ga", "gb"} {
		outages := draw(gateway, "killed", "stopped", "power")
		battery := gateway == "gb" && rapid.Bool().Draw(t, "battery")
		boots := 0
		for _, o := range outages {
			if o.kind == "stopped" {
				w.deliveries = append(w.deliveries, delivery{event: &registry.GatewayEvent{Site: "s", Gateway: gateway, AtMs: o.from, Kind: registry.GatewayStopped}})
			}
		}
		for _, machine := range []string{gateway + "-1", gateway + "-2"} {
			sensor := draw(machine, "silent", "fault:open")
			var pack delivery
			boots = 0
			wasOut := false
			for ms := noon; ms < w.endMs; ms += stepMs {
				o, dark := within(ms, outages), within(ms, supply)
				if o != nil && o.kind == "power" || dark != nil && !battery {
					wasOut = true
				}
				if o != nil || dark != nil && !battery {
					continue
				}
				if wasOut {
					boots, wasOut = boots+1, false
				}
				p := tsdb.Point{Measurement: tsdb.Telemetry, Site: "s", Machine: machine, TimeMs: ms}
				if machine == "gb-1" {
					p.Fields = append(p.Fields, tsdb.Field{Key: "supply", Value: dark == nil})
				}
				switch s := within(ms, sensor); {
				case s == nil:
					p.Fields = append(p.Fields, tsdb.Field{Key: "power_w", Value: float64(500 + (ms/stepMs)%7)})
				case s.kind != "silent":
					p.Fields = append(p.Fields, tsdb.Field{Key: "power_w_q", Value: s.kind})
				}
				if len(p.Fields) == 0 {
					continue
				}
				boot := fmt.Sprintf("%s-boot-%d", gateway, boots)
				if len(pack.points) >= 30 || len(pack.points) > 0 && pack.boot.Boot != boot {
					w.deliveries = append(w.deliveries, pack)
					pack = delivery{}
				}
				if len(pack.points) == 0 {
					pack.machine = machine
					pack.boot = registry.MachineBoot{Site: "s", Machine: machine, Gateway: gateway, Boot: boot, FromMs: ms}
				}
				pack.points = append(pack.points, p)
			}
			w.deliveries = append(w.deliveries, pack)
		}
	}
	return w
}

// deliver sends everything in the given order through the real analytics and returns the ledger.
func (w world) deliver(t require.TestingT, db *registry.DB, order []delivery, batch func() int) (explained []string) {
	ctx := context.Background()
	def := registry.SiteDefinition{Site: registry.Site{ID: "s", Zone: "Asia/Kolkata"}, Gateways: []string{"ga", "gb"}}
	for _, m := range []string{"ga-1", "ga-2", "gb-1", "gb-2"} {
		def.Machines = append(def.Machines, registry.MachineDefinition{
			Machine:  registry.Machine{ID: m, Class: "cutting"},
			Settings: []registry.Settings{{Signal: "power", IdleAbove: 20, RunAbove: 200, Hysteresis: 0.1, DwellOffMs: 1000, DwellIdleMs: 1000, DwellRunMs: 1000, ReportMs: stepMs}},
		})
	}
	require.NoError(t, db.Apply(ctx, def, "test", 1))
	store := tsdb.NewMemory()
	now := func() time.Time { return time.UnixMilli(w.endMs + hour) }
	keeper := New(Options{Store: store, Registry: db, Now: now})
	var ticks atomic.Int64
	service, err := analytics.New(analytics.Options{Store: store, Registry: db, Followers: []analytics.Follower{keeper}, Every: time.Millisecond,
		Now: func() time.Time { return time.UnixMilli(w.endMs + ticks.Add(1)*minute) }, // no pause between rebuilds
	})
	require.NoError(t, err)
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- service.Run(run) }()
	drained := func() {
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			rows, err := db.TouchedRows(ctx)
			require.NoError(t, err)
			if len(rows) == 0 {
				return
			}
			require.True(t, time.Now().Before(deadline), "analytics does not finish")
		}
	}
	for len(order) > 0 {
		n := min(batch(), len(order))
		for _, d := range order[:n] {
			if d.event != nil {
				require.NoError(t, db.NoteGatewayEvent(ctx, *d.event))
				continue
			}
			require.NoError(t, store.Write(ctx, d.points))
			require.NoError(t, db.NoteBoots(ctx, []registry.MachineBoot{d.boot}))
			require.NoError(t, db.Touch(ctx, []registry.Touched{{Site: "s", Machine: d.machine, FromMs: d.points[0].TimeMs, ToMs: d.points[len(d.points)-1].TimeMs}}))
		}
		if order = order[n:]; len(order) > 0 && n%2 == 0 {
			drained()
			require.NoError(t, keeper.Sweep(ctx))
		}
	}
	drained()
	stop()
	<-done
	require.NoError(t, keeper.Sweep(ctx))
	gaps, err := Read(ctx, store, db, "s", "", 0, 1<<42)
	require.NoError(t, err)
	for _, g := range gaps {
		if g.FilledMs == 0 { // what was filled depends on when it came: that is what it says
			explained = append(explained, fmt.Sprintf("%s %d–%d %s %s %s %s", g.Machine, (g.FromMs-noon)/1000, max(-1, (g.ToMs-noon)/1000), g.Gateway, g.Cause, g.Evidence, g.Fault))
		}
	}
	return explained
}

// In whatever order packs and farewells arrive, and however analytics takes them in between, the ledger is the same.
func TestAnyOrderOfArrivalGivesTheSameLedger(t *testing.T) {
	causes := map[string]int{}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		all := func() int { return len(w.deliveries) }
		n++
		want := w.deliver(rt, registrytest.Open(t), slices.Clone(w.deliveries), all)
		order := rapid.Permutation(w.deliveries).Draw(rt, "arrival")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 40), 8, 8).Draw(rt, "batches")
		i := 0
		got := w.deliver(rt, registrytest.Open(t), order, func() int { i++; return sizes[i%len(sizes)] })
		require.Equal(rt, want, got)
		for _, line := range want {
			var machine, span, gateway, cause, evidence string
			_, _ = fmt.Sscan(line, &machine, &span, &gateway, &cause, &evidence)
			causes[cause+"/"+evidence]++
		}
	})
	t.Logf("%d worlds, causes told: %v", n, causes)
}
