package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// master is the server's end of the command topic.
type master struct {
	t      *testing.T
	key    ed25519.PrivateKey
	b      brokertest.Broker
	client mqtt.Client
	server *uplinktest.Server
	id     int64
}

func newMaster(t *testing.T, b brokertest.Broker) *master {
	m := &master{t: t, b: b, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), id: 100}
	m.connect()
	return m
}

// connect is a start of the server.
func (m *master) connect() {
	m.t.Helper()
	m.server = uplinktest.NewServer(m.t, m.b)
	m.server.Answer(true)
	m.client = brokertest.Connect(m.t, brokertest.ClientOptions(m.b, "ingest", "secret", "commander"))
}

func (m *master) send(payload []byte) {
	m.t.Helper()
	require.NoError(m.t, brokertest.Wait(m.client.Publish(wire.CommandTopic(uplinktest.Site, uplinktest.Gateway), 1, false, payload)))
}

func (m *master) sign(c wire.Command, site, gateway string, key ed25519.PrivateKey) []byte {
	m.t.Helper()
	b, err := c.Sign(site, gateway, key)
	require.NoError(m.t, err)
	return b
}

// until waits for a status that fits.
func (m *master) until(what string, fits func(wire.Status) bool) (got wire.Status) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		s, ok := m.server.Status()
		got = s
		return ok && s.Online && s.Commands != nil && s.AllowList != nil && fits(s)
	}, 60*time.Second, 20*time.Millisecond, what)
	return got
}

// order sends a command until it is answered, as the server does.
func (m *master) order(kind, body string) wire.CommandOutcome {
	m.t.Helper()
	m.id++
	m.send(m.sign(wire.Command{ID: m.id, Kind: kind, Body: []byte(body)}, uplinktest.Site, uplinktest.Gateway, m.key))
	return *m.until(kind, func(s wire.Status) bool {
		return s.Commands.Last != nil && s.Commands.Last.ID == m.id && s.Commands.Last.Done
	}).Commands.Last
}

func (m *master) list(cards int) wire.Command {
	m.t.Helper()
	m.id++
	r := rand.New(rand.NewPCG(1, 2))
	l := &wire.AllowList{Version: m.id}
	for range cards {
		var c wire.AllowedCard
		for i := range c.Hash {
			c.Hash[i] = byte(r.Uint32())
		}
		c.FromMs = r.Int64N(1_700_000_000_000)
		l.Cards = append(l.Cards, c)
	}
	body, err := l.Encode()
	require.NoError(m.t, err)
	return wire.Command{ID: l.Version, Kind: wire.CommandAllowList, Body: body}
}

// The gateway as it is shipped, at a real Mosquitto: it does what its server asks, refuses what anybody else does, and
// knows the list of cards after a kill, without a server. What came is bounded in memory.
func TestCommandsToTheShippedGateway(t *testing.T) {
	b := brokertest.Mosquitto(t, uplinktest.Users())
	m := newMaster(t, b)
	dir := configure(t, b.URL(), "  - {id: a, source: sim, sim: {seed: 7, epoch: 2026-10-23T00:00:00Z, kind: main-meter}}\n")
	path := filepath.Join(dir, "gateway.yaml")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "command.pub"), []byte(wire.FormatPublicKey(m.key.Public().(ed25519.PublicKey))), 0o600))
	require.NoError(t, os.WriteFile(path, append([]byte("command_key_file: command.pub\n"), text...), 0o600))
	bin := build(t)
	cmd := start(t, bin, dir)
	first := m.until("online", func(wire.Status) bool { return true })
	require.NotEmpty(t, first.Commands.Key)
	require.Zero(t, first.AllowList.Version)

	outcome := m.order(wire.CommandSelfTest, "")
	require.True(t, outcome.OK, outcome.Detail)
	require.Contains(t, outcome.Detail, "ok: a: ")
	require.True(t, m.order(wire.CommandReplay, `{"from_ms":1}`).OK)
	require.Contains(t, m.order(wire.CommandReload, "").Detail, "unchanged")
	refused := m.order("switch-off", "")
	require.False(t, refused.OK)
	require.Contains(t, refused.Detail, `knows no command "switch-off"`)

	list := m.list(10_000)
	before := memory(t, cmd.Process.Pid, "VmRSS")
	m.send(m.sign(list, uplinktest.Site, uplinktest.Gateway, m.key))
	m.until("list", func(s wire.Status) bool { return s.AllowList.Version == list.ID && s.AllowList.Cards == 10_000 })
	t.Logf("RSS %d kB, with 10,000 cards %d kB, at most %d kB", before, memory(t, cmd.Process.Pid, "VmRSS"), memory(t, cmd.Process.Pid, "VmHWM"))
	require.Less(t, memory(t, cmd.Process.Pid, "VmRSS"), 40<<10)

	good := wire.Command{ID: 1 << 50, Kind: wire.CommandReload}
	other := ed25519.NewKeyFromSeed(make([]byte, 32))
	older := m.list(1)
	older.ID = list.ID - 1
	for i, bad := range [][]byte{
		m.sign(good, uplinktest.Site, uplinktest.Gateway, other), m.sign(good, "another-site", uplinktest.Gateway, m.key),
		m.sign(good, uplinktest.Site, "gw-2", m.key), make([]byte, 10<<20), []byte("reload"),
	} {
		m.send(bad)
		m.until(fmt.Sprint("refused ", i), func(s wire.Status) bool { return s.Commands.Refused == uint64(i+1) })
	}
	m.send(m.sign(wire.Command{ID: refused.ID - 1, Kind: wire.CommandReload}, uplinktest.Site, uplinktest.Gateway, m.key)) // an old one
	m.send(m.sign(older, uplinktest.Site, uplinktest.Gateway, m.key))
	outcome = m.order(wire.CommandReload, "")
	require.True(t, outcome.OK)
	after := m.until("still there", func(wire.Status) bool { return true })
	require.Equal(t, uint64(5), after.Commands.Refused, "an old one is neither done nor an attack")
	require.Equal(t, list.ID, after.AllowList.Version)

	// Killed, and started while there is no broker: the list is there when somebody can ask again.
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	b.Stop(t)
	cmd = start(t, bin, dir)
	require.Eventually(t, func() bool { // it samples: the queue grows
		return bytesIn(filepath.Join(dir, "spool", "spool")) > 0
	}, 30*time.Second, 20*time.Millisecond)
	b.Start(t)
	m.connect()
	again := m.until("back", func(s wire.Status) bool { return s.Boot != "" && s.Commands.Refused == 0 })
	require.Equal(t, list.ID, again.AllowList.Version, "nobody sent it again")
	require.Equal(t, 10_000, again.AllowList.Cards)
	require.Equal(t, outcome, *again.Commands.Last, "the last outcome is known")
	m.send(m.sign(wire.Command{ID: outcome.ID, Kind: wire.CommandReload}, uplinktest.Site, uplinktest.Gateway, m.key))
	require.NotContains(t, m.order(wire.CommandReplay, "").Detail, "stopped")

	// Without a key nothing is obeyed, and the work goes on.
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, os.WriteFile(path, text, 0o600))
	start(t, bin, dir)
	none := m.until("without a key", func(s wire.Status) bool { return s.Commands.Key == "" })
	require.Zero(t, none.AllowList.Version)
	require.Contains(t, none.AllowList.Problem, "command_key_file")
	m.send(m.sign(good, uplinktest.Site, uplinktest.Gateway, m.key))
	m.until("refused", func(s wire.Status) bool {
		return s.Commands.Refused == 1 && strings.Contains(s.Commands.Reason, "command_key_file")
	})
}
