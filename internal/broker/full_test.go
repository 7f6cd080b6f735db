package broker_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// When the broker's memory is full gateways get no acknowledgement, and when ingest comes back everything goes on.
func TestFullStoreGoesOnWhenIngestIsBack(t *testing.T) {
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: quiet(), MaxMemory: 8 << 20, AckWait: time.Second,
		Authenticate: func(user, password string) (broker.Rights, bool) {
			return users[user].Rights, users[user].Password == password
		},
	})
	require.NoError(t, err)
	require.NoError(t, b.Start(t.Context()))
	t.Cleanup(b.Stop)
	var got atomic.Int64
	handler := func(mqtt.Client, mqtt.Message) { got.Add(1) }
	persistent := func() mqtt.Client {
		return brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetDefaultPublishHandler(handler))
	}
	topic := wire.PackTopic("s", "gw-1", "m", wire.LaneLive)
	ingest := persistent()
	require.NoError(t, brokertest.Wait(ingest.Subscribe(wire.PackTopic("+", "+", "+", wire.LaneLive), 1, handler)))
	ingest.Disconnect(50)

	payload := bytes.Repeat([]byte{'x'}, 100_000)
	gw := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
	sent := int64(0)
	for ; sent < 200; sent++ {
		if !acknowledged(gw.Publish(topic, 1, false, payload)) {
			break
		}
	}
	require.Less(t, sent, int64(100), "8 MiB cannot hold it")
	gw.Disconnect(50)

	persistent()
	require.Eventually(t, func() bool { return got.Load() >= sent }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { // once what was read is gone from memory there is room again
		gw := mqtt.NewClient(brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
		defer gw.Disconnect(0)
		return brokertest.Wait(gw.Connect()) == nil && acknowledged(gw.Publish(topic, 1, false, payload))
	}, 20*time.Second, 100*time.Millisecond)
}

func acknowledged(t mqtt.Token) bool { return t.WaitTimeout(2*time.Second) && t.Error() == nil }
