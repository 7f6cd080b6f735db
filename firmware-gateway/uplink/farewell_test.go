package uplink_test

import (
	"context"
	"errors"
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

// reconnecting runs an uplink with an empty queue against a listener that plays the broker.
func reconnecting(t *testing.T, retryMin, retryMax time.Duration) (broker net.Listener, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	q, err := spool.Open(t.TempDir(), spool.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	u, err := uplink.New(uplink.Options{
		URL: "mqtt://" + listener.Addr().String(), Site: uplinktest.Site, Gateway: uplinktest.Gateway, Key: uplinktest.Key,
		Queue: queue{q}, Status: func() wire.Status { return wire.Status{Version: "test"} }, RetryMin: retryMin, RetryMax: retryMax,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	return listener, stop, ended
}

// A broker takes the Will back when a gateway says goodbye, and NATS also takes back that of the connection before when
// the same gateway comes anew. So a gateway that is stopped while it reconnects must say itself that it is offline.
func TestStopWhileReconnectingSaysOffline(t *testing.T) {
	listener, stop, done := reconnecting(t, time.Millisecond, time.Millisecond)

	// The first connection works, then it breaks.
	c := accept(t, listener)
	require.IsType(t, &packets.SubscribePacket{}, c.next())
	c.answer(packets.Suback, c.last, []byte{1})
	require.True(t, c.status().Online)
	require.NoError(t, c.conn.Close())

	// In the second the gateway is stopped before the broker has answered its subscription.
	c = accept(t, listener)
	require.IsType(t, &packets.SubscribePacket{}, c.next())
	stop()
	require.False(t, c.status().Online, "before the goodbye")
	require.IsType(t, &packets.DisconnectPacket{}, c.next())
	require.NoError(t, c.conn.Close())
	require.ErrorIs(t, <-done, context.Canceled)
}

// peer is the broker's end of a connection, packet by packet.
type peer struct {
	t    *testing.T
	conn net.Conn
	last packets.ControlPacket
}

func accept(t *testing.T, l net.Listener) *peer {
	t.Helper()
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
			require.NoError(t, err)
		}
	})
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	p := &peer{t: t, conn: conn}
	require.IsType(t, &packets.ConnectPacket{}, p.next())
	p.answer(packets.Connack, nil, nil)
	return p
}

func (p *peer) next() packets.ControlPacket {
	p.t.Helper()
	var err error
	p.last, err = packets.ReadPacket(p.conn)
	require.NoError(p.t, err)
	return p.last
}

func (p *peer) answer(kind byte, to packets.ControlPacket, codes []byte) {
	p.t.Helper()
	a := packets.NewControlPacket(kind)
	switch a := a.(type) {
	case *packets.SubackPacket:
		a.MessageID, a.ReturnCodes = to.Details().MessageID, codes
	case *packets.PubackPacket:
		a.MessageID = to.Details().MessageID
	}
	require.NoError(p.t, a.Write(p.conn))
}

// status takes the next packet, a status, and acknowledges it.
func (p *peer) status() *wire.Status {
	p.t.Helper()
	m, ok := p.next().(*packets.PublishPacket)
	require.True(p.t, ok, "%v is not a status", p.last)
	require.True(p.t, m.Retain)
	require.Equal(p.t, wire.StatusTopic(uplinktest.Site, uplinktest.Gateway), m.TopicName)
	st, err := wire.DecodeStatus(m.Payload)
	require.NoError(p.t, err)
	p.answer(packets.Puback, m, nil)
	return st
}
