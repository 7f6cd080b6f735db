package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"karkhana/internal/wire"
)

// source is a broker to take packs from and to give receipts to. There are two: mqttSource for any MQTT 3.1.1 broker
// and natsSource for the NATS server (embedded, alone or in a cluster). Both pass the same tests.
//
// A source delivers every message at least once until it is acknowledged, holds no more in memory than its intakes
// allow, and goes on by itself after an outage.
type source interface {
	// run fills the intakes until ctx ends, through all outages.
	run(ctx context.Context)
	// publish hands a message to the broker and returns at once; the result says later whether the broker has it.
	publish(topic string, qos byte, retain bool, payload []byte) (sent, error)
	// ready is closed once, when both lanes have been connected for the first time.
	ready() <-chan struct{}
	// connected says what is wrong with the connection now; nil when both lanes deliver.
	connected() error
	// answers is connected, and asks the broker for a sign of life: a stopped one is noticed by the connection only after
	// half a minute.
	answers(ctx context.Context) error
}

// sent is a message on its way to the broker.
type sent interface {
	// wait returns nil when the broker has acknowledged the message.
	wait(ctx context.Context) error
}

// errNotConnected is what publishing without a connection gives.
var errNotConnected = errors.New("no connection to the broker")

// openSource returns the source of a URL; the scheme chooses it. Nothing is connected yet.
func openSource(in *Ingest) (source, error) {
	first, _, _ := strings.Cut(in.opts.Source, ",") // a NATS cluster is a list of addresses
	u, err := url.Parse(first)
	if err != nil || u.Host == "" && in.opts.InProcess == nil {
		return nil, fmt.Errorf("ingest: source %q is not an address: use mqtt://host:port or nats://host:port", in.opts.Source)
	}
	switch {
	case in.opts.InProcess != nil, u.Scheme == "nats":
		return newNATSSource(in), nil
	case u.Scheme != "mqtt":
		return nil, fmt.Errorf("ingest: source %q: only mqtt:// and nats:// are served", in.opts.Source)
	case in.opts.ClientID == "":
		return nil, errors.New("ingest: ClientID must be set, and stay the same from start to start")
	}
	return newMQTTSource(in, u.Host), nil
}

// intake is the bounded way of a lane's messages from the source to the collector.
type intake struct {
	lane  wire.Lane
	queue chan *delivery
	held  *semaphore.Weighted // bytes
	limit int64
	gauge prometheus.Gauge
}

// messageOverhead is counted for each held message beside its payload: topic, headers, bookkeeping. Seen in a heap full
// of small packs over nats://, where it is most.
const messageOverhead = 1280

// queueLength is more than the messages that the bytes allow: the bytes are the bound.
const queueLength = 16_384

func newIntake(lane wire.Lane, limit int64, gauge prometheus.Gauge) *intake {
	return &intake{lane: lane, queue: make(chan *delivery, queueLength), held: semaphore.NewWeighted(limit), limit: limit, gauge: gauge}
}

// put waits for room and queues the message. False: ctx ended first and the message is not ours.
func (t *intake) put(ctx context.Context, d *delivery) bool {
	d.intake = t
	d.size = min(int64(len(d.topic)+len(d.payload))+messageOverhead, t.limit)
	if t.held.Acquire(ctx, d.size) != nil {
		return false
	}
	t.gauge.Add(float64(d.size))
	select {
	case t.queue <- d:
		return true
	case <-ctx.Done():
		t.release(d)
		return false
	}
}

// full says that the next message has to wait for room.
func (t *intake) full() bool {
	if !t.held.TryAcquire(messageOverhead) {
		return true
	}
	t.held.Release(messageOverhead)
	return false
}

func (t *intake) release(d *delivery) {
	t.held.Release(d.size)
	t.gauge.Sub(float64(d.size))
	d.size = 0
}

// delivery is one message in our hands. acknowledge or drop must be called once for each: both free its place, which
// stored does before.
type delivery struct {
	topic   string
	payload []byte
	size    int64
	intake  *intake
	broker  handle
}

// handle is what the broker knows of a delivery.
type handle interface {
	acknowledge() // it needs not come again
	drop()        // it must come again, to us or to another ingest
}

// stored lets go of the payload when the store has its points; what is left to do needs little memory.
func (d *delivery) stored() {
	d.payload = nil
	d.intake.release(d)
}

// acknowledge tells the broker that the message needs not come again. After a reconnect it may do nothing: the broker
// sends the message again then, and storing it again changes nothing.
func (d *delivery) acknowledge() {
	d.intake.release(d)
	d.broker.acknowledge()
}

// drop frees the message's place without acknowledging it.
func (d *delivery) drop() {
	d.intake.release(d)
	d.broker.drop()
}

// keepServing calls serve until ctx ends, with growing distance while it fails. served says whether a connection was
// there meanwhile. An outage is told once, then each minute.
func keepServing(ctx context.Context, log *slog.Logger, serve func(context.Context) (served bool, err error)) {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 5*time.Second
	var said time.Time
	for ctx.Err() == nil {
		served, err := serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if served {
			retry.Reset()
			said = time.Time{}
		}
		if time.Since(said) > time.Minute {
			said = time.Now()
			log.Warn("no connection to the broker: trying again until there is one", "err", err)
		}
		select {
		case <-time.After(retry.NextBackOff()):
		case <-ctx.Done():
		}
	}
}
