package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
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
