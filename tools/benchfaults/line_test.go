package benchfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/spool"
	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/faultlink"
	"karkhana/internal/influxd"
	"karkhana/internal/lowport/lowporttest"
	"karkhana/internal/pgtest"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

const (
	site     = "faults"
	gateways = 3
	ingests  = 2
)

// Set-ups of a line: which broker, and how ingest reads it.
const (
	embeddedNATS = "embedded, nats" // both ingest share a consumer
	embeddedMQTT = "embedded, mqtt" // both ingest get everything
	mosquitto    = "mosquitto"      // so too
	allInOne     = "all in one"     // karkhana up: broker, ingest, influxd, analytics and pages in one process but influxd
)

// line is everything from the meters to the store.
type line struct {
	dir, self, server string
	setup, database   string
	tsdb              tsdb.Store
	registry          *registry.DB

	stores      []string          // flags of whoever needs the registry
	influx      *influxd.Server   // nil when all is in one
	influxLinks []*faultlink.Link // of each ingest, as the next two
	sqlLinks    []*faultlink.Link // PostgreSQL
	brokerLinks []*faultlink.Link
	broker      *process // or all in one
	brokerData  string
	pages       string                     // URL of pages and API
	brokerUsers map[string]brokertest.User // of a Mosquitto
	ingest      []*process                 // none when all is in one
	analytics   *process                   // nil when all is in one
	gateways    [gateways]*gatewayProcess
	smallDisks  bool
	recordings  []recording
}

// gatewayProcess is a gateway and what it stands on.
type gatewayProcess struct {
	*process
	id, key    string
	link       *faultlink.Link
	clock      *clockFile
	disk, data string
	config     string
	run        int
	ends       []ending // of each run, beginning with run 1
	refused    uint64   // packs in all runs
}

// ending is how a run ended.
type ending struct{ killed bool }

// refused is how many packs the gateway's status says that a full disk cost in the run that is about to end.
func (l *line) refused(t *testing.T, g *gatewayProcess) uint64 {
	t.Helper()
	row, err := l.registry.Gateway(context.Background(), site, g.id)
	require.NoError(t, err)
	if row.StatusJSON == "" {
		return 0
	}
	s, err := wire.DecodeStatus([]byte(row.StatusJSON))
	require.NoError(t, err)
	return s.SpoolDropped + s.SpoolThinned
}

func (g *gatewayProcess) meter() string { return "meter-" + g.id }

// newLine prepares a line and starts it.
func newLine(t *testing.T, rng *rand.Rand, server string, o options) *line {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	l := &line{dir: folder(t), self: self, server: server, setup: o.setup, database: o.database}
	t.Cleanup(l.abandon)
	data := filepath.Join(l.dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	sqlURL := "sqlite://" + filepath.Join(data, "registry.db")
	if l.database == "postgres" {
		sqlURL = pgtest.URL(t)
	}
	l.registry, err = registry.Open(t.Context(), sqlURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.registry.Close() })
	l.stores = []string{"--data", data, "--database", sqlURL}
	l.write(t, "site.yaml", siteFile())
	l.admin(t, "apply", "--file", filepath.Join(l.dir, "site.yaml"))

	dirs, small := l.disks(t)
	l.smallDisks = small
	l.write(t, "site.salt", "a salt that is long enough for cards")
	for i := range l.gateways {
		id := fmt.Sprintf("gw-%d", i+1)
		g := &gatewayProcess{
			id: id, disk: dirs[i], data: filepath.Join(dirs[i], "gateway"),
			key: l.admin(t, "gateway-key", site, id),
		}
		l.gateways[i] = g
	}
	if l.setup != allInOne {
		l.startInflux(t)
	}
	if l.setup != allInOne {
		for range ingests {
			l.brokerLinks = append(l.brokerLinks, newLink(t, ""))
		}
	}
	l.prepareBroker(t)
	l.startBroker(t)
	if l.setup != allInOne {
		l.startServices(t, sqlURL)
	}
	for i, g := range l.gateways {
		l.prepareGateway(t, rng, i, g, o)
		l.startGateway(t, g)
	}
	return l
}

// admin runs a command of karkhana admin and returns what it prints.
func (l *line) admin(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, l.server, append(append([]string{"admin"}, args...), l.stores...)...))
}

func (l *line) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(l.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func siteFile() string {
	var b strings.Builder
	b.WriteString("site:\n  id: faults\n  name: {hi: बाधाएँ, en: Faults}\nmachines:\n")
	for i := range gateways {
		for _, m := range []string{"press-%d-a", "press-%d-b", "meter-gw-%d"} {
			fmt.Fprintf(&b, "  - id: %s\n    class: cutting\n    name: {hi: यंत्र, en: Machine}\n", fmt.Sprintf(m, i+1))
			b.WriteString("    settings: [{idle_above: 300, run_above: 1500, dwell: {off: 20s, idle: 20s, run: 5s}, report: 1s}]\n")
		}
	}
	b.WriteString("gateways:\n")
	for i := range gateways {
		fmt.Fprintf(&b, "  - id: gw-%d\n", i+1)
	}
	return b.String()
}

func newLink(t *testing.T, to string) *faultlink.Link {
	t.Helper()
	k, err := faultlink.New(to)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

// startInflux runs an influxd until the end of the test. It is started again by itself when it is killed.
func (l *line) startInflux(t *testing.T) {
	t.Helper()
	binary, err := influxd.Find()
	require.NoError(t, err)
	l.influx, err = influxd.New(influxd.Options{Binary: binary, DataDir: filepath.Join(l.dir, "influxdb")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.influx.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	require.NoError(t, l.influx.WaitReady(ctx))
	l.write(t, "influx.token", l.influx.Token())
	l.openStore(t, l.influx.URL(), l.influx.Token())
}

// openStore is how the bench itself reads.
func (l *line) openStore(t *testing.T, url, token string) {
	t.Helper()
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: url, Token: token, Bucket: influxd.Bucket})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	l.tsdb = store
}

var influxPort = regexp.MustCompile(`\[http\]\s+enabled = true\s+bind-address = "(127\.0\.0\.1:\d+)"`)

// openChildStore opens the store of a server that has just started its influxd.
func (l *line) openChildStore(t *testing.T) {
	t.Helper()
	dir := filepath.Join(l.dir, "data", "influxdb")
	conf, err := os.ReadFile(filepath.Join(dir, "influxd.conf"))
	require.NoError(t, err)
	at := influxPort.FindSubmatch(conf)
	require.NotNil(t, at, "no port in %s", conf)
	password, err := secret.Read(filepath.Join(dir, "secret"))
	require.NoError(t, err)
	l.openStore(t, "http://"+string(at[1]), "karkhana:"+password)
}

// ingestUser and the password that it has at a Mosquitto.
const (
	ingestUser     = "ingest"
	ingestPassword = "a-password-for-ingest"
)

func (l *line) prepareBroker(t *testing.T) {
	t.Helper()
	for _, g := range l.gateways {
		g.link = newLink(t, "")
	}
	l.brokerData = filepath.Join(l.dir, "data", "broker")
	switch l.setup {
	case allInOne:
		binary, err := influxd.Find()
		require.NoError(t, err)
		l.broker = l.process("server", l.server, []string{influxd.EnvBinary + "=" + binary}, append([]string{"up", "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"}, l.stores...)...)
		return
	case embeddedNATS:
		l.broker = l.process("broker", l.server, nil, append([]string{"broker", "--mqtt-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, l.stores...)...)
		return
	case embeddedMQTT:
		l.broker = l.process("broker", l.server, nil, append([]string{"broker", "--mqtt-listen", "127.0.0.1:0"}, l.stores...)...)
		return
	}
	l.write(t, "ingest.password", ingestPassword)
	users := map[string]brokertest.User{ingestUser: {Password: ingestPassword, Rights: broker.IngestRights()}}
	for _, g := range l.gateways {
		users[site+"."+g.id] = brokertest.User{Password: g.key, Rights: broker.GatewayRights(site, g.id)}
	}
	l.brokerUsers = users
	l.brokerData = filepath.Join(l.dir, "mosquitto")
	l.broker = l.process("broker", "", nil, "-c", filepath.Join(l.brokerData, "mosquitto.conf"))
}

// startBroker starts it on ports that are free now, and leads all links there.
func (l *line) startBroker(t *testing.T) {
	t.Helper()
	var mqtt, forIngest string
	if l.setup == mosquitto {
		require.NoError(t, os.MkdirAll(l.brokerData, 0o700))
		mqtt = lowporttest.Address(t)
		l.broker.path = brokertest.MosquittoFiles(t, l.brokerData, mqtt, l.brokerUsers)
		l.broker.start(t)
		waitFor(t, "mosquitto does not listen", func() bool {
			c, err := net.DialTimeout("tcp", mqtt, time.Second)
			return err == nil && c.Close() == nil || l.broker.ended()
		})
		require.False(t, l.broker.ended(), l.broker.tail())
	} else {
		l.broker.start(t)
		mqtt = l.broker.find(t, l.broker.from, `(?m)^ *gateways +mqtt://(\S+)$`)
	}
	if l.setup == allInOne {
		l.pages = l.broker.find(t, l.broker.from, `(?m)^ +pages +(http://\S+)$`)
		l.openChildStore(t)
	}
	forIngest = mqtt
	if l.setup == embeddedNATS {
		forIngest = l.broker.find(t, l.broker.from, `(?m)^ingest +nats://(\S+) `)
	}
	for _, k := range l.brokerLinks {
		k.To(forIngest)
	}
	for _, g := range l.gateways {
		g.link.To(mqtt)
	}
}

// startServices starts ingest and analytics, which stand alone.
func (l *line) startServices(t *testing.T, sqlURL string) {
	t.Helper()
	data := filepath.Join(l.dir, "data")
	token := []string{"--influx-token-file", filepath.Join(l.dir, "influx.token")}
	scheme, password := "mqtt://", filepath.Join(data, "ingest.key")
	switch l.setup {
	case embeddedNATS:
		scheme = "nats://"
	case mosquitto:
		password = filepath.Join(l.dir, "ingest.password")
	}
	for i := range ingests {
		sqlURL := sqlURL
		if l.database == "postgres" {
			u, err := url.Parse(sqlURL)
			require.NoError(t, err)
			k := newLink(t, u.Host)
			l.sqlLinks = append(l.sqlLinks, k)
			u.Host = k.Addr()
			sqlURL = u.String()
		}
		name, influx := fmt.Sprintf("ingest-%d", i+1), newLink(t, strings.TrimPrefix(l.influx.URL(), "http://"))
		l.influxLinks = append(l.influxLinks, influx)
		l.ingest = append(l.ingest, l.process(name, l.server, nil, append([]string{"ingest", "--data", data, "--database", sqlURL,
			"--influx-url", "http://" + influx.Addr(), "--broker", scheme + l.brokerLinks[i].Addr(), "--broker-password-file", password,
			"--client-id", "karkhana-" + name}, token...)...))
		l.ingest[i].start(t)
	}
	own := append(append(token, "--influx-url", l.influx.URL()), l.stores...)
	l.analytics = l.process("analytics", l.server, nil, append([]string{"analytics"}, own...)...)
	l.analytics.start(t)
	pages := l.process("dashboards", l.server, nil, append([]string{"dashboards", "--listen", "127.0.0.1:0"}, own...)...)
	pages.start(t)
	t.Cleanup(pages.kill)
	l.pages = pages.find(t, 0, `(?m)^pages +(http://\S+)$`)
}

// prepareGateway writes a gateway's files: two recordings and a meter.
func (l *line) prepareGateway(t *testing.T, rng *rand.Rand, i int, g *gatewayProcess, o options) {
	t.Helper()
	g.clock = newClockFile(t, filepath.Join(l.dir, g.id+".clock"))
	l.write(t, g.id+".key", g.key)
	machines := ""
	for j, name := range []string{"a", "b"} {
		r := newRecording(t, l.dir, fmt.Sprintf("press-%d-%s", i+1, name), rng, o.rows, time.Date(2026, 6, 1+2*i+j, 0, 10, 0, 0, time.UTC))
		l.recordings = append(l.recordings, r)
		machines += fmt.Sprintf("  - id: %s\n    source: replay\n    replay: {file: %s, speed: SPEED, shift: none}\n    pack: 50ms\n", r.machine, r.csv)
	}
	machines += fmt.Sprintf("  - id: %s\n    source: sim\n    sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}\n    every: 50ms\n    pack: 500ms\n", g.meter())
	g.config = fmt.Sprintf("site: %s\ngateway: %s\nbroker: mqtt://%s\nkey_file: %s.key\ncard_salt_file: site.salt\ndata: %s\nhistory_packs_per_s: 0\nmachines:\n%s",
		site, g.id, g.link.Addr(), g.id, g.data, machines)
	g.process = l.process(g.id, l.self, []string{
		envConfig + "=" + filepath.Join(l.dir, g.id+".yaml"), envClock + "=" + g.clock.f.Name(), envTruth + "=" + l.dir,
	})
}

// speed is how fast recordings are played while things break.
const speed = "400x"

// startGateway starts the next run of a gateway.
func (l *line) startGateway(t *testing.T, g *gatewayProcess) {
	t.Helper()
	l.write(t, g.id+".yaml", strings.ReplaceAll(g.config, "SPEED", speed))
	g.run++
	g.start(t, fmt.Sprintf("%s=%d", envRun, g.run))
	g.find(t, g.from, "gateway starts")
}

// endGateway ends the run: killed, or asked to.
func (l *line) endGateway(t *testing.T, g *gatewayProcess, killed bool) {
	t.Helper()
	g.refused += l.refused(t, g)
	if killed {
		g.kill()
	} else {
		g.signal(syscall.SIGTERM)
		g.end(t)
	}
	g.ends = append(g.ends, ending{killed})
}

// drain lets all gateways send what is left of the recordings as fast as it goes, and ends them when ingest has given a
// receipt for every pack.
func (l *line) drain(t *testing.T) {
	t.Helper()
	for _, g := range l.gateways {
		l.endGateway(t, g, false)
		l.write(t, g.id+".yaml", strings.ReplaceAll(g.config, "SPEED", "max"))
		g.run++
		g.start(t, fmt.Sprintf("%s=%d", envRun, g.run), envDrain+"=yes")
	}
	for _, g := range l.gateways {
		g.end(t)
		g.ends = append(g.ends, ending{})
		g.refused += l.refused(t, g)
		s, err := spool.Open(filepath.Join(g.data, "spool"), spool.Options{})
		require.NoError(t, err)
		require.Zero(t, s.Len(), "%s ends with packs in its spool", g.id)
		require.NoError(t, s.Close())
	}
}

// stored counts what is stored of each gateway's meter.
func (l *line) stored(ctx context.Context) (counts [gateways]int64, err error) {
	for i, g := range l.gateways {
		q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: g.meter(), Fields: []string{"energy_wh"}, FromMs: 0, ToMs: 1 << 42}
		buckets, err := l.tsdb.Buckets(ctx, q, 1<<42)
		if err != nil {
			return counts, err
		}
		for _, b := range buckets {
			counts[i] += b.Count
		}
	}
	return counts, nil
}

// flows waits until new samples of every gateway are stored.
func (l *line) flows(t *testing.T) {
	t.Helper()
	var before, now [gateways]int64
	first := true
	waitFor(t, "samples do not flow again, see "+l.dir, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var err error
		if now, err = l.stored(ctx); err != nil {
			return false
		}
		if first {
			before, first = now, false
		}
		for i := range now {
			if now[i] <= before[i] {
				return false
			}
		}
		return true
	})
}

// stop ends what is left, by pid.
func (l *line) stop(t *testing.T) {
	t.Helper()
	for _, p := range l.services() {
		p.signal(syscall.SIGTERM)
		p.end(t)
	}
}

// abandon kills whatever runs, also after a failed test.
func (l *line) abandon() {
	for _, g := range l.gateways {
		if g != nil && g.process != nil {
			g.kill()
		}
	}
	for _, p := range l.services() {
		p.kill()
	}
}

// services are the processes of the server that are ended by name, in the order in which they end.
func (l *line) services() (out []*process) {
	for _, p := range append(slices.Clone(l.ingest), l.analytics, l.broker) {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}
