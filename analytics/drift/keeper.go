package drift

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/tsdb"
)

// Alarms is what a Keeper asks of SQL besides; *registry.DB answers it.
type Alarms interface {
	Registry
	Sites(ctx context.Context) ([]registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	RaiseAlarm(ctx context.Context, a registry.Alarm) (registry.Alarm, bool, error)
	ClearAlarm(ctx context.Context, site, machine, rule, component string, atMs int64) error
	Alarms(ctx context.Context, site string, onlyUnresolved bool, limit int) ([]registry.Alarm, error)
}

// Options of a Keeper. Store and Registry are needed.
type Options struct {
	Store    tsdb.Store
	Registry Alarms
	Logger   *slog.Logger           // nil: silent
	Now      func() time.Time       // nil: time.Now
	Every    time.Duration          // how often it looks whether a new day has begun; 0: 5 min
	Holds    func(site string) bool // whether the site is this process's; nil: all are
}

// Keeper judges the machines once a day and raises the alarms.
type Keeper struct {
	o      Options
	judged map[string]string // site → day of its last judgement
}

// atHour is the hour of the site's day at which the day before is judged: late data has come by then.
const atHour = 3

// againMs is when an alarm that was closed without confirming anything is raised once more, when the drift still stands.
const againMs = 30 * 24 * 3_600_000

// New returns a Keeper.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Minute
	}
	return &Keeper{o: o, judged: map[string]string{}}
}

// Run judges until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	repeat.Every(ctx, k.o.Every, func(ctx context.Context) {
		if err := k.Sweep(ctx); err != nil && ctx.Err() == nil {
			k.o.Logger.Warn("drift of thresholds could not be judged: it is tried again", "err", err)
		}
	})
	return ctx.Err()
}

// Sweep judges the machines of the sites whose day it is. A machine that fails keeps nobody from being judged.
func (k *Keeper) Sweep(ctx context.Context) error {
	sites, err := k.o.Registry.Sites(ctx)
	if err != nil {
		return fmt.Errorf("list sites: %w", err)
	}
	var errs []error
	for _, site := range sites {
		if k.o.Holds != nil && !k.o.Holds(site.ID) {
			delete(k.judged, site.ID)
			continue
		}
		zone, err := site.Location()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		now := k.o.Now()
		local := now.In(zone)
		day := local.Format(time.DateOnly)
		if k.judged[site.ID] == day || local.Hour() < atHour {
			continue
		}
		if err := k.site(ctx, site, now); err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", site.ID, err))
			continue
		}
		k.judged[site.ID] = day
	}
	return errors.Join(errs...)
}

func (k *Keeper) site(ctx context.Context, site registry.Site, now time.Time) error {
	machines, err := k.o.Registry.Machines(ctx, site.ID)
	if err != nil {
		return fmt.Errorf("list machines: %w", err)
	}
	const enough = 1000
	alarms, err := k.o.Registry.Alarms(ctx, site.ID, false, enough)
	if err != nil {
		return fmt.Errorf("list alarms: %w", err)
	}
	var errs []error
	for _, m := range machines {
		if m.Class == registry.ClassMainMeter {
			continue
		}
		if err := k.machine(ctx, site, m.ID, alarms, now); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.ID, err))
		}
	}
	return errors.Join(errs...)
}

// machine judges one machine and raises, or ends an alarm whose thresholds are no longer in force.
func (k *Keeper) machine(ctx context.Context, site registry.Site, id string, alarms []registry.Alarm, now time.Time) error {
	j, present, known, err := Judge(ctx, k.o.Store, k.o.Registry, site, id, now, true)
	if err != nil {
		return err
	}
	cause := ""
	if known && j.Drift != nil {
		if cause = j.Drift.Code; j.Drift.State != "" {
			cause += "-" + j.Drift.State
		}
	}
	newestFirst := func(a registry.Alarm) bool { return a.Machine == id && a.Rule == registry.RuleThresholdDrift }
	if i := slices.IndexFunc(alarms, newestFirst); i >= 0 {
		a := alarms[i]
		since, err := k.sinceMs(ctx, site.ID, id, present)
		if err != nil {
			return err
		}
		switch {
		case since > a.OpenedMs && a.Active: // other thresholds hold since, for example by a site file
			return k.o.Registry.ClearAlarm(ctx, site.ID, id, registry.RuleThresholdDrift, a.Component, now.UnixMilli())
		case since <= a.OpenedMs && (a.State != registry.AlarmResolved || now.UnixMilli()-a.ResolvedMs < againMs):
			return nil // told once; how it shows changes as more days show it
		}
	}
	if cause == "" {
		return nil
	}
	a, _, err := k.o.Registry.RaiseAlarm(ctx, registry.Alarm{
		Site: site.ID, Machine: id, Rule: registry.RuleThresholdDrift, Component: present.Signal, State: registry.AlarmOpen,
		Active: true, OpenedMs: now.UnixMilli(), Count: 1, Value: j.Drift.Value, Limit: j.Drift.Limit, Cause: cause,
	})
	if err != nil {
		return err
	}
	k.o.Logger.Info("alarm raised", "site", a.Site, "machine", a.Machine, "rule", a.Rule, "cause", a.Cause, "value", a.Value, "limit", a.Limit, "alarm", a.ID)
	return nil
}

// sinceMs is since when a person has stood for the thresholds in force.
func (k *Keeper) sinceMs(ctx context.Context, site, machine string, present registry.Settings) (int64, error) {
	confirmed, err := k.o.Registry.ConfirmedThresholds(ctx, site, machine)
	if err != nil {
		return 0, fmt.Errorf("read what was confirmed: %w", err)
	}
	since := present.ValidFromMs
	for _, c := range confirmed {
		if c.ValidFromMs == present.ValidFromMs {
			since = max(since, c.ConfirmedMs)
		}
	}
	return since, nil
}
