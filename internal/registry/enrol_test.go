package registry

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGatewayCode(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		now := time.UnixMilli(2_000_000)
		d.now = func() time.Time { return now }
		const life = time.Hour
		newCode := func(gateway, hash string) {
			t.Helper()
			expires, err := d.NewGatewayCode(ctx, site, gateway, hash, life, "manager")
			require.NoError(t, err)
			require.Equal(t, now.Add(life).UnixMilli(), expires)
		}
		redeem := func(code, key string) (Gateway, error) {
			return d.RedeemGatewayCode(ctx, Redeeming{CodeHash: code, KeyHash: key, Host: "pi", Version: "1", Address: "192.0.2.1"})
		}

		_, err := d.NewGatewayCode(ctx, "nowhere", "gw-1", "h", life, "manager")
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.NewGatewayCode(ctx, site, "GW 1", "h", life, "manager")
		require.ErrorContains(t, err, "gateway id")

		require.NoError(t, d.SetGatewayKey(ctx, site, "gw-1", "old-key"))
		newCode("gw-1", "code-1")
		g, err := d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, "old-key", g.KeyHash, "the former key works until the code is redeemed")

		_, err = redeem("code-x", "key")
		require.ErrorIs(t, err, ErrCodeWrong)
		newCode("gw-1", "code-2")
		_, err = redeem("code-1", "key")
		require.ErrorIs(t, err, ErrCodeWrong, "a newer code voids it")

		for range 2 { // the second time because the answer was lost
			g, err = redeem("code-2", "key")
			require.NoError(t, err)
			require.Equal(t, Gateway{Site: site, ID: "gw-1", KeyHash: "key"}, g)
		}
		_, err = redeem("code-2", "another-key")
		require.ErrorIs(t, err, ErrCodeUsed)

		now = now.Add(life)
		_, err = redeem("code-2", "key")
		require.ErrorIs(t, err, ErrCodeExpired)
		newCode("gw-1", "code-3")
		now = now.Add(life)
		_, err = redeem("code-3", "key-3")
		require.ErrorIs(t, err, ErrCodeExpired)
		g, err = d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, "key", g.KeyHash, "what was refused changed nothing")

		newCode("gw-new", "code-4")
		require.NoError(t, d.SetGatewayKey(ctx, site, "gw-new", ""))
		_, err = redeem("code-4", "key")
		require.ErrorIs(t, err, ErrCodeWrong, "who locks a gateway out voids its code")

		log, err := d.AuditLog(ctx, 5)
		require.NoError(t, err)
		require.Equal(t, "gateway code made", log[0].What)
		require.JSONEq(t, `{"site":"jodhpur-cfc","gateway":"gw-new","added":true,"expires_ms":12800000}`, log[0].Detail)
		require.Equal(t, "gateway enrolled", log[2].What)
		require.Equal(t, "jodhpur-cfc.gw-1", log[2].Who)
		require.JSONEq(t, `{"site":"jodhpur-cfc","gateway":"gw-1","host":"pi","version":"1","address":"192.0.2.1"}`, log[2].Detail)
		require.NoError(t, d.VerifyAudit(ctx))
	})
}

// Of many that redeem the same code at once, with different keys, exactly one gets in.
func TestGatewayCodeIsUsedOnce(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		_, err := d.NewGatewayCode(t.Context(), site, "gw-1", "code", time.Hour, "manager")
		require.NoError(t, err)
		keys := []string{"a", "b", "c", "d", "e", "f"}
		got := make([]error, len(keys))
		var all sync.WaitGroup
		for i, k := range keys {
			all.Go(func() { _, got[i] = d.RedeemGatewayCode(t.Context(), Redeeming{CodeHash: "code", KeyHash: k}) })
		}
		all.Wait()
		in := ""
		for i, err := range got {
			if err == nil {
				in += keys[i]
				continue
			}
			require.ErrorIs(t, err, ErrCodeUsed)
		}
		g, err := d.Gateway(t.Context(), site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, g.KeyHash, in)
	})
}

func TestCardSalt(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		kept, err := d.KeptCardSalt(ctx, site)
		require.NoError(t, err)
		require.Empty(t, kept)
		salt, err := d.CardSalt(ctx, site)
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]{64}$", salt)
		again, err := d.CardSalt(ctx, site)
		require.NoError(t, err)
		require.Equal(t, salt, again)

		require.NoError(t, d.Apply(ctx, definition(), "asha", 3_000_000))
		again, err = d.CardSalt(ctx, site)
		require.NoError(t, err)
		require.Equal(t, salt, again, "a site file does not touch it")

		require.NoError(t, d.SetCardSalt(ctx, site, "the salt of old", "asha"))
		again, err = d.CardSalt(ctx, site)
		require.NoError(t, err)
		require.Equal(t, "the salt of old", again)
		log, err := d.AuditLog(ctx, 1)
		require.NoError(t, err)
		require.JSONEq(t, `{"replaced":true,"site":"jodhpur-cfc"}`, log[0].Detail, "and not the salt")

		_, err = d.CardSalt(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, d.SetCardSalt(ctx, "nowhere", "x", "asha"), ErrNotFound)
		require.Error(t, d.SetCardSalt(ctx, site, "", "asha"))
	})
}
