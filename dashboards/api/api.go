package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"karkhana/internal/enrol"
	"karkhana/internal/ready"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Options are the parts an API is made of. Store, Registry and Logger are needed; the rest has defaults.
type Options struct {
	Store    tsdb.Store
	Registry Registry
	Web      fs.FS // the built pages (package web); nil: API only
	Version  string
	Logger   *slog.Logger

	Registerer prometheus.Registerer // nil: the API's own metrics are not exported
	Gatherer   prometheus.Gatherer   // what /metrics shows; nil: no /metrics

	Now  func() time.Time // nil: time.Now
	Poll time.Duration    // how often the live hub looks for changes; 0: one second

	// AnonymousRole is what people without sign-in may do; "" means nothing. Give it only where everybody who can
	// reach the address may see the workshop.
	AnonymousRole registry.Role
	// SessionKey signs the cookies of signed-in people, 32 bytes. Processes that serve the same people share it.
	// nil: a random one, so a restart signs everybody out.
	SessionKey []byte
	// Broker is what gateways that join are told of the broker.
	Broker Broker
	// Checks are asked for /readyz beside store and registry, those of ingest where it runs here.
	Checks ready.Checks
}

// API serves the pages, the JSON API and the live stream. Make it with New, serve Handler, and Run the live hub.
type API struct {
	store   tsdb.Store
	reg     Registry
	checks  ready.Checks
	web     fs.FS
	version string
	log     *slog.Logger
	now     func() time.Time
	poll    time.Duration

	anonymous  registry.Role
	sessionKey []byte
	failures   *limiter
	joining    *joining
	broker     Broker

	gatherer prometheus.Gatherer
	metrics  *metrics
	hub      *hub
	huma     huma.API
	handler  http.Handler
}

// New wires an API. It starts nothing.
func New(o Options) (*API, error) {
	switch {
	case o.Store == nil || o.Registry == nil || o.Logger == nil:
		return nil, errors.New("dashboards: Store, Registry and Logger are needed")
	case o.AnonymousRole != "" && !slices.Contains(registry.Roles, o.AnonymousRole):
		return nil, fmt.Errorf("dashboards: anonymous role %q: use one of %v or none", o.AnonymousRole, registry.Roles)
	case o.SessionKey != nil && len(o.SessionKey) < 32:
		return nil, fmt.Errorf("dashboards: session key has %d bytes, 32 are needed", len(o.SessionKey))
	}
	if o.Broker.Announce != "" {
		if err := enrol.CheckBroker(o.Broker.Announce); err != nil {
			return nil, fmt.Errorf("dashboards: announced %w", err)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.SessionKey == nil {
		o.SessionKey = make([]byte, 32)
		if _, err := rand.Read(o.SessionKey); err != nil {
			return nil, fmt.Errorf("dashboards: make a session key: %w", err)
		}
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("dashboards: register metrics: %w", err)
	}
	a := &API{
		store: o.Store, reg: o.Registry, checks: o.Checks, web: o.Web, version: o.Version, log: o.Logger, now: o.Now, poll: o.Poll,
		anonymous: o.AnonymousRole, sessionKey: o.SessionKey, failures: newLimiter(5, time.Minute),
		joining: newJoining(), broker: o.Broker,
		gatherer: o.Gatherer, metrics: m,
	}
	a.hub = newHub(a)
	if err := a.routes(); err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	return a, nil
}

// Handler serves everything: pages, API, live stream, health and metrics.
func (a *API) Handler() http.Handler { return a.handler }

// Server is an http.Server around Handler with the limits that keep a slow or broken caller from holding it up.
// The live stream lifts its own write limit.
func (a *API) Server() *http.Server {
	return &http.Server{
		Handler:           a.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// Run keeps the live hub going until ctx ends, then sends every viewer away so that a server can shut down.
func (a *API) Run(ctx context.Context) error { return a.hub.run(ctx) }

// routes builds the mux and the OpenAPI document.
func (a *API) routes() error {
	config := huma.DefaultConfig("Karkhana", "1")
	config.Info.Description = "Telemetry of shared machines: live states, intervals, indicators, sessions, statements, alarms. " +
		"Times are RFC 3339, durations seconds, energy Wh, money paise."
	config.CreateHooks = nil // no $schema field in every answer
	config.DocsPath, config.SchemasPath = "", ""
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":  {Type: "http", Scheme: "bearer", Description: "A token made by `karkhana admin token`."},
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "Set by POST /api/v1/login."},
	}

	mux := http.NewServeMux()
	a.huma = humago.New(&suffixMux{mux}, config)
	a.huma.UseMiddleware(a.authorise)

	a.routeSignIn()
	a.routeSites()
	a.routeMachines()
	a.routeIntervals()
	a.routeKPIs()
	a.routeCalendar()
	a.routeBreakdowns()
	a.routeSeries()
	a.routeSamples()
	a.routeSessions()
	a.routeCorrections()
	a.routeJobs()
	a.routeStatements()
	a.routeReports()
	a.routeAlarms()
	a.routeBaselines()
	a.routeThresholds()
	a.routeServices()
	a.routeGateways()
	a.routeCommands()
	a.routeGaps()
	a.routeEnergy()
	a.routeQuarantine()
	a.routeEnrol()
	a.routeLive()
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if _, listed := access[op.OperationID]; !listed {
				return fmt.Errorf("operation %s %s has no roles: list %q in roles.go", op.Method, op.Path, op.OperationID)
			}
		}
	}

	a.routeHealth(mux)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		a.writeProblem(w, problem(http.StatusNotFound, "no %s %s here: see /openapi.json for what there is", r.Method, r.URL.Path))
	})
	if a.web != nil {
		mux.Handle("/", pages(a.web))
	}

	a.handler = a.metrics.count(secured(sameOrigin(a, limited(compressed(&suffixMux{mux})))))
	return nil
}

// suffixMux lets a path end in "{id}.csv" or "{id}.pdf", which net/http patterns can't say: inside, it is "{id}/csv".
type suffixMux struct{ *http.ServeMux }

// inner is the inner form of a path or pattern that ends in one of the suffixes.
func (m *suffixMux) inner(path string) (string, bool) {
	for _, suffix := range []string{"csv", "pdf"} {
		if rest, ok := strings.CutSuffix(path, "."+suffix); ok {
			return rest + "/" + suffix, true
		}
	}
	return path, false
}

// HandleFunc registers pattern under its inner form.
func (m *suffixMux) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	pattern, _ = m.inner(pattern)
	m.ServeMux.HandleFunc(pattern, handler)
}

// ServeHTTP turns the outer form of a path into the inner one.
func (m *suffixMux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if inner, ok := m.inner(r.URL.Path); ok && strings.HasPrefix(inner, "/api/") {
		r2 := r.Clone(r.Context())
		r2.URL.Path, r2.URL.RawPath = inner, ""
		r = r2
	}
	m.ServeMux.ServeHTTP(w, r)
}

// operation describes one call of the API. Its id is looked up in the role table.
func operation(id, method, path, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Description: description,
		MaxBodyBytes: 16 << 10,
		Errors:       []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
		Security:     security(id),
		Extensions:   map[string]any{"x-roles": rolesShown(id)},
	}
}

// security names the ways to sign in, none for public operations.
func security(id string) []map[string][]string {
	if isPublic(id) {
		return []map[string][]string{}
	}
	return []map[string][]string{{"bearer": {}}, {"session": {}}}
}

// rolesShown lists the roles of an operation for readers of the OpenAPI document.
func rolesShown(id string) []string {
	if isPublic(id) {
		return []string{"anyone"}
	}
	out := []string{string(admin)}
	for _, r := range access[id] {
		out = append(out, string(r))
	}
	return out
}
