package broker_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// When many gateways together have filled the broker's memory they get no acknowledgement, and when ingest comes back
// everything goes on.
func TestFullStoreGoesOnWhenIngestIsBack(t *testing.T) {
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: quiet(), MaxMemory: 8 << 20, AckWait: time.Second,
		Authenticate: func(user, password string) (broker.Rights, bool) {
			if site, gateway, ok := strings.Cut(user, "."); ok {
				return broker.GatewayRights(site, gateway), password == "one"
			}
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
	ingest := persistent()
	require.NoError(t, brokertest.Wait(ingest.Subscribe(wire.PackTopic("+", "+", "+", wire.LaneLive), 1, handler)))
	ingest.Disconnect(50)

	payload := bytes.Repeat([]byte{'x'}, 100_000)
	publish := func(i int64) bool { // below the share that each gateway has at least
		gateway := fmt.Sprint("gw-", i)
		gw := mqtt.NewClient(brokertest.ClientOptions(b, "s."+gateway, "one", "s_"+gateway).SetAutoReconnect(false))
		defer gw.Disconnect(0)
		return brokertest.Wait(gw.Connect()) == nil && acknowledged(gw.Publish(wire.PackTopic("s", gateway, "m", wire.LaneLive), 1, false, payload))
	}
	sent := int64(0)
	for ; sent < 200; sent++ {
		if !publish(sent) {
			break
		}
	}
	require.Greater(t, sent, int64(70), "there was room for more")
	require.Less(t, sent, int64(100), "8 MiB cannot hold it")

	persistent()
	require.Eventually(t, func() bool { return got.Load() >= sent }, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool { // once what was read is gone from memory there is room again
		return publish(sent)
	}, time.Minute, 100*time.Millisecond)
}

func acknowledged(t mqtt.Token) bool { return t.WaitTimeout(time.Minute) && t.Error() == nil }
