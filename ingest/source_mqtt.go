package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sync/errgroup"

	"karkhana/internal/handover"
	"karkhana/internal/wire"
)

// mqttSource takes packs from any MQTT 3.1.1 broker. Each lane has a connection with a persistent session, manual
// acknowledgement and a bounded intake of its own: a full intake stops the reading of its connection only.
type mqttSource struct {
	lanes     []*mqttLane
	readyOnce chan struct{}
}

var _ source = (*mqttSource)(nil)

func newMQTTSource(in *Ingest, host string) *mqttSource {
	s := &mqttSource{readyOnce: make(chan struct{})}
	for _, l := range in.lanes {
		filters := map[string]byte{wire.PackTopic("+", "+", "+", l.name): 1}
		if l.name == wire.LaneLive {
			filters[wire.StatusTopic("+", "+")] = 1
		}
		s.lanes = append(s.lanes, &mqttLane{
			intake: l.intake, filters: filters, status: in.gateways.take, log: in.opts.Logger.With("lane", l.name),
			opts: mqtt.NewClientOptions().AddBroker("tcp://" + host).
				SetUsername(in.opts.Username).SetPassword(in.opts.Password).SetClientID(in.opts.ClientID + "-" + string(l.name)).
				SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetProtocolVersion(4).
				SetAutoReconnect(false).SetConnectRetry(false).SetKeepAlive(15 * time.Second).SetPingTimeout(10 * time.Second).
				SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second),
			ready: make(chan struct{}),
		})
	}
	return s
}

func (s *mqttSource) run(ctx context.Context) {
	var g errgroup.Group
	for _, l := range s.lanes {
		g.Go(func() error {
			keepServing(ctx, l.log, l.serve)
			l.hands.Wait()
			return nil
		})
	}
	g.Go(func() error {
		for _, l := range s.lanes {
			select {
			case <-l.ready:
			case <-ctx.Done():
				return nil
			}
		}
		close(s.readyOnce)
		return nil
	})
	_ = g.Wait() // they return no errors
}

func (s *mqttSource) ready() <-chan struct{} { return s.readyOnce }

func (s *mqttSource) connected() error {
	for _, l := range s.lanes {
		if l.connection() == nil {
			return fmt.Errorf("%w (lane %s)", errNotConnected, l.intake.lane)
		}
	}
	return nil
}

// neverSubscribed is a filter that ingest gives up at a broker to have its answer: it changes nothing.
const neverSubscribed = "karkhana/are-you-there"

// answers leaves out a lane whose intake is full: nothing is read there just now, not even an answer.
func (s *mqttSource) answers(ctx context.Context) error {
	for _, l := range s.lanes {
		c := l.connection()
		if c == nil {
			return fmt.Errorf("%w (lane %s)", errNotConnected, l.intake.lane)
		}
		if l.intake.full() {
			continue
		}
		if err := wait(ctx, c.Unsubscribe(neverSubscribed)); err != nil && !l.intake.full() {
			return fmt.Errorf("lane %s: %w", l.intake.lane, err)
		}
	}
	return nil
}

// publish goes over the live lane's connection.
func (s *mqttSource) publish(topic string, qos byte, retain bool, payload []byte) (sent, error) {
	live := s.lanes[0]
	c := live.connection()
	if c == nil {
		return nil, errNotConnected
	}
	token, err := live.hands.Publish(c.link, c, topic, qos, retain, payload)
	if err != nil {
		return nil, err
	}
	return mqttSent{token}, nil
}

type mqttSent struct{ token mqtt.Token }

func (m mqttSent) wait(ctx context.Context) error { return wait(ctx, m.token) }

// mqttLane is the connection of one lane.
type mqttLane struct {
	intake  *intake
	filters map[string]byte
	opts    *mqtt.ClientOptions
	status  func(topic string, payload []byte, retained bool) bool
	log     *slog.Logger
	ready   chan struct{} // closed after the first subscription

	hands handover.Hands

	mu   sync.Mutex
	conn *mqttConn // nil while not subscribed
}

// mqttConn is one connection of a lane, which ends with link.
type mqttConn struct {
	mqtt.Client
	link context.Context
}

// serve connects, subscribes and waits until the connection is lost or ctx ends. served says whether it got so far.
func (l *mqttLane) serve(ctx context.Context) (served bool, err error) {
	lost := make(chan error, 1)
	// A packet identifier stays in use until its message is acknowledged (MQTT 3.1.1 §2.3.1).
	held := newUnacknowledged[uint16]()
	l.opts.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	conn, cancel := context.WithCancel(ctx)
	defer cancel()
	l.opts.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { l.take(conn, held, m) })
	client := mqtt.NewClient(l.opts)
	defer func() {
		cancel() // a handler that waits for room must not hold up the end
		client.Disconnect(250)
	}()
	if err := wait(ctx, client.Connect()); err != nil {
		return false, explain(err)
	}
	token := client.SubscribeMultiple(l.filters, nil)
	if err := wait(ctx, token); err != nil {
		return false, fmt.Errorf("subscribe: %w", err)
	}
	for filter, qos := range token.(*mqtt.SubscribeToken).Result() {
		if qos == 0x80 {
			return false, fmt.Errorf("the broker refuses the subscription %s: give user %q the right to read it", filter, l.opts.Username)
		}
	}
	l.setConnection(&mqttConn{client, conn})
	defer l.setConnection(nil)
	l.log.Info("connected to the broker")
	select {
	case <-ctx.Done():
		return true, ctx.Err()
	case err := <-lost:
		return true, err
	}
}

func (l *mqttLane) setConnection(c *mqttConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
	if c != nil {
		select {
		case <-l.ready:
		default:
			close(l.ready)
		}
	}
}

// connection is there while it is open and subscribed, else nil.
func (l *mqttLane) connection() *mqttConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || !l.conn.IsConnectionOpen() {
		return nil
	}
	return l.conn
}

// take puts a message into the intake. It blocks while that is full, which stops the reading from the broker.
func (l *mqttLane) take(ctx context.Context, held *unacknowledged[uint16], m mqtt.Message) {
	if l.status(m.Topic(), m.Payload(), m.Retained()) {
		m.Ack()
		return
	}
	if m.Qos() > 0 && !held.note(m.MessageID()) {
		return // sent again while we still hold it: the one acknowledgement will do
	}
	l.intake.put(ctx, &delivery{topic: m.Topic(), payload: m.Payload(), broker: mqttHandle{m, held}})
}

type mqttHandle struct {
	m    mqtt.Message
	held *unacknowledged[uint16]
}

func (h mqttHandle) acknowledge() {
	h.held.forget(h.m.MessageID())
	h.m.Ack()
}

func (h mqttHandle) drop() { h.held.forget(h.m.MessageID()) }

func wait(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-time.After(15 * time.Second):
		return errors.New("the broker does not answer")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func explain(err error) error {
	if text := strings.ToLower(err.Error()); strings.Contains(text, "not authorized") || strings.Contains(text, "bad user name") {
		return fmt.Errorf("connect: the broker refuses user or password: check ingest's secret: %w", err)
	}
	return fmt.Errorf("connect: %w", err)
}
