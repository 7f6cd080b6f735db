package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"karkhana/analytics"
	"karkhana/analytics/billing"
	"karkhana/analytics/drift"
	"karkhana/analytics/gap"
	"karkhana/analytics/lease"
	"karkhana/analytics/maintenance"
	"karkhana/analytics/session"
	"karkhana/dashboards/api"
	"karkhana/ingest"
	"karkhana/internal/broker"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// serverOptions say how the all-in-one server runs.
type serverOptions struct {
	Stores        storeFlags
	Broker        brokerListen
	Listen        string // pages and API
	Announce      string // broker URL that gateways are told when they join; "" is found out from their call
	Notifiers     []maintenance.Notifier
	AnonymousRole registry.Role // what a page viewer without sign-in may do; "" is nothing
	Log           *slog.Logger
}

// server is broker, store, ingest, analytics, maintenance and pages in one process: the same values that the single
// commands start. newServer binds and opens everything that can fail early, and starts the broker, so that its
// address is known; run serves until its context ends.
type server struct {
	o       serverOptions
	db      *registry.DB
	store   tsdb.Store
	influx  *influxd.Server // nil when InfluxDB is given by URL
	broker  *broker.Broker
	pages   net.Listener
	secret  string // of ingest at the broker
	metrics *prometheus.Registry
}

func newServer(ctx context.Context, o serverOptions) (_ *server, err error) {
	s := &server{o: o, metrics: newMetrics()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := os.MkdirAll(o.Stores.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if s.pages, err = listen("--listen", o.Listen); err != nil {
		return nil, err
	}
	if s.db, err = o.Stores.openRegistry(ctx); err != nil {
		return nil, err
	}
	if o.Stores.InfluxURL != "" {
		if s.store, err = o.Stores.openInflux(); err != nil {
			return nil, err
		}
	} else if err = s.embedInflux(); err != nil {
		return nil, err
	}
	if s.secret, err = ingestKey(o.Stores.Data); err != nil {
		return nil, err
	}
	if s.broker, err = newBroker(o.Stores.Data, o.Broker, doorkeeper{db: s.db, ingest: s.secret, log: o.Log}, s.metrics, o.Log); err != nil {
		return nil, err
	}
	if err := s.broker.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// embedInflux prepares the InfluxDB that runs as a child of this process.
func (s *server) embedInflux() error {
	binary, err := influxd.Find()
	if err != nil {
		return err
	}
	s.influx, err = influxd.New(influxd.Options{Binary: binary, DataDir: filepath.Join(s.o.Stores.Data, "influxdb"), Logger: s.o.Log})
	if err != nil {
		return err
	}
	s.store, err = tsdb.NewInflux(tsdb.InfluxOptions{URL: s.influx.URL(), Token: s.influx.Token(), Bucket: "karkhana/autogen"})
	return err
}

func (s *server) close() {
	if s.broker != nil {
		s.broker.Stop()
	}
	if s.pages != nil {
		_ = s.pages.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
}

// run serves until ctx ends, then stops in the order in which data flows, so that nothing accepted is left unwritten:
// pages, analytics and ingest first, broker and store last. It is long because it is the one list of what runs.
func (s *server) run(ctx context.Context) error {
	defer s.close()
	log := s.o.Log
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()

	var ground errgroup.Group // what all others stand on
	if s.influx != nil {
		ground.Go(func() error {
			defer cancel() // without the store nothing above can work
			return named("influxd", below, s.influx.Run)
		})
	}

	services, ctx := errgroup.WithContext(ctx)
	services.Go(func() error { return s.runServices(ctx, services) })
	err := services.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Error("stopping", "err", err)
	} else {
		err = nil
	}
	stopBelow()
	return errors.Join(err, ground.Wait())
}

// runServices starts what stands on broker and store.
func (s *server) runServices(ctx context.Context, g *errgroup.Group) error {
	log := s.o.Log
	in, err := ingest.New(ingest.Options{
		InProcess: s.broker, Username: ingestUser, Password: s.secret, ClientID: "up",
		Store: s.store, Registry: s.db, Commands: s.db, Logger: log, Registerer: s.metrics, Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	pages, err := newPages(pagesOptions{
		Stores: s.o.Stores, Store: s.store, Registry: s.db, Anonymous: s.o.AnonymousRole, Broker: s.brokerForGateways(), Metrics: s.metrics, Log: log,
		Checks: in.Checks(),
	})
	if err != nil {
		return err
	}
	g.Go(func() error { return named("http", ctx, serveHTTP(s.pages, pages.Server())) })

	// Before the store is ready: what gateways send while nobody is subscribed comes again only half a minute later.
	g.Go(func() error { return named("ingest", ctx, in.Run) })

	if s.influx != nil {
		if err := s.influx.WaitReady(ctx); err != nil {
			return err
		}
	}
	g.Go(func() error { return named("pages", ctx, pages.Run) })
	return startAnalytics(ctx, g, analyticsOptions{
		Store: s.store, Registry: s.db, Name: processName("up " + s.o.Stores.Data), Alone: true, Notifiers: s.o.Notifiers,
		Logger: log, Registerer: s.metrics,
	})
}

// brokerForGateways is what gateways that join are told of the broker.
func (s *server) brokerForGateways() api.Broker {
	return api.Broker{Announce: s.o.Announce, Listen: strings.TrimPrefix(s.broker.URL(), "mqtt://")}
}

// analyticsOptions are what analytics and maintenance share.
type analyticsOptions struct {
	Store      tsdb.Store
	Registry   *registry.DB
	Name       string // of this process among those that share the sites
	Alone      bool   // no other process of that name can be alive
	Notifiers  []maintenance.Notifier
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// processName is what tells a process from those on other computers.
func processName(what string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return host + " " + what
}

// startAnalytics adds states, sessions and maintenance to g, for the sites that this process holds.
func startAnalytics(ctx context.Context, g *errgroup.Group, o analyticsOptions) error {
	leases, err := lease.New(lease.Options{Registry: o.Registry, Name: o.Name, Alone: o.Alone, Logger: o.Logger, Registerer: o.Registerer})
	if err != nil {
		return err
	}
	sessions := session.New(session.Options{Store: o.Store, Registry: o.Registry, Logger: o.Logger, Now: time.Now})
	gaps := gap.New(gap.Options{Store: o.Store, Registry: o.Registry, Logger: o.Logger, Now: time.Now, Holds: leases.Holds})
	drafts := billing.NewDrafts(billing.DraftOptions{Store: o.Store, Registry: o.Registry, Logger: o.Logger, Now: time.Now, Holds: leases.Holds})
	states, err := analytics.New(analytics.Options{
		Store: o.Store, Registry: o.Registry, Leases: leases, Followers: []analytics.Follower{sessions, gaps, drafts},
		Logger: o.Logger, Registerer: o.Registerer, Now: time.Now, Every: time.Second,
	})
	if err != nil {
		return fmt.Errorf("analytics: %w", err)
	}
	drifts := drift.New(drift.Options{Store: o.Store, Registry: o.Registry, Logger: o.Logger, Now: time.Now, Holds: leases.Holds})
	watcher, err := maintenance.New(maintenance.Options{
		Store: o.Store, Registry: o.Registry, Notifiers: o.Notifiers, Holds: leases.Holds,
		Logger: o.Logger, Registerer: o.Registerer, Now: time.Now, Every: time.Second,
	})
	if err != nil {
		return fmt.Errorf("maintenance: %w", err)
	}
	var users sync.WaitGroup // of the leases, which are given back when all have ended
	for name, run := range map[string]func(context.Context) error{"analytics": states.Run, "gaps": gaps.Run, "drift": drifts.Run, "drafts": drafts.Run, "maintenance": watcher.Run} {
		users.Add(1)
		g.Go(func() error {
			defer users.Done()
			return named(name, ctx, run)
		})
	}
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		users.Wait()
		release()
		return nil
	})
	g.Go(func() error { return named("leases", held, leases.Run) })
	return nil
}

// named runs a part and says in its error which part it was. The end of ctx is no error.
func named(what string, ctx context.Context, run func(context.Context) error) error { //nolint:revive // reads better in this order
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
