package ingest

import (
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/wire"
)

// post is a commander with a registry of one site, a broker that keeps what is published, and a clock.
type post struct {
	t    *testing.T
	db   *registry.DB
	c    *commander
	at   time.Time
	key  ed25519.PrivateKey
	sent []wire.Command
	down bool
}

const (
	postSite = "s"
	postGW   = "gw-1"
)

func newPost(t *testing.T) *post {
	t.Helper()
	return newPostAt(t, "sqlite://"+filepath.Join(t.TempDir(), "r.db"))
}

func newPostAt(t *testing.T, url string) *post {
	t.Helper()
	db := registrytest.OpenAt(t, url)
	p := &post{t: t, db: db, at: time.UnixMilli(1_795_000_000_000)}
	p.apply()
	var err error
	p.key, err = db.SigningKey(t.Context(), postSite)
	require.NoError(t, err)
	p.c = newCommander(db, func(topic string, payload []byte) bool {
		if p.down {
			return false
		}
		require.Equal(t, wire.CommandTopic(postSite, postGW), topic)
		cmd, err := wire.OpenCommand(payload, postSite, postGW, p.key.Public().(ed25519.PublicKey))
		require.NoError(t, err)
		p.sent = append(p.sent, cmd)
		return true
	}, quiet(), func() time.Time { return p.at })
	return p
}

func (p *post) apply(cards ...string) {
	name := registry.Name{Hi: "स", En: "S"}
	require.NoError(p.t, p.db.Apply(p.t.Context(), registry.SiteDefinition{
		Site: registry.Site{ID: postSite, Name: name, Zone: "Asia/Kolkata"}, Gateways: []string{postGW},
		Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "m", Class: "cutting", Name: name},
			Settings: []registry.Settings{{Signal: "power", IdleAbove: 1, RunAbove: 2, Hysteresis: 0.1, ReportMs: 1000}}}},
		Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "g", Name: name}, Cards: cards}},
	}, "asha", p.at.UnixMilli()))
}

// says lets the gateway say of itself what f makes of a healthy status.
func (p *post) says(f func(*wire.Status)) {
	p.t.Helper()
	st := &wire.Status{Online: true, TimeMs: p.at.UnixMilli(), AllowList: &wire.AllowListStatus{},
		Commands: &wire.CommandStatus{Key: wire.KeyFingerprint(p.key.Public().(ed25519.PublicKey))}}
	if f != nil {
		f(st)
	}
	b, err := st.Encode()
	require.NoError(p.t, err)
	_, err = p.db.GatewaysHeard(p.t.Context(), []registry.GatewayHeard{{Site: postSite, Gateway: postGW, StatusJSON: string(b), Online: st.Online, SeenMs: p.at.UnixMilli()}})
	require.NoError(p.t, err)
}

func (p *post) queue(kind string) registry.Command {
	p.t.Helper()
	cmd, err := p.db.QueueCommand(p.t.Context(), registry.Command{Site: postSite, Gateway: postGW, Kind: kind, By: "asha",
		QueuedMs: p.at.UnixMilli(), ExpiresMs: p.at.Add(10 * time.Minute).UnixMilli()})
	require.NoError(p.t, err)
	return cmd
}

// round lets seconds pass and the commander work once, and returns what it sent.
func (p *post) round(seconds int) (sent []wire.Command) {
	p.t.Helper()
	p.at = p.at.Add(time.Duration(seconds) * time.Second)
	p.sent = nil
	require.NoError(p.t, errors.Join(p.c.sendCommands(p.t.Context()), p.c.sendLists(p.t.Context())))
	return p.sent
}

func (p *post) state(cmd registry.Command) registry.Command {
	p.t.Helper()
	got, err := p.db.Command(p.t.Context(), postSite, postGW, cmd.ID)
	require.NoError(p.t, err)
	return got
}

// A command waits for its gateway, is sent again until it is answered, and the next one waits for that.
func TestCommandIsSentUntilAnswered(t *testing.T) {
	p := newPost(t)
	first, second := p.queue(wire.CommandReload), p.queue(wire.CommandSelfTest)
	require.Empty(t, p.round(1), "nobody is there")
	p.says(nil)
	p.down = true
	require.Empty(t, p.round(1))
	require.Equal(t, registry.CommandQueued, p.state(first).State)
	p.down = false
	sent := p.round(1)
	require.Len(t, sent, 1)
	require.Equal(t, first.ID, sent[0].ID)
	require.Equal(t, first.ExpiresMs, sent[0].ExpiresMs)
	require.Empty(t, p.round(9))
	require.Len(t, p.round(1), 1)
	require.Equal(t, int64(2), p.state(first).Sendings)
	p.says(func(s *wire.Status) { s.Commands.Last = &wire.CommandOutcome{ID: first.ID, Kind: first.Kind} })
	require.Empty(t, p.round(1), "still at it")
	require.Equal(t, registry.CommandSent, p.state(first).State)
	p.says(func(s *wire.Status) {
		s.Commands.Last = &wire.CommandOutcome{ID: first.ID, Done: true, OK: true, Detail: "fine"}
	})
	require.Empty(t, p.round(1))
	require.Equal(t, registry.CommandDone, p.state(first).State)
	require.Equal(t, "fine", p.state(first).Detail)
	require.Equal(t, second.ID, p.round(1)[0].ID)
	p.says(func(s *wire.Status) {
		s.Commands.Last = &wire.CommandOutcome{ID: second.ID, Done: true, Detail: "two faults"}
	})
	require.Empty(t, p.round(1))
	require.Equal(t, registry.CommandFailed, p.state(second).State)
	require.Empty(t, p.round(100))
}

// What comes to nothing says why.
func TestCommandWithoutAnswer(t *testing.T) {
	otherKey := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	for words, x := range map[string]struct {
		says   func(*wire.Status)
		silent bool
		state  registry.CommandState
	}{
		"was not online":    {silent: true, state: registry.CommandExpired},
		"sent 2 times":      {state: registry.CommandExpired},
		"upgrade it":        {says: func(s *wire.Status) { s.Commands = nil }, state: registry.CommandFailed},
		"has no server key": {says: func(s *wire.Status) { s.Commands.Key = "" }, state: registry.CommandFailed},
		"another server": {says: func(s *wire.Status) { s.Commands.Key = wire.KeyFingerprint(otherKey) },
			state: registry.CommandFailed},
		"newer command": {says: func(s *wire.Status) { s.Commands.Last = &wire.CommandOutcome{ID: 1 << 50} }, state: registry.CommandFailed},
	} {
		t.Run(words, func(t *testing.T) {
			p := newPost(t)
			cmd := p.queue(wire.CommandReload)
			if !x.silent {
				p.says(x.says)
			}
			p.round(1)
			p.round(100)
			p.round(600)
			got := p.state(cmd)
			require.Equal(t, x.state, got.State)
			require.Contains(t, got.Detail, words)
			require.Empty(t, p.round(600))
		})
	}
}

// The list of cards follows the registry: it is sent when the gateway names another version, and only then.
func TestListFollowsTheRegistry(t *testing.T) {
	a, b := strings.Repeat("ab", 16), strings.Repeat("cd", 16)
	p := newPost(t)
	p.says(nil)
	require.Empty(t, p.round(1), "a site without cards has no list")
	p.apply(a)
	sent := p.round(1)
	require.Len(t, sent, 1)
	require.Equal(t, wire.CommandAllowList, sent[0].Kind)
	list, err := wire.DecodeAllowList(sent[0].Body)
	require.NoError(t, err)
	require.Equal(t, sent[0].ID, list.Version)
	require.Len(t, list.Cards, 1)
	require.Empty(t, p.round(29))
	require.Len(t, p.round(1), 1, "lost, it seems")
	p.says(func(s *wire.Status) { s.AllowList.Version = list.Version })
	require.Empty(t, p.round(60))
	p.apply(a, b)
	sent = p.round(1)
	require.Len(t, sent, 1)
	require.Greater(t, sent[0].ID, list.Version)
	p.says(func(s *wire.Status) { s.AllowList.Version, s.Commands.Key = list.Version, "" })
	require.Empty(t, p.round(60), "it would refuse it")
	p.says(func(s *wire.Status) { s.Online = false })
	require.Empty(t, p.round(60))
}

// Cards are read when they have changed and when a day is over, not each time that gateways are looked through; every way
// of changing them is noticed, and a gateway that comes late gets what changed before.
func TestCardsAreReadWhenTheyChange(t *testing.T) {
	a, b := strings.Repeat("ab", 16), strings.Repeat("cd", 16)
	p := newPost(t)
	looked, read := 0, 0
	p.c.registry = countingLists{p.db, &looked, &read}
	rounds := func(n int) (cards int) {
		read = 0
		for range n {
			p.round(5)
		}
		return read
	}
	p.apply(a)
	require.Zero(t, rounds(3), "nobody is there")
	p.says(nil)
	sent := p.round(5)
	require.Len(t, sent, 1)
	held := sent[0].ID
	says := func() { p.says(func(s *wire.Status) { s.AllowList.Version = held }) }
	says()
	require.Zero(t, rounds(100))
	p.apply(a)
	require.Zero(t, rounds(3), "nothing has changed")
	require.NoError(t, p.db.SaveJob(t.Context(), registry.Job{Site: postSite, Number: "7", Title: "x", Group: "g", MadeMs: 1}, ""))
	for _, x := range []struct {
		what   string
		change func()
	}{
		{"a new card", func() { p.apply(a, b) }},
		{"a card that ends", func() { p.apply(a) }},
		{"a job card", func() { require.NoError(t, p.db.GiveJobCard(t.Context(), postSite, b, "7", p.at.UnixMilli())) }},
		{"a job card that ends", func() { require.NoError(t, p.db.GiveJobCard(t.Context(), postSite, b, "", p.at.UnixMilli())) }},
	} {
		x.change()
		p.says(func(s *wire.Status) { s.Online = false })
		require.Zero(t, rounds(2), x.what)
		says() // it is back
		sent := p.round(5)
		require.Len(t, sent, 1, x.what)
		require.Greater(t, sent[0].ID, held, x.what)
		held = sent[0].ID
		says()
		require.LessOrEqual(t, rounds(3), 1, x.what)
	}
	p.at = p.at.Truncate(day)
	require.LessOrEqual(t, rounds(20), 1)
	p.at = p.at.Add(day)
	require.Equal(t, 1, rounds(20), "what is over leaves the list")
}

func TestAllowedCards(t *testing.T) {
	hash := func(c string) string { return strings.Repeat(c, 32) }
	got := allowedCards([]registry.Card{
		{Hash: hash("b"), ValidFromMs: 5}, {Hash: hash("a"), ValidFromMs: -1, ValidTo: 200}, {Hash: hash("c"), ValidTo: 100},
		{Hash: "short"}, {Hash: hash("g")}, {Hash: hash("b"), ValidFromMs: 5}, {Hash: hash("d"), ValidFromMs: 300, ValidTo: 250},
	}, 100)
	require.Len(t, got, 2)
	require.Equal(t, byte(0xaa), got[0].Hash[0])
	require.Zero(t, got[0].FromMs)
	require.Equal(t, int64(5), got[1].FromMs)
}
