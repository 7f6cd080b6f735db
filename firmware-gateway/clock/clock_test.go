package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/wire"
)

func TestSystem(t *testing.T) {
	c := NewSystem(true)
	require.Equal(t, wire.ClockSynced, c.Trust())
	require.Len(t, c.Boot(), 12)
	require.Equal(t, c.Boot(), NewSystem(false).Boot(), "one boot, one id")
	require.WithinDuration(t, time.Now(), c.Now(), time.Minute)
	require.Equal(t, time.UTC, c.Now().Location())
	require.True(t, NewSystem(false).Trust().Valid())
}
