package uplink_test

import (
	"context"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"
)

// A broker whose memory is full lets everybody in and closes the connection with the first message. A gateway comes
// again with growing distance, else a thousand of them keep it busy with nothing else.
func TestConnectionsThatBringNothingGrowRare(t *testing.T) {
	const first = 20 * time.Millisecond
	listener, stop, done := reconnecting(t, first, time.Minute)
	var closed time.Time
	for wait := first; wait < 32*first; wait *= 2 {
		c := accept(t, listener)
		if !closed.IsZero() {
			require.GreaterOrEqual(t, time.Since(closed), wait/4, "half of the wait before, which was half as long")
		}
		require.IsType(t, &packets.SubscribePacket{}, c.next())
		c.answer(packets.Suback, c.last, []byte{0})
		require.True(t, c.status().Online)
		closed = time.Now()
		require.NoError(t, c.conn.Close())
	}
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
}
