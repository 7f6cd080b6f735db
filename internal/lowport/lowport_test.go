package lowport

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTake(t *testing.T) {
	p, err := Take()
	require.NoError(t, err)
	defer p.Release()
	require.True(t, p.Number >= 20_000 && p.Number < 32_000, p.Number)
	for range 2 { // a server that comes, goes and comes back
		l, err := net.Listen("tcp", p.Address())
		require.NoError(t, err, "it can be listened on")
		_, err = take(p.Number)
		require.Error(t, err, "somebody listens on it")
		require.NoError(t, l.Close())
		_, err = take(p.Number)
		require.Error(t, err, "somebody has taken it")
	}
	p.Release()
	p.Release()
	again, err := take(p.Number)
	require.NoError(t, err)
	l, err := net.Listen("tcp", again.Address())
	require.NoError(t, err)
	defer l.Close()
	again.Release()
	_, err = take(p.Number)
	require.Error(t, err, "somebody listens on it who did not ask here")
}

// Ports that are taken one after the other, as the servers of a cluster need them, are different ones.
func TestTakenPortsAreDifferent(t *testing.T) {
	seen := map[int]bool{}
	for range 500 { // two of five hundred would meet nearly always
		p, err := Take()
		require.NoError(t, err)
		t.Cleanup(p.Release)
		require.False(t, seen[p.Number])
		seen[p.Number] = true
	}
}
