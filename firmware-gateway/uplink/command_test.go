package uplink_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// Commands arrive, the status can be said at once, and what has no receipt can be sent again at once.
func TestCommandsArrive(t *testing.T) {
	for name, start := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			b := start(t, uplinktest.Users())
			var got atomic.Value
			l := newLine(t, b, b.URL(), func(o *uplink.Options) {
				o.Command = func(p []byte) { got.Store(string(p)) }
				o.StatusEvery, o.Resend = time.Hour, time.Hour
				o.Status = func() wire.Status {
					text, _ := got.Load().(string)
					return wire.Status{Version: "v" + text}
				}
			})
			status := func(version string) func() bool {
				return func() bool { s, ok := l.server.Status(); return ok && s.Version == version }
			}
			require.Eventually(t, status("v"), soon, often)
			c := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "secret", "commander"))
			require.NoError(t, brokertest.Wait(c.Publish(wire.CommandTopic(uplinktest.Site, uplinktest.Gateway), 1, false, "hello")))
			require.Eventually(t, func() bool { return got.Load() == "hello" }, soon, often)
			l.up.SayStatus()
			require.Eventually(t, status("vhello"), soon, often)

			l.add(3, 0)
			require.Eventually(t, func() bool { return l.server.Packs() == 3 }, soon, often)
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			n, err := l.up.SendAgain(ctx, 0, 0)
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.Eventually(t, func() bool { return len(l.server.Arrivals()) == 6 }, soon, often, "long before the hour")
			n, err = l.up.SendAgain(ctx, time.Now().Add(time.Hour).UnixMilli(), 0)
			require.NoError(t, err)
			require.Zero(t, n)
			n, err = l.up.SendAgain(ctx, 0, 1)
			require.NoError(t, err)
			require.Zero(t, n)
			require.Empty(t, l.server.Changed())
		})
	}
}

// A broker that does not let the gateway read its commands costs the commands, not the samples.
func TestCommandsForbidden(t *testing.T) {
	for name, start := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			users := uplinktest.Users()
			user := wire.Username(uplinktest.Site, uplinktest.Gateway)
			rights := broker.GatewayRights(uplinktest.Site, uplinktest.Gateway)
			rights.Subscribe = rights.Subscribe[:1]
			users[user] = brokertest.User{Password: uplinktest.Key, Rights: rights}
			b := start(t, users)
			l := newLine(t, b, b.URL(), func(o *uplink.Options) { o.Command = func(p []byte) { t.Errorf("command %q", p) } })
			l.server.Answer(true)
			l.add(3, 0)
			require.Eventually(t, func() bool { return l.spool.Len() == 0 }, soon, often)
		})
	}
}

// Without a connection a replay waits for one as long as it may.
func TestSendAgainWithoutAConnection(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	l := newLine(t, b, "mqtt://127.0.0.1:1", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := l.up.SendAgain(ctx, 0, 0)
	require.ErrorContains(t, err, "no connection")
}
