package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		now := time.UnixMilli(1000)
		d.now = func() time.Time { return now }
		manager := Token{Hash: HashSecret("m"), Name: "office", Role: RoleManager, CreatedMs: 500}
		group := Token{Hash: HashSecret("g"), Name: "kumhar's phone", Role: RoleGroup, Group: "kumhar", CreatedMs: 500, ExpiresMs: 2000}
		require.NoError(t, d.AddToken(ctx, manager))
		require.NoError(t, d.AddToken(ctx, group))
		require.Error(t, d.AddToken(ctx, group), "the same twice")

		got, err := d.TokenByHash(ctx, group.Hash)
		require.NoError(t, err)
		require.Equal(t, group, got)
		now = time.UnixMilli(2000)
		_, err = d.TokenByHash(ctx, group.Hash)
		require.ErrorIs(t, err, ErrNotFound, "expired")
		got, err = d.TokenByHash(ctx, manager.Hash)
		require.NoError(t, err)
		require.Equal(t, manager, got)
		require.NoError(t, d.DeleteToken(ctx, manager.Hash))
		_, err = d.TokenByHash(ctx, manager.Hash)
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, d.DeleteToken(ctx, manager.Hash), ErrNotFound)

		require.ErrorContains(t, d.AddToken(ctx, Token{Role: RoleViewer}), "the hash is empty")
		require.ErrorContains(t, d.AddToken(ctx, Token{Hash: "x", Role: "boss"}), `unknown role "boss"`)
		require.ErrorContains(t, d.AddToken(ctx, Token{Hash: "x", Role: RoleGroup}), "names a group")
		require.ErrorContains(t, d.AddToken(ctx, Token{Hash: "x", Role: RoleViewer, Group: "kumhar"}), "names a group")
	})
}
