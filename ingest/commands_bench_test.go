package ingest

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/wire"
)

// BenchmarkListsRound is one look, each five seconds, whether gateways need a list of cards: a thousand sites of 30 cards
// with a gateway each that has its list.
func BenchmarkListsRound(b *testing.B) {
	db := registrytest.OpenAt(b, "sqlite://"+filepath.Join(b.TempDir(), "r.db"))
	at := time.UnixMilli(1_795_000_000_000)
	name := registry.Name{Hi: "स", En: "S"}
	c := newCommander(db, func(string, []byte) bool { return true }, quiet(), func() time.Time { return at })
	heard := make([]registry.GatewayHeard, 1000)
	for i := range heard {
		site := fmt.Sprintf("site-%04d", i)
		cards := make([]string, 30)
		for j := range cards {
			cards[j] = fmt.Sprintf("%016x%016x", i, j)
		}
		require.NoError(b, db.Apply(b.Context(), registry.SiteDefinition{
			Site: registry.Site{ID: site, Name: name, Zone: "Asia/Kolkata"}, Gateways: []string{"gw-1"},
			Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "g", Name: name}, Cards: cards}},
		}, "asha", at.UnixMilli()))
		key, err := db.SigningKey(b.Context(), site)
		require.NoError(b, err)
		list, err := c.list(b.Context(), site, 0)
		require.NoError(b, err)
		st, err := (&wire.Status{
			Online: true, TimeMs: at.UnixMilli(), Version: "1.2.3", Boot: "0123456789ab", Spool: "abcdefabcdef", Clock: wire.ClockSynced,
			AllowList: &wire.AllowListStatus{Version: list.version}, Commands: &wire.CommandStatus{Key: wire.KeyFingerprint(key.Public().(ed25519.PublicKey))},
		}).Encode()
		require.NoError(b, err)
		heard[i] = registry.GatewayHeard{Site: site, Gateway: "gw-1", StatusJSON: string(st), Online: true, SeenMs: at.UnixMilli()}
	}
	_, err := db.GatewaysHeard(b.Context(), heard)
	require.NoError(b, err)
	require.NoError(b, c.sendLists(b.Context()))
	for b.Loop() {
		at = at.Add(listsEvery)
		if err := c.listsTurn(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
