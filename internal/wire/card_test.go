package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCardHash(t *testing.T) {
	salt := []byte("site-salt")
	// printf 04A2B3C4 | openssl dgst -sha256 -hmac site-salt
	const want = "8f436ac7dd537a670f29f5a50a82e7c9"
	for _, uid := range []string{"04A2B3C4", "04a2b3c4", "04:a2:b3:c4", "04-A2-B3-C4", "04 a2 b3 c4"} {
		require.Equal(t, want, CardHash(salt, uid), uid)
	}
	require.NotEqual(t, want, CardHash([]byte("other"), "04A2B3C4"))
	require.NotEqual(t, want, CardHash(salt, "04A2B3C5"))
}
