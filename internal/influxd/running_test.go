package influxd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A command beside a running server finds its InfluxDB; without one it says so and speaks to nobody.
func TestRunning(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Running(dir)
	require.ErrorIs(t, err, ErrNotRunning)
	s, stop := start(t, dir, nil)
	url, token, err := Running(dir)
	require.NoError(t, err)
	require.Equal(t, s.URL(), url)
	require.Equal(t, s.Token(), token)
	stop()
	_, _, err = Running(dir)
	require.ErrorIs(t, err, ErrNotRunning)
}
