package uplink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/spool"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/quantity"
	"karkhana/internal/syncbuf"
	"karkhana/internal/wire"
)

const (
	soon  = 2 * time.Minute
	often = 5 * time.Millisecond
)

// queue sends what is in the spool as it is.
type queue struct{ *spool.Spool }

func (q queue) Cursor() uplink.Cursor { return q.Spool.Cursor() }

// line is a spool and an uplink before a server.
type line struct {
	t      *testing.T
	spool  *spool.Spool
	up     *uplink.Uplink
	server *uplinktest.Server
	log    *syncbuf.Buffer
	stop   func()
}

func newLine(t *testing.T, b brokertest.Broker, url string, tune func(*uplink.Options)) *line {
	t.Helper()
	s, err := spool.Open(t.TempDir(), spool.Options{})
	require.NoError(t, err)
	l := &line{t: t, spool: s, server: uplinktest.NewServer(t, b), log: &syncbuf.Buffer{}}
	o := uplink.Options{
		URL: url, Site: uplinktest.Site, Gateway: uplinktest.Gateway, Key: uplinktest.Key, Queue: queue{s},
		Status:   func() wire.Status { return wire.Status{Version: "test", SpoolPacks: uint64(s.Len())} },
		Logger:   slog.New(slog.NewTextHandler(l.log, nil)),
		RetryMin: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
	if tune != nil {
		tune(&o)
	}
	l.up, err = uplink.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.up.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		require.NoError(t, s.Close())
	})
	t.Cleanup(func() {
		l.stop()
		if t.Failed() {
			t.Logf("log of the uplink:\n%s%+v", l.log.String(), l.up.Stats())
		}
	})
	return l
}

// add queues n packs with a sample of that age and offers them.
func (l *line) add(n int, age time.Duration) {
	l.t.Helper()
	for range n {
		ms := time.Now().Add(-age).UnixMilli()
		_, err := l.spool.Append("furnace-1", ms, func(seq uint64) ([]byte, error) {
			p := wire.Pack{
				Site: uplinktest.Site, Machine: "furnace-1", Spool: l.spool.ID(), Seq: seq, Boot: "b1", Clock: wire.ClockSynced,
				Samples: []wire.Sample{{TimeMs: ms, Quantity: quantity.Power, Number: float64(seq)}},
			}
			return p.Encode(wire.FormatCBOR)
		})
		require.NoError(l.t, err)
	}
	refs, err := l.spool.Sync()
	require.NoError(l.t, err)
	l.up.Offer(refs)
}

func (l *line) eventually(what string, f func() bool) {
	l.t.Helper()
	require.Eventually(l.t, f, soon, often, what)
}

func count(lanes []wire.Kind, k wire.Kind) int {
	n := 0
	for _, l := range lanes {
		if l == k {
			n++
		}
	}
	return n
}

func TestReceiptsEmptyTheSpool(t *testing.T) {
	for name, kind := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			b := kind(t, uplinktest.Users())
			l := newLine(t, b, b.URL(), nil)
			l.add(300, time.Hour) // more than a window
			l.add(20, 0)
			l.eventually("as many are sent as may be before the first receipt", func() bool { return l.server.Packs() == 16 })
			require.Equal(t, 320, l.spool.Len(), "nothing leaves without a receipt")
			l.server.Answer(true)
			l.eventually("drained", func() bool { return l.spool.Len() == 0 })
			require.Equal(t, 320, l.server.Packs())
			require.Empty(t, l.server.Changed())
			require.Equal(t, 20, count(l.server.Arrivals(), wire.KindTelemetry))
		})
	}
}

func TestFreshPacksOvertakeTheBacklog(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	l := newLine(t, b, b.URL(), func(o *uplink.Options) { o.HistoryPerS = 20 })
	l.server.Answer(true)
	l.add(200, time.Hour) // needs 10 s
	l.add(5, 0)
	l.eventually("fresh ones are there", func() bool { return count(l.server.Arrivals(), wire.KindTelemetry) == 5 })
	require.Less(t, count(l.server.Arrivals(), wire.KindHistory), 100)
	require.Greater(t, l.spool.Len(), 90)
}

func TestRefusedPacksLeaveToo(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	l := newLine(t, b, b.URL(), nil)
	l.server.Refuse("unknown-machine")
	l.server.Answer(true)
	l.add(5, 0)
	l.eventually("drained", func() bool { return l.spool.Len() == 0 })
	l.eventually("counted", func() bool { return l.up.Stats().Refused == 5 })
	require.Contains(t, l.log.String(), "reason=unknown-machine")
	require.Contains(t, l.log.String(), "quarantine")
}

func TestUnreceiptedPacksAreSentAgain(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	l := newLine(t, b, b.URL(), func(o *uplink.Options) { o.Resend, o.ResendMax = 20*time.Millisecond, 100*time.Millisecond })
	l.add(3, 0)
	l.add(3, time.Hour)
	l.eventually("sent more than once", func() bool { return len(l.server.Arrivals()) > 20 })
	l.server.Answer(true)
	l.eventually("drained", func() bool { return l.spool.Len() == 0 })
	require.Empty(t, l.server.Changed(), "the bytes of a pack never change")
	require.Equal(t, 6, l.server.Packs())
}

func TestLinkCutAtAnyMoment(t *testing.T) {
	for name, kind := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			b := kind(t, uplinktest.Users())
			proxy := uplinktest.NewProxy(t, b.URL())
			l := newLine(t, b, proxy.URL(), nil)
			before := 0
			for range 5 {
				l.add(40, 0)
				l.add(40, time.Hour)
				l.eventually("some arrive", func() bool { return l.server.Packs() > before })
				before = l.server.Packs()
				proxy.Cut()
				l.add(10, 0)
				proxy.Mend()
			}
			l.server.Answer(true)
			l.eventually("drained", func() bool { return l.spool.Len() == 0 })
			require.Equal(t, 450, l.server.Packs())
			require.Empty(t, l.server.Changed())
		})
	}
}

func TestBrokerComesLateAndRestarts(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	proxy := uplinktest.NewProxy(t, b.URL())
	proxy.Cut()
	// While the server is away the broker takes packs that nobody gets: they come again.
	l := newLine(t, b, proxy.URL(), func(o *uplink.Options) { o.Resend = 200 * time.Millisecond })
	l.server.Answer(true)
	l.add(50, 0)
	l.eventually("it says so", func() bool { return bytes.Contains([]byte(l.log.String()), []byte("no connection to the broker")) })
	proxy.Mend()
	l.eventually("drained", func() bool { return l.spool.Len() == 0 })

	b.Stop(t)
	l.add(50, 0)
	b.Start(t)
	l.server.Connect(t, b)
	l.eventually("drained again", func() bool { return l.spool.Len() == 0 })
	require.Equal(t, 100, l.server.Packs())
}

func TestStatusAndWill(t *testing.T) {
	for name, kind := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			b := kind(t, uplinktest.Users())
			proxy := uplinktest.NewProxy(t, b.URL())
			l := newLine(t, b, proxy.URL(), func(o *uplink.Options) { o.StatusEvery = 50 * time.Millisecond })
			online := func(want bool) func() bool {
				return func() bool {
					st, ok := l.server.Status()
					return ok && st.Online == want
				}
			}
			l.eventually("online", online(true))
			l.add(3, 0)
			l.eventually("status follows the spool", func() bool {
				st, _ := l.server.Status()
				return st.SpoolPacks == 3 && st.Version == "test"
			})
			proxy.Cut()
			l.eventually("the Will says offline", online(false))
			proxy.Mend()
			l.eventually("online again", online(true))
			l.stop()
			l.eventually("a clean stop says offline", online(false))
		})
	}
}

func TestForeignAndBrokenReceipts(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	l := newLine(t, b, b.URL(), nil)
	l.add(2, 0)
	l.eventually("sent", func() bool { return l.server.Packs() == 2 })
	c := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "secret", "another"))
	topic := wire.ReceiptTopic(uplinktest.Site, uplinktest.Gateway)
	for _, payload := range []string{
		`{"spool":"0123456789abcdef","stored":[[1,9007199254740991]]}`, "not json", `{"spool":5}`, "",
		fmt.Sprintf(`{"spool":%q,"stored":[[5,2]]}`, l.spool.ID()),
	} {
		require.NoError(t, brokertest.Wait(c.Publish(topic, 1, false, payload)))
	}
	l.eventually("all were looked at", func() bool { return l.up.Stats().ForeignReceipts >= 4 })
	require.Equal(t, 2, l.spool.Len())
	l.server.Answer(true)
	l.eventually("drained", func() bool { return l.spool.Len() == 0 })
}

func TestOptionsAreChecked(t *testing.T) {
	for _, broken := range []string{"", "localhost:1883", "://"} {
		_, err := uplink.New(uplink.Options{URL: broken})
		require.ErrorContains(t, err, "mqtt://host:port")
	}
}
