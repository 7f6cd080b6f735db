package uplink_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/spool"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/wire"
)

// A broker whose memory is full lets everybody in and closes the connection with the first message. A gateway comes
// again with growing distance, else a thousand of them keep it busy with nothing else.
func TestConnectionsThatBringNothingGrowRare(t *testing.T) {
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	q, err := spool.Open(t.TempDir(), spool.Options{})
	require.NoError(t, err)
	defer q.Close()
	const first = 20 * time.Millisecond
	u, err := uplink.New(uplink.Options{
		URL: "mqtt://" + listener.Addr().String(), Site: uplinktest.Site, Gateway: uplinktest.Gateway, Key: uplinktest.Key,
		Queue: queue{q}, Status: func() wire.Status { return wire.Status{Version: "test"} }, RetryMin: first, RetryMax: time.Minute,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
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
