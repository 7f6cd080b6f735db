package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateway(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		require.NoError(t, d.SetGatewayKey(ctx, site, "gw-1", HashSecret("key")))
		heard := func(status string, online bool, seenMs int64) {
			stranger := GatewayHeard{Site: site, Gateway: "gw-9", StatusJSON: status, SeenMs: seenMs}
			unknown, err := d.GatewaysHeard(ctx, []GatewayHeard{stranger, {Site: site, Gateway: "gw-1", StatusJSON: status, Online: online, SeenMs: seenMs}})
			require.NoError(t, err)
			require.Equal(t, []GatewayHeard{stranger}, unknown)
		}
		heard(`{"online":true}`, true, 500)
		heard("", true, 900)
		heard("\x00\xff", true, 400) // bytes from outside never break a write
		g, err := d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, Gateway{Site: site, ID: "gw-1", KeyHash: HashSecret("key"), StatusJSON: "\uFFFD\uFFFD", Online: true, SeenMs: 900}, g)

		heard(`{"online":false}`, false, 900)
		g, err = d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.False(t, g.Online)

		_, err = d.Gateway(ctx, site, "gw-9")
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, d.SetGatewayKey(ctx, site, "gw-9", "x"), ErrNotFound)
	})
}

func TestHashSecret(t *testing.T) {
	// printf abc | sha256sum (FIPS 180-4 example)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", HashSecret("abc"))
}
