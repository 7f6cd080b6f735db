package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// delivery is one message in our hands. acknowledge or done must be called once for each: both free its place in the
// queue.
type delivery struct {
	topic   string
	payload []byte
	message mqtt.Message
	size    int64
	source  *source
	epoch   *epoch
}

// acknowledge tells the broker that the message needs not come again. After a reconnect it does nothing: the broker
// sends the message again then, and storing it again changes nothing.
func (d *delivery) acknowledge() {
	d.done()
	d.message.Ack()
}

// done frees the message's place without acknowledging it.
func (d *delivery) done() {
	d.epoch.forget(d.message.MessageID())
	d.source.held.Release(d.size)
	d.source.heldBytes.Sub(float64(d.size))
}

// source is an MQTT connection with a persistent session, manual acknowledgement and a bounded queue.
type source struct {
	name    string
	opts    *mqtt.ClientOptions
	filters map[string]byte
	log     *slog.Logger
	queue   chan *delivery
	held    *semaphore.Weighted
	limit   int64
	ready   chan struct{} // closed after the first subscription

	heldBytes prometheus.Gauge
	aside     func(mqtt.Message) bool // takes messages that need no place in the queue

	mu     sync.Mutex
	client mqtt.Client // nil while not subscribed
}

// messageOverhead is counted for each held message beside its payload: topic, bookkeeping.
const messageOverhead = 512

// queueLength is more than a session's unacknowledged messages (see package broker): the bytes are the bound.
const queueLength = 32_768

func newSource(in *Ingest, name string, filters []string, aside func(mqtt.Message) bool) *source {
	s := &source{
		name: name, filters: map[string]byte{}, log: in.opts.Logger,
		queue: make(chan *delivery, queueLength), held: semaphore.NewWeighted(in.opts.HeldBytes), limit: in.opts.HeldBytes,
		ready: make(chan struct{}), heldBytes: in.metrics.held.WithLabelValues(name), aside: aside,
	}
	for _, f := range filters {
		s.filters[f] = 1
	}
	u, _ := url.Parse(in.opts.Source) // New has looked at it
	s.opts = mqtt.NewClientOptions().AddBroker("tcp://" + u.Host).
		SetUsername(in.opts.Username).SetPassword(in.opts.Password).SetClientID(in.opts.ClientID + "-" + name).
		SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectRetry(false).SetKeepAlive(15 * time.Second).SetPingTimeout(10 * time.Second).
		SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second)
	return s
}

// run keeps the connection until ctx ends.
func (s *source) run(ctx context.Context) {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 5*time.Second
	var said time.Time
	for ctx.Err() == nil {
		served, err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if served {
			retry.Reset()
			said = time.Time{}
		}
		wait := retry.NextBackOff()
		if time.Since(said) > time.Minute { // an outage is told once, then each minute
			said = time.Now()
			s.log.Warn("no connection to the broker: trying again until there is one", "lane", s.name, "err", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// serve connects, subscribes and waits until the connection is lost or ctx ends. served says whether it got so far.
func (s *source) serve(ctx context.Context) (served bool, err error) {
	lost := make(chan error, 1)
	e := &epoch{open: map[uint16]struct{}{}}
	s.opts.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	conn, cancel := context.WithCancel(ctx)
	defer cancel()
	s.opts.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { s.take(conn, e, m) })
	client := mqtt.NewClient(s.opts)
	defer func() {
		cancel() // a handler that waits for room must not hold up the end
		client.Disconnect(250)
	}()
	if err := wait(ctx, client.Connect()); err != nil {
		return false, explain(err)
	}
	token := client.SubscribeMultiple(s.filters, nil)
	if err := wait(ctx, token); err != nil {
		return false, fmt.Errorf("subscribe: %w", err)
	}
	for filter, qos := range token.(*mqtt.SubscribeToken).Result() {
		if qos == 0x80 {
			return false, fmt.Errorf("the broker refuses the subscription %s: give user %q the right to read it", filter, s.opts.Username)
		}
	}
	s.setClient(client)
	defer s.setClient(nil)
	s.log.Info("connected to the broker", "lane", s.name)
	select {
	case <-ctx.Done():
		return true, ctx.Err()
	case err := <-lost:
		return true, err
	}
}

func (s *source) setClient(c mqtt.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = c
	if c != nil {
		select {
		case <-s.ready:
		default:
			close(s.ready)
		}
	}
}

// take puts a message into the queue. It blocks while the queue is full, which stops the reading from the broker.
func (s *source) take(ctx context.Context, e *epoch, m mqtt.Message) {
	if s.aside(m) {
		m.Ack()
		return
	}
	if m.Qos() > 0 && !e.note(m.MessageID()) {
		return // sent again while we still hold it: the one acknowledgement will do
	}
	d := &delivery{topic: m.Topic(), payload: m.Payload(), message: m, source: s, epoch: e}
	d.size = min(int64(len(d.topic)+len(d.payload))+messageOverhead, s.limit)
	if s.held.Acquire(ctx, d.size) != nil {
		return
	}
	s.heldBytes.Add(float64(d.size))
	select {
	case s.queue <- d:
	case <-ctx.Done():
		d.done()
	}
}

// publish sends a message with QoS 1 and returns its token, or false when there is no connection.
func (s *source) publish(topic string, payload []byte) (mqtt.Token, bool) {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	if c == nil || !c.IsConnectionOpen() {
		return nil, false
	}
	return c.Publish(topic, 1, false, payload), true
}

// epoch is the set of messages of one connection that are not acknowledged. A packet identifier stays in use until
// then (MQTT 3.1.1 §2.3.1), so the same one again is the same message again.
type epoch struct {
	mu   sync.Mutex
	open map[uint16]struct{}
}

func (e *epoch) note(id uint16) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, held := e.open[id]; held {
		return false
	}
	e.open[id] = struct{}{}
	return true
}

func (e *epoch) forget(id uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, id)
}

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
