package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/leaktest"
	"karkhana/internal/lowport/lowporttest"
	"karkhana/internal/wire"
)

func TestMain(m *testing.M) {
	leaktest.Main(m)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

var users = map[string]brokertest.User{
	"s.gw-1": {Password: "one", Rights: broker.GatewayRights("s", "gw-1")},
	"s.gw-2": {Password: "two", Rights: broker.GatewayRights("s", "gw-2")},
	"ingest": {Password: "in", Rights: broker.IngestRights()},
}

// inbox collects the different messages as topic=payload. A broker gives a message of QoS 1 again when it waited a second for
// the acknowledgement, as it does on a busy computer.
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (i *inbox) handle(_ mqtt.Client, m mqtt.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if got := m.Topic() + "=" + string(m.Payload()); !slices.Contains(i.got, got) {
		i.got = append(i.got, got)
	}
}

func (i *inbox) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.got...)
}

func (i *inbox) wait(t *testing.T, want ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(i.all()) >= len(want) }, time.Minute, 10*time.Millisecond, "got %v", i.all())
	require.ElementsMatch(t, want, i.all())
}

func onEachBroker(t *testing.T, test func(t *testing.T, b brokertest.Broker)) {
	for name, start := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) { test(t, start(t, users)) })
	}
}

func subscribeIngest(t *testing.T, c mqtt.Client, in *inbox) {
	t.Helper()
	for _, f := range broker.IngestRights().Subscribe {
		require.NoError(t, brokertest.Wait(c.Subscribe(f, 1, in.handle)))
	}
}

func TestGatewayUsesOnlyItsOwnTopics(t *testing.T) {
	onEachBroker(t, func(t *testing.T, b brokertest.Broker) {
		var in, receipts, foreign inbox
		ingest := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "i"))
		subscribeIngest(t, ingest, &in)
		gw1 := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
		require.NoError(t, brokertest.Wait(gw1.Subscribe(wire.ReceiptTopic("s", "gw-1"), 1, receipts.handle)))
		require.NoError(t, brokertest.Wait(gw1.Subscribe(wire.CommandTopic("s", "gw-1"), 1, receipts.handle)))
		// What is not allowed is refused, ignored or ends the connection, depending on the broker: a fresh one each time.
		second := func(id string) mqtt.Client {
			return brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-2", "two", id))
		}
		for i, f := range []string{wire.ReceiptTopic("s", "gw-1"), wire.ReceiptTopic("s", "+"), "#", "cfc/#", wire.PackTopic("s", "gw-1", "m", wire.LaneLive), "$SYS/#", "$MQTT/#"} {
			_ = brokertest.Wait(second(fmt.Sprint("sub", i)).Subscribe(f, 1, foreign.handle))
		}
		for i, topic := range []string{
			wire.PackTopic("s", "gw-1", "m", wire.LaneLive), wire.StatusTopic("s", "gw-1"), wire.ReceiptTopic("s", "gw-2"),
			wire.CommandTopic("s", "gw-1"), wire.PackTopic("t", "gw-2", "m", wire.LaneLive), "elsewhere",
		} {
			_ = brokertest.Wait(second(fmt.Sprint("pub", i)).Publish(topic, 1, true, "forged"))
		}
		gw2 := second("g2")
		require.NoError(t, brokertest.Wait(gw2.Publish(wire.PackTopic("s", "gw-2", "m", wire.LaneHistory), 1, false, "h2")))
		require.NoError(t, brokertest.Wait(gw1.Publish(wire.PackTopic("s", "gw-1", "m", wire.LaneLive), 1, false, "t1")))
		require.NoError(t, brokertest.Wait(ingest.Publish(wire.ReceiptTopic("s", "gw-1"), 1, false, "r1")))
		in.wait(t, "cfc/v1/s/gw-2/m/history=h2", "cfc/v1/s/gw-1/m/telemetry=t1")
		receipts.wait(t, "cfc/v1/s/gw-1/receipt=r1")
		require.Empty(t, foreign.all())
	})
}

func TestWrongKeyIsRefused(t *testing.T) {
	onEachBroker(t, func(t *testing.T, b brokertest.Broker) {
		for _, who := range [][2]string{{"s.gw-1", "two"}, {"s.gw-1", ""}, {"s.gw-9", "one"}, {"", ""}} {
			c := mqtt.NewClient(brokertest.ClientOptions(b, who[0], who[1], "x"))
			require.Error(t, brokertest.Wait(c.Connect()), who)
			c.Disconnect(0)
		}
	})
}

func TestStatusIsRetainedAndTheWillReplacesIt(t *testing.T) {
	onEachBroker(t, func(t *testing.T, b brokertest.Broker) {
		topic := wire.StatusTopic("s", "gw-1")
		conns := make(chan net.Conn, 1)
		o := brokertest.ClientOptions(b, "s.gw-1", "one", "g1").SetWill(topic, "offline", 1, true)
		o.SetCustomOpenConnectionFn(func(uri *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			c, err := net.Dial("tcp", uri.Host)
			if err == nil {
				conns <- c
			}
			return c, err
		})
		gw := brokertest.Connect(t, o)
		require.NoError(t, brokertest.Wait(gw.Publish(topic, 1, true, "online")))

		var early, late inbox
		first := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "i1"))
		subscribeIngest(t, first, &early)
		early.wait(t, topic+"=online")
		require.NoError(t, (<-conns).Close()) // the link is cut, not closed politely
		early.wait(t, topic+"=online", topic+"=offline")
		second := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "i2"))
		subscribeIngest(t, second, &late)
		late.wait(t, topic+"=offline")
	})
}

// What was sent while ingest was away still arrives; with Mosquitto also after a restart of the broker.
func TestPersistentSessionIsKept(t *testing.T) {
	onEachBroker(t, func(t *testing.T, b brokertest.Broker) {
		var in inbox
		persistent := func() *mqtt.ClientOptions {
			return brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetDefaultPublishHandler(in.handle)
		}
		c := brokertest.Connect(t, persistent())
		subscribeIngest(t, c, &in)
		c.Disconnect(50)

		gw := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
		topic := wire.PackTopic("s", "gw-1", "m", wire.LaneLive)
		require.NoError(t, brokertest.Wait(gw.Publish(topic, 1, false, "a")))
		require.NoError(t, brokertest.Wait(gw.Publish(topic, 1, false, "b")))
		gw.Disconnect(50)
		if strings.HasSuffix(t.Name(), "/mosquitto") {
			b.Stop(t)
			b.Start(t)
		}
		brokertest.Connect(t, persistent())
		in.wait(t, topic+"=a", topic+"=b")
	})
}

// The embedded broker forgets sessions and messages when it ends. A client that subscribes anew, as ingest does, gets
// what is sent from then on, and one that relies on its session is told that it has none.
func TestSessionsEndWithTheEmbeddedBroker(t *testing.T) {
	b := brokertest.Embedded(t, users)
	var in inbox
	persistent := func() *mqtt.ClientOptions {
		return brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetDefaultPublishHandler(in.handle)
	}
	subscribeIngest(t, brokertest.Connect(t, persistent()), &in)
	b.Stop(t)
	b.Start(t)
	c := mqtt.NewClient(persistent())
	token := c.Connect()
	require.NoError(t, brokertest.Wait(token))
	defer c.Disconnect(50)
	require.False(t, token.(*mqtt.ConnectToken).SessionPresent())
	subscribeIngest(t, c, &in)
	gw := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
	topic := wire.PackTopic("s", "gw-1", "m", wire.LaneLive)
	require.NoError(t, brokertest.Wait(gw.Publish(topic, 1, false, "a")))
	in.wait(t, topic+"=a")
}

// A client that knocks while the streams are being made waits; what it sends then is kept for the readers that Prepare
// made consumers for.
func TestPreparedBeforeTheFirstClient(t *testing.T) {
	listen := lowporttest.Address(t)
	var asked atomic.Bool
	connected := make(chan mqtt.Client)
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: listen, Logger: quiet(),
		Authenticate: func(string, string) (broker.Rights, bool) {
			asked.Store(true)
			r := broker.GatewayRights("s", "gw-1")
			r.JetStream = true
			return r, true
		},
		Prepare: func(ctx context.Context, js jetstream.JetStream) error {
			go func() {
				c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + listen).SetClientID("g1").SetUsername("s.gw-1"))
				_ = brokertest.Wait(c.Connect())
				connected <- c
			}()
			_, err := js.CreateConsumer(ctx, "$MQTT_msgs", jetstream.ConsumerConfig{Durable: "reader", FilterSubject: "$MQTT.msgs.cfc.>"})
			if asked.Load() {
				t.Error("a client was let in before the streams stood")
			}
			return err
		},
	})
	require.NoError(t, err)
	require.NoError(t, b.Start(t.Context()))
	t.Cleanup(b.Stop)
	gw := <-connected
	defer gw.Disconnect(50)
	require.NoError(t, brokertest.Wait(gw.Publish(wire.PackTopic("s", "gw-1", "m", wire.LaneLive), 1, false, "a")))

	nc, err := nats.Connect("", nats.InProcessServer(b), nats.UserInfo("any", ""))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	reader, err := js.Consumer(t.Context(), "$MQTT_msgs", "reader")
	require.NoError(t, err)
	m, err := reader.Next(jetstream.FetchMaxWait(10 * time.Second))
	require.NoError(t, err)
	require.Equal(t, "a", string(m.Data()))
}

// Messages that were delivered and never acknowledged come again to the next connection of the session.
func TestUnacknowledgedComesAgain(t *testing.T) {
	onEachBroker(t, func(t *testing.T, b brokertest.Broker) {
		var first, second inbox
		o := brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetAutoAckDisabled(true).SetDefaultPublishHandler(first.handle)
		c := brokertest.Connect(t, o)
		require.NoError(t, brokertest.Wait(c.Subscribe(wire.PackTopic("+", "+", "+", wire.LaneLive), 1, nil)))
		gw := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "g1"))
		topic := wire.PackTopic("s", "gw-1", "m", wire.LaneLive)
		require.NoError(t, brokertest.Wait(gw.Publish(topic, 1, false, "a")))
		first.wait(t, topic+"=a")
		c.Disconnect(50)
		o = brokertest.ClientOptions(b, "ingest", "in", "keeper").SetCleanSession(false).SetAutoAckDisabled(true).SetDefaultPublishHandler(second.handle)
		brokertest.Connect(t, o)
		second.wait(t, topic+"=a")
	})
}

func start(t *testing.T, dir, listen string) (*broker.Broker, error) {
	t.Helper()
	b, err := broker.New(broker.Options{
		DataDir: dir, Listen: listen, Logger: quiet(),
		Authenticate: func(string, string) (broker.Rights, bool) { return broker.Rights{}, true },
	})
	require.NoError(t, err)
	err = b.Start(t.Context())
	t.Cleanup(b.Stop)
	return b, err
}

func TestSaysWhatIsTaken(t *testing.T) {
	dir := t.TempDir()
	b, err := start(t, dir, "127.0.0.1:0")
	require.NoError(t, err)
	_, err = start(t, dir, "127.0.0.1:0")
	require.ErrorContains(t, err, "in use by another process")
	_, err = start(t, t.TempDir(), b.URL()[len("mqtt://"):])
	require.ErrorContains(t, err, "cannot listen for MQTT")
	b.Stop()
	b.Stop()
	again, err := start(t, dir, "127.0.0.1:0")
	require.NoError(t, err)
	require.NotEmpty(t, again.URL())
}

func TestOptionsAreChecked(t *testing.T) {
	allow := func(string, string) (broker.Rights, bool) { return broker.Rights{}, true }
	for _, o := range []broker.Options{
		{},
		{DataDir: "x", Logger: quiet(), Authenticate: allow, Listen: "1883"},
		{DataDir: "x", Logger: quiet(), Authenticate: allow, Listen: "localhost:mqtt"},
		{DataDir: "x", Logger: quiet(), Authenticate: allow, Listen: "localhost:99999"},
	} {
		_, err := broker.New(o)
		require.Error(t, err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: quiet(),
		Authenticate: func(string, string) (broker.Rights, bool) { return broker.Rights{}, true },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	require.Eventually(t, func() bool { return b.URL() != "" }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.Empty(t, b.URL())
}

// A user without rights may connect and do nothing.
func TestNoRights(t *testing.T) {
	nobody := map[string]brokertest.User{"nobody": {Password: "x"}, "ingest": users["ingest"]}
	b := brokertest.Embedded(t, nobody)
	var in, none inbox
	ingest := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "in", "i"))
	subscribeIngest(t, ingest, &in)
	c := brokertest.Connect(t, brokertest.ClientOptions(b, "nobody", "x", "n"))
	_ = brokertest.Wait(c.Subscribe("#", 1, none.handle))
	_ = brokertest.Wait(c.Publish(wire.StatusTopic("s", "g"), 1, false, "x"))
	_ = brokertest.Wait(ingest.Publish(wire.ReceiptTopic("s", "g"), 1, false, "x"))
	require.Empty(t, none.all())
	require.Empty(t, in.all())
}

// A gateway with a valid key cannot take over the session of another one, nor ingest's, by using its client id.
func TestClientIDsBelongToUsers(t *testing.T) {
	b := brokertest.Embedded(t, users)
	try := func(user, password, id string) error {
		c := mqtt.NewClient(brokertest.ClientOptions(b, user, password, id))
		defer c.Disconnect(0)
		return brokertest.Wait(c.Connect())
	}
	for _, id := range []string{"s_gw-1", "s_gw-1_test", "anything"} {
		require.NoError(t, try("s.gw-1", "one", id), id)
	}
	victim := brokertest.Connect(t, brokertest.ClientOptions(b, "s.gw-1", "one", "s_gw-1"))
	for _, id := range []string{"s_gw-1", "s_gw-1_test", "karkhana-ingest-telemetry", "t_gw-2", "_", "a_b", `s_gw-1" - "s_gw-2`} {
		require.Error(t, try("s.gw-2", "two", id), id)
	}
	require.NoError(t, try("ingest", "in", "karkhana-ingest-telemetry"))
	require.NoError(t, try("ingest", "in", "any_id"))
	require.True(t, victim.IsConnectionOpen())
}

// A gateway's key opens MQTT alone: over NATS it could write around the stream of messages.
func TestGatewaysMayNotUseNATS(t *testing.T) {
	b, err := broker.New(broker.Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0", Logger: quiet(),
		Authenticate: func(user, password string) (broker.Rights, bool) {
			return users[user].Rights, users[user].Password == password
		},
	})
	require.NoError(t, err)
	require.Empty(t, b.NATSURL())
	require.NoError(t, b.Start(t.Context()))
	defer b.Stop()
	_, err = nats.Connect(b.NATSURL(), nats.UserInfo("s.gw-1", "one"))
	require.ErrorIs(t, err, nats.ErrAuthorization)
	_, err = nats.Connect(b.NATSURL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
	nc, err := nats.Connect(b.NATSURL(), nats.UserInfo("ingest", "in"))
	require.NoError(t, err)
	nc.Close()
}
