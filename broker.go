package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/ingest"
	"karkhana/internal/broker"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/wire"
)

// ingestUser is the broker user of ingest.
const ingestUser = "ingest"

// brokerListen says where the embedded broker listens.
type brokerListen struct {
	MQTTListen string `name:"mqtt-listen" help:"Address for gateways, HOST:PORT." default:"127.0.0.1:1883"`
	NATSListen string `name:"nats-listen" help:"Address for ingest processes beside this one (nats://), HOST:PORT. Default: none."`
}

type brokerCmd struct {
	storeFlags
	brokerListen
	MetricsListen string `name:"metrics-listen" help:"Address of /metrics, HOST:PORT; port 0 takes a free one." default:"127.0.0.1:0"`
}

// brokerMemory is what the broker alone may use before it collects garbage more often: four times the messages that wait
// for ingest (broker.Options.MaxMemory). A full broker has more than twice of them alive; with less room than that it
// does little but collect, while gateways send again what it refuses.
const brokerMemory = 256 << 20

// Run serves gateways and ingest until it is stopped.
func (c brokerCmd) Run(e *env) error {
	if os.Getenv("GOMEMLIMIT") == "" && os.Getenv("GOGC") == "" {
		debug.SetMemoryLimit(brokerMemory)
		debug.SetGCPercent(200)
	}
	halfTheCores()
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	key, err := ingestKey(c.Data)
	if err != nil {
		return err
	}
	metrics := newMetrics()
	b, err := newBroker(c.Data, c.brokerListen, doorkeeper{db: db, ingest: key, log: e.log}, metrics, e.log)
	if err != nil {
		return err
	}
	l, err := listen("--metrics-listen", c.MetricsListen)
	if err != nil {
		return err
	}
	if err := b.Start(e.ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	defer b.Stop()
	fmt.Fprintf(e.out, "metrics   http://%s/metrics\n", l.Addr())
	fmt.Fprintf(e.out, "gateways  %s\n", b.URL())
	if u := b.NATSURL(); u != "" {
		fmt.Fprintf(e.out, "ingest    %s (user %s, password in %s)\n", u, ingestUser, ingestKeyFile(c.Data))
	}
	return named("http", e.ctx, serveHTTP(l, metricsServer(metrics)))
}

func newBroker(data string, listen brokerListen, d doorkeeper, metrics prometheus.Registerer, log *slog.Logger) (*broker.Broker, error) {
	return broker.New(broker.Options{
		DataDir: filepath.Join(data, "broker"), Listen: listen.MQTTListen, NATSListen: listen.NATSListen,
		Authenticate: d.authenticate, Logger: log, Registerer: metrics, Prepare: ingest.MakeConsumers,
	})
}

func ingestKeyFile(data string) string { return filepath.Join(data, "ingest.key") }

// ingestKey is ingest's password at the embedded broker, made at the first start. With a PostgreSQL nothing else has
// made the data folder yet.
func ingestKey(data string) (string, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	return secret.Keep(ingestKeyFile(data))
}

// doorkeeper knows who may connect to the broker.
type doorkeeper struct {
	db     *registry.DB
	ingest string // ingest's password
	log    *slog.Logger
}

// authenticate lets gateways in with their own key and gives them only their own topics.
func (d doorkeeper) authenticate(user, password string) (broker.Rights, bool) {
	if user == ingestUser {
		return broker.IngestRights(), subtle.ConstantTimeCompare([]byte(password), []byte(d.ingest)) == 1
	}
	site, gateway, ok := strings.Cut(user, ".")
	if !ok || wire.CheckID("site", site) != nil || wire.CheckID("gateway", gateway) != nil {
		return broker.Rights{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	g, err := d.db.Gateway(ctx, site, gateway)
	if err != nil {
		if !errors.Is(err, registry.ErrNotFound) {
			d.log.Error("look up a gateway's key", "site", site, "gateway", gateway, "err", err)
		}
		return broker.Rights{}, false
	}
	if g.KeyHash == "" || subtle.ConstantTimeCompare([]byte(g.KeyHash), []byte(registry.HashSecret(password))) != 1 {
		return broker.Rights{}, false
	}
	return broker.GatewayRights(site, gateway), true
}
