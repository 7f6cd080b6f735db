// Package brokertest starts brokers for tests: the embedded one and a real Mosquitto, with the same users and rights.
// Both can be stopped and started again on the same port with their data kept.
package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/lowport/lowporttest"
)

// User is who may connect.
type User struct {
	Password string
	Rights   broker.Rights
}

// Broker is a running broker that a test can stop and start.
type Broker interface {
	URL() string // mqtt://127.0.0.1:port
	Start(t *testing.T)
	Stop(t *testing.T)
}

// Kinds are the brokers that every test should pass on, by name. Each is started with the users.
var Kinds = map[string]func(t *testing.T, users map[string]User) Broker{
	"embedded":  Embedded,
	"mosquitto": Mosquitto,
}

// Embedded starts the product's own broker.
func Embedded(t *testing.T, users map[string]User) Broker {
	t.Helper()
	e := &embedded{dir: t.TempDir(), listen: lowporttest.Address(t), users: users}
	e.Start(t)
	t.Cleanup(func() { e.Stop(t) })
	return e
}

type embedded struct {
	dir, listen string
	users       map[string]User
	b           *broker.Broker
}

func (e *embedded) URL() string { return "mqtt://" + e.listen }

// InProcessConn makes it a server for NATS clients of this process.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.b.InProcessConn() }

func (e *embedded) Start(t *testing.T) {
	t.Helper()
	b, err := broker.New(broker.Options{
		DataDir: e.dir, Listen: e.listen, AckWait: time.Second, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(user, password string) (broker.Rights, bool) {
			u, ok := e.users[user]
			return u.Rights, ok && u.Password == password
		},
	})
	require.NoError(t, err)
	require.NoError(t, b.Start(t.Context()))
	e.b = b
}

func (e *embedded) Stop(t *testing.T) {
	t.Helper()
	e.b.Stop()
}

// Mosquitto starts the mosquitto of the Debian package on a free port with password and access files of its own.
func Mosquitto(t *testing.T, users map[string]User) Broker {
	t.Helper()
	m := &mosquitto{dir: t.TempDir(), listen: lowporttest.Address(t)}
	m.path = MosquittoFiles(t, m.dir, m.listen, users)
	m.Start(t)
	t.Cleanup(func() { m.Stop(t) })
	return m
}

// MosquittoFiles writes mosquitto.conf, passwords and access into a folder, where the broker also keeps what it keeps,
// and returns the program, which is to be run with -c and that configuration. listen is host:port.
func MosquittoFiles(t *testing.T, dir, listen string, users map[string]User) (path string) {
	t.Helper()
	path = "/usr/sbin/mosquitto"
	if _, err := os.Stat(path); err != nil {
		path, err = exec.LookPath("mosquitto")
		require.NoError(t, err, "mosquitto is not installed: apt-get install mosquitto")
	}
	var passwords, access strings.Builder
	for name, u := range users {
		fmt.Fprintf(&passwords, "%s:%s\n", name, u.Password)
		fmt.Fprintf(&access, "user %s\n", name)
		for _, f := range u.Rights.Publish {
			fmt.Fprintf(&access, "topic write %s\n", f)
		}
		for _, f := range u.Rights.Subscribe {
			fmt.Fprintf(&access, "topic read %s\n", f)
		}
	}
	_, port, err := net.SplitHostPort(listen)
	require.NoError(t, err)
	config := fmt.Sprintf(`listener %s 127.0.0.1
allow_anonymous false
password_file %[2]s/passwords
acl_file %[2]s/access
persistence true
persistence_location %[2]s/
max_inflight_messages 0
max_queued_messages 0
`, port, dir)
	if os.Geteuid() == 0 {
		config += "user root\n" // else it gives up its rights and cannot read the test's directory
	}
	for name, text := range map[string]string{"passwords": passwords.String(), "access": access.String(), "mosquitto.conf": config} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	out, err := exec.CommandContext(t.Context(), "mosquitto_passwd", "-U", filepath.Join(dir, "passwords")).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

type mosquitto struct {
	path, dir, listen string
	cmd               *exec.Cmd
	log               bytes.Buffer
}

func (m *mosquitto) URL() string { return "mqtt://" + m.listen }

func (m *mosquitto) Start(t *testing.T) {
	t.Helper()
	m.log.Reset()
	m.cmd = exec.Command(m.path, "-c", filepath.Join(m.dir, "mosquitto.conf"))
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, m.cmd.Start())
	require.Eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", m.listen, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}, time.Minute, 10*time.Millisecond)
}

// Stop ends the broker the way a service manager does: it writes its database.
func (m *mosquitto) Stop(t *testing.T) {
	t.Helper()
	if m.cmd == nil {
		return
	}
	require.NoError(t, m.cmd.Process.Signal(syscall.SIGTERM))
	err := m.cmd.Wait()
	m.cmd = nil
	if t.Failed() || err != nil {
		t.Logf("mosquitto ended (%v):\n%s", err, m.log.String())
	}
}

// ClientOptions are those of a test's MQTT client: clean session, no reconnecting.
func ClientOptions(b interface{ URL() string }, user, password, clientID string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(b.URL()).SetUsername(user).SetPassword(password).SetClientID(clientID).
		SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).
		SetConnectTimeout(time.Minute).SetWriteTimeout(time.Minute)
}

// Connect connects a client that is disconnected at the end of the test.
func Connect(t *testing.T, o *mqtt.ClientOptions) mqtt.Client {
	t.Helper()
	c := mqtt.NewClient(o)
	require.NoError(t, Wait(c.Connect()))
	t.Cleanup(func() { c.Disconnect(50) })
	return c
}

// Wait waits for a token and gives its error.
func Wait(token mqtt.Token) error {
	if !token.WaitTimeout(time.Minute) {
		return context.DeadlineExceeded
	}
	return token.Error()
}
