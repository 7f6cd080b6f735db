package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/broker/brokertest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// patience is for conditions that come true at once on an idle computer; on a busy one some took fifteen seconds.
const patience, every = 2 * time.Minute, 10 * time.Millisecond

// onEachSource runs a test on every way from a gateway to ingest.
func onEachSource(t *testing.T, test func(t *testing.T, w *world), change ...func(*Options)) {
	for name, start := range sources {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, start, change...)) })
	}
}

func packs(t testing.TB, n int) map[uint64][]byte {
	out := map[uint64][]byte{}
	for seq := uint64(1); seq <= uint64(n); seq++ {
		out[seq] = encode(t, packOf(seq, "m1"), wire.Format(seq%2))
	}
	return out
}

func TestPacksAreStoredTouchedAndReceipted(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		var last time.Time
		require.Eventually(t, func() bool { // sent again, as a gateway does: a cluster may still be settling
			if time.Since(last) > 2*time.Second {
				last = time.Now()
				for seq, payload := range packs(t, 4) {
					g.send("m1", []wire.Lane{wire.LaneLive, wire.LaneHistory}[seq/3], payload)
				}
				g.send("m2", wire.LaneHistory, encode(t, packOf(5, "m2"), wire.FormatCBOR))
			}
			n, _ := g.counts()
			return n == 5
		}, patience, every)
		require.Equal(t, wantLines(4), w.store.dump(t, "m1", "power_w", "energy_wh"))
		touched := w.registry.touches()
		m1 := touched[machineID{"s", "m1"}]
		require.Equal(t, [2]int64{baseMs, baseMs + 19_000}, [2]int64{m1.FromMs, m1.ToMs})
		require.Contains(t, touched, machineID{"s", "m2"})
		_, refused := g.counts()
		require.Zero(t, refused)
	})
}

func TestStoreDownDelaysReceiptsAndLosesNothing(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		w.store.setDown(true)
		all := packs(t, 50)
		for _, payload := range all {
			g.send("m1", wire.LaneLive, payload)
		}
		require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_retries_total") >= 2 }, patience, every)
		stored, refused := g.counts()
		require.Zero(t, stored+refused, "a receipt came before the store acknowledged")
		w.store.setDown(false)
		g.delivered(all)
		require.Equal(t, wantLines(50), w.store.dump(t, "m1", "power_w", "energy_wh"))
	})
}

func TestRegistryDownDelaysReceipts(t *testing.T) {
	w := newWorld(t, sources["embedded by mqtt"])
	g := newGateway(t, w)
	w.registry.setDown(true)
	for _, payload := range packs(t, 5) {
		g.send("m1", wire.LaneLive, payload)
	}
	require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_retries_total") >= 2 }, patience, every)
	stored, _ := g.counts()
	require.Zero(t, stored)
	w.registry.setDown(false)
	require.Eventually(t, func() bool { n, _ := g.counts(); return n == 5 }, patience, every)
	require.Equal(t, wantLines(5), w.store.dump(t, "m1", "power_w", "energy_wh"))
}

func TestIngestRestartedInTheMiddle(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		all := packs(t, 60)
		w.store.setDown(true) // so that the restart finds packs in hand
		for seq := range uint64(30) {
			g.send("m1", wire.LaneLive, all[seq+1])
		}
		require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_packs_received_total") > 0 }, patience, every)
		w.stop()
		for seq := range uint64(30) {
			g.send("m1", wire.LaneLive, all[seq+31])
		}
		w.store.setDown(false)
		w.start(t)
		g.deliver(all)
		require.Equal(t, wantLines(60), w.store.dump(t, "m1", "power_w", "energy_wh"))
	})
}

func TestBrokerRestartedInTheMiddle(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		all := packs(t, 40)
		for seq := range uint64(20) {
			g.send("m1", wire.LaneLive, all[seq+1])
		}
		require.Eventually(t, func() bool { n, _ := g.counts(); return n > 0 }, patience, every)
		w.broker.Stop(t)
		w.broker.Start(t)
		g.deliver(all)
		require.Equal(t, wantLines(40), w.store.dump(t, "m1", "power_w", "energy_wh"))
	})
}

// Each kind of bad input gets a quarantine entry with its reason and, where the pack says which it is, a receipt.
// Good packs in between go through.
func TestBadInputGoesToQuarantine(t *testing.T) {
	const head = `[{"bn":"s/m1/","bt":1795000000,"n":"seq","v":%d},{"n":"spool","vs":"sp"},{"n":"boot","vs":"b"},{"n":"clock","vs":"rtc"},`
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		// A field that holds text in the store: numbers for it are refused there.
		require.NoError(t, w.store.Write(t.Context(), []tsdb.Point{{Measurement: tsdb.Telemetry, Site: "s", Machine: "m2", TimeMs: 1, Fields: []tsdb.Field{{Key: "crest", Value: "text"}}}}))
		good := packs(t, 2)
		sendAll := func() {
			g.send("m1", wire.LaneLive, good[1])
			for _, payload := range []string{
				"\x00\xff garbage",
				fmt.Sprintf(head, 11) + `{"n":"power","v":"much"}]`,
				fmt.Sprintf(head, 12) + `{"bt":86400,"n":"power","v":1}]`,      // 1970
				fmt.Sprintf(head, 13) + `{"bt":1500000000,"n":"power","v":1}]`, // 2017: a clock that was never set
				fmt.Sprintf(head, 14) + `{"bt":4102444800,"n":"power","v":1}]`, // 2100
				fmt.Sprintf(head, 15) + `{"n":"power","u":"hp","v":1}]`,
				fmt.Sprintf(head, 16) + `{"n":"joy","v":1}]`,
				fmt.Sprintf(head, 17) + `{"n":"energy","v":-5}]`,
				fmt.Sprintf(head, 18) + `{"n":"crest","v":1.5},{"n":"power","v":3,"t":50}]`, // refused by the store
			} {
				g.send("m1", wire.LaneLive, []byte(payload))
			}
			g.send("m2", wire.LaneLive, encode(t, packOf(19, "m1"), wire.FormatCBOR)) // the topic names another machine
			g.send("m3", wire.LaneLive, encode(t, packOf(20, "m3"), wire.FormatCBOR)) // not registered
			g.send("m1", wire.LaneLive, good[2])
		}
		sendAll()
		last := time.Now()
		require.Eventually(t, func() bool {
			if time.Since(last) > 3*time.Second { // a cluster that has just made the gateway's session may lose receipts
				last = time.Now()
				sendAll()
			}
			s, r := g.counts()
			return s == 2 && r == 10 && len(w.registry.reasons()) == 11
		}, patience, every)
		require.Equal(t, []string{
			"absurd-time", "absurd-time", "absurd-time", "foreign-topic", "not-senml", "out-of-range", "store-refused",
			"unknown-machine", "unknown-quantity", "unknown-unit", "wrong-type",
		}, w.registry.reasons())
		require.Equal(t, map[uint64]string{
			11: "wrong-type", 12: "absurd-time", 13: "absurd-time", 14: "absurd-time", 15: "unknown-unit", 16: "unknown-quantity",
			17: "out-of-range", 18: "store-refused", 19: "foreign-topic", 20: "unknown-machine",
		}, g.refusals())
		for _, q := range w.registry.quarantined() {
			require.NotEmpty(t, q.Detail)
			require.NotEmpty(t, q.Payload)
			require.Equal(t, "gw-1", q.Gateway)
		}
		require.Equal(t, wantLines(2), w.store.dump(t, "m1", "power_w", "energy_wh")[:10])

		// Once the machine is registered its pack is stored, from quarantine.
		w.registry.register("m3")
		require.Eventually(t, func() bool { return len(w.store.dump(t, "m3", "power_w")) == 5 }, patience, every)
		require.Eventually(t, func() bool { return len(w.registry.reasons()) == 10 }, patience, every)
		require.NotContains(t, w.registry.reasons(), "unknown-machine")
		require.Contains(t, w.registry.touches(), machineID{"s", "m3"})
	})
}

// Any order and any number of times gives the same store.
func TestReorderedAndRepeatedPacksGiveTheSameStore(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		all := packs(t, 30)
		var order []uint64
		for seq := range uint64(30) {
			order = append(order, seq+1, seq+1, seq+1)
		}
		r := rand.New(rand.NewPCG(1, 2))
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		var last time.Time
		require.Eventually(t, func() bool {
			if time.Since(last) > 3*time.Second { // again: a cluster may have dropped the first ones
				last = time.Now()
				for _, seq := range order {
					g.send("m1", []wire.Lane{wire.LaneLive, wire.LaneHistory}[r.IntN(2)], all[seq])
				}
			}
			n, _ := g.counts()
			return n == 30 && metric(t, w, "karkhana_ingest_packs_stored_total") >= 90 // more where the broker waited too long for an acknowledgement
		}, patience, every)
		require.Equal(t, wantLines(30), w.store.dump(t, "m1", "power_w", "energy_wh"))
		require.Positive(t, metric(t, w, "karkhana_ingest_packs_duplicate_total"))
	})
}

func TestStatusReachesTheRegistry(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		seen := func() (bool, int64) { x := w.registry.gateway("s", "gw-1"); return x.Online, x.SeenMs }
		say := func(s wire.Status) {
			b, err := s.Encode()
			require.NoError(t, err)
			require.NoError(t, brokertest.Wait(g.client.Publish(wire.StatusTopic("s", "gw-1"), 1, true, b)))
		}
		say(wire.Status{Online: true, Version: "1", TimeMs: w.now.UnixMilli() - 5})
		require.Eventually(t, func() bool { online, ms := seen(); return online && ms == w.now.UnixMilli() }, patience, every)
		require.NoError(t, brokertest.Wait(g.client.Publish(wire.StatusTopic("s", "gw-1"), 1, true, "{garbage")))
		say(wire.Status{}) // as the Will
		require.Eventually(t, func() bool { online, _ := seen(); return !online }, patience, every)
		_, ms := seen()
		require.Equal(t, w.now.UnixMilli(), ms, "a Will does not say that the gateway was heard")
	})
}

// A store that stands still does not fill the memory: what is held stays bounded and the rest waits at the broker.
func TestMemoryIsBoundedWhileStoreIsDown(t *testing.T) {
	const limit = 20_000
	onEachSource(t, func(t *testing.T, w *world) {
		g := newGateway(t, w)
		w.store.setDown(true)
		all := packs(t, 200)
		for _, payload := range all {
			g.send("m1", wire.LaneLive, payload)
		}
		require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_held_bytes") > limit/2 }, patience, every)
		require.LessOrEqual(t, metric(t, w, "karkhana_ingest_held_bytes"), float64(limit))
		w.store.setDown(false)
		g.deliver(all)
		require.Equal(t, wantLines(200), w.store.dump(t, "m1", "power_w", "energy_wh"))
		require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_held_bytes") == 0 }, patience, every)
	}, func(o *Options) { o.HeldBytes = limit })
}

func TestWrongPasswordIsRetriedAndEndsWithItsContext(t *testing.T) {
	w := newWorld(t, sources["embedded by mqtt"])
	w.stop()
	o := w.options()
	o.Password = "wrong"
	in, err := New(o)
	require.NoError(t, err)
	require.NoError(t, runFor(t, in, func() {
		require.Error(t, in.WaitReady(timeout(t, 300*time.Millisecond)))
	}))
}

func TestOptionsAreChecked(t *testing.T) {
	w := newWorld(t, sources["embedded by mqtt"])
	for name, change := range map[string]func(*Options){
		"no store":   func(o *Options) { o.Store = nil },
		"no source":  func(o *Options) { o.Source = "" },
		"bad scheme": func(o *Options) { o.Source = "http://localhost:1" },
		"no client":  func(o *Options) { o.ClientID = "" },
	} {
		o := w.options()
		change(&o)
		_, err := New(o)
		require.Error(t, err, name)
	}
	o := w.options()
	_, err := New(o)
	require.NoError(t, err)
	_, err = New(o)
	require.ErrorContains(t, err, "register metrics")
}
