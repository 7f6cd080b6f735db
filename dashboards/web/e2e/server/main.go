// Command server serves the API and the built pages over a made-up CFC, for the browser tests. It prints its address
// and takes two commands that only tests need: POST /test/state?machine=&state= and POST /test/tap?machine=&card=.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/dashboards/web"
	"karkhana/internal/lowport"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

func main() {
	listen := flag.String("listen", "", "address to serve at; empty: a loopback port that nobody gets while the server is away for a moment")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, listen string) error {
	if listen == "" {
		port, err := lowport.Take()
		if err != nil {
			return err
		}
		defer port.Release()
		listen = port.Address()
	}
	dir, err := os.MkdirTemp("", "karkhana-e2e-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	world, err := apitest.New(ctx, dir)
	if err != nil {
		return err
	}
	defer world.Registry.Close()
	if err := refuse(ctx, world); err != nil {
		return err
	}
	if err := world.Drivers(ctx); err != nil {
		return err
	}
	pages, err := web.FS()
	if err != nil {
		return err
	}
	a, err := api.New(api.Options{
		Store: world.Store, Registry: world.Registry, Web: pages, Version: "e2e", AnonymousRole: registry.RoleViewer,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Now: world.Now, Poll: 250 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.Handler())
	mux.HandleFunc("POST /test/state", func(w http.ResponseWriter, r *http.Request) {
		if err := world.SetState(r.Context(), r.FormValue("machine"), r.FormValue("state")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	// The world's clock goes by seconds: what begins now has no length yet.
	mux.HandleFunc("POST /test/later", func(w http.ResponseWriter, r *http.Request) {
		if err := world.Advance(r.Context(), 2*time.Second); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /test/tap", func(w http.ResponseWriter, r *http.Request) {
		err := world.Store.Write(r.Context(), []tsdb.Point{{
			Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: r.FormValue("machine"), TimeMs: world.Now().UnixMilli(),
			Fields: []tsdb.Field{{Key: quantity.Field(quantity.Card), Value: r.FormValue("card")}},
		}})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := a.Server()
	server.Handler = mux
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Run(ctx) })
	g.Go(func() error { return tick(ctx, world) })
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(closing)
	})
	fmt.Println("http://" + l.Addr().String())
	return g.Wait()
}

// tick lets the world's clock run with the real one.
func tick(ctx context.Context, world *apitest.World) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			if err := world.Advance(ctx, now.Sub(last)); err != nil && ctx.Err() == nil {
				return err
			}
			last = now
		}
	}
}

// refuse puts into quarantine what a badly set up gateway sends.
func refuse(ctx context.Context, w *apitest.World) error {
	w.Registry.LimitQuarantine(registry.QuarantineLimits{SitePacks: 40})
	for i := range 60 {
		q := registry.Quarantined{
			ReceivedMs: w.Now().Add(time.Duration(i-60) * time.Minute).UnixMilli(), Site: apitest.Site, Gateway: "gw-1", Machine: "furnace-1",
			Reason: "absurd-time", Detail: "temperature at 1970-01-01T00:02:11Z is too old to be true: the gateway's clock was wrong", Payload: fmt.Appendf(nil, "pack %d", i),
		}
		switch i % 6 {
		case 4:
			q.Machine, q.Reason, q.Detail = "lathe-9", "unknown-machine", "machine lathe-9 is not registered at site jodhpur-cfc: its packs are stored as soon as it is"
		case 5:
			q.Machine, q.Reason, q.Detail, q.Length, q.SHA256 = "hammer-1", "too-large", "10485760 bytes, a pack has at most 524288: send smaller packs "+strings.Repeat("z", 120), 10<<20, "ab"
		}
		q.Topic = "cfc/v1/" + apitest.Site + "/gw-1/" + q.Machine + "/telemetry"
		if err := w.Registry.Quarantine(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
