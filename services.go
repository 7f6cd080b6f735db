package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"karkhana/analytics/maintenance"
	"karkhana/dashboards/api"
	"karkhana/ingest"
	"karkhana/internal/secret"
)

// notifyFlags say where alarms are delivered besides the page.
type notifyFlags struct {
	Webhook          []string `help:"URL that receives each alarm as JSON (repeatable)." env:"KARKHANA_WEBHOOK"`
	SMTP             string   `name:"smtp" help:"Mail server for alarms, host:port." env:"KARKHANA_SMTP"`
	SMTPFrom         string   `name:"smtp-from" help:"Sender of alarm mails."`
	SMTPTo           []string `name:"smtp-to" help:"Receivers of alarm mails."`
	SMTPUser         string   `name:"smtp-user" help:"User at the mail server."`
	SMTPPasswordFile string   `name:"smtp-password-file" help:"File with that user's password." type:"existingfile"`
}

func (f notifyFlags) notifiers() ([]maintenance.Notifier, error) {
	var out []maintenance.Notifier
	for _, url := range f.Webhook {
		if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return nil, fmt.Errorf("--webhook %q: give a URL that starts with http:// or https://", url)
		}
		out = append(out, maintenance.NewWebhook(url))
	}
	if f.SMTP == "" {
		return out, nil
	}
	if f.SMTPFrom == "" || len(f.SMTPTo) == 0 {
		return nil, errors.New("--smtp needs --smtp-from and --smtp-to")
	}
	o := maintenance.SMTPOptions{Addr: f.SMTP, From: f.SMTPFrom, To: f.SMTPTo, User: f.SMTPUser}
	if f.SMTPPasswordFile != "" {
		p, err := secret.Read(f.SMTPPasswordFile)
		if err != nil {
			return nil, err
		}
		o.Password = p
	}
	return append(out, maintenance.NewSMTP(o)), nil
}

type upCmd struct {
	storeFlags
	notifyFlags
	brokerListen
	Listen string `help:"Address of pages and API, HOST:PORT." default:"127.0.0.1:8080"`
	announceFlag
}

// announceFlag says where gateways that join find the broker.
type announceFlag struct {
	AnnounceBroker string `help:"Broker by URL as gateways that join are told it (mqtt://host:1883). Default: the host by which they reached the server, and the broker's port." env:"KARKHANA_ANNOUNCE_BROKER"`
}

// Run serves until it is stopped.
func (c upCmd) Run(e *env) error {
	n, err := c.notifiers()
	if err != nil {
		return err
	}
	s, err := newServer(e.ctx, serverOptions{
		Stores: c.storeFlags, Listen: c.Listen, Broker: c.brokerListen, Announce: c.AnnounceBroker, Notifiers: n, Log: e.log,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "karkhana %s\n  pages     http://%s\n  gateways  %s\n  data      %s\nStop with Ctrl-C.\n",
		version, s.pages.Addr(), s.broker.URL(), c.Data)
	if sites, err := s.db.Sites(e.ctx); err == nil && len(sites) == 0 {
		fmt.Fprintf(e.out, "\nNo site yet. Write one (docs/site.example.yaml shows every key), then beside this:\n"+
			"  karkhana admin apply --file site.yaml --data %[1]s\n  karkhana admin token --role manager --data %[1]s     prints what to sign in with\n", c.Data)
	}
	return s.run(e.ctx)
}

type ingestCmd struct {
	storeFlags
	brokerFlags
	ClientID      string `help:"MQTT client id: with mqtt:// one for each ingest process." default:"karkhana-ingest"`
	MetricsListen string `name:"metrics-listen" help:"Address of /metrics, /healthz and /readyz, HOST:PORT; port 0 takes a free one." default:"127.0.0.1:0"`
}

// ingestMemory is what ingest alone may use before it collects garbage: it needs about half of it, and to collect
// earlier would cost a tenth of its time.
const ingestMemory = 36 << 20

// halfTheCores leaves the time-series store the other half. Measured on two cores, broker and ingest each take a tenth
// less CPU time so, and one core of ingest is more than influxd takes in with all.
func halfTheCores() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// Run takes packs from the broker until it is stopped.
func (c ingestCmd) Run(e *env) error {
	password, err := c.password()
	if err != nil {
		return err
	}
	store, err := c.openInflux()
	if err != nil {
		return err
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if os.Getenv("GOMEMLIMIT") == "" && os.Getenv("GOGC") == "" {
		debug.SetMemoryLimit(ingestMemory)
		debug.SetGCPercent(400)
	}
	halfTheCores()
	metrics := newMetrics()
	in, err := ingest.New(ingest.Options{
		Source: c.Broker, Username: c.BrokerUser, Password: password, ClientID: c.ClientID,
		Store: store, Registry: db, Commands: db, Logger: e.log, Registerer: metrics, Now: time.Now,
	})
	if err != nil {
		return err
	}
	l, err := listen("--metrics-listen", c.MetricsListen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "metrics http://%s/metrics\n", l.Addr())
	g, ctx := errgroup.WithContext(e.ctx)
	watched := &http.Server{Handler: in.Handler(metrics), ReadHeaderTimeout: 10 * time.Second}
	g.Go(func() error { return named("http", ctx, serveHTTP(l, watched)) })
	g.Go(func() error { return named("ingest", ctx, in.Run) })
	return g.Wait()
}

// metricsServer serves /metrics of a process that has nothing else to serve.
func metricsServer(metrics prometheus.Gatherer) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

type analyticsCmd struct {
	storeFlags
	notifyFlags
	MetricsListen string `name:"metrics-listen" help:"Address of /metrics, HOST:PORT; port 0 takes a free one." default:"127.0.0.1:0"`
}

// Run rebuilds states, sessions and alarms until it is stopped.
func (c analyticsCmd) Run(e *env) error {
	n, err := c.notifiers()
	if err != nil {
		return err
	}
	store, err := c.openInflux()
	if err != nil {
		return err
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	l, err := listen("--metrics-listen", c.MetricsListen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "metrics http://%s/metrics\n", l.Addr())
	metrics := newMetrics()
	g, ctx := errgroup.WithContext(e.ctx)
	g.Go(func() error { return named("http", ctx, serveHTTP(l, metricsServer(metrics))) })
	err = startAnalytics(ctx, g, analyticsOptions{
		Store: store, Registry: db, Name: processName(fmt.Sprint("analytics ", os.Getpid())), Notifiers: n, Logger: e.log, Registerer: metrics,
	})
	if err != nil {
		return err
	}
	return g.Wait()
}

type dashboardsCmd struct {
	storeFlags
	Listen string `help:"Address of pages and API, HOST:PORT." default:"127.0.0.1:8080"`
	announceFlag
}

// Run serves pages and API until it is stopped.
func (c dashboardsCmd) Run(e *env) error {
	store, err := c.openInflux()
	if err != nil {
		return err
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	pages, err := newPages(pagesOptions{
		Stores: c.storeFlags, Store: store, Registry: db, Broker: api.Broker{Announce: c.AnnounceBroker}, Metrics: newMetrics(), Log: e.log,
	})
	if err != nil {
		return err
	}
	l, err := listen("--listen", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "pages http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(e.ctx)
	g.Go(func() error { return named("http", ctx, serveHTTP(l, pages.Server())) })
	g.Go(func() error { return named("pages", ctx, pages.Run) })
	return g.Wait()
}
