package api

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"karkhana/internal/ready"
)

// routeHealth adds the calls for machines that watch this one: /healthz (the process lives), /readyz (store,
// registry and, when ingest runs here, its broker answer, and what it holds is written), /metrics (Prometheus; from this computer or with a token of role admin).
func (a *API) routeHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", a.ready)
	if a.gatherer != nil {
		show := promhttp.HandlerFor(a.gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, DisableCompression: true})
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			id, err := a.identify(r)
			if !fromThisComputer(r) && (err != nil || !id.signedIn || id.role != admin) {
				w.Header().Set("WWW-Authenticate", `Bearer realm="karkhana"`)
				a.writeProblem(w, problem(http.StatusUnauthorized, "metrics need a bearer token of role admin, or a call from this computer"))
				return
			}
			show.ServeHTTP(w, r)
		})
	}
}

func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	checks := ready.Checks{
		"store":    a.store.Ping,
		"registry": func(ctx context.Context) error { _, err := a.reg.Sites(ctx); return err },
	}
	maps.Copy(checks, a.checks)
	ready.Answer(w, r, checks, a.log)
}

// fromThisComputer reports whether the caller sits on this computer and is not a proxy speaking for others.
func fromThisComputer(r *http.Request) bool {
	ip := net.ParseIP(remoteIP(r))
	return ip != nil && ip.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}

// metrics are the API's own figures.
type metrics struct {
	requests      *prometheus.CounterVec
	seconds       prometheus.Histogram
	viewers       prometheus.Gauge
	dropped       prometheus.Counter
	loginFailures prometheus.Counter
	enrolFailures prometheus.Counter
}

// newMetrics registers the figures on r; nil keeps them private.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_http_requests_total", Help: "HTTP requests answered, by status class.",
		}, []string{"code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "karkhana_http_request_seconds", Help: "Time to answer a request, live streams left out.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		viewers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "karkhana_live_viewers", Help: "Open live streams."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "karkhana_live_viewers_dropped_total", Help: "Live streams closed because the viewer was too slow.",
		}),
		loginFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "karkhana_login_failures_total", Help: "Sign-ins with a wrong token."}),
		enrolFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "karkhana_enrol_failures_total", Help: "Gateways that tried to join with a code that was refused."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.viewers, m.dropped, m.loginFailures, m.enrolFailures} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// count measures every request.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(s, r)
		m.requests.WithLabelValues(strconv.Itoa(s.status/100) + "xx").Inc()
		if !isLive(r) {
			m.seconds.Observe(time.Since(began).Seconds())
		}
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// WriteHeader remembers the status and sends it.
func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
