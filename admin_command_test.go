package main

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/syncbuf"
	"karkhana/internal/wire"
)

// siteWithGateway makes a data folder with a registry that holds site s with gateway gw-1.
func siteWithGateway(t *testing.T) (data string, db *registry.DB) {
	t.Helper()
	data = t.TempDir()
	db = registrytest.OpenAt(t, "sqlite://"+filepath.Join(data, "registry.db"))
	name := registry.Name{Hi: "क", En: "K"}
	require.NoError(t, db.Apply(t.Context(), registry.SiteDefinition{
		Site: registry.Site{ID: "s", Name: name, Zone: "Asia/Kolkata"}, Gateways: []string{"gw-1"},
	}, "test", 1))
	return data, db
}

// A token of a group that is not there would show nothing and say nothing.
func TestAdminTokenOfAGroup(t *testing.T) {
	data, db := siteWithGateway(t)
	out := &syncbuf.Buffer{}
	e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
	token := tokenCmd{storeFlags: storeFlags{Data: data}, Role: registry.RoleGroup}
	require.ErrorContains(t, token.Run(e), "needs --group")
	name := registry.Name{Hi: "क", En: "K"}
	require.NoError(t, db.Apply(t.Context(), registry.SiteDefinition{
		Site: registry.Site{ID: "s", Name: name, Zone: "Asia/Kolkata"}, Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "pg-1", Name: name}}},
	}, "test", 2))
	token.Group = "pg1"
	require.ErrorContains(t, token.Run(e), `did you mean "pg-1"?`)
	token.Group = "pg-1"
	require.NoError(t, token.Run(e))
	made, err := db.TokenByHash(t.Context(), registry.HashSecret(strings.TrimSpace(out.String())))
	require.NoError(t, err)
	require.Equal(t, "group", made.Name, "what it enters says who it was")
}

func TestAdminSigningKey(t *testing.T) {
	data, db := siteWithGateway(t)
	out := &syncbuf.Buffer{}
	e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
	require.NoError(t, signingKeyCmd{storeFlags{Data: data}, "s"}.Run(e))
	printed, err := wire.ParsePublicKey(out.String())
	require.NoError(t, err)
	key, err := db.SigningKey(t.Context(), "s")
	require.NoError(t, err)
	require.True(t, printed.Equal(key.Public().(ed25519.PublicKey)))
	require.ErrorContains(t, signingKeyCmd{storeFlags{Data: data}, "nowhere"}.Run(e), "admin apply")
}

// The command line waits for the outcome, tells it, and ends as the command did.
func TestAdminCommand(t *testing.T) {
	data, db := siteWithGateway(t)
	for _, x := range []struct {
		state  registry.CommandState
		detail string
		err    string
	}{
		{registry.CommandDone, "one\ntwo", ""},
		{registry.CommandFailed, "FAULT: open wire", "the command has failed"},
		{registry.CommandExpired, "the gateway was not online", "the command has expired"},
	} {
		out := &syncbuf.Buffer{}
		ended := make(chan error, 1)
		go func() {
			e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
			ended <- commandCmd{storeFlags: storeFlags{Data: data}, Site: "s", Gateway: "gw-1", Kind: "replay", From: time.UnixMilli(5), For: time.Minute, Author: "asha"}.Run(e)
		}()
		var cmd registry.Command
		require.Eventually(t, func() bool {
			open, err := db.NextCommands(t.Context())
			if err != nil || len(open) != 1 {
				return false
			}
			cmd = open[0]
			return true
		}, 30*time.Second, 10*time.Millisecond)
		require.JSONEq(t, `{"from_ms":5}`, cmd.Body)
		require.Equal(t, "asha", cmd.By)
		claimed, err := db.ClaimCommand(t.Context(), cmd, 1)
		require.NoError(t, err)
		require.True(t, claimed)
		require.Eventually(t, func() bool { return strings.Contains(out.String(), "sent (1), no answer yet") }, 30*time.Second, 10*time.Millisecond)
		require.NoError(t, db.EndCommand(t.Context(), "s", "gw-1", cmd.ID, x.state, x.detail, 2))
		err = <-ended
		if x.err == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, x.err)
		}
		require.Contains(t, out.String(), string(x.state)+"\n  "+strings.ReplaceAll(x.detail, "\n", "\n  ")+"\n")
	}
}

func TestAdminCommandRefuses(t *testing.T) {
	data, db := siteWithGateway(t)
	good := commandCmd{storeFlags: storeFlags{Data: data}, Site: "s", Gateway: "gw-1", Kind: "reload", For: time.Minute}
	for words, change := range map[string]func(*commandCmd){
		`no gateway "gw-9"`:   func(c *commandCmd) { c.Gateway = "gw-9" },
		"go with replay only": func(c *commandCmd) { c.To = time.Now() },
		"give 10s to 720h":    func(c *commandCmd) { c.For = time.Second },
		"must not be after":   func(c *commandCmd) { c.Kind, c.From, c.To = "replay", time.UnixMilli(9), time.UnixMilli(8) },
		"context canceled":    nil, // nobody waits any longer
	} {
		c := good
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if change != nil {
			change(&c)
		} else {
			time.AfterFunc(500*time.Millisecond, cancel)
		}
		out := &syncbuf.Buffer{}
		require.ErrorContains(t, c.Run(&env{ctx: ctx, log: slog.New(slog.DiscardHandler), out: out}), words)
		cancel()
		if change == nil {
			require.Contains(t, out.String(), "stays queued")
		}
	}
	open, err := db.NextCommands(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
}
