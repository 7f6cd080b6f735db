package registry

import (
	"crypto/ed25519"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSigningKeyIsMadeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		a, b := open(t, url), open(t, url) // as two processes
		require.NoError(t, a.Apply(t.Context(), definition(), "asha", 1_000_000))
		keys := make([]ed25519.PrivateKey, 16)
		errs := make([]error, len(keys))
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() { keys[i], errs[i] = []*DB{a, b}[i%2].SigningKey(t.Context(), "jodhpur-cfc") })
		}
		all.Wait()
		for i := range keys {
			require.NoError(t, errs[i])
			require.True(t, keys[0].Equal(keys[i]), "two keys for one site")
		}
		signature := ed25519.Sign(keys[0], []byte("x"))
		require.True(t, ed25519.Verify(keys[0].Public().(ed25519.PublicKey), []byte("x"), signature))
	})
}

func TestSigningKeyIsEachSitesOwn(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		other := definition()
		other.Site.ID = "pali-cfc"
		require.NoError(t, d.Apply(t.Context(), other, "asha", 1_000_000))
		one, err := d.SigningKey(t.Context(), "jodhpur-cfc")
		require.NoError(t, err)
		two, err := d.SigningKey(t.Context(), "pali-cfc")
		require.NoError(t, err)
		require.False(t, one.Equal(two))
		_, err = d.SigningKey(t.Context(), "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.exec(t.Context(), "break it", `UPDATE signing_key SET seed = $1`, []byte("short"))
		require.NoError(t, err)
		_, err = d.SigningKey(t.Context(), "pali-cfc")
		require.ErrorContains(t, err, "has 5 bytes, 32 are needed")
	})
}
