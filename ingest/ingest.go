// Package ingest takes packs from the broker, checks them, stores them and answers with receipts.
//
//	source → queue (bounded in bytes) → check → batch → store → touch → acknowledge → receipt
//	                                      ↘ quarantine → acknowledge → receipt "refused"
//
// It owns the order of these steps: nothing is acknowledged or receipted before the store has acknowledged it, so
// whatever dies in between only makes the gateway send again, and storing a pack twice changes nothing. It does not
// own the bytes of a pack (package wire), the store (tsdb) nor the SQL (registry).
//
// Live packs and backlog each have a subscription, a queue and writers of their own, so that a gateway with a week of
// backlog delays nobody's live values. Memory is bounded: when the store is slow or down, no more is taken from the
// broker, and when the broker is full the gateways keep their packs.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// Registry is what ingest asks of package registry. All methods are called from many goroutines.
type Registry interface {
	EachMachine(ctx context.Context, f func(registry.MachineRef)) error // all that are registered, at any site
	MachineKnown(ctx context.Context, site, machine string) (bool, error)
	Touch(ctx context.Context, touches []registry.Touched) error
	GatewaysHeard(ctx context.Context, heard []registry.GatewayHeard) (unknown []registry.GatewayHeard, err error)
	NoteBoots(ctx context.Context, boots []registry.MachineBoot) error
	NoteGatewayEvent(ctx context.Context, e registry.GatewayEvent) error
	Quarantine(ctx context.Context, packs ...registry.Quarantined) error
	QuarantinedFor(ctx context.Context, site, machine, reason string, limit int) ([]registry.Quarantined, error)
	RegisteredInQuarantine(ctx context.Context, reason string) ([]registry.MachineRef, error)
	DeleteQuarantined(ctx context.Context, ids ...int64) error
	ToReplay(ctx context.Context, limit int) ([]registry.Quarantined, error)
	Replayed(ctx context.Context, r registry.QuarantineReplay) error
	QuarantineTotals(ctx context.Context) (registry.QuarantineTotal, error)
}

var _ Registry = (*registry.DB)(nil)

// Options of an ingest. Zero values of the lower half mean the default.
type Options struct {
	// Source is where the packs come from: mqtt://host:port (any MQTT broker; one ingest process for each ClientID) or
	// nats://host:port,… (a NATS server or cluster with MQTT and JetStream; any number of processes share the work).
	Source             string
	InProcess          nats.InProcessConnProvider // a NATS server in this process instead of Source; see package broker
	Username, Password string
	ClientID           string // mqtt://: stands for the persistent sessions at the broker, the same at each start, one process at a time
	Store              tsdb.Store
	Registry           Registry
	Commands           Commands // nil: no commands and no lists of cards are sent
	Logger             *slog.Logger
	Registerer         prometheus.Registerer
	Now                func() time.Time // nil: time.Now

	MinTimeMs    int64         // samples before are refused as absurd-time; 0: wire.MinTimeMs. Replays of old recordings lower it
	BatchValues  int           // values that make a full batch; 0: 40,000
	BatchWait    time.Duration // longest wait for a batch to fill; 0: 200 ms
	HeldBytes    int64         // messages held in each lane until they are stored; 0: 6 MiB
	Writers      int           // writes to the store at once in each lane; 0: 2
	ReceiptEvery time.Duration // 0: 150 ms
	KnownFor     time.Duration // how long it is believed that a machine is not registered, and twelve times so long that it is; 0: 5 s
	AckWait      time.Duration // nats://: when another ingest gets what one has not acknowledged; 0: 15 s
	ReplayEvery  time.Duration // how often it is looked whether quarantined machines were registered; 0: 5 s
}

const defaultAckWait = 15 * time.Second

// Ingest is the way from the broker to the store.
type Ingest struct {
	opts     Options
	metrics  *metrics
	machines *machines
	checker  *checker
	receipts *receipts
	gateways *gateways
	lanes    []*lane // live, history
	source   source

	fill  *quarantineMetrics
	tasks tasks
}

// New checks the options and registers the metrics. Nothing is connected yet.
func New(o Options) (*Ingest, error) {
	if o.Store == nil || o.Registry == nil || o.Logger == nil || o.Registerer == nil {
		return nil, errors.New("ingest: Store, Registry, Logger and Registerer must be set")
	}
	setDefaults(&o)
	m := newMetrics()
	in := &Ingest{opts: o, metrics: m}
	var err error
	if in.fill, err = newQuarantineMetrics(o.Registerer); err != nil {
		return nil, err
	}
	in.machines = newMachines(o.Registry, o.KnownFor, o.Now)
	in.checker = &checker{machines: in.machines, minTimeMs: o.MinTimeMs, now: o.Now}
	in.receipts = newReceipts(m, o.Logger)
	in.gateways = newGateways(o.Registry, o.Logger, o.Now, func(reason string) { m.statusesRefused.WithLabelValues(reason).Inc() })
	for _, name := range []wire.Lane{wire.LaneLive, wire.LaneHistory} {
		in.lanes = append(in.lanes, newLane(in, name))
	}
	if in.source, err = openSource(in); err != nil {
		return nil, err
	}
	if err := o.Registerer.Register(newSpoolAges(in.gateways)); err != nil {
		return nil, fmt.Errorf("ingest: register metrics: %w", err)
	}
	return in, m.register(o.Registerer)
}

func setDefaults(o *Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MinTimeMs == 0 {
		o.MinTimeMs = wire.MinTimeMs
	}
	if o.BatchValues == 0 {
		o.BatchValues = 40_000
	}
	if o.BatchWait == 0 {
		o.BatchWait = 200 * time.Millisecond
	}
	if o.HeldBytes == 0 {
		o.HeldBytes = 6 << 20
	}
	if o.Writers == 0 {
		o.Writers = 2
	}
	if o.ReceiptEvery == 0 {
		o.ReceiptEvery = 150 * time.Millisecond
	}
	if o.KnownFor == 0 {
		o.KnownFor = 5 * time.Second
	}
	if o.AckWait == 0 {
		o.AckWait = defaultAckWait
	}
	if o.ReplayEvery == 0 {
		o.ReplayEvery = 5 * time.Second
	}
}

// Run serves until ctx ends, and waits for what it started. An outage of broker, store or registry is waited out with
// back-off, however long: it ends nothing and loses nothing.
func (in *Ingest) Run(ctx context.Context) error {
	// The source outlives the rest by a moment: the last receipts still have to go out.
	below, stopSource := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSource()
	var outer errgroup.Group
	outer.Go(func() error { in.source.run(below); return nil })
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range in.lanes {
		g.Go(func() error { l.run(ctx); return nil })
	}
	g.Go(func() error { in.receipts.run(ctx, in.opts.ReceiptEvery, in.source); return nil })
	g.Go(func() error { in.gateways.run(ctx); return nil })
	g.Go(func() error { in.runCommands(ctx); return nil })
	g.Go(func() error { in.replayLoop(ctx); return nil })
	err := g.Wait()
	last, cancel := context.WithTimeout(below, 2*time.Second)
	defer cancel()
	for _, s := range in.receipts.flush(in.source) {
		_ = s.wait(last) // a lost receipt costs a repeated pack
	}
	stopSource()
	if outerErr := outer.Wait(); err == nil {
		err = outerErr
	}
	return err
}

// WaitReady returns when both lanes are subscribed at the broker, or with ctx's error.
func (in *Ingest) WaitReady(ctx context.Context) error {
	select {
	case <-in.source.ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Publish sends a message to an MQTT topic through the source's broker and returns when the broker has acknowledged
// it (QoS 1) or taken it (QoS 0). It fails when there is no connection just now, and on a retained message over
// nats://. It may be called from many goroutines while Run runs.
func (in *Ingest) Publish(ctx context.Context, topic string, qos byte, retain bool, payload []byte) error {
	s, err := in.source.publish(topic, qos, retain, payload)
	if err == nil {
		err = s.wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}
