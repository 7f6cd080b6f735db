package broker_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/syncbuf"
)

// What the broker refuses before ingest sees it is counted by reason, and a client that does it without end does not fill
// the log. The server says it in its log only: when its words change, this fails.
func TestRefusalsAreCounted(t *testing.T) {
	var log syncbuf.Buffer
	metrics := prometheus.NewRegistry()
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", MaxMemory: 1 << 20, Registerer: metrics, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Authenticate: func(user, password string) (broker.Rights, bool) {
			u, ok := users[user]
			return u.Rights, ok && password == u.Password
		},
	})
	require.NoError(t, err)
	require.NoError(t, b.Start(context.Background()))
	defer b.Stop()
	connect := func(id string) mqtt.Client {
		return brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", id).SetAutoReconnect(false))
	}
	publish := func(id, topic string, payload []byte) {
		token := connect(id).Publish(topic, 1, false, payload)
		token.WaitTimeout(5 * time.Second) // refused: acknowledged all the same, or the connection ends
	}
	for _, o := range []*mqtt.ClientOptions{brokertest.ClientOptions(b, "s.gw-1", "two", "s_gw-1"), brokertest.ClientOptions(b, "s.gw-1", "one", "s_gw-2")} {
		require.Error(t, brokertest.Wait(mqtt.NewClient(o.SetAutoReconnect(false)).Connect()))
	}
	evil, began := connect("s_gw-1_evil"), time.Now()
	for range 300 {
		require.NoError(t, brokertest.Wait(evil.Publish("cfc/v1/s/gw-2/m/telemetry", 1, false, "x")))
	}
	evil.Subscribe("cfc/v1/s/gw-2/receipt", 0, nil).WaitTimeout(5 * time.Second)
	publish("s_gw-1_space", "cfc/v1/s/gw-1/press 1/telemetry", []byte("x"))
	publish("s_gw-1_large", "cfc/v1/s/gw-1/m/telemetry", bytes.Repeat([]byte("x"), 2<<20))
	reader := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "karkhana-ingest").SetAutoReconnect(false).SetAutoAckDisabled(true))
	require.NoError(t, brokertest.Wait(reader.Subscribe("cfc/v1/+/+/+/telemetry", 1, func(mqtt.Client, mqtt.Message) {}))) // acknowledges nothing
	require.NoError(t, brokertest.Wait(connect("s_gw-1_fills").Publish("cfc/v1/s/gw-1/m/telemetry", 1, false, bytes.Repeat([]byte("x"), 700_000))))
	gw2 := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-2", "two", "s_gw-2").SetAutoReconnect(false))
	gw2.Publish("cfc/v1/s/gw-2/m/telemetry", 1, false, bytes.Repeat([]byte("x"), 700_000)).WaitTimeout(5 * time.Second)
	want := map[string]float64{"sign-in": 1, "client-id": 1, "publish": 300, "subscribe": 1, "bad-topic": 1, "too-large": 1}
	counted := func() map[string]float64 {
		families, err := metrics.Gather()
		require.NoError(t, err)
		out := map[string]float64{}
		for _, m := range families[0].GetMetric() {
			out[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
		return out
	}
	require.Eventually(t, func() bool {
		got := counted()
		for reason, n := range want {
			if got[reason] != n {
				return false
			}
		}
		return got["full"] > 0
	}, time.Minute, 10*time.Millisecond)
	said := strings.Count(log.String(), "Publish Violation")
	require.Positive(t, said)
	require.LessOrEqual(t, said, 1+int(time.Since(began)/(10*time.Second)), "of 300")
	require.NotContains(t, log.String(), "authentication error", "we say it, with the reason")
	families, err := metrics.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}
