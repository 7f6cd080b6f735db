package maintenance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/tsdb"
)

// The rules' names, as the registry keeps them.
const (
	RuleSensorSilent    = "sensor-silent"
	RuleTemperatureHigh = "temperature-high"
	RuleVibrationHigh   = "vibration-high"
)

// The causes of sensor-silent.
const (
	CauseGateway = "gateway" // the gateway is offline
	CauseLink    = "link"    // nothing is known of the gateway
	CauseSensor  = "sensor"  // the gateway is online, the machine's sensors are not heard
)

const (
	onDelay    = 60 * time.Second
	maxAge     = 15 * time.Minute // older samples raise nothing
	reload     = time.Minute      // how often machines, settings and baselines are read again
	lookBackMs = 10_000           // samples of one machine may arrive so much out of order
)

// Registry is what the watcher asks of SQL; *registry.DB answers it.
type Registry interface {
	Sites(ctx context.Context) ([]registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Gateways(ctx context.Context, site string) ([]registry.Gateway, error)
	MachineGateways(ctx context.Context, site string) (map[string]string, error)
	RaiseAlarm(ctx context.Context, a registry.Alarm) (registry.Alarm, bool, error)
	UpdateAlarm(ctx context.Context, a registry.Alarm) error
	ClearAlarm(ctx context.Context, site, machine, rule, component string, atMs int64) error
	Alarms(ctx context.Context, site string, onlyUnresolved bool, limit int) ([]registry.Alarm, error)
	AlarmNotified(ctx context.Context, id, atMs int64) error
	UnnotifiedAlarms(ctx context.Context, nowMs int64) ([]registry.Alarm, error)
}

// Options of a Watcher. Store and Registry are needed.
type Options struct {
	Store      tsdb.Store
	Registry   Registry
	Notifiers  []Notifier
	Logger     *slog.Logger           // nil: silent
	Registerer prometheus.Registerer  // nil: no metrics
	Now        func() time.Time       // nil: time.Now
	Every      time.Duration          // 0: a second
	Holds      func(site string) bool // whether the site is this process's; nil: all are
}

// holds reports whether the site's alarms are this process's now.
func (o *Options) holds(site string) bool { return o.Holds == nil || o.Holds(site) }

// Watcher evaluates the rules and delivers the alarms. Of several that use one registry each must hold sites of its own.
type Watcher struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	started time.Time // of Run: silence is counted from here at the earliest

	sites    []*siteWatch
	all      []string // the registry's sites, this process's and others'
	reloaded time.Time
	active   map[key]bool // alarms whose condition the registry has as standing
	outbox   []effect     // raises and clears not yet in the registry, in order
	failing  map[string]bool

	mu        sync.Mutex // guards baselines
	baselines map[baselineID]Baseline
}

type baselineID struct{ site, machine, quantity string }

// key is what an alarm is known by.
type key struct{ site, machine, rule, component string }

// effect is a raise or a clear on its way to the registry.
type effect struct {
	key    key
	raise  bool
	update bool // the alarm stands already and says more now
	atMs   int64
	alarm  registry.Alarm // of a raise
}

// New returns a Watcher or says which option is missing.
func New(o Options) (*Watcher, error) {
	if o.Store == nil || o.Registry == nil {
		return nil, errors.New("maintenance: options Store and Registry are needed")
	}
	if o.Every < 0 {
		return nil, fmt.Errorf("maintenance: option Every is %v: use a positive duration", o.Every)
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("maintenance: %w", err)
	}
	return &Watcher{
		o: o, log: o.Logger, metrics: m,
		active: map[key]bool{}, failing: map[string]bool{}, baselines: map[baselineID]Baseline{},
	}, nil
}

// Run evaluates and delivers until ctx ends, and returns nil then. A store or registry that does not answer is logged
// once, counted, and tried again. Run may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	w.started = w.o.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		repeat.Every(ctx, w.o.Every, w.evaluate)
		return nil
	})
	d := newDelivery(w.o, w.metrics)
	for i := range w.o.Notifiers {
		g.Go(func() error {
			repeat.Every(ctx, w.o.Every, func(ctx context.Context) { d.pass(ctx, i) })
			return nil
		})
	}
	return g.Wait()
}

// evaluate is one round over all sites.
func (w *Watcher) evaluate(ctx context.Context) {
	begin := time.Now()
	defer func() { w.metrics.evaluation.Observe(time.Since(begin).Seconds()) }()
	now := w.o.Now()
	if w.reloaded.IsZero() || now.Sub(w.reloaded) >= reload || w.moved() {
		if err := w.reload(ctx, now); w.report(ctx, "machines and settings", err) {
			w.reloaded = now
		}
	}
	for _, s := range w.sites {
		if w.o.holds(s.site.ID) {
			w.report(ctx, "site "+s.site.ID, w.evaluateSite(ctx, s, now))
		}
	}
	w.report(ctx, "alarms", w.flush(ctx))
}

// report logs the first failure of a step and its recovery, and counts every failure. It tells whether all is well.
func (w *Watcher) report(ctx context.Context, step string, err error) bool {
	if err == nil {
		if w.failing[step] {
			delete(w.failing, step)
			w.log.Info("maintenance works again", "step", step)
		}
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	w.metrics.failures.Inc()
	if !w.failing[step] {
		w.failing[step] = true
		w.log.Warn("maintenance will try again", "step", step, "err", err)
	}
	return false
}

// raise and clear put an effect into the outbox.
func (w *Watcher) raise(k key, atMs int64, value, limit float64, cause string) {
	w.outbox = append(w.outbox, effect{key: k, raise: true, atMs: atMs, alarm: registry.Alarm{
		Site: k.site, Machine: k.machine, Rule: k.rule, Component: k.component,
		State: registry.AlarmOpen, Active: true, OpenedMs: atMs, Count: 1, Value: value, Limit: limit, Cause: cause,
	}})
}

func (w *Watcher) clear(k key, atMs int64) {
	w.outbox = append(w.outbox, effect{key: k, atMs: atMs})
}

// flush carries the outbox to the registry. What fails stays for the next round, in order. An effect that changes
// nothing (raised and standing already) is dropped here, which is what makes a restart harmless.
func (w *Watcher) flush(ctx context.Context) error {
	for len(w.outbox) > 0 {
		e := w.outbox[0]
		if !w.o.holds(e.key.site) {
			w.outbox = w.outbox[1:] // whoever holds the site finds it too
			continue
		}
		if err := w.apply(ctx, e); err != nil {
			return err
		}
		w.outbox = w.outbox[1:]
	}
	w.outbox = nil
	return nil
}

func (w *Watcher) apply(ctx context.Context, e effect) error {
	if e.update && w.active[e.key] {
		if err := w.o.Registry.UpdateAlarm(ctx, e.alarm); err != nil {
			return fmt.Errorf("update %s of %s/%s: %w", e.key.rule, e.key.site, e.key.machine, err)
		}
		return nil
	}
	if w.active[e.key] == e.raise {
		return nil
	}
	if !e.raise {
		if err := w.o.Registry.ClearAlarm(ctx, e.key.site, e.key.machine, e.key.rule, e.key.component, e.atMs); err != nil {
			return fmt.Errorf("clear %s of %s/%s: %w", e.key.rule, e.key.site, e.key.machine, err)
		}
		delete(w.active, e.key)
		w.log.Info("alarm condition over", "site", e.key.site, "machine", e.key.machine, "rule", e.key.rule)
		return nil
	}
	a, isNew, err := w.o.Registry.RaiseAlarm(ctx, e.alarm)
	if err != nil {
		return fmt.Errorf("raise %s of %s/%s: %w", e.key.rule, e.key.site, e.key.machine, err)
	}
	w.active[e.key] = true
	w.metrics.raised.WithLabelValues(e.key.rule).Inc()
	w.log.Info("alarm raised", "site", a.Site, "machine", a.Machine, "rule", a.Rule, "component", a.Component,
		"cause", a.Cause, "value", a.Value, "limit", a.Limit, "alarm", a.ID, "count", a.Count, "new", isNew)
	return nil
}

// dropStale clears alarms of rules that no longer exist: a machine taken out, a limit removed.
func (w *Watcher) dropStale(site string, ruled map[key]bool, atMs int64) {
	for _, k := range slices.Collect(maps.Keys(w.active)) {
		if k.site == site && !ruled[k] {
			w.clear(k, atMs)
		}
	}
}
