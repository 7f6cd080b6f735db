package ingest

import (
	"context"
	"strconv"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// pulling gives a way to ask the embedded broker for the packs of the live lane, and one to put packs there.
func pulling(t *testing.T) (p *natsPull, js jetstream.JetStream, put func(n int)) {
	w := newWorld(t, sources["embedded by nats"])
	w.stop()
	nc, err := nats.Connect("", nats.InProcessServer(w.broker.(nats.InProcessConnProvider)), nats.UserInfo("ingest", "in"))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err = jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, MakeConsumers(t.Context(), js))
	p, err = newNATSPull(nc, mqttStream, consumerPrefix+string(wire.LaneLive))
	require.NoError(t, err)
	t.Cleanup(p.stop)
	g := newGateway(t, w)
	made := 0
	return p, js, func(n int) {
		var sent []mqtt.Token
		for range n {
			sent = append(sent, g.client.Publish(wire.PackTopic("s", "gw-1", "m1", wire.LaneLive), 1, false, strconv.Itoa(made)))
			made++
		}
		for _, one := range sent {
			require.NoError(t, brokertest.Wait(one))
		}
	}
}

// While the store is slow nobody takes from the pull: what was asked for in advance waits there, whatever the server says of
// its requests meanwhile. All comes in order, each once.
func TestPullKeepsWhatCameWhileNobodyTook(t *testing.T) {
	p, js, put := pulling(t)
	put(5 * natsPullMessages)
	ctx := timeout(t, patience)
	for i := range 5 * natsPullMessages {
		if i%(natsPullMessages/2) == 1 { // more was just asked for, and all of it comes
			require.NoError(t, p.nc.FlushTimeout(patience))
			c, err := js.Consumer(ctx, mqttStream, consumerPrefix+string(wire.LaneLive))
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				info, err := c.Info(ctx)
				return err == nil && (info.NumPending == 0 || info.NumWaiting == 0)
			}, patience, time.Millisecond)
		}
		m, err := p.next(ctx)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i), string(m.Data))
		require.NoError(t, m.Respond(natsAck))
	}
	dropped, err := p.sub.Dropped()
	require.NoError(t, err)
	require.Zero(t, dropped)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = p.next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded, "there is no more")
}

// What was not taken goes to the next one that asks, at once.
func TestPullGivesBackWhatWasNotTaken(t *testing.T) {
	p, _, put := pulling(t)
	put(10)
	ctx := timeout(t, patience)
	m, err := p.next(ctx)
	require.NoError(t, err)
	require.NoError(t, m.Respond(natsAck))
	require.Eventually(t, func() bool { return len(p.got) == 9 }, patience, every)
	p.stop()
	next, err := newNATSPull(p.nc, mqttStream, consumerPrefix+string(wire.LaneLive))
	require.NoError(t, err)
	defer next.stop()
	begin := time.Now()
	for range 9 {
		_, err := next.next(ctx)
		require.NoError(t, err)
	}
	require.Less(t, time.Since(begin), defaultAckWait)
}

// A consumer that is gone is an error; one without a leader is asked again.
func TestPullStatus(t *testing.T) {
	p := &natsPull{due: 300}
	say := func(code, text, left string) error {
		return p.status(nats.Header{"Status": {code}, "Description": {text}, "Nats-Pending-Messages": {left}})
	}
	require.NoError(t, say("100", "Idle Heartbeat", ""))
	require.Equal(t, 300, p.due)
	require.NoError(t, say("408", "Request Timeout", "100"))
	require.Equal(t, 200, p.due)
	require.NoError(t, say("409", "Batch Completed", "0"))
	require.False(t, p.refused)
	require.NoError(t, say("409", "Leadership Change", ""))
	require.True(t, p.refused)
	require.ErrorContains(t, say("409", "Consumer Deleted", ""), "Consumer Deleted")
}
