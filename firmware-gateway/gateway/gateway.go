// Package gateway is the gateway as a value: configuration in, New, Run. It wires sampler, spool and uplink.
//
// Samples go source → window → pack → spool → (fsync) → uplink, and a pack leaves the spool when its receipt comes.
// The link is never in the way of sampling, and neither is the disk.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/pack"
	"karkhana/firmware-gateway/remote"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
	"karkhana/firmware-gateway/spool"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/watchdog"
	"karkhana/internal/wire"
)

// Options of a gateway.
type Options struct {
	Config  *config.Gateway
	Version string
	Logger  *slog.Logger
	Kernel  clock.Kernel // nil: the computer's clock
	// ExitWhenDrained ends Run once every recording and simulated past has ended and every pack has its receipt.
	ExitWhenDrained bool
	// System reads the computer's health for the status and the report; nil: nothing is said of it.
	System func(context.Context) health.System
	// HealthFile is where the report for the commands on this computer goes, in memory; "": none. It needs System.
	HealthFile string
	// Socket is where the commands on this computer reach the gateway; "": nowhere.
	Socket string
	// I2C and SPI are the names of the buses that a scan looks at; nil: the computer's.
	I2C, SPI []string
	// Buses are what sensors are connected to; nil: the computer's.
	Buses sensor.Buses
	// Source, if not nil, opens what stands in the place of a simulated machine; for measurements.
	Source func(config.Machine) (sampler.Source, error)
	// TuneUplink may change the times of the uplink; for tests.
	TuneUplink func(*uplink.Options)
}

// What may wait before recordings and simulated pasts wait, too. They fill no disk, and on a slow one not the memory, of
// which the spool drops the oldest packs when it gets full.
const (
	maxQueued   = 2000    // packs
	maxBuffered = 1 << 20 // bytes that the disk has not taken yet
)

// Gateway is one gateway. Run is called once; the rest at any time.
type Gateway struct {
	o        Options
	cfg      atomic.Pointer[config.Gateway] // that runs
	log      *slog.Logger
	clock    *clock.Keeper
	counts   *sensor.Counts // of S0 inputs
	spool    *spool.Spool
	uplink   atomic.Pointer[uplink.Uplink]
	progress *progress
	dirty    chan struct{} // packs wait for the next sync
	full     chan struct{} // many do
	board    *watchdog.Board
	values   live.Board                    // what was read last
	looking  chan struct{}                 // holds a token while a scan or self-test goes on
	system   atomic.Pointer[health.System] // as last read

	remote  *remote.Remote
	units   []*unit       // before Run: what it starts
	link    *link         // owned by Run
	ended   chan struct{} // a unit has
	reloads chan reload
	over    chan struct{} // closed when Run takes no more reloads

	configError atomic.Pointer[string] // why the last reload was refused

	scratch struct { // of the pack that is being sent
		sync.Mutex
		samples []wire.Sample
	}

	mu   sync.Mutex
	sets []*sensor.Set            // that run
	left map[string]time.Duration // of simulated pasts
}

var _ sampler.Sink = (*Gateway)(nil)

// New opens the gateway's spool. It fails when another gateway uses it, or when a directory can't be written.
// The caller must call Run, or Close.
func New(o Options) (*Gateway, error) {
	if o.Config == nil {
		return nil, errors.New("gateway: no configuration")
	}
	c := o.Config
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	log := o.Logger.With("site", c.Site, "gateway", c.Gateway)
	g := &Gateway{
		o: o, log: log, dirty: make(chan struct{}, 1), full: make(chan struct{}, 1), left: map[string]time.Duration{},
		board: watchdog.NewBoard(), ended: make(chan struct{}, 1), reloads: make(chan reload), over: make(chan struct{}),
		looking: make(chan struct{}, 1),
	}
	g.cfg.Store(c)
	var err error
	g.spool, err = spool.Open(filepath.Join(c.Data, "spool"), spool.Options{MaxBytes: c.SpoolMaxMB << 20, Thin: pack.Thin, Logger: log})
	if err != nil {
		return nil, err
	}
	if err := g.wire(); err != nil {
		return nil, errors.Join(err, g.spool.Close())
	}
	return g, nil
}

// config returns the configuration that runs.
func (g *Gateway) config() *config.Gateway { return g.cfg.Load() }

// wire makes what stands on the spool.
func (g *Gateway) wire() error {
	var moved bool
	var err error
	c := g.config()
	g.clock, err = clock.Open(clock.Options{
		Kernel: g.o.Kernel, Trusted: c.Clock == config.ClockTrusted, File: filepath.Join(c.Data, "clock.json"),
		Mark: g.spool.LastMark(), Logger: g.log, RTC: g.rtc(c.RTC), Built: clock.Built(),
	})
	if err != nil {
		return err
	}
	g.counts = sensor.NewCounts(clock.MarkSamples(g.spool.LastMark()))
	if err := g.recoverOpen(); err != nil {
		return err
	}
	g.progress, moved, err = loadProgress(filepath.Join(c.Data, "progress.json"), g.spool.ID())
	if err != nil {
		return err
	}
	if moved {
		g.log.Error("progress of recordings could not be read and was moved aside: they begin anew")
	}
	g.openRemote()
	if g.link, err = g.newLink(nil, c); err != nil {
		return err
	}
	g.uplink.Store(g.link.uplink)
	g.units, err = g.plan(c)
	return err
}

// Close closes a gateway that is not run.
func (g *Gateway) Close() error { return g.spool.Close() }

// Run samples and sends until ctx ends, then hands everything to the disk. It returns nil when ctx ended, or when
// everything is drained and that was asked for.
func (g *Gateway) Run(ctx context.Context) error {
	st := g.spool.Stats()
	g.log.Info("gateway starts", "version", g.o.Version, "machines", len(g.config().Machines), "spool", g.spool.ID(), "queued", st.Packs, "boot", g.clock.Boot(), "clock", string(g.clock.Trust()))

	if len(g.config().Machines) == 0 {
		g.log.Warn("no machines are configured: nothing is sampled until they are listed in the configuration")
	}

	// The uplink and the disk outlive sampling, so that its last packs are safe.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var sending errgroup.Group
	sending.Go(func() error { return g.commit(background) })
	sending.Go(func() error { return g.pollClock(background) })
	sending.Go(func() error { g.watch(background); return nil })
	sending.Go(func() error { g.remote.Run(background); return nil })
	g.link.begin()
	sending.Go(func() error { g.serveLocal(background); return nil })
	sending.Go(func() error { g.servePage(background); return nil })

	err := g.sample(ctx)
	if err == nil && g.o.ExitWhenDrained {
		err = g.drain(ctx)
	}
	g.link.end()
	stopBackground()
	_ = sending.Wait() // only ever the context's end
	err = errors.Join(err, g.sync(), g.spool.Close())
	g.log.Info("gateway stopped", "queued", g.spool.Len())
	return err
}

// sample runs every machine until ctx ends or, when that was asked for, until all backlogs have ended; it changes the
// configuration in between. Its error is that of backlogs that could not be played.
func (g *Gateway) sample(ctx context.Context) error {
	defer close(g.over)
	units := g.units
	g.start(ctx, units)
	for !g.o.ExitWhenDrained || slices.ContainsFunc(units, func(u *unit) bool { return u.isBacklog() && !u.ended() }) {
		select {
		case <-ctx.Done():
			stopAll(units)
			return nil
		case r := <-g.reloads:
			var err error
			units, err = g.take(ctx, units, r.config)
			r.answer <- err
		case <-g.ended:
		}
	}
	stopAll(units)
	if ctx.Err() != nil {
		return nil
	}
	for _, u := range units {
		if u.err != nil {
			return u.err
		}
	}
	return nil
}

func (g *Gateway) sampler(m config.Machine, s sampler.Settings) *sampler.Sampler {
	return &sampler.Sampler{Settings: s, Now: g.wall, Sink: g, Logger: g.log.With("machine", m.ID)}
}

// liveSampler runs what can't be had again: by the clock that never steps, and through the journal.
func (g *Gateway) liveSampler(m config.Machine) *sampler.Sampler {
	s := g.sampler(m, m.Settings())
	s.Now, s.Journal = g.clock.Now, g
	return s
}

// card hashes numbers of cards.
func (g *Gateway) card() func(string) (string, error) { return source.HashCards(g.config().CardSalt) }

func (g *Gateway) simOptions(m config.Machine) source.SimOptions {
	return source.SimOptions{Seed: m.Sim.Seed, Epoch: m.Sim.Epoch, Kind: m.Sim.Kind, Card: g.card()}
}

// live runs a simulated machine as if it stood there. What happened while the gateway was off is not read.
func (g *Gateway) live(ctx context.Context, m config.Machine, opened func()) {
	watched := g.board.Watch(m.ID, m.Every.Std())
	defer watched.Done()
	src, err := g.open(m)
	opened()
	if err != nil {
		g.log.Error("machine is not sampled", "machine", m.ID, "err", err)
		return
	}
	defer src.Close()
	seen, forget := g.observed(m, watched, src)
	defer forget()
	_ = g.liveSampler(m).Live(ctx, seen) // the context's end
}

// open returns a simulated machine, or what stands in its place.
func (g *Gateway) open(m config.Machine) (sampler.Source, error) {
	if g.o.Source != nil {
		return g.o.Source(m)
	}
	src, err := source.OpenSim(g.simOptions(m), g.wall())
	if err != nil {
		return nil, err
	}
	return answered{rebased{src, g.wall}, g}, nil
}

func historyKey(m config.Machine) string { return m.ID + "/history" }

// historyStart returns where the simulated past goes on. The first start of a spool fixes its span.
func (g *Gateway) historyStart(m config.Machine) (at source.HistoryPosition, err error) {
	saved, err := g.progress.get(historyKey(m))
	if err != nil {
		return at, err
	}
	if saved != nil {
		if err := json.Unmarshal(saved, &at); err != nil {
			return at, fmt.Errorf("machine %s: position of the history: %w", m.ID, err)
		}
	} else {
		h := m.Sim.History
		at = source.NewHistoryPosition(m.Sim.Epoch, g.wall(), h.Span.Std(), h.Every.Std())
		g.progress.mark(historyKey(m), at)
	}
	g.setLeft(m.ID, at.Left())
	return at, nil
}

// history sends the simulated past, once.
func (g *Gateway) history(ctx context.Context, m config.Machine, at source.HistoryPosition) error {
	if at.Left() == 0 {
		return nil
	}
	h := m.Sim.History
	b, err := source.OpenHistory(g.simOptions(m), h.Every.Std(), at)
	if err != nil {
		return g.failed(m, err)
	}
	defer b.Close()
	g.log.Info("history begins", "machine", m.ID, "left", at.Left().String())
	said := g.wall()
	err = g.sampler(m, sampler.Settings{Machine: m.ID, Every: h.Every.Std(), Report: h.Report.Std(), Pack: time.Minute}).
		Backlog(ctx, b, func(position any) {
			g.progress.mark(historyKey(m), position)
			left := position.(source.HistoryPosition).Left()
			g.setLeft(m.ID, left)
			if now := g.wall(); now.Sub(said) > 10*time.Second {
				said = now
				g.log.Info("history goes on", "machine", m.ID, "left", left.String())
			}
		})
	if err == nil {
		g.log.Info("history is queued", "machine", m.ID)
	}
	return g.failed(m, err)
}

// replay plays a recording.
func (g *Gateway) replay(ctx context.Context, m config.Machine) error {
	o, err := m.Replay.Options()
	if err != nil {
		return g.failed(m, err)
	}
	o.Card, o.Now, o.Logger = g.card(), g.wall, g.log.With("machine", m.ID)
	key := m.ID + "/replay"
	at, err := g.progress.get(key)
	if err != nil {
		return g.failed(m, err)
	}
	r, err := source.OpenReplay(o, at)
	if err != nil {
		return g.failed(m, err)
	}
	defer r.Close()
	settings := m.Settings()
	settings.Every = 0 // rows are as far apart as they are: only a window that was asked for is made
	s := g.sampler(m, settings)
	if !o.ShiftNow {
		s.Sink = recorded{g}
	}
	return g.failed(m, s.Backlog(ctx, r, func(position any) { g.progress.mark(key, position) }))
}

// failed logs why a machine's backlog does not go on; the others do.
func (g *Gateway) failed(m config.Machine, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	g.log.Error("machine is not sampled", "machine", m.ID, "err", err)
	return fmt.Errorf("machine %s: %w", m.ID, err)
}

func (g *Gateway) setLeft(machine string, left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left[machine] = left
}

// wall is the wall clock, which recordings and simulated pasts live by.
func (g *Gateway) wall() time.Time {
	at, _ := g.clock.UTC()
	return at
}

// pollClock looks at the clock once a second until ctx ends.
func (g *Gateway) pollClock(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			g.clock.Poll()
		}
	}
}

// Add queues a pack whose samples have their own dates (sampler.Sink).
func (g *Gateway) Add(machine string, newestMs int64, samples []wire.Sample) error {
	err := g.queue(machine, newestMs, samples, pack.Tail{Boot: g.clock.Boot(), Known: true, Clock: g.clock.Trust()})
	g.poke()
	return err
}

// recorded takes packs of a recording that keeps its own dates: they are as good as they were, whatever the clock of this
// computer does now.
type recorded struct{ *Gateway }

// Add queues a pack (sampler.Sink).
func (r recorded) Add(machine string, newestMs int64, samples []wire.Sample) error {
	err := r.queue(machine, newestMs, samples, pack.Tail{Boot: r.clock.Boot(), Known: true, Clock: wire.ClockSynced})
	r.poke()
	return err
}

// pollQueue is how often a waiting backlog or an exit looks at the queue.
const pollQueue = 10 * time.Millisecond

// WaitRoom waits while much is queued (sampler.Sink).
func (g *Gateway) WaitRoom(ctx context.Context) error {
	return wait(ctx, func() bool { return g.spool.Len() <= maxQueued && g.spool.Buffered() <= maxBuffered })
}

// drain waits until every pack has its receipt.
func (g *Gateway) drain(ctx context.Context) error {
	if err := wait(ctx, func() bool { return g.spool.Len() == 0 }); err != nil {
		return nil //nolint:nilerr // the context's end is no failure
	}
	return nil
}

func wait(ctx context.Context, done func() bool) error {
	for !done() {
		t := time.NewTimer(pollQueue)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return ctx.Err()
}

// Status is what the gateway says of itself.
func (g *Gateway) Status() wire.Status {
	st := g.spool.Stats()
	now := g.wall()
	s := wire.Status{
		Online: true, Version: g.o.Version, Boot: g.clock.Boot(), Clock: g.clock.Trust(), RTC: g.clock.RTC(), Spool: g.spool.ID(),
		SpoolPacks: uint64(st.Packs), SpoolDropped: st.Dropped, SpoolThinned: st.Thinned, ConfigHash: g.config().Hash, Machines: new(len(g.config().Machines)), TimeMs: now.UnixMilli(),
	}
	if text := g.configError.Load(); text != nil {
		s.ConfigError = *text
	}
	if st.OldestMs > 0 {
		s.OldestAgeS = max(0, (now.UnixMilli()-st.OldestMs)/1000)
	}
	s.Commands, s.AllowList = g.remote.Status(), g.remote.List()
	g.addHealth(&s)
	return s
}

// Stats are the counters of a gateway.
type Stats struct {
	Spool       spool.Stats
	Uplink      uplink.Stats
	HistoryLeft map[string]time.Duration // machine → simulated past that is not queued yet
}

// Stats returns the counters.
func (g *Gateway) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := map[string]time.Duration{}
	for m, d := range g.left {
		left[m] = d
	}
	return Stats{Spool: g.spool.Stats(), Uplink: g.uplink.Load().Stats(), HistoryLeft: left}
}
