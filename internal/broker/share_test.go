package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// numbered is the set of messages that begin with their number.
type numbered struct {
	mu  sync.Mutex
	set map[uint64]bool
}

func (n *numbered) add(i uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set[i] = true
}

func (n *numbered) handle(_ mqtt.Client, m mqtt.Message) { n.add(binary.BigEndian.Uint64(m.Payload())) }

// missing counts what is in n and not in o.
func (n *numbered) missing(o *numbered) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range n.set {
		if !o.set[i] {
			count++
		}
	}
	return count
}

func (n *numbered) len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.set)
}

func message(number uint64, size int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, number), bytes.Repeat([]byte{'x'}, size-8)...)
}

// flood publishes from one connection after the other until ctx ends, and keeps what the broker acknowledged.
func flood(ctx context.Context, b *broker.Broker, id string, first uint64, size int, acked *numbered) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for number := first; ctx.Err() == nil; {
		c := mqtt.NewClient(brokertest.ClientOptions(b, "s.gw-1", "one", id).SetAutoReconnect(false))
		if err := brokertest.Wait(c.Connect()); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		for c.IsConnectionOpen() && ctx.Err() == nil {
			n := number
			number++
			token := c.Publish(wire.PackTopic("s", "gw-1", "m", wire.LaneHistory), 1, false, message(n, size))
			wg.Go(func() {
				select {
				case <-token.Done():
					if token.Error() == nil {
						acked.add(n)
					}
				case <-time.After(30 * time.Second):
				}
			})
		}
		c.Disconnect(0)
	}
}

// startCounted starts a broker for the users of these tests and tells how often it has refused for a reason.
func startCounted(t *testing.T) (b *broker.Broker, refused func(reason string) int) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: quiet(), AckWait: time.Second, Registerer: metrics,
		Authenticate: func(user, password string) (broker.Rights, bool) {
			return users[user].Rights, users[user].Password == password
		},
	})
	require.NoError(t, err)
	require.NoError(t, b.Start(t.Context()))
	t.Cleanup(b.Stop)
	return b, func(reason string) int {
		families, err := metrics.Gather()
		require.NoError(t, err)
		for _, m := range families[0].GetMetric() {
			if m.GetLabel()[0].GetValue() == reason {
				return int(m.GetCounter().GetValue())
			}
		}
		return 0
	}
}

// One gateway floods while ingest reads nothing: its neighbour's packs get in and are acknowledged. When ingest goes on it
// gets all that was acknowledged, of the flooding gateway, too, which is let in again then.
func TestAFloodLeavesRoomForOthers(t *testing.T) {
	b, refused := startCounted(t)
	got := &numbered{set: map[uint64]bool{}}
	persistent := func() mqtt.Client {
		return brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetDefaultPublishHandler(got.handle))
	}
	ingest := persistent()
	for _, lane := range []wire.Lane{wire.LaneLive, wire.LaneHistory} {
		require.NoError(t, brokertest.Wait(ingest.Subscribe(wire.PackTopic("+", "+", "+", lane), 1, got.handle)))
	}
	ingest.Disconnect(50)

	acked := &numbered{set: map[uint64]bool{}}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, size := range []int{400_000, 1000} { // few that are large, and many that are small
		wg.Go(func() { flood(ctx, b, []string{"large", "small"}[i], uint64(i+1)<<32, size, acked) })
	}
	require.Eventually(t, func() bool { return refused("share") > 1 }, 60*time.Second, 10*time.Millisecond)

	neighbours := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-2", "two", "g2").SetAutoReconnect(false))
	for i := range uint64(300) {
		token := neighbours.Publish(wire.PackTopic("s", "gw-2", "m", wire.LaneLive), 1, false, message(i, 20_000))
		require.NoError(t, brokertest.Wait(token))
		acked.add(i)
	}
	stop()
	wg.Wait()
	require.Less(t, acked.len(), 64<<20/1000)

	persistent()
	require.Eventually(t, func() bool { return acked.missing(got) == 0 }, 60*time.Second, 10*time.Millisecond, "acknowledged and not kept")
	require.Eventually(t, func() bool { // once ingest has taken what it held it may send again
		c := mqtt.NewClient(brokertest.ClientOptions(b, "s.gw-1", "one", "g1").SetAutoReconnect(false))
		defer c.Disconnect(0)
		return brokertest.Wait(c.Connect()) == nil && acknowledged(c.Publish(wire.PackTopic("s", "gw-1", "m", wire.LaneLive), 1, false, message(1<<50, 1000)))
	}, time.Minute, 50*time.Millisecond)
}

// What lies in files is bounded for a gateway, too: QoS 2 is refused, and nothing is retained that is larger than a status.
func TestFilesAreNotFilled(t *testing.T) {
	b, refused := startCounted(t)
	connect := func(user, password, id string) mqtt.Client {
		return brokertest.Connect(t, brokertest.ClientOptions(b, user, password, id).SetAutoReconnect(false))
	}
	twice := connect("s.gw-1", "one", "g1")
	twice.Publish(wire.PackTopic("s", "gw-1", "m", wire.LaneLive), 2, false, "x").WaitTimeout(10 * time.Second)
	require.Eventually(t, func() bool { return !twice.IsConnectionOpen() }, 10*time.Second, time.Millisecond)

	gw := connect("s.gw-1", "one", "g2")
	large, status := message(1, wire.MaxStatusBytes*2), message(2, wire.MaxStatusBytes)
	require.NoError(t, brokertest.Wait(gw.Publish(wire.PackTopic("s", "gw-1", "large", wire.LaneLive), 1, true, large)))
	require.NoError(t, brokertest.Wait(gw.Publish(wire.StatusTopic("s", "gw-1"), 1, true, status)))
	retained := func() map[string]int {
		var got inbox
		c := connect("ingest", "in", "karkhana-ingest")
		subscribeIngest(t, c, &got)
		require.NoError(t, brokertest.Wait(c.Unsubscribe("none"))) // what was retained came before
		c.Disconnect(0)
		out := map[string]int{}
		for _, m := range got.all() {
			topic, payload, _ := strings.Cut(m, "=")
			out[topic] = len(payload)
		}
		return out
	}
	require.Eventually(t, func() bool {
		return maps.Equal(retained(), map[string]int{wire.StatusTopic("s", "gw-1"): wire.MaxStatusBytes})
	}, 30*time.Second, 200*time.Millisecond)
	require.Equal(t, 1, refused("qos2"))
	require.Equal(t, 1, refused("retain"))
}
