package analytics

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/analytics/lease"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Registry is what the service asks of SQL; *registry.DB answers it.
type Registry interface {
	Sites(ctx context.Context) ([]registry.Site, error)
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	SiteSettings(ctx context.Context, site string) (map[string][]registry.Settings, error)
	Touch(ctx context.Context, touches []registry.Touched) error
	ClaimTouched(ctx context.Context, holder string) ([]registry.Claim, error)
	Reclaim(ctx context.Context, holder string, claims ...registry.Claim) ([]registry.Claim, error)
	ClaimsDone(ctx context.Context, holder string, claims ...registry.Claim) error
	OwedRows(ctx context.Context, holder string) ([]registry.Claim, error)
	OwedDone(ctx context.Context, holder string, claims ...registry.Claim) error
}

// Leases says which sites are this process's; *lease.Keeper answers it.
type Leases interface {
	ID() string
	Grant(site string) (lease.Grant, bool)
	Valid(site string, g lease.Grant) bool
}

// Follower keeps something else right that depends on states, such as sessions.
type Follower interface {
	// Rebuilt is called after the states of a machine from fromMs on, or samples from there on, may have changed; toMs is the
	// newest of them. Calls for one machine come one after another, for different machines at once. After an error
	// the stretch is built again, with another call.
	Rebuilt(ctx context.Context, site, machine string, fromMs, toMs int64) error
}

// Options of a Service. Store and Registry are needed.
type Options struct {
	Store      tsdb.Store
	Registry   Registry
	Leases     Leases // nil: all sites, no other process builds states
	Followers  []Follower
	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: metrics are kept nowhere
	Now        func() time.Time      // nil: time.Now; for pacing and the lag metric only, never for states
	Every      time.Duration         // how often the list is looked at; 0: a second
}

func (o *Options) complete() error {
	if o.Store == nil || o.Registry == nil {
		return errors.New("analytics needs a store and a registry")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	return nil
}
