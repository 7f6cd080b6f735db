package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"karkhana/internal/wire"
)

// The NATS server keeps every QoS 1 message of an MQTT client in the stream $MQTT_msgs before it acknowledges it, under
// the subject of its topic, and retained messages in $MQTT_rmsgs (nats-server, server/mqtt.go). We read these streams
// where they are: nothing is stored twice, and what the gateway's PUBACK promises is what we read.
const (
	mqttStream          = "$MQTT_msgs"
	mqttSubjects        = "$MQTT.msgs."
	mqttRetained        = "$MQTT_rmsgs"
	mqttRetainedPrefix  = "$MQTT.rmsgs."
	mqttQoSHeader       = "Nmqtt-Pub" // tells the server the QoS at which MQTT clients get a message
	consumerPrefix      = "karkhana-" // durable consumers karkhana-telemetry, karkhana-history and karkhana-status
	natsMaxAckPending   = 65_536
	natsConnectTimeout  = 10 * time.Second
	natsRetainedAtOnce  = 256
	natsRetainedIdleFor = time.Minute
	natsUnreadFor       = time.Minute
)

// natsSource takes packs from a NATS server's JetStream. Each lane is a durable pull consumer that all ingest
// processes share: the server gives each message to one of them, and to another one when it is not acknowledged in
// time. A lane whose intake is full asks for no more, the other one goes on.
type natsSource struct {
	in      *Ingest
	options []nats.Option
	url     string
	log     *slog.Logger

	readyOnce chan struct{}

	mu sync.Mutex
	js jetstream.JetStream // nil while not connected
}

var _ source = (*natsSource)(nil)

func newNATSSource(in *Ingest) *natsSource {
	o := in.opts
	s := &natsSource{in: in, url: o.Source, log: o.Logger, readyOnce: make(chan struct{})}
	s.options = []nats.Option{
		nats.Name("karkhana ingest " + o.ClientID), nats.UserInfo(o.Username, o.Password),
		nats.NoReconnect(), nats.Timeout(natsConnectTimeout), nats.PingInterval(15 * time.Second),
	}
	if o.InProcess != nil {
		s.url = ""
		s.options = append(s.options, nats.InProcessServer(o.InProcess))
	}
	return s
}

func (s *natsSource) run(ctx context.Context) { keepServing(ctx, s.log, s.serve) }

func (s *natsSource) ready() <-chan struct{} { return s.readyOnce }

func (s *natsSource) connected() error {
	if s.connection() == nil {
		return errNotConnected
	}
	return nil
}

func (s *natsSource) answers(ctx context.Context) error {
	js := s.connection()
	if js == nil {
		return errNotConnected
	}
	if err := js.Conn().FlushWithContext(ctx); err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	return nil
}

func (s *natsSource) connection() jetstream.JetStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.js
}

func (s *natsSource) setConnection(js jetstream.JetStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.js = js
	if js != nil {
		select {
		case <-s.readyOnce:
		default:
			close(s.readyOnce)
		}
	}
}

// serve connects, makes the consumers if they are not there, and takes messages until the connection is lost.
func (s *natsSource) serve(ctx context.Context) (served bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	nc, err := nats.Connect(s.url, append(s.options,
		nats.ClosedHandler(func(*nats.Conn) { cancel(errors.New("the connection was lost")) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.log.Warn("broker", "err", err) }),
	)...)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(natsConnectTimeout))
	if err != nil {
		return false, fmt.Errorf("jetstream: %w", err)
	}
	held := newUnacknowledged[uint64]() // by number in the stream
	kinds := kinds()
	for i := range kinds {
		for _, l := range s.in.lanes {
			if kinds[i].name == string(l.name) {
				kinds[i].intake = l.intake
			}
		}
	}
	pulls := make([]*natsPull, len(kinds))
	for i, k := range kinds {
		if pulls[i], err = s.pull(ctx, js, k); err != nil {
			return false, err
		}
	}
	if err := s.retained(ctx, js); err != nil {
		return false, err
	}
	s.setConnection(js)
	defer s.setConnection(nil)
	s.log.Info("connected to the broker")
	var g errgroup.Group
	for i, k := range kinds {
		g.Go(func() error {
			defer pulls[i].stop()
			err := s.take(ctx, nc, pulls[i], k, held)
			cancel(err) // one lane alone is no service
			return err
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		_ = nc.FlushTimeout(2 * time.Second) // the last acknowledgements and receipts
		return nil
	})
	_ = g.Wait() // the cause says more
	return true, context.Cause(ctx)
}

// pulled is what a durable consumer gives: the packs of a lane, or the statuses, which need no place in an intake.
type pulled struct {
	name, topics string
	intake       *intake
}

func (k pulled) consumer(ackWait time.Duration) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumerPrefix + k.name, FilterSubject: mqttSubjects + subjectOf(k.topics),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: natsMaxAckPending, MaxDeliver: -1,
	}
}

// kinds are the consumers that ingest has.
func kinds() []pulled {
	// A consumer of its own for statuses: with two filters a consumer looks through all subjects of the stream for each
	// message, which took three quarters of the broker's time with a thousand machines.
	return []pulled{
		{string(wire.KindStatus), wire.StatusTopic("*", "*"), nil},
		{string(wire.LaneLive), wire.PackTopic("*", "*", "*", wire.LaneLive), nil},
		{string(wire.LaneHistory), wire.PackTopic("*", "*", "*", wire.LaneHistory), nil},
	}
}

// MakeConsumers makes the consumers of ingest by nats://, for a broker that keeps none over its restart
// (broker.Options.Prepare): so what gateways send before ingest is connected again waits for it. Where ingest reads by
// MQTT they go away again before they fill the broker.
func MakeConsumers(ctx context.Context, js jetstream.JetStream) error {
	for _, k := range kinds() {
		c := k.consumer(defaultAckWait)
		c.InactiveThreshold = natsUnreadFor // until ingest reads for the first time, which takes it away
		if _, err := js.CreateOrUpdateConsumer(ctx, mqttStream, c); err != nil {
			return fmt.Errorf("consumer of %s: %w", k.name, err)
		}
	}
	return nil
}

// pull makes or finds the consumer and begins to ask for messages.
func (s *natsSource) pull(ctx context.Context, js jetstream.JetStream, k pulled) (*natsPull, error) {
	_, err := js.CreateOrUpdateConsumer(ctx, mqttStream, k.consumer(s.in.opts.AckWait))
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, errors.New("the NATS server has no MQTT messages yet: its MQTT listener and JetStream must be on, and a first gateway must have connected")
	case err != nil:
		return nil, fmt.Errorf("consumer of %s: %w", k.name, err)
	}
	p, err := newNATSPull(js.Conn(), mqttStream, consumerPrefix+k.name)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", k.name, err)
	}
	return p, nil
}

// take puts messages into the intake until ctx ends or the connection is lost. It blocks while the intake is full.
func (s *natsSource) take(ctx context.Context, nc *nats.Conn, pull *natsPull, k pulled, held *unacknowledged[uint64]) error {
	for {
		m, err := pull.next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("take from %s: %w", k.name, err)
		}
		topic := topicOf(strings.TrimPrefix(m.Subject, mqttSubjects))
		if k.intake == nil {
			s.in.gateways.take(topic, m.Data, false)
			_ = m.Ack()
			continue
		}
		meta, err := m.Metadata()
		if err != nil {
			continue // not from JetStream
		}
		h := natsHandle{nc: nc, reply: m.Reply, sequence: meta.Sequence.Stream, held: held}
		if !held.note(h.sequence) {
			continue // sent again while we still hold it: the one acknowledgement will do
		}
		if !k.intake.put(ctx, &delivery{topic: topic, payload: m.Data, broker: h}) {
			h.drop()
			return nil
		}
	}
}

// What a consumer of JetStream answers (NATS ADR-15).
var natsAck, natsNak = []byte("+ACK"), []byte("-NAK")

// natsHandle acknowledges one message. When the connection is gone that fails, and the server gives the message out
// again: storing it again changes nothing.
// It keeps the address of the answer only, so that the payload goes when the points are stored.
type natsHandle struct {
	nc       *nats.Conn
	reply    string
	sequence uint64
	held     *unacknowledged[uint64]
}

func (h natsHandle) acknowledge() {
	_ = h.nc.Publish(h.reply, natsAck)
	h.held.forget(h.sequence)
}

func (h natsHandle) drop() {
	_ = h.nc.Publish(h.reply, natsNak)
	h.held.forget(h.sequence)
}

// retained takes the gateways' retained statuses, as an MQTT client gets them when it subscribes.
func (s *natsSource) retained(ctx context.Context, js jetstream.JetStream) error {
	c, err := js.CreateConsumer(ctx, mqttRetained, jetstream.ConsumerConfig{
		FilterSubject: mqttRetainedPrefix + subjectOf(wire.StatusTopic("*", "*")),
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		InactiveThreshold: natsRetainedIdleFor, MemoryStorage: true,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // no MQTT client has connected yet
	}
	if err != nil {
		return fmt.Errorf("retained statuses: %w", err)
	}
	for {
		batch, err := c.FetchNoWait(natsRetainedAtOnce)
		if err != nil {
			return fmt.Errorf("retained statuses: %w", err)
		}
		n := 0
		for m := range batch.Messages() {
			n++
			s.in.gateways.take(topicOf(strings.TrimPrefix(m.Subject(), mqttRetainedPrefix)), m.Data(), true)
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("retained statuses: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// publish stores the message where MQTT sessions read QoS 1 messages from, so that a gateway with a persistent session
// gets it also when it is away just now.
func (s *natsSource) publish(topic string, qos byte, retain bool, payload []byte) (sent, error) {
	js := s.connection()
	if js == nil {
		return nil, errNotConnected
	}
	if retain {
		return nil, fmt.Errorf("publish to %s: retained messages cannot be sent over nats://, use mqtt://", topic)
	}
	subject := subjectOf(topic)
	if qos == 0 {
		return natsSent{}, js.Conn().Publish(subject, payload)
	}
	// As the server does for an MQTT client: straight to subscriptions with QoS 0, which cost the server no consumer, and
	// through the stream to those with QoS 1, which leave the straight one alone because of its header.
	header := nats.Header{mqttQoSHeader: {"1"}}
	if err := js.Conn().PublishMsg(&nats.Msg{Subject: subject, Data: payload, Header: header}); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", topic, err)
	}
	f, err := js.PublishMsgAsync(&nats.Msg{Subject: mqttSubjects + subject, Data: payload, Header: header})
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", topic, err)
	}
	return natsSent{f}, nil
}

type natsSent struct{ future jetstream.PubAckFuture }

func (n natsSent) wait(ctx context.Context) error {
	if n.future == nil {
		return nil
	}
	select {
	case <-n.future.Ok():
		return nil
	case err := <-n.future.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// subjectOf is the NATS subject of a topic of the contract: its ids hold neither dots nor spaces.
func subjectOf(topic string) string { return strings.ReplaceAll(topic, "/", ".") }

// topicOf is the MQTT topic of a subject. The NATS server writes a dot in a topic as "//" and an empty level as "/".
func topicOf(subject string) string {
	b := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		c := subject[i]
		switch {
		case c == '.':
			c = '/'
		case c == '/' && i+1 < len(subject) && subject[i+1] == '/':
			c = '.'
			i++
		case c == '/':
			continue
		}
		b = append(b, c)
	}
	return string(b)
}
