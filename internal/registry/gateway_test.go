package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateway(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		require.NoError(t, d.SetGatewayKey(ctx, site, "gw-1", HashSecret("key")))
		require.NoError(t, d.GatewayStatus(ctx, site, "gw-1", `{"online":true}`, true, 500))
		require.NoError(t, d.GatewayStatus(ctx, site, "gw-1", "", true, 900))
		require.NoError(t, d.GatewayStatus(ctx, site, "gw-1", "\x00\xff", true, 400), "bytes from outside never break a write")
		g, err := d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, Gateway{Site: site, ID: "gw-1", KeyHash: HashSecret("key"), StatusJSON: "\uFFFD\uFFFD", Online: true, SeenMs: 900}, g)

		require.NoError(t, d.GatewayStatus(ctx, site, "gw-1", `{"online":false}`, false, 900))
		g, err = d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.False(t, g.Online)

		_, err = d.Gateway(ctx, site, "gw-9")
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, d.SetGatewayKey(ctx, site, "gw-9", "x"), ErrNotFound)
		require.ErrorIs(t, d.GatewayStatus(ctx, site, "gw-9", "", true, 1), ErrNotFound)
	})
}

func TestHashSecret(t *testing.T) {
	// printf abc | sha256sum (FIPS 180-4 example)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", HashSecret("abc"))
}
