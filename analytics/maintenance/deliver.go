package maintenance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"karkhana/internal/registry"
)

const (
	attemptTimeout = time.Minute // guard around a notifier's own limits
	retryFirst     = time.Second
	retryMax       = 5 * time.Minute
	forgetAfter    = 24 * time.Hour
)

// raiseID is one raise of one alarm.
type raiseID struct{ id, count int64 }

// delivery carries unnotified alarms to all notifiers. Each notifier has its own goroutine and its own attempts, so
// that one that fails holds nobody up. The registry hears of it when all have accepted; after a restart before that, a
// notifier may get a message again, with the same key.
type delivery struct {
	o       Options
	metrics *metrics

	mu       sync.Mutex
	progress map[raiseID]*progress
}

// progress of one raise.
type progress struct {
	seen     time.Time
	accepted map[int]bool      // by notifier
	attempts map[int]int       // failed ones
	next     map[int]time.Time // not before
	settled  bool              // the registry knows
}

func newDelivery(o Options, m *metrics) *delivery {
	return &delivery{o: o, metrics: m, progress: map[raiseID]*progress{}}
}

// pass tries once to deliver what notifier i has yet to get.
func (d *delivery) pass(ctx context.Context, i int) {
	alarms, err := d.o.Registry.UnnotifiedAlarms(ctx, d.o.Now().UnixMilli())
	if err != nil {
		if ctx.Err() == nil {
			d.metrics.failures.Inc()
		}
		return
	}
	for _, a := range alarms {
		if ctx.Err() != nil {
			return
		}
		if !d.o.holds(a.Site) {
			continue
		}
		now := d.o.Now()
		if a.State == registry.AlarmResolved || d.due(a, i, now) && d.attempt(ctx, a, i) {
			d.settle(ctx, a)
		}
	}
}

// due reports whether notifier i should try or has accepted already (and the registry has yet to know).
func (d *delivery) due(a registry.Alarm, i int, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.of(a, now)
	return !p.settled && !now.Before(p.next[i])
}

// of returns the progress of a raise and forgets old ones. The lock is held.
func (d *delivery) of(a registry.Alarm, now time.Time) *progress {
	id := raiseID{a.ID, a.Count}
	p := d.progress[id]
	if p == nil {
		for old, q := range d.progress {
			if now.Sub(q.seen) > forgetAfter {
				delete(d.progress, old)
			}
		}
		p = &progress{accepted: map[int]bool{}, attempts: map[int]int{}, next: map[int]time.Time{}}
		d.progress[id] = p
	}
	p.seen = now
	return p
}

// attempt delivers to notifier i unless it has accepted before, and reports whether all have accepted now.
func (d *delivery) attempt(ctx context.Context, a registry.Alarm, i int) bool {
	now := d.o.Now()
	d.mu.Lock()
	accepted := d.of(a, now).accepted[i]
	d.mu.Unlock()
	n := d.o.Notifiers[i]
	var err error
	if !accepted {
		err = d.send(ctx, n, a)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.of(a, now)
	switch {
	case accepted:
	case err == nil:
		p.accepted[i] = true
		d.metrics.notifications.WithLabelValues(n.Name(), "delivered").Inc()
		d.o.Logger.Info("alarm delivered", "site", a.Site, "machine", a.Machine, "alarm", a.ID, "notifier", n.Name())
	case ctx.Err() != nil:
		return false
	default:
		wait := min(retryFirst<<min(p.attempts[i], 20), retryMax)
		p.attempts[i]++
		p.next[i] = d.o.Now().Add(wait)
		d.metrics.notifications.WithLabelValues(n.Name(), "failed").Inc()
		d.o.Logger.Warn("alarm not delivered, will try again", "site", a.Site, "machine", a.Machine, "alarm", a.ID,
			"notifier", n.Name(), "again_in", wait, "err", err)
	}
	return len(p.accepted) == len(d.o.Notifiers)
}

func (d *delivery) send(ctx context.Context, n Notifier, a registry.Alarm) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	m, err := d.message(ctx, a)
	if err != nil {
		return err
	}
	return n.Notify(ctx, m)
}

// message looks up the names and puts the alarm into words. A machine that is gone keeps its id.
func (d *delivery) message(ctx context.Context, a registry.Alarm) (Message, error) {
	w, err := loadWords()
	if err != nil {
		return Message{}, err
	}
	site, zone := registry.Site{ID: a.Site}, time.UTC
	sites, err := d.o.Registry.Sites(ctx)
	if err != nil {
		return Message{}, fmt.Errorf("read sites: %w", err)
	}
	for _, s := range sites {
		if s.ID != a.Site {
			continue
		}
		site = s
		if zone, err = s.Location(); err != nil {
			return Message{}, err
		}
	}
	machine := registry.Machine{Site: a.Site, ID: a.Machine}
	machines, err := d.o.Registry.Machines(ctx, a.Site)
	if err != nil {
		return Message{}, fmt.Errorf("read machines: %w", err)
	}
	for _, m := range machines {
		if m.ID == a.Machine {
			machine = m
		}
	}
	return w.message(a, site, machine, zone), nil
}

// settle tells the registry that everyone has the alarm. If that fails, the next pass tries again.
func (d *delivery) settle(ctx context.Context, a registry.Alarm) {
	now := d.o.Now()
	if err := d.o.Registry.AlarmNotified(ctx, a.ID, now.UnixMilli()); err != nil {
		if ctx.Err() == nil {
			d.metrics.failures.Inc()
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(a, now).settled = true
}
