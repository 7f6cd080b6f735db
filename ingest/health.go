package ingest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"karkhana/internal/ready"
)

// Checks are what must be in order for packs to reach the store, by name.
func (in *Ingest) Checks() ready.Checks {
	return ready.Checks{
		"broker": in.source.answers,
		"store":  in.opts.Store.Ping,
		"registry": func(ctx context.Context) error {
			_, err := in.opts.Registry.MachineKnown(ctx, "-", "-")
			return err
		},
		"ingest": func(context.Context) error { return in.tasks.stuck() },
	}
}

// Handler serves what watches an ingest process: /metrics, /healthz (the process lives) and /readyz (broker, store and
// registry answer, and what is held gets written; else status 503 with what is wrong). It needs no sign-in: bind it to
// loopback or a guarded network.
func (in *Ingest) Handler(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready.Answer(w, r, in.Checks(), in.opts.Logger) })
	return mux
}

// stuckAfter is how long a write may last until ingest says that it is not ready. A store or registry may answer questions
// and yet take no writes: full disk, locked database.
const stuckAfter = 5 * time.Second

// tasks are the writes under way.
type tasks struct {
	mu    sync.Mutex
	began map[*task]struct{}
}

type task struct {
	what  string
	since time.Time
}

// begin notes a task until the function that it returns is called.
func (t *tasks) begin(what string) (end func()) {
	k := &task{what, time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began == nil {
		t.began = map[*task]struct{}{}
	}
	t.began[k] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.began, k)
	}
}

// stuck says which task has taken too long, the longest of them.
func (t *tasks) stuck() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var oldest *task
	for k := range t.began {
		if oldest == nil || k.since.Before(oldest.since) {
			oldest = k
		}
	}
	if oldest == nil || time.Since(oldest.since) < stuckAfter {
		return nil
	}
	return ready.Said(fmt.Sprintf("has tried for %v to %s", time.Since(oldest.since).Round(time.Second), oldest.what))
}
