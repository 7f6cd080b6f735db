// Package lease shares the sites among the analytics processes that use one registry.
//
// Each process is a member whose beat goes on once a second. Nobody compares clocks: a member whose beat stands still for
// Expiry, by the clock of the one who watches, is taken out, and its sites are free. The sites are shared evenly; a
// member with too many gives some back. A member that was taken out (it was stopped, its registry was away) finds out at
// its next beat at the latest, and by its own clocks before the others may act: Valid ends a second before Expiry. It
// joins again under a new id; what it does under the former one changes nothing in the registry.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/internal/registry"
)

// Registry is what a Keeper asks of SQL; *registry.DB answers it.
type Registry interface {
	Sites(ctx context.Context) ([]registry.Site, error)
	JoinAnalytics(ctx context.Context, id, name string) error
	Beat(ctx context.Context, id string) (bool, error)
	AnalyticsMembers(ctx context.Context) ([]registry.Member, error)
	RemoveMember(ctx context.Context, m registry.Member) error
	LeaveAnalytics(ctx context.Context, id string) error
	Leases(ctx context.Context) (map[string]string, error)
	TakeSites(ctx context.Context, id string, sites []string) error
	DropSites(ctx context.Context, id string, sites []string) error
}

// Options of a Keeper. Registry is needed.
type Options struct {
	Registry Registry
	// Name is what people see of this process. With Alone set a former process of the same name is known to be dead,
	// and its sites are taken over at once.
	Name       string
	Alone      bool
	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: metrics are kept nowhere
	Every      time.Duration         // of beats; 0: a second
	Expiry     time.Duration         // how long a beat may stand still; 0: five seconds
	Now        func() time.Time      // nil: time.Now, with its monotonic clock
}

// Grant is one holding of a site, from its taking to its loss. The zero Grant is none.
type Grant struct {
	Holder string // the member, for registry.ClaimTouched
	number uint64
}

// Keeper holds this process's sites. Create it with New and run it once.
type Keeper struct {
	o       Options
	held    prometheus.Gauge
	members prometheus.Gauge
	moves   *prometheus.CounterVec

	watched map[string]watch // other members, by id; only Run uses it

	mu     sync.Mutex
	id     string
	beatAt time.Time // when the last successful beat was sent
	sites  map[string]uint64
	last   uint64
}

// watch is when a member's beat was last seen to have gone on.
type watch struct {
	beat int64
	at   time.Time
}

// New returns a Keeper that holds nothing yet.
func New(o Options) (*Keeper, error) {
	if o.Registry == nil {
		return nil, errors.New("leases need a registry")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Expiry <= 0 {
		o.Expiry = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{
		o: o, watched: map[string]watch{}, sites: map[string]uint64{},
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "karkhana_analytics_sites_held", Help: "Sites whose states and alarms this process keeps.",
		}),
		members: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "karkhana_analytics_members", Help: "Analytics processes that share the sites.",
		}),
		moves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_analytics_site_moves_total", Help: "Sites that this process took, gave back or lost.",
		}, []string{"move"}),
	}
	for _, c := range []prometheus.Collector{k.held, k.members, k.moves} {
		if err := o.Registerer.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of leases: %w", err)
		}
	}
	return k, nil
}

// Run takes part until ctx ends; then the sites are given back. A registry that does not answer is logged once and asked
// again.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.o.Every)
	defer tick.Stop()
	well := true
	for {
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			if well {
				k.o.Logger.Error("could not renew the leases of sites; trying until it works", "err", err)
			}
			well = false
		} else if !well && err == nil {
			k.o.Logger.Info("leases of sites are renewed again")
			well = true
		}
		select {
		case <-ctx.Done():
			return k.leave(ctx)
		case <-tick.C:
		}
	}
}

// leave gives everything back, so that others need not wait.
func (k *Keeper) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	id := k.ID()
	k.forget()
	if id == "" {
		return nil
	}
	if err := k.o.Registry.LeaveAnalytics(ctx, id); err != nil {
		k.o.Logger.Warn("could not give back the sites; others take them when the lease runs out", "err", err)
	}
	return nil
}

// forget drops the membership.
func (k *Keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.sites); n > 0 {
		k.moves.WithLabelValues("lost").Add(float64(n))
	}
	k.id, k.sites = "", map[string]uint64{}
	k.held.Set(0)
}

// round beats, removes the dead, and takes or gives back sites.
func (k *Keeper) round(ctx context.Context) error {
	if err := k.beat(ctx); err != nil {
		return err
	}
	alive, err := k.watch(ctx)
	if err != nil {
		return err
	}
	return k.share(ctx, alive)
}

func (k *Keeper) beat(ctx context.Context) error {
	id, sent := k.ID(), k.o.Now()
	if id != "" {
		alive, err := k.o.Registry.Beat(ctx, id)
		if err != nil {
			return err
		}
		if alive {
			k.mu.Lock()
			k.beatAt = sent
			k.mu.Unlock()
			return nil
		}
		k.o.Logger.Warn("this process stood still for so long that its sites were given to others; joining anew", "member", id)
		k.forget()
	}
	fresh := make([]byte, 8)
	_, _ = rand.Read(fresh)
	id = hex.EncodeToString(fresh)
	if err := k.o.Registry.JoinAnalytics(ctx, id, k.o.Name); err != nil {
		return err
	}
	k.mu.Lock()
	k.id, k.beatAt = id, sent
	k.mu.Unlock()
	return nil
}

// watch takes out members whose beat stands still and returns how many there are, this one included.
func (k *Keeper) watch(ctx context.Context) (int, error) {
	members, err := k.o.Registry.AnalyticsMembers(ctx)
	if err != nil {
		return 0, err
	}
	now, id := k.o.Now(), k.ID()
	seen, alive := make(map[string]watch, len(members)), 0
	for _, m := range members {
		if m.ID == id {
			alive++
			continue
		}
		w, known := k.watched[m.ID]
		if !known || w.beat != m.Beat {
			w = watch{m.Beat, now}
		}
		if now.Sub(w.at) >= k.o.Expiry || k.o.Alone && m.Name == k.o.Name {
			if err := k.o.Registry.RemoveMember(ctx, m); err != nil {
				return 0, err
			}
			k.o.Logger.Warn("an analytics process is gone; its sites are shared out", "name", m.Name, "member", m.ID)
			continue
		}
		seen[m.ID] = w
		alive++
	}
	k.watched = seen
	k.members.Set(float64(alive))
	return max(alive, 1), nil
}

// share takes free sites up to an even share and gives back what is beyond.
func (k *Keeper) share(ctx context.Context, alive int) error {
	sites, err := k.o.Registry.Sites(ctx)
	if err != nil {
		return err
	}
	leases, err := k.o.Registry.Leases(ctx)
	if err != nil {
		return err
	}
	id := k.ID()
	var mine, free []string
	for _, s := range sites {
		holder := leases[s.ID]
		_, others := k.watched[holder]
		switch {
		case holder == id:
			mine = append(mine, s.ID)
		case !others:
			free = append(free, s.ID)
		}
	}
	most := (len(sites) + alive - 1) / alive
	switch {
	case len(mine) > most:
		give := mine[most:]
		k.hold(id, mine[:most], "given back")
		return k.o.Registry.DropSites(ctx, id, give)
	case len(mine) < most && len(free) > 0:
		if err := k.o.Registry.TakeSites(ctx, id, free[:min(len(free), most-len(mine))]); err != nil {
			return err
		}
		if leases, err = k.o.Registry.Leases(ctx); err != nil {
			return err
		}
		mine = mine[:0]
		for _, s := range sites {
			if leases[s.ID] == id {
				mine = append(mine, s.ID)
			}
		}
	}
	k.hold(id, mine, "lost")
	return nil
}

// hold makes sites the ones held.
func (k *Keeper) hold(id string, sites []string, gone string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	held := make(map[string]uint64, len(sites))
	taken := 0
	for _, s := range sites {
		if n, had := k.sites[s]; had {
			held[s] = n
			continue
		}
		k.last++
		taken++
		held[s] = k.last
	}
	lost := len(k.sites) + taken - len(held)
	if taken > 0 || lost > 0 {
		k.moves.WithLabelValues("taken").Add(float64(taken))
		k.moves.WithLabelValues(gone).Add(float64(lost))
		k.o.Logger.Info("sites of this process", "member", id, "held", len(held), "taken", taken, gone, lost, "sites", some(sites))
	}
	k.sites = held
	k.held.Set(float64(len(held)))
}

// some is a list short enough for a log.
func some(sites []string) []string { return slices.Clone(sites[:min(len(sites), 10)]) }

// ID is the member's id, "" while it is none.
func (k *Keeper) ID() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id
}

// Grant returns the present holding of a site, false while this process does not hold it.
func (k *Keeper) Grant(site string) (Grant, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.sites[site]
	if !ok || !k.fresh() {
		return Grant{}, false
	}
	return Grant{k.id, n}, true
}

// Valid reports whether a holding goes on and nobody else can have taken the site.
func (k *Keeper) Valid(site string, g Grant) bool {
	now, ok := k.Grant(site)
	return ok && now == g
}

// Holds reports whether this process holds the site now.
func (k *Keeper) Holds(site string) bool {
	_, ok := k.Grant(site)
	return ok
}

// fresh reports whether the last beat is so new that nobody can have taken this member out. A computer that was
// suspended shows in the wall clock, a stepped wall clock in the monotonic one: both must agree. The lock is held.
func (k *Keeper) fresh() bool {
	now, limit := k.o.Now(), k.o.Expiry-k.o.Expiry/5
	return now.Sub(k.beatAt) < limit && now.Round(0).Sub(k.beatAt.Round(0)) < limit
}
