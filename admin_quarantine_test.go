package main

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/syncbuf"
)

// TestQuarantineSaysWhatThereIs: whoever mistypes a reason or a machine learns what the quarantine holds, from each of
// the commands; nothing is changed.
func TestQuarantineSaysWhatThereIs(t *testing.T) {
	data, db := siteWithGateway(t)
	store := storeFlags{Data: data, QuarantineMB: 1, QuarantineSite: 1}
	mistyped := chosen{Reason: "not-sneml"}
	all := func() string {
		out := &syncbuf.Buffer{}
		e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
		require.NoError(t, quarantineListCmd{storeFlags: store, chosen: mistyped, Limit: 10}.Run(e))
		require.NoError(t, quarantineListCmd{storeFlags: store, chosen: mistyped, Packs: true, Limit: 10}.Run(e))
		require.NoError(t, quarantineReplayCmd{storeFlags: store, chosen: mistyped, Wait: time.Second}.Run(e))
		require.NoError(t, quarantineDropCmd{storeFlags: store, chosen: mistyped}.Run(e))
		return out.String()
	}
	empty := "The quarantine is empty.\n"
	require.Equal(t, empty+empty+empty+"result: asked=0 stored=0 refused=0 waiting=0\n"+empty, all())

	require.NoError(t, db.Quarantine(t.Context(), registry.Quarantined{
		ReceivedMs: time.Now().UnixMilli(), Topic: "cfc/v1/s/gw-1/m/telemetry", Site: "s", Gateway: "gw-1", Machine: "m", Reason: "not-senml", Payload: []byte("x"), Length: 1,
	}))
	there := "No pack fits. There are (site machine reason): s m not-senml.\n"
	require.Equal(t, there+there+there+"result: asked=0 stored=0 refused=0 waiting=0\n"+there, all())
	held, err := db.FindQuarantined(t.Context(), registry.QuarantineFilter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, held, 1)
}

// What had to make room is chosen as what is there.
func TestQuarantineListChoosesSummaries(t *testing.T) {
	data := t.TempDir()
	db := registrytest.OpenAt(t, "sqlite://"+filepath.Join(data, "registry.db"))
	db.LimitQuarantine(registry.QuarantineLimits{SitePacks: 1})
	for _, q := range []struct{ machine, reason string }{{"kiln", "not-senml"}, {"lathe", "unknown-unit"}, {"press", "absurd-time"}} {
		require.NoError(t, db.Quarantine(t.Context(), registry.Quarantined{
			ReceivedMs: time.Now().UnixMilli(), Topic: "cfc/v1/s/gw-1/" + q.machine + "/telemetry", Site: "s", Gateway: "gw-1", Machine: q.machine,
			Reason: q.reason, Payload: []byte("x"),
		}))
	}
	list := func(c chosen) string {
		out := &syncbuf.Buffer{}
		e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
		require.NoError(t, quarantineListCmd{storeFlags: storeFlags{Data: data}, chosen: c, Limit: 10}.Run(e))
		_, gone, _ := strings.Cut(out.String(), "No longer kept")
		return gone
	}
	require.Regexp(t, `(?s)lathe.*kiln|kiln.*lathe`, list(chosen{}))
	require.Contains(t, list(chosen{Machine: "kiln"}), "kiln")
	require.NotContains(t, list(chosen{Machine: "kiln"}), "lathe")
	require.NotContains(t, list(chosen{Reason: "unknown-unit"}), "kiln")
	require.Empty(t, list(chosen{Machine: "press"}))
}

func TestChoiceAmongWhatMadeRoom(t *testing.T) {
	of := func(topic, reason string) registry.QuarantineSummary {
		return registry.QuarantineSummary{Topic: topic, Reason: reason}
	}
	lathe := chosen{Machine: "lathe"}
	require.True(t, lathe.chooses(of("cfc/v1/s/g/lathe/telemetry", "bad-record")))
	require.False(t, lathe.chooses(of("cfc/v1/lathe/g/press/telemetry", "bad-record")), "a site of that name")
	require.False(t, lathe.chooses(of("what is this", "bad-topic")))
	require.True(t, lathe.chooses(of("", "bad-record")), "of a whole month nobody knows the machine")
	bad := chosen{Reason: "bad-record"}
	require.True(t, bad.chooses(of("", "bad-record")))
	require.False(t, bad.chooses(of("", "too-large")))
}

// hostile is a text that clears the terminal, names its window, rings, forges a line and a cell, and turns the writing round.
const hostile = "\x1b[2J\x1b]0;owned\a\x9b31m\u009b31m\r1\t2\nforged\u202Egpj.exe\u2066\x7f"

func requirePlain(t *testing.T, out string) {
	t.Helper()
	for _, r := range out {
		require.True(t, r == '\n' || unicode.IsPrint(r), "%q in %q", r, out)
	}
	require.True(t, utf8.ValidString(out))
}

// Nothing that a stranger sent reaches the terminal as it is, by whichever way it is shown.
func TestQuarantineIsPlainOnTheTerminal(t *testing.T) {
	data := t.TempDir()
	db := registrytest.OpenAt(t, "sqlite://"+filepath.Join(data, "registry.db"))
	db.LimitQuarantine(registry.QuarantineLimits{SitePacks: 2})
	pack := func(card string) []byte {
		text, err := json.Marshal(card)
		require.NoError(t, err)
		return []byte(`[{"bn":"s/m/","bt":1780300000,"n":"seq","v":1},{"n":"spool","vs":"s1"},{"n":"boot","vs":"b1"},{"n":"clock","vs":"synced"},{"n":"card","vs":` + string(text) + `}]`)
	}
	for i, payload := range [][]byte{[]byte("makes room"), pack("कार्ड \x1b[31m\u202Eevil"), []byte(hostile)} {
		require.NoError(t, db.Quarantine(t.Context(), registry.Quarantined{
			ReceivedMs: time.Now().UnixMilli() + int64(i), Topic: "cfc/v1/s/g/" + hostile + "/telemetry", Site: "s", Gateway: "g" + hostile,
			Machine: "m" + hostile, Reason: "bad-record", Detail: "the name " + hostile, Payload: payload, Length: int64(len(payload)),
		}))
	}
	out := &syncbuf.Buffer{}
	e := &env{ctx: t.Context(), log: slog.New(slog.DiscardHandler), out: out}
	store := storeFlags{Data: data, QuarantineMB: 1, QuarantineSite: 1}
	require.NoError(t, quarantineListCmd{storeFlags: store, Limit: 10}.Run(e))
	require.Contains(t, out.String(), "No longer kept")
	require.NoError(t, quarantineListCmd{storeFlags: store, Packs: true, Limit: 10}.Run(e))
	require.NoError(t, quarantineListCmd{storeFlags: store, chosen: chosen{Reason: "none"}, Packs: true, Limit: 10}.Run(e))
	rows, err := db.FindQuarantined(t.Context(), registry.QuarantineFilter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	for _, q := range rows {
		require.NoError(t, quarantineShowCmd{storeFlags: store, ID: q.ID}.Run(e))
	}
	requirePlain(t, out.String())
	require.NotContains(t, out.String(), "\nforged", "a line that is none")
	require.Contains(t, out.String(), `कार्ड \x1b[31m\u202eevil`)
	require.Contains(t, out.String(), `the name \x1b[2J\x1b]0;owned\x07`)
}

func TestPlain(t *testing.T) {
	require.Equal(t, "Press 1: 5 °C – ठीक, क्\u200dष \U0001f600", plain("Press 1: 5 °C – ठीक, क्\u200dष \U0001f600"))
	require.Equal(t, `\x1b[2J\x1b]0;owned\x07\x9b31m\u009b31m\x0d1\t2\nforged\u202egpj.exe\u2066\x7f`, plain(hostile))
	require.Equal(t, "one\n  two\\x1b", plainLines("one\n  two\x1b"))
	requirePlain(t, plain("\U000e0001\ufeff\u2028\u200f\xff"))
}
