package ingest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker/brokertest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// natsSources are the sources that several ingest processes can share.
var natsSources = []string{"embedded by nats", "nats cluster"}

func TestSeveralIngestsShareTheWork(t *testing.T) {
	for _, name := range natsSources {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sources[name])
			second := &world{broker: w.broker, reach: w.reach, store: w.store, registry: w.registry, now: w.now}
			second.start(t)
			t.Cleanup(func() { second.stop() })
			g := newGateway(t, w)
			all := packs(t, 200)
			for seq := range uint64(200) {
				g.send("m1", wire.LaneLive, all[seq+1])
			}
			g.deliver(all)
			require.Equal(t, wantLines(200), w.store.dump(t, "m1", "power_w", "energy_wh"))
			// The first one may have taken all before the other one asked: then they get more.
			const stored = "karkhana_ingest_packs_stored_total"
			var last time.Time
			require.Eventually(t, func() bool {
				if time.Since(last) > time.Second {
					last = time.Now()
					for _, payload := range all {
						g.send("m1", wire.LaneLive, payload)
					}
				}
				return metric(t, w, stored) > 0 && metric(t, second, stored) > 0
			}, patience, every)
			require.Equal(t, wantLines(200), w.store.dump(t, "m1", "power_w", "energy_wh"))
		})
	}
}

// What an ingest holds when it stops goes to another one.
func TestAnotherIngestTakesOver(t *testing.T) {
	for _, name := range natsSources {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sources[name])
			w.store.setDown(true)
			g := newGateway(t, w)
			all := packs(t, 50)
			for seq := range uint64(50) {
				g.send("m1", wire.LaneLive, all[seq+1])
			}
			require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_held_bytes") > 0 }, patience, every)
			second := &world{broker: w.broker, reach: w.reach, store: &fakeStore{Memory: tsdb.NewMemory()}, registry: w.registry, now: w.now}
			second.start(t)
			t.Cleanup(func() { second.stop() })
			w.stop()
			g.delivered(all)
			require.Equal(t, wantLines(50), second.store.dump(t, "m1", "power_w", "energy_wh"))
		})
	}
}

// A receipt reaches also a gateway that was away when it was sent, if it keeps its session, with QoS 1.
func TestReceiptsReachPersistentSessions(t *testing.T) {
	for name, kind := range sources {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind)
			var here, away, qos atomic.Int32
			session := func() mqtt.Client {
				return brokertest.Connect(t, brokertest.ClientOptions(w.broker, "s.gw-1", "one", "s_gw-1").SetCleanSession(false).
					SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
						qos.Store(int32(m.Qos()))
						map[string]*atomic.Int32{"here": &here, "away": &away}[string(m.Payload())].Add(1)
					}))
			}
			say := func(text string) {
				require.NoError(t, w.ingest.Publish(timeout(t, patience), wire.ReceiptTopic("s", "gw-1"), 1, false, []byte(text)))
			}
			c := session()
			require.NoError(t, brokertest.Wait(c.Subscribe(wire.ReceiptTopic("s", "gw-1"), 1, nil)))
			require.Eventually(t, func() bool { say("here"); return here.Load() > 0 }, patience, 300*time.Millisecond) // a cluster settles
			c.Disconnect(100)
			say("away")
			session()
			require.Eventually(t, func() bool { return away.Load() > 0 }, patience, every)
			require.EqualValues(t, 1, qos.Load())
		})
	}
}

// Each subscription gets a receipt once, also one with QoS 0.
func TestReceiptsReachEachSubscriptionOnce(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		var counted, probed [2]atomic.Int32
		for qos := range counted {
			c := brokertest.Connect(t, brokertest.ClientOptions(w.broker, "s.gw-1", "one", []string{"q0", "q1"}[qos]))
			require.NoError(t, brokertest.Wait(c.Subscribe(wire.ReceiptTopic("s", "gw-1"), byte(qos), func(_ mqtt.Client, m mqtt.Message) {
				switch {
				case m.Duplicate(): // the broker waited a second for the acknowledgement
				case string(m.Payload()) == "counted":
					counted[qos].Add(1)
				default:
					probed[qos].Add(1)
				}
			})))
		}
		say := func(text string) {
			require.NoError(t, w.ingest.Publish(timeout(t, patience), wire.ReceiptTopic("s", "gw-1"), 1, false, []byte(text)))
		}
		both := func(n *[2]atomic.Int32) bool { return n[0].Load() > 0 && n[1].Load() > 0 }
		require.Eventually(t, func() bool { say("probe"); return both(&probed) }, patience, 300*time.Millisecond) // a cluster settles
		say("counted")
		require.Eventually(t, func() bool { return both(&counted) }, patience, every)
		probed[0].Store(0)
		probed[1].Store(0)
		say("probe")
		require.Eventually(t, func() bool { return both(&probed) }, patience, every)
		require.Equal(t, [2]int32{1, 1}, [2]int32{counted[0].Load(), counted[1].Load()})
	})
}

func TestPublishWithoutConnectionFails(t *testing.T) {
	for name, source := range map[string]string{"mqtt": "mqtt://127.0.0.1:1", "nats": "nats://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			in, err := New(Options{Source: source, ClientID: "c", Store: tsdb.NewMemory(), Registry: newFakeRegistry(), Logger: quiet(), Registerer: prometheus.NewRegistry()})
			require.NoError(t, err)
			require.ErrorIs(t, in.Publish(context.Background(), wire.CommandTopic("s", "g"), 1, false, nil), errNotConnected)
			require.ErrorIs(t, in.Checks()["broker"](context.Background()), errNotConnected)
		})
	}
}

// A retained status that was written before ingest connected is taken, as old news.
func TestRetainedStatusIsTakenAtTheStart(t *testing.T) {
	for name, kind := range sources {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind)
			w.stop()
			g := newGateway(t, w)
			b, err := (&wire.Status{Online: true, Version: "7", TimeMs: w.now.UnixMilli() - 60_000}).Encode()
			require.NoError(t, err)
			require.NoError(t, brokertest.Wait(g.client.Publish(wire.StatusTopic("s", "gw-1"), 1, true, b)))
			w.registry.forget("s", "gw-1")
			w.start(t)
			require.Eventually(t, func() bool { return w.registry.gateway("s", "gw-1").Online }, patience, every)
			require.Eventually(t, func() bool { return w.registry.gateway("s", "gw-1").SeenMs >= w.now.Add(-time.Minute).UnixMilli() }, patience, every)
		})
	}
}

// Consumers that a broker made ahead go away when nobody reads them, and stay once ingest does.
func TestConsumersMadeAhead(t *testing.T) {
	w := newWorld(t, sources["embedded by nats"])
	w.stop()
	nc, err := nats.Connect("", nats.InProcessServer(w.broker.(nats.InProcessConnProvider)), nats.UserInfo("ingest", "in"))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, MakeConsumers(t.Context(), js))
	unread := func() (times []time.Duration) {
		for _, k := range kinds() {
			c, err := js.Consumer(t.Context(), mqttStream, consumerPrefix+k.name)
			require.NoError(t, err)
			times = append(times, c.CachedInfo().Config.InactiveThreshold)
		}
		return times
	}
	require.Equal(t, []time.Duration{natsUnreadFor, natsUnreadFor, natsUnreadFor}, unread())
	w.start(t)
	require.Equal(t, []time.Duration{0, 0, 0}, unread())
}
