package lowport_test

import (
	"net"
	"testing"

	"karkhana/internal/lowport"

	"github.com/stretchr/testify/require"
)

func TestAddress(t *testing.T) {
	at, err := lowport.Address()
	require.NoError(t, err)
	l, err := net.Listen("tcp", at)
	require.NoError(t, err, "it can be listened on")
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	require.True(t, port >= 20_000 && port < 32_000, at)
	for range 50 {
		other, err := lowport.Free()
		require.NoError(t, err)
		require.NotEqual(t, port, other, "it is taken")
	}
}
