package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/dashboards/api"
	"karkhana/dashboards/web"
	"karkhana/internal/ready"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/tsdb"
)

// listen binds addr, the value of a flag, and explains the usual failure.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err // without the address, which stands before
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: another program has the port: stop it or choose another one with %s HOST:PORT", addr, flag)
	case err != nil:
		return nil, fmt.Errorf("listen on %q: %w: want %s HOST:PORT, for example 127.0.0.1:8080", addr, err, flag)
	}
	return l, nil
}

// loopback reports whether addr is reachable from this computer only.
func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// pagesOptions are what the HTTP API and its pages stand on.
type pagesOptions struct {
	Stores    storeFlags
	Store     tsdb.Store
	Registry  *registry.DB
	Anonymous registry.Role
	Broker    api.Broker
	Metrics   *prometheus.Registry
	Checks    ready.Checks // of ingest, for /readyz; nil: no ingest in this process
	Log       *slog.Logger
}

// newPages makes the API with the web app. The key of its cookies stays in the data folder, so that people stay signed
// in over a restart.
func newPages(o pagesOptions) (*api.API, error) {
	files, err := web.FS()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Stores.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	key, err := secret.Keep(filepath.Join(o.Stores.Data, "session.key"))
	if err != nil {
		return nil, err
	}
	pages, err := api.New(api.Options{
		Store: o.Store, Registry: o.Registry, Web: files, Version: version, Logger: o.Log,
		Registerer: o.Metrics, Gatherer: o.Metrics, Now: time.Now, AnonymousRole: o.Anonymous, SessionKey: []byte(key), Broker: o.Broker,
		Checks: o.Checks,
	})
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return pages, nil
}

// serveHTTP returns a part that serves on l until its context ends. Long answers (live pages) end with it.
func serveHTTP(l net.Listener, srv *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		srv.BaseContext = func(net.Listener) context.Context { return ctx }
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := srv.Shutdown(grace)
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}
