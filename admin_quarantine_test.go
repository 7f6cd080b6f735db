package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
