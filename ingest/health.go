package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Checks are what must be in order for packs to reach the store, by name. Each returns what is wrong just now, or nil.
func (in *Ingest) Checks() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"broker": func(context.Context) error { return in.source.connected() },
		"store":  in.opts.Store.Ping,
		"registry": func(ctx context.Context) error {
			_, err := in.opts.Registry.MachineKnown(ctx, "-", "-")
			return err
		},
	}
}

// checkTimeout bounds all checks of one question together.
const checkTimeout = 3 * time.Second

// Handler serves what watches an ingest process: /metrics, /healthz (the process lives) and /readyz (broker, store and
// registry answer; else status 503 with what is wrong). It needs no sign-in: bind it to loopback or a guarded network.
func (in *Ingest) Handler(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		answer, status := map[string]string{}, http.StatusOK
		for name, check := range in.Checks() {
			answer[name] = "ok"
			if err := check(ctx); err != nil {
				answer[name], status = "does not answer", http.StatusServiceUnavailable
				in.opts.Logger.Debug("not ready", "part", name, "err", err)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // the caller may have gone
	})
	return mux
}
