// Package broker is the embedded MQTT 3.1.1 broker: a NATS server with its MQTT listener and JetStream, in our process.
// Ingest reads its JetStream without a listener (InProcessConn); further ingest processes need the NATS listener.
//
// It owns the listener, who may connect and which topics they may use. It does not own the contract of the topics
// (package wire) nor who knows which key (the caller's Authenticate).
//
// Messages and sessions live in memory and end with the broker; its files hold retained messages only, which spares
// the flash of a small computer. Only ingest's receipt is proof of storage: what the broker acknowledged and lost is
// sent again by the gateways.
//
// An MQTT client that connects under the id of another one takes over its session, as MQTT wants it. So that no
// gateway does this to another or to ingest, ids belong to users: see Rights.ClientID.
package broker

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxPayload is above the largest pack (wire.MaxPackBytes); a larger message ends the connection.
	maxPayload = 1 << 20
	// maxAckPending is how many messages a session may hold unacknowledged while they are being stored. The sum over
	// its subscriptions must stay below 65,536; ingest has at most two in a session.
	maxAckPending = 16_384
	// defaultAckWait is when an unacknowledged message is sent again, also to a session that has reconnected.
	defaultAckWait = 10 * time.Second
	// defaultMaxMemory bounds the messages that ingest has not acknowledged. When it is reached gateways get no
	// acknowledgement and keep their packs, which they do anyway until a receipt comes: more would bring nothing.
	defaultMaxMemory = 64 << 20
	// maxFiles bounds the files of sessions and retained messages, maxRetained those of the latter: without room for its
	// session no client can sign in.
	maxFiles    = 256 << 20
	maxRetained = 128 << 20

	startTimeout = 20 * time.Second
)

// Options of a broker.
type Options struct {
	DataDir string // the broker's own directory; one process at a time
	Listen  string // host:port of the MQTT listener; port 0 takes a free one
	// NATSListen is host:port of a NATS listener for ingest in other processes; "" opens none. Only users with
	// Rights.JetStream may connect there.
	NATSListen string
	// Authenticate says what a user may do, and false when user or password are wrong. It is called from many
	// goroutines.
	Authenticate func(user, password string) (Rights, bool)
	// Prepare makes what readers need in the stream of messages, before the first client is let in: what no consumer
	// wants the server drops. nil: nothing.
	Prepare   func(context.Context, jetstream.JetStream) error
	MaxMemory int64         // bound of the messages held, in bytes; 0: 64 MiB
	AckWait   time.Duration // an unacknowledged message is sent again after so long; 0: 10 s
	Logger    *slog.Logger

	Registerer prometheus.Registerer // of karkhana_broker_refused_total; nil: not shown
}

// Broker is an embedded MQTT broker.
type Broker struct {
	opts       Options
	refused    *refusals
	host       string
	port       int
	natsHost   string
	natsPort   int
	mu         sync.Mutex
	server     *server.Server
	serverOpts *server.Options
	lock       *os.File
	secret     string        // of internalUser
	prepared   chan struct{} // closed when the streams stand; clients wait for it
	shares     *shares       // set before prepared is closed; nil: the streams do not stand
	stopShares func()
}

// New checks the options. Nothing is started or written.
func New(o Options) (*Broker, error) {
	if o.Logger == nil || o.Authenticate == nil || o.DataDir == "" {
		return nil, errors.New("broker: DataDir, Authenticate and Logger must be set")
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = defaultMaxMemory
	}
	if o.AckWait == 0 {
		o.AckWait = defaultAckWait
	}
	b := &Broker{opts: o}
	var err error
	if b.refused, err = newRefusals(o.Registerer); err != nil {
		return nil, err
	}
	if b.host, b.port, err = splitListen(o.Listen); err != nil {
		return nil, err
	}
	if o.NATSListen != "" {
		if b.natsHost, b.natsPort, err = splitListen(o.NATSListen); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func splitListen(listen string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("broker: listen address %q: want host:port, for example 127.0.0.1:1883: %w", listen, err)
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("broker: listen address %q: the port is not a number from 0 to 65535", listen)
	}
	return host, int(n), nil
}

// Start starts the broker and returns when it takes connections. The error says whether the port or the directory
// is taken.
func (b *Broker) Start(ctx context.Context) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return errors.New("broker: already started")
	}
	if err := b.takeDir(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.releaseDir()
		}
	}()
	if err := b.probePort(ctx); err != nil {
		return err
	}
	b.secret, b.prepared, b.shares = newSecret(), make(chan struct{}), nil
	log := &serverLog{log: b.opts.Logger, refused: b.refused, fatal: make(chan error, 1)}
	so := b.serverOptions()
	// What QoS 2 holds would lie in files, 64 thousand packs of each client id, until nobody could sign in any more. Nobody
	// needs it. The option has no field.
	if err := so.ProcessConfigString("mqtt { reject_qos2_publish: true }"); err != nil {
		return fmt.Errorf("broker: refuse QoS 2: %w", err)
	}
	s, err := server.NewServer(so)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	s.SetLogger(log, false, false)
	started := make(chan struct{})
	go func() { // Start returns when all listeners are open
		defer close(started)
		s.Start()
	}()
	select {
	case <-started:
	case <-ctx.Done():
		<-started
		err = ctx.Err()
	}
	if err == nil {
		err = ready(ctx, s, log)
	}
	if err == nil {
		var nc *nats.Conn
		var stream jetstream.Stream
		if nc, stream, err = prepareStreams(ctx, s, b.secret, b.opts); err == nil {
			b.keepShares(s, nc, stream)
		}
	}
	close(b.prepared)
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("broker on %s with data in %s: %w", b.opts.Listen, b.opts.DataDir, err)
	}
	b.server, b.serverOpts = s, so
	b.opts.Logger.Info("broker started", "url", b.url())
	return nil
}

// keepShares begins to watch that each client keeps to its share; stopShares ends it.
func (b *Broker) keepShares(s *server.Server, nc *nats.Conn, stream jetstream.Stream) {
	b.shares = &shares{
		server: s, stream: stream, limit: uint64(b.opts.MaxMemory), log: b.opts.Logger, refused: b.refused, users: map[string]*sharer{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.shares.run(ctx)
		nc.Close()
	}()
	b.stopShares = func() {
		cancel()
		<-ended
	}
}

func ready(ctx context.Context, s *server.Server, log *serverLog) error {
	deadline := time.Now().Add(startTimeout)
	for {
		select {
		case err := <-log.fatal:
			return err
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if s.ReadyForConnections(50*time.Millisecond) && s.JetStreamEnabled() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v", startTimeout)
		}
	}
}

func (b *Broker) serverOptions() *server.Options {
	port := b.port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	natsPort := b.natsPort
	if natsPort == 0 {
		natsPort = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:         "karkhana",
		DontListen:         b.opts.NATSListen == "",
		Host:               b.natsHost,
		Port:               natsPort,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           b.opts.DataDir,
		JetStreamMaxMemory: 2 * b.opts.MaxMemory, // the stream's own bound comes first: consumers need some beside it
		JetStreamMaxStore:  maxFiles,
		// Each MQTT subscription is a consumer: with the usual limit of 1,000 a site of 500 gateways would be full.
		JetStreamLimits:            server.JSLimitOpts{DefaultMaxConsumers: -1},
		MaxPayload:                 maxPayload,
		CustomClientAuthentication: authenticator{b},
		MQTT: server.MQTTOpts{
			Host:          b.host,
			Port:          port,
			AckWait:       b.opts.AckWait,
			MaxAckPending: maxAckPending,
			// A session ends with the broker, so its consumers need no files either.
			ConsumerMemoryStorage: true,
		},
	}
}

// takeDir makes the data directory ours; the lock goes away with the process however it ends.
func (b *Broker) takeDir() error {
	if err := os.MkdirAll(b.opts.DataDir, 0o700); err != nil {
		return fmt.Errorf("broker: make the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(b.opts.DataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("broker: lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("broker: %s is in use by another process: stop it or choose another --data directory (%w)", b.opts.DataDir, err)
	}
	b.lock = f
	return nil
}

func (b *Broker) releaseDir() {
	_ = b.lock.Close()
	b.lock = nil
}

// probePort gives a clear error while there is still a caller to tell.
func (b *Broker) probePort(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", b.opts.Listen)
	if err != nil {
		return fmt.Errorf("broker: cannot listen for MQTT on %s: another program has the port? %w", b.opts.Listen, err)
	}
	return l.Close()
}

// URL is where clients connect, mqtt://host:port; empty before Start.
func (b *Broker) URL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return ""
	}
	return b.url()
}

func (b *Broker) url() string {
	return "mqtt://" + net.JoinHostPort(b.host, strconv.Itoa(b.serverOpts.MQTT.Port))
}

// NATSURL is where ingest in another process connects, nats://host:port; empty before Start and without NATSListen.
func (b *Broker) NATSURL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil || b.opts.NATSListen == "" {
		return ""
	}
	return "nats://" + b.server.Addr().String()
}

// InProcessConn connects a NATS client of this process, which needs no listener (nats.InProcessServer).
func (b *Broker) InProcessConn() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return nil, errors.New("broker: not started")
	}
	return b.server.InProcessConn()
}

// Stop closes all connections, writes what is held to the files and waits. It may be called at any time, also twice.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return
	}
	b.stopShares()
	b.server.Shutdown()
	b.server.WaitForShutdown()
	b.server = nil
	b.releaseDir()
	b.opts.Logger.Info("broker stopped")
}

// Run starts the broker, serves until ctx ends and stops it.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	b.Stop()
	return nil
}

// authenticator asks the owner of the broker who may connect.
type authenticator struct{ b *Broker }

var _ server.Authentication = authenticator{}

// Check implements server.Authentication.
func (a authenticator) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	o := c.GetOpts()
	if o.Username == internalUser && subtle.ConstantTimeCompare([]byte(o.Password), []byte(a.b.secret)) == 1 {
		return true
	}
	<-a.b.prepared // a client that came before would make the streams as the server likes them
	rights, ok := a.b.opts.Authenticate(o.Username, o.Password)
	if !ok {
		a.b.refuse(refusedSignIn, o.Username, "unknown user or wrong key", "from", c.RemoteAddress().String())
		return false
	}
	id, mqtt := mqttClient(c)
	if mqtt && !rights.mayUse(id.client) {
		a.b.refuse(refusedClientID, o.Username, "the MQTT client id belongs to another user", "client", printable(id.client))
		return false
	} else if !mqtt && !rights.JetStream {
		a.b.refuse(refusedClientID, o.Username, "this user may use MQTT only")
		return false
	}
	p, err := rights.Permissions()
	if err != nil {
		a.b.opts.Logger.Error("broker refused a client: its rights cannot be used", "user", printable(o.Username), "err", err)
		return false
	}
	if !rights.JetStream && !a.admit(o.Username, p.Publish.Allow, id.connection) {
		return false
	}
	c.RegisterUser(&server.User{Username: o.Username, Permissions: p})
	return true
}

// admit asks whether there is room for more of a user. When not its connection ends without an answer: an answer would
// blame its key.
func (a authenticator) admit(user string, subjects []string, connection uint64) bool {
	if a.b.shares == nil {
		return false // the broker does not come up
	}
	reason, ok := a.b.shares.admit(user, subjects, connection)
	if ok {
		return true
	}
	why := "more of it waits for ingest than its share of the memory"
	if reason == refusedConnections {
		why = "it has as many connections as a user may have"
	}
	a.b.refuse(reason, user, why)
	_ = a.b.shares.server.DisconnectClientByID(connection)
	return false
}

// refuse counts a refused sign-in and logs it, for each user not too often.
func (b *Broker) refuse(reason, user, why string, more ...any) {
	b.refused.count(reason)
	if say, before := b.refused.say(reason, user); say {
		b.opts.Logger.Warn("broker refused a client", append(more, "user", printable(user), "why", why, "alike_before", before)...)
	}
}

// mqttID is what an MQTT client and its connection are called.
type mqttID struct {
	client     string
	connection uint64 // the server's number
}

// mqttClient says who an MQTT client is; false for clients of other protocols. The server shows it nowhere but in the
// connection's name: 127.0.0.1:1234 - mid:5 - "the-id". What looks otherwise counts as an id that nobody may use.
func mqttClient(c server.ClientAuthentication) (mqttID, bool) {
	unknown := mqttID{client: unknownClientID}
	s, ok := c.(fmt.Stringer)
	if !ok {
		return unknown, true
	}
	_, rest, isMQTT := strings.Cut(s.String(), " - mid")
	if !isMQTT {
		return mqttID{}, false
	}
	number, quoted, _ := strings.Cut(strings.TrimPrefix(rest, ":"), " - ")
	connection, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return unknown, true
	}
	client, err := strconv.Unquote(quoted)
	if err != nil {
		return unknown, true
	}
	return mqttID{client, connection}, true
}

// unknownClientID belongs to nobody.
const unknownClientID = "_"

// printable cuts a name that a stranger chose.
func printable(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strconv.Quote(s)
}
