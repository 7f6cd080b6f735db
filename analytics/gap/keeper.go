package gap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/tsdb"
)

// Registry is what a Keeper asks of SQL; *registry.DB answers it.
type Registry interface {
	Sites(ctx context.Context) ([]registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	HolesBeyond(ctx context.Context, site, machine string, fromMs int64) ([]registry.Gap, error)
	ReplaceGaps(ctx context.Context, site, machine string, fromMs int64, gaps []registry.Gap, lateMs, atMs int64) error
}

// Options of a Keeper. Store and Registry are needed.
type Options struct {
	Store    tsdb.Store
	Registry Registry
	Logger   *slog.Logger           // nil: silent
	Now      func() time.Time       // nil: time.Now; tells an open gap from a fresh sample
	Every    time.Duration          // how often machines that fell silent are looked for; 0: 30 s
	Holds    func(site string) bool // whether the site is this process's; nil: all are
}

// Keeper keeps the gaps in SQL equal to the unknown stretches of the stored states. It implements analytics.Follower.
type Keeper struct {
	o Options

	mu    sync.Mutex
	clean map[id]looked
	busy  map[id]*sync.Mutex // one at a time for each machine: the follower and the sweep meet
}

type id struct{ site, machine string }

// looked remembers that a machine was looked at and had no hole beyond fromMs.
type looked struct {
	fromMs, toMs, atMs int64
	skippedMs          int64 // from here on states may have changed since
}

// New returns a Keeper.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 30 * time.Second
	}
	return &Keeper{o: o, clean: map[id]looked{}, busy: map[id]*sync.Mutex{}}
}

// lateAfterMs is how old a sample must be when it comes to count as late.
const lateAfterMs = 60_000

// lookEveryMs is how often a machine whose data simply goes on is looked at all the same: its signal may be missing.
const lookEveryMs = 30_000

// Rebuilt brings the machine's gaps up to date after states from fromMs on have changed.
func (k *Keeper) Rebuilt(ctx context.Context, site, machine string, fromMs, toMs int64) error {
	m := id{site, machine}
	defer k.hold(m)()
	k.mu.Lock()
	was, ok := k.clean[m]
	k.mu.Unlock()
	if !ok {
		was.skippedMs = fromMs - timeline.HourMs // what was skipped before a restart
	}
	fromMs = min(fromMs, was.skippedMs)
	// Data that goes on without a pause can't have made a gap.
	if now := k.o.Now().UnixMilli(); ok && fromMs >= was.fromMs && toMs-was.toMs <= minToleranceMs && now-was.atMs < lookEveryMs {
		was.toMs, was.skippedMs = max(was.toMs, toMs), fromMs
		k.remember(m, was)
		return nil
	}
	if err := k.refresh(ctx, m, fromMs, toMs); err != nil {
		return fmt.Errorf("gaps of %s/%s: %w", site, machine, err)
	}
	return nil
}

// hold waits until nobody else works on the machine; the returned function ends that.
func (k *Keeper) hold(m id) (release func()) {
	k.mu.Lock()
	l := k.busy[m]
	if l == nil {
		l = &sync.Mutex{}
		k.busy[m] = l
	}
	k.mu.Unlock()
	l.Lock()
	return l.Unlock
}

func (k *Keeper) remember(m id, l looked) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clean[m] = l
}

func (k *Keeper) forget(m id) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.clean, m)
}

// refresh reads the unknown stretches from fromMs on and stores them.
func (k *Keeper) refresh(ctx context.Context, m id, fromMs, toMs int64) error {
	k.forget(m)
	settings, err := k.o.Registry.SettingsAt(ctx, m.site, m.machine)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if len(settings) == 0 {
		return nil // a main meter has no states, all its time is unknown
	}
	stored, err := k.o.Registry.HolesBeyond(ctx, m.site, m.machine, fromMs)
	if err != nil {
		return err
	}
	startMs := fromMs
	for _, g := range stored {
		startMs = min(startMs, g.FromMs)
	}
	nowMs := k.o.Now().UnixMilli()
	gaps, startMs, err := k.holes(ctx, m, settings, startMs, max(nowMs, toMs+1), nowMs)
	if err != nil {
		return err
	}
	if err := k.o.Registry.ReplaceGaps(ctx, m.site, m.machine, startMs, gaps, nowMs-lateAfterMs, nowMs); err != nil {
		return err
	}
	if len(gaps) == 0 {
		k.remember(m, looked{startMs, max(toMs, startMs), nowMs, max(toMs, startMs)})
	}
	return nil
}

// holes returns the unknown stretches of [fromMs, endMs), whole, and where the first of the read intervals begins. What
// lies before the machine's first sample is no gap.
func (k *Keeper) holes(ctx context.Context, m id, settings []registry.Settings, fromMs, endMs, nowMs int64) ([]registry.Gap, int64, error) {
	limit := settings[len(settings)-1].GapLimitMs()
	intervals, err := timeline.Read(ctx, k.o.Store, m.site, m.machine, fromMs, endMs, nowMs, limit)
	if err != nil {
		return nil, fromMs, err
	}
	var out []registry.Gap
	for i, iv := range intervals {
		fromMs = min(fromMs, iv.StartMs)
		if iv.State != timeline.StateUnknown || i == 0 && iv.Cause == timeline.CauseNoData {
			continue
		}
		g := registry.Gap{Site: m.site, Machine: m.machine, FromMs: iv.StartMs, ToMs: iv.EndMs}
		if i == len(intervals)-1 {
			g.ToMs = 0
			if iv.EndMs-iv.StartMs <= limit {
				continue // the next sample may be on its way
			}
		}
		if g.Fault, err = k.fault(ctx, g, settings, limit); err != nil {
			return nil, fromMs, err
		}
		out = append(out, g)
	}
	return out, fromMs, nil
}

// anything are the fields whose arrival shows that a machine's sensors are read.
var anything = func() []string {
	var fields []string
	for _, name := range []string{
		quantity.Power, quantity.PowerMax, quantity.Energy, quantity.Current, quantity.Voltage, quantity.Frequency, quantity.Temperature,
		quantity.Humidity, quantity.Vibration, quantity.Accel, quantity.Speed, quantity.Pulses,
	} {
		fields = append(fields, quantity.Field(name))
	}
	return fields
}()

// others are the fields of anything but a signal.
func others(signal string) []string {
	return slices.DeleteFunc(slices.Clone(anything), func(f string) bool { return f == quantity.Field(signal) })
}

// settleMs is left out at the begin of a gap: what fails with the supply may send a fault before it dies.
const settleMs = 30_000

// fault tells what was sent soon after the gap began: the quality of the signal, "other" for other quantities, "" for
// nothing. Good values of the signal have come since states were built, which will follow: they are no fault.
func (k *Keeper) fault(ctx context.Context, g registry.Gap, settings []registry.Settings, limit int64) (string, error) {
	signal := quantity.Power
	for _, s := range settings {
		if s.ValidFromMs <= g.FromMs && s.Signal != "" {
			signal = s.Signal
		}
	}
	toMs := g.FromMs + settleMs + limit
	if g.ToMs != 0 {
		toMs = min(toMs, g.ToMs)
	}
	found := ""
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: g.Site, Machine: g.Machine,
		Fields: append([]string{quantity.Field(signal) + "_q", quantity.Field(signal)}, others(signal)...),
		FromMs: g.FromMs + settleMs, ToMs: toMs,
	}
	if q.FromMs >= q.ToMs {
		return "", nil
	}
	err := k.o.Store.Read(ctx, q, func(r tsdb.Row) error {
		if quality, ok := r.Values[0].(string); ok && (strings.HasPrefix(quality, "fault") || quality == "stale") {
			found = quality
			return errFound
		}
		if r.Values[1] != nil {
			found = ""
			return errFound
		}
		found = "other"
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return "", fmt.Errorf("read what came in the gap: %w", err)
	}
	return found, nil
}

var errFound = errors.New("found")

// Run looks for machines that fell silent until ctx ends: nothing else tells, because no sample comes.
func (k *Keeper) Run(ctx context.Context) error {
	repeat.Every(ctx, k.o.Every, func(ctx context.Context) {
		if err := k.Sweep(ctx); err != nil && ctx.Err() == nil {
			k.o.Logger.Warn("silent machines could not be looked for: it is tried again", "err", err)
		}
	})
	return ctx.Err()
}

// sweptMs is how far back newest states are looked for. Who has been silent for longer has its open gap already.
const sweptMs = 14 * 24 * 3600_000

// Sweep opens the gaps of machines whose newest sample is older than their gap limit.
func (k *Keeper) Sweep(ctx context.Context) error {
	sites, err := k.o.Registry.Sites(ctx)
	if err != nil {
		return fmt.Errorf("list sites: %w", err)
	}
	nowMs := k.o.Now().UnixMilli()
	var errs []error
	for _, s := range sites {
		if k.o.Holds != nil && !k.o.Holds(s.ID) {
			continue
		}
		rows, err := k.o.Store.Last(ctx, tsdb.Query{
			Measurement: tsdb.State, Site: s.ID, Fields: []string{timeline.FieldEndMs}, FromMs: nowMs - sweptMs, ToMs: nowMs + lateAfterMs,
		})
		if err != nil {
			return fmt.Errorf("read the newest states of %s: %w", s.ID, err)
		}
		for _, r := range rows {
			endMs, ok := r.Values[0].(int64)
			if !ok || nowMs-endMs <= minToleranceMs {
				continue
			}
			if err := k.open(ctx, id{s.ID, r.Machine}, r.TimeMs); err != nil {
				errs = append(errs, fmt.Errorf("gaps of %s/%s: %w", s.ID, r.Machine, err))
			}
		}
	}
	return errors.Join(errs...)
}

// open stores the open gap of a machine whose newest piece of state begins at pieceMs, unless it is there.
func (k *Keeper) open(ctx context.Context, m id, pieceMs int64) error {
	defer k.hold(m)()
	holes, err := k.o.Registry.HolesBeyond(ctx, m.site, m.machine, pieceMs)
	if err != nil {
		return err
	}
	if n := len(holes); n > 0 && holes[n-1].ToMs == 0 {
		return nil
	}
	return k.refresh(ctx, m, pieceMs, pieceMs)
}
