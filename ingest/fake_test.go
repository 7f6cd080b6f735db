package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/leaktest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

func TestMain(m *testing.M) {
	leaktest.Main(m, goleak.IgnoreAnyFunction("karkhana/internal/pgtest.startServer.func1")) // the server lives as long as the tests
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type machineID struct{ site, machine string }

// fakeRegistry is a registry in memory that can be out of order.
type fakeRegistry struct {
	mu         sync.Mutex
	machines   map[machineID]bool
	touched    map[machineID]registry.Touched
	gateways   map[gatewayID]registry.Gateway
	quarantine []registry.Quarantined
	refusals   int // transactions by which packs came there
	boots      []registry.MachineBoot
	events     []registry.GatewayEvent
	replays    []registry.QuarantineReplay
	nextID     int64
	down       bool
}

var errDown = errors.New("out of order")

func newFakeRegistry(machines ...string) *fakeRegistry {
	r := &fakeRegistry{machines: map[machineID]bool{}, touched: map[machineID]registry.Touched{}, gateways: map[gatewayID]registry.Gateway{}}
	for _, m := range machines {
		r.machines[machineID{"s", m}] = true
	}
	return r
}

func (r *fakeRegistry) with(f func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return errDown
	}
	return f()
}

func (r *fakeRegistry) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *fakeRegistry) register(machine string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machines[machineID{"s", machine}] = true
}

func (r *fakeRegistry) MachineKnown(_ context.Context, site, machine string) (known bool, err error) {
	return known, r.with(func() error { known = r.machines[machineID{site, machine}]; return nil })
}

func (r *fakeRegistry) EachMachine(_ context.Context, f func(registry.MachineRef)) error {
	return r.with(func() error {
		for id, known := range r.machines {
			if known {
				f(registry.MachineRef{Site: id.site, Machine: id.machine})
			}
		}
		return nil
	})
}

func (r *fakeRegistry) Touch(_ context.Context, touches []registry.Touched) error {
	return r.with(func() error {
		for _, t := range touches {
			id := machineID{t.Site, t.Machine}
			if old, ok := r.touched[id]; ok {
				t.FromMs, t.ToMs = min(t.FromMs, old.FromMs), max(t.ToMs, old.ToMs)
			}
			r.touched[id] = t
		}
		return nil
	})
}

// touches is a copy of what was touched: packs that were sent again may still be on their way.
func (r *fakeRegistry) touches() map[machineID]registry.Touched {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.touched)
}

func (r *fakeRegistry) GatewaysHeard(_ context.Context, heard []registry.GatewayHeard) ([]registry.GatewayHeard, error) {
	return nil, r.with(func() error {
		for _, h := range heard {
			g := r.gateways[gatewayID{h.Site, h.Gateway}]
			if h.StatusJSON != "" {
				g.StatusJSON = h.StatusJSON
			}
			g.Online, g.SeenMs = h.Online, max(g.SeenMs, h.SeenMs)
			r.gateways[gatewayID{h.Site, h.Gateway}] = g
		}
		return nil
	})
}

func (r *fakeRegistry) gateway(site, id string) registry.Gateway {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gateways[gatewayID{site, id}]
}

func (r *fakeRegistry) Quarantine(_ context.Context, packs ...registry.Quarantined) error {
	return r.with(func() error {
		r.refusals++
		for _, q := range packs {
			r.keep(q)
		}
		return nil
	})
}

func (r *fakeRegistry) keep(q registry.Quarantined) {
	for i := range r.quarantine {
		if o := &r.quarantine[i]; o.Topic == q.Topic && o.Reason == q.Reason && string(o.Payload) == string(q.Payload) {
			o.Count++
			return
		}
	}
	r.nextID++
	q.ID, q.Count = r.nextID, 1
	r.quarantine = append(r.quarantine, q)
}

func (r *fakeRegistry) QuarantinedFor(_ context.Context, site, machine, reason string, limit int) (out []registry.Quarantined, err error) {
	return out, r.with(func() error {
		for _, q := range r.quarantine {
			if q.Site == site && q.Machine == machine && q.Reason == reason && len(out) < limit {
				out = append(out, q)
			}
		}
		return nil
	})
}

func (r *fakeRegistry) RegisteredInQuarantine(_ context.Context, reason string) (out []registry.MachineRef, err error) {
	return out, r.with(func() error {
		for _, q := range r.quarantine {
			if _, known := r.machines[machineID{q.Site, q.Machine}]; known && q.Reason == reason {
				out = append(out, registry.MachineRef{Site: q.Site, Machine: q.Machine})
			}
		}
		return nil
	})
}

func (r *fakeRegistry) DeleteQuarantined(_ context.Context, ids ...int64) error {
	return r.with(func() error {
		r.quarantine = slices.DeleteFunc(r.quarantine, func(q registry.Quarantined) bool { return slices.Contains(ids, q.ID) })
		return nil
	})
}

// quarantined is a copy of what is in quarantine.
func (r *fakeRegistry) quarantined() []registry.Quarantined {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.quarantine)
}

// reasons are those of the quarantined packs, sorted.
func (r *fakeRegistry) reasons() []string {
	var out []string
	for _, q := range r.quarantined() {
		out = append(out, q.Reason)
	}
	slices.Sort(out)
	return out
}

// fakeStore is a store in memory that can be down.
type fakeStore struct {
	*tsdb.Memory
	mu   sync.Mutex
	down bool
}

func (s *fakeStore) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *fakeStore) WriteLines(ctx context.Context, l *tsdb.Lines) error {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return errDown
	}
	return s.Memory.WriteLines(ctx, l)
}

// dump is all that is stored of a machine, as text.
func (s *fakeStore) dump(t testing.TB, machine string, fields ...string) []string {
	t.Helper()
	var out []string
	require.NoError(t, s.Read(context.Background(), tsdb.Query{Measurement: tsdb.Telemetry, Site: "s", Machine: machine, Fields: fields, ToMs: 1 << 42},
		func(r tsdb.Row) error { out = append(out, fmt.Sprint(r.TimeMs, r.Values)); return nil }))
	return out
}

// world is a broker, a store, a registry and an ingest between them.
type world struct {
	broker   brokertest.Broker
	reach    func(b brokertest.Broker, o *Options) // how ingest reaches the broker
	change   []func(*Options)
	store    *fakeStore
	registry *fakeRegistry
	now      time.Time
	ingest   *Ingest
	running  bool
	stop     func()
}

var brokerUsers = map[string]brokertest.User{
	"s.gw-1":  {Password: "one", Rights: broker.GatewayRights("s", "gw-1")},
	"s.probe": {Password: "p", Rights: broker.GatewayRights("s", "probe")},
	"ingest":  {Password: "in", Rights: broker.IngestRights()},
}

// sourceKind is a broker and how ingest takes packs from it.
type sourceKind struct {
	broker func(*testing.T, map[string]brokertest.User) brokertest.Broker
	reach  func(b brokertest.Broker, o *Options)
}

// sources are what every test of the whole ingest passes on.
var sources = map[string]sourceKind{
	"embedded by mqtt": {brokertest.Embedded, func(brokertest.Broker, *Options) {}},
	"mosquitto":        {brokertest.Mosquitto, func(brokertest.Broker, *Options) {}},
	"embedded by nats": {brokertest.Embedded, func(b brokertest.Broker, o *Options) {
		o.Source, o.InProcess = "", b.(nats.InProcessConnProvider)
	}},
	"nats cluster": {brokertest.Cluster, func(b brokertest.Broker, o *Options) {
		o.Source = b.(interface{ NATS() string }).NATS()
	}},
}

func newWorld(t *testing.T, start sourceKind, change ...func(*Options)) *world {
	t.Helper()
	w := &world{
		broker: start.broker(t, brokerUsers), reach: start.reach, change: change, store: &fakeStore{Memory: tsdb.NewMemory()}, registry: newFakeRegistry("m1", "m2"),
		now: time.UnixMilli(baseMs + 3_600_000),
	}
	w.start(t)
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) options() Options {
	o := Options{
		AckWait: time.Second,
		Source:  w.broker.URL(), Username: "ingest", Password: "in", ClientID: "test-ingest",
		Store: w.store, Registry: w.registry, Logger: quiet(), Registerer: prometheus.NewRegistry(),
		Now:      func() time.Time { return w.now },
		KnownFor: 50 * time.Millisecond, ReplayEvery: 50 * time.Millisecond, ReceiptEvery: 50 * time.Millisecond, BatchWait: 20 * time.Millisecond,
	}
	w.reach(w.broker, &o)
	for _, c := range w.change {
		c(&o)
	}
	return o
}

func (w *world) start(t *testing.T) {
	t.Helper()
	in, err := New(w.options())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	w.ingest, w.running = in, true
	w.stop = sync.OnceFunc(func() {
		w.running = false
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ingest ended with %v", err)
		}
	})
	ready, cancelReady := context.WithTimeout(ctx, patience)
	defer cancelReady()
	require.NoError(t, in.WaitReady(ready))
	w.settle(t)
}

// settle returns when messages reach ingest. A cluster that has just made a consumer may still drop the first ones,
// because a server does not know of the consumer yet; a gateway sends them again after its patience.
func (w *world) settle(t *testing.T) {
	t.Helper()
	c := mqtt.NewClient(brokertest.ClientOptions(w.broker, "s.probe", "p", "probe"))
	require.NoError(t, brokertest.Wait(c.Connect()))
	defer c.Disconnect(50)
	w.registry.forget("s", "probe")
	require.Eventually(t, func() bool {
		_ = brokertest.Wait(c.Publish(wire.StatusTopic("s", "probe"), 1, false, `{"online":true}`))
		return w.registry.gateway("s", "probe").Online
	}, patience, 100*time.Millisecond)
}

// gateway sends packs and gathers receipts. It connects anew when the broker went away and sends again what has no
// receipt, as the real one does.
type gateway struct {
	t      *testing.T
	w      *world
	client mqtt.Client

	mu      sync.Mutex
	stored  map[uint64]bool
	refused map[uint64]string
	settled bool // receipts reach it
}

func newGateway(t *testing.T, w *world) *gateway {
	t.Helper()
	g := &gateway{t: t, w: w, stored: map[uint64]bool{}, refused: map[uint64]string{}}
	g.connect()
	t.Cleanup(func() { g.client.Disconnect(50) })
	if w.running {
		g.settle()
	}
	return g
}

// settle returns when receipts reach the gateway: a cluster that has just made its session may still lose the first ones.
func (g *gateway) settle() {
	g.t.Helper()
	probe, err := (&wire.Receipt{Spool: probeSpool, Stored: [][2]uint64{{1, 1}}}).Encode()
	require.NoError(g.t, err)
	require.Eventually(g.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = g.w.ingest.Publish(ctx, wire.ReceiptTopic("s", "gw-1"), 1, false, probe)
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.settled
	}, patience, 20*time.Millisecond)
}

const probeSpool = "probe"

func (g *gateway) connect() {
	g.t.Helper()
	o := brokertest.ClientOptions(g.w.broker, "s.gw-1", "one", "test-gw-1").SetAutoReconnect(true).SetMaxReconnectInterval(100 * time.Millisecond).
		SetCleanSession(true).SetResumeSubs(false)
	o.SetOnConnectHandler(func(c mqtt.Client) { c.Subscribe(wire.ReceiptTopic("s", "gw-1"), 1, g.receipt) })
	g.client = mqtt.NewClient(o)
	require.NoError(g.t, brokertest.Wait(g.client.Connect()))
}

func (g *gateway) receipt(_ mqtt.Client, m mqtt.Message) {
	r, err := wire.DecodeReceipt(m.Payload())
	if err != nil {
		g.t.Errorf("receipt %s: %v", m.Payload(), err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Spool == probeSpool {
		g.settled = true
		return
	}
	for _, s := range r.Stored {
		for seq := s[0]; seq <= s[1]; seq++ {
			g.stored[seq] = true
		}
	}
	for _, s := range r.Refused {
		g.refused[s.Seq] = s.Reason
	}
}

func (g *gateway) send(machine string, lane wire.Lane, payload []byte) {
	g.client.Publish(wire.PackTopic("s", "gw-1", machine, lane), 1, false, payload)
}

func (g *gateway) counts() (stored, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.stored), len(g.refused)
}

// refusals are the reasons so far, by sequence number.
func (g *gateway) refusals() map[uint64]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.refused)
}

// deliver sends packs until each has a receipt that says stored.
func (g *gateway) deliver(packs map[uint64][]byte) {
	g.t.Helper()
	g.receipted(packs, time.Time{}, time.Second)
}

// delivered waits until each of the packs, which were sent, has a receipt that says stored. A cluster whose consumers are new may
// have dropped some, so what is missing is sent again after a while, as a gateway does.
func (g *gateway) delivered(packs map[uint64][]byte) {
	g.t.Helper()
	g.receipted(packs, time.Now(), 10*time.Second)
}

func (g *gateway) receipted(packs map[uint64][]byte, last time.Time, again time.Duration) {
	g.t.Helper()
	require.Eventually(g.t, func() bool {
		g.mu.Lock()
		var missing []uint64
		for _, seq := range slices.Sorted(maps.Keys(packs)) {
			if !g.stored[seq] {
				missing = append(missing, seq)
			}
		}
		g.mu.Unlock()
		if len(missing) > 0 && time.Since(last) > again {
			last = time.Now()
			for _, seq := range missing {
				g.send("m1", wire.LaneLive, packs[seq])
			}
		}
		return len(missing) == 0
	}, patience, every)
}

const baseMs = 1_795_000_000_000

// packOf holds five seconds of power and energy; seq tells which.
func packOf(seq uint64, machine string) *wire.Pack {
	p := &wire.Pack{Site: "s", Machine: machine, Spool: "sp", Seq: seq, Boot: "b", Clock: wire.ClockSynced}
	for i := range int64(5) {
		at := baseMs + (int64(seq)-1)*5000 + i*1000
		p.Samples = append(p.Samples,
			wire.Sample{TimeMs: at, Quantity: "power", Number: float64(100*seq) + float64(i)},
			wire.Sample{TimeMs: at, Quantity: "energy", Number: float64(seq)})
	}
	return p
}

func encode(t testing.TB, p *wire.Pack, f wire.Format) []byte {
	t.Helper()
	b, err := p.Encode(f)
	require.NoError(t, err)
	return b
}

// wantLines is what packs 1…n of m1 look like in the store.
func wantLines(n int) []string {
	var out []string
	for seq := 1; seq <= n; seq++ {
		for i := range 5 {
			out = append(out, fmt.Sprint(int64(baseMs)+int64(seq-1)*5000+int64(i)*1000, []any{float64(100*seq + i), float64(seq)}))
		}
	}
	return out
}

func (r *fakeRegistry) forget(site, gateway string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.gateways, gatewayID{site, gateway})
}
