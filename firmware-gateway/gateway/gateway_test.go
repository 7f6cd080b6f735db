package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/leaktest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

const (
	soon  = 2 * time.Minute
	often = 10 * time.Millisecond
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is a directory with a gateway's files.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T, broker, machines string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.write("key", uplinktest.Key)
	s.write("salt", "a-salt")
	s.write("gateway.yaml", fmt.Sprintf("site: %s\ngateway: %s\nbroker: %s\nkey_file: key\ncard_salt_file: salt\ndata: data\nclock: trusted\nhistory_packs_per_s: 0\nmachines:\n%s",
		uplinktest.Site, uplinktest.Gateway, broker, machines))
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// start runs the gateway; the returned function stops it and waits.
func (s *site) start(drain bool) (g *gateway.Gateway, done <-chan error, stop func()) {
	s.t.Helper()
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(s.t, err)
	g, err = gateway.New(gateway.Options{
		Config: c, Version: "test", ExitWhenDrained: drain, Logger: slog.New(slog.NewTextHandler(s.t.Output(), nil)),
		TuneUplink: func(o *uplink.Options) { o.RetryMin, o.RetryMax = 10*time.Millisecond, 50*time.Millisecond },
	})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("run: %v", err)
			}
		case <-time.After(soon):
			s.t.Error("gateway does not stop")
		}
	})
	if !drain {
		s.t.Cleanup(stop)
	}
	return g, ended, stop
}

// recording writes a CSV of n rows, one a second, for two machines, and returns what machine a must bring over.
func (s *site) recording(n int) []wire.Sample {
	s.t.Helper()
	var b strings.Builder
	b.WriteString("time,machine,power[kW],energy[kWh],card\n")
	var want []wire.Sample
	begin := int64(1_780_000_000_000)
	for i := range n {
		ms := begin + int64(i)*1000
		fmt.Fprintf(&b, "%.3f,a,%d.25,%d,\n", float64(ms)/1000, i%7, 1000+i)
		fmt.Fprintf(&b, "%.3f,b,1,,\n", float64(ms)/1000)
		want = append(want,
			wire.Sample{TimeMs: ms, Quantity: quantity.Energy, Number: float64(1000+i) * 1000},
			wire.Sample{TimeMs: ms, Quantity: quantity.Power, Number: (float64(i%7) + .25) * 1000})
	}
	s.write("recording.csv", b.String())
	return want
}

const replayA = `  - id: a
    source: replay
    replay: {file: recording.csv, speed: max}
`

// The promise of the gateway: receipts withheld, link cut, gateway stopped and started: every sample arrives, and a
// pack never changes.
func TestEverySampleArrives(t *testing.T) {
	for name, kind := range brokertest.Kinds {
		t.Run(name, func(t *testing.T) {
			b := kind(t, uplinktest.Users())
			proxy := uplinktest.NewProxy(t, b.URL())
			server := uplinktest.NewServer(t, b)
			s := newSite(t, proxy.URL(), replayA)
			want := s.recording(60_000)

			g, _, stop := s.start(false)
			require.Eventually(t, func() bool { return server.Packs() >= 10 }, soon, often)
			proxy.Cut()
			proxy.Mend()
			require.Eventually(t, func() bool { return g.Stats().Uplink.Connections >= 2 }, soon, often)
			stop()
			queued := g.Stats().Spool.Packs
			require.NotZero(t, queued)

			g, _, stop = s.start(false)
			require.GreaterOrEqual(t, g.Stats().Spool.Packs, queued-1, "what is queued outlives a restart")
			server.Answer(true)
			require.Eventually(t, func() bool { return server.Count("a") > len(want)/3 }, soon, often)
			server.Answer(false)
			proxy.Cut()
			stop()

			proxy.Mend()
			server.Answer(true)
			_, ended, _ := s.start(true)
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(2 * soon):
				t.Fatal("not drained")
			}
			require.Equal(t, want, server.Samples("a"))
			require.Empty(t, server.Samples("b"), "rows of another machine")
			require.Empty(t, server.Changed(), "a pack's bytes never change")

			before := server.Packs()
			_, ended, _ = s.start(true)
			require.NoError(t, <-ended)
			require.Equal(t, before, server.Packs(), "a recording that was played is not played again")
		})
	}
}

func TestSimulatedPastOnceAndLiveAtOnce(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	epoch := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	s := newSite(t, b.URL(), fmt.Sprintf(`  - id: furnace-1
    source: sim
    sim: {seed: 7, epoch: %s, kind: furnace, history: {span: 24h, every: 10s, report: 60s}}
    every: 1s
    pack: 1s
`, epoch.Format(time.RFC3339)))

	begin := time.Now()
	g, _, stop := s.start(false)
	require.Eventually(t, func() bool {
		for _, lane := range server.Arrivals() {
			if lane == wire.KindTelemetry {
				return true
			}
		}
		return false
	}, soon, often, "a live value")
	t.Logf("first live value after %v", time.Since(begin))
	require.Eventually(t, func() bool { return g.Stats().HistoryLeft["furnace-1"] == 0 && g.Stats().Spool.Packs < 3 }, soon, often, "the past")
	stop()
	off := time.Now()

	// A whole day, one sample a minute, each with the power's extremes.
	minutes := map[int64]int{}
	for _, sample := range server.Samples("furnace-1") {
		if sample.Quantity == quantity.Power && sample.TimeMs < begin.UnixMilli()-60_000 {
			minutes[sample.TimeMs/60_000]++
		}
	}
	require.InDelta(t, 24*60, len(minutes), 3)
	for minute, n := range minutes {
		require.Equal(t, 1, n, "minute %d", minute)
	}

	last := server.Samples("furnace-1")
	again := time.Now()
	g, _, stop = s.start(false)
	require.Eventually(t, func() bool { return server.Count("furnace-1") > len(last)+3 }, soon, often, "live values go on")
	require.Zero(t, g.Stats().HistoryLeft["furnace-1"])
	stop()
	after := last[len(last)-1].TimeMs
	for _, sample := range server.Samples("furnace-1") {
		if sample.TimeMs > after && sample.TimeMs > off.UnixMilli() { // else the stop left it in the queue
			require.Greater(t, sample.TimeMs, again.Add(-2*time.Second).UnixMilli(), "no past is made up for the time it was off")
		}
	}
	require.Empty(t, server.Changed())
}

// A disk that takes its time must not cost a recording anything: what it has not taken waits in memory, which is bounded.
func TestRecordingsWaitForTheDisk(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", replayA) // nobody listens there
	s.recording(1)
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(t, err)
	g, err := gateway.New(gateway.Options{Config: c}) // not run: nothing is synced
	require.NoError(t, err)
	defer g.Close()
	samples := make([]wire.Sample, 400)
	for i := range samples {
		samples[i] = wire.Sample{TimeMs: 1_780_000_000_000 + int64(i)*1000, Quantity: quantity.Power, Number: 1 / float64(i+1)}
	}
	packs := 0
	for ; packs < 5000; packs++ {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := g.WaitRoom(ctx)
		cancel()
		if err != nil {
			break
		}
		require.NoError(t, g.Add("a", samples[0].TimeMs, samples))
	}
	require.Less(t, packs, 1999, "memory is full before the queue is long")
	require.Zero(t, g.Stats().Spool.Dropped)
	require.Equal(t, packs, g.Stats().Spool.Packs)
}

func TestStatusSaysWhatIsQueued(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", replayA) // nobody listens there
	s.recording(1000)
	g, _, stop := s.start(false)
	require.Eventually(t, func() bool { return g.Status().SpoolPacks == 5 }, soon, often)
	st := g.Status()
	require.True(t, st.Online)
	require.Equal(t, wire.ClockSynced, st.Clock)
	require.Len(t, st.ConfigHash, 12)
	require.InDelta(t, time.Since(time.UnixMilli(1_780_000_000_000)).Seconds(), float64(st.OldestAgeS), 2000)
	stop()
	g, _, stop = s.start(false)
	require.Equal(t, uint64(5), g.Status().SpoolPacks)
	stop()
}

func TestOneMachineDoesNotStopTheOthers(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s := newSite(t, b.URL(), replayA+"  - id: b\n    source: replay\n    replay: {file: other.csv, speed: max}\n")
	want := s.recording(100)
	s.write("other.csv", "time,machine,power\n1780000000,b,5\n1780000001,b,broken\nnonsense\n1780000002,b,7\n1780000003,b,1e300\n")
	_, ended, _ := s.start(true)
	require.NoError(t, <-ended)
	require.Equal(t, want, server.Samples("a"))
	require.Equal(t, []wire.Sample{
		{TimeMs: 1780000000000, Quantity: quantity.Power, Number: 5}, {TimeMs: 1780000002000, Quantity: quantity.Power, Number: 7},
	}, server.Samples("b"))
}

func TestCardsAreHashed(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s := newSite(t, b.URL(), replayA)
	s.write("recording.csv", "time,machine,card,supply\n2026-06-01T10:00:00+05:30,a,04:A2:2F:1B,true\n")
	_, ended, _ := s.start(true)
	require.NoError(t, <-ended)
	at := time.Date(2026, 6, 1, 4, 30, 0, 0, time.UTC).UnixMilli()
	require.Equal(t, []wire.Sample{
		{TimeMs: at, Quantity: quantity.Card, Text: wire.CardHash([]byte("a-salt"), "04A22F1B")},
		{TimeMs: at, Quantity: quantity.Supply, Bool: true},
	}, server.Samples("a"))
}

func TestDamagedProgressIsMovedAside(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", replayA)
	s.recording(10)
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "data"), 0o750))
	s.write("data/progress.json", "{torn")
	g, _, stop := s.start(false)
	require.Eventually(t, func() bool { return g.Status().SpoolPacks == 1 }, soon, often)
	stop()
	require.FileExists(t, filepath.Join(s.dir, "data", "progress.json.bad"))
}
