package gateway_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// counter is a machine whose register counts its readings, whoever has it open.
type counter struct{ n atomic.Int64 }

func (c *counter) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	return []wire.Sample{{TimeMs: at.UnixMilli(), Quantity: quantity.Energy, Number: float64(c.n.Add(1))}}, nil
}

func (c *counter) Close() error { return nil }

// startCounting runs the gateway with a counter in the place of every simulated machine.
func (s *site) startCounting(counters map[string]*counter) (*gateway.Gateway, func()) {
	s.t.Helper()
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(s.t, err)
	g, err := gateway.New(gateway.Options{
		Config: c, Version: "test", Logger: slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
		Source: func(m config.Machine) (sampler.Source, error) { return counters[m.ID], nil },
		TuneUplink: func(o *uplink.Options) {
			o.RetryMin, o.RetryMax, o.StatusEvery = 10*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
		},
	})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(s.t, <-ended)
		}
	}
	s.t.Cleanup(stop)
	return g, stop
}

// edit changes the text of gateway.yaml.
func (s *site) edit(old, with string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), old)
	s.write("gateway.yaml", strings.ReplaceAll(string(text), old, with))
}

func simulated(id, every string) string {
	return "  - id: " + id + "\n    source: sim\n    sim: {seed: 1, epoch: 2026-01-01T00:00:00Z, kind: cutting}\n    every: " + every + "\n    pack: 200ms\n"
}

// Reloaded again and again under load, with machines that change, stay, come and go, a broker that changes, and files
// that are wrong in between, every reading arrives once and only once.
func TestReloadUnderLoad(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	proxy := uplinktest.NewProxy(t, b.URL())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s := newSite(t, b.URL(), simulated("stays", "10ms")+simulated("changes", "10ms")+strings.ReplaceAll(replayA, "max", "8000x"))
	want := s.recording(25_000)
	counters := map[string]*counter{"stays": {}, "changes": {}, "comes": {}}
	g, stop := s.startCounting(counters)
	ctx := t.Context()
	more := func() { // a few more readings of all
		t.Helper()
		for id, c := range counters {
			if id == "comes" {
				continue
			}
			n := c.n.Load()
			require.Eventually(t, func() bool { return c.n.Load() > n+5 }, soon, often)
		}
	}
	more()
	before := g.Status().ConfigHash
	for range 5 {
		s.edit("id: changes\n    source: sim\n    sim: {seed: 1, epoch: 2026-01-01T00:00:00Z, kind: cutting}\n    every: 10ms", "id: changes\n    source: sim\n    sim: {seed: 1, epoch: 2026-01-01T00:00:00Z, kind: cutting}\n    every: 20ms")
		require.NoError(t, g.Reload(ctx))
		require.NotEqual(t, before, g.Status().ConfigHash)
		more()
		s.edit("speed: 8000x", "speed: 9000x") // the recording goes on where it was
		require.NoError(t, g.Reload(ctx))
		more()
		s.edit("every: 20ms", "evrey: 20ms")
		err := g.Reload(ctx)
		require.ErrorContains(t, err, `gateway.yaml:18: machines[1]: unknown key "evrey"; did you mean "every"?`)
		require.Contains(t, g.Status().ConfigError, "gateway.yaml:18:")
		require.Eventually(t, func() bool { st, _ := server.Status(); return strings.Contains(st.ConfigError, "evrey") }, soon, often)
		more()
		s.edit("evrey: 20ms", "every: 10ms")
		s.edit(b.URL(), proxy.URL())
		require.NoError(t, g.Reload(ctx))
		require.Empty(t, g.Status().ConfigError)
		more()
		s.edit("speed: 9000x", "speed: 8000x")
		s.edit(proxy.URL(), b.URL())
		require.NoError(t, g.Reload(ctx))
		require.Equal(t, before, g.Status().ConfigHash)
		more()
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(t, err)
	s.write("gateway.yaml", string(text)+simulated("comes", "10ms"))
	require.NoError(t, g.Reload(ctx))
	require.Eventually(t, func() bool { return counters["comes"].n.Load() > 5 }, soon, often)
	s.write("gateway.yaml", string(text))
	require.NoError(t, g.Reload(ctx))
	gone := counters["comes"].n.Load()
	more()
	require.Equal(t, gone, counters["comes"].n.Load(), "a machine that is gone is not read")

	require.Eventually(t, func() bool { return server.Count("a") >= len(want) }, 2*soon, often)
	stop()
	_, _ = s.startCounting(map[string]*counter{"stays": {}, "changes": {}}) // sends what the stop left
	for id, c := range counters {
		n := int(c.n.Load())
		arrived := func() []wire.Sample {
			var mine []wire.Sample
			for _, x := range server.Samples(id) {
				if len(mine) < n {
					mine = append(mine, x)
				}
			}
			return mine
		}
		require.Eventually(t, func() bool { return len(arrived()) == n }, soon, often, id)
		last := int64(0)
		for i, x := range arrived() {
			require.InDelta(t, float64(i+1), x.Number, 0, "%s: every reading, once, in order", id)
			require.Greater(t, x.TimeMs, last, "%s: each at a time of its own", id)
			last = x.TimeMs
		}
		t.Logf("%s: %d readings, all there", id, n)
	}
	require.Equal(t, want, server.Samples("a"), "the recording")
	require.Empty(t, server.Changed())
}

// A machine that stays the same is read without a hole while others change.
func TestReloadLeavesOthersAlone(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", simulated("stays", "10ms")+simulated("goes", "10ms"))
	counters := map[string]*counter{"stays": {}, "goes": {}}
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(t, err)
	var opens atomic.Int64
	g, err := gateway.New(gateway.Options{Config: c, Source: func(m config.Machine) (sampler.Source, error) {
		if m.ID == "stays" {
			opens.Add(1)
		}
		return counters[m.ID], nil
	}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	require.Eventually(t, func() bool { return counters["goes"].n.Load() > 2 }, soon, often)
	id := g.Status().Spool
	s.edit(simulated("goes", "10ms"), "")
	require.NoError(t, g.Reload(ctx))
	n, goes := counters["stays"].n.Load(), counters["goes"].n.Load()
	require.Eventually(t, func() bool { return counters["stays"].n.Load() > n+5 }, soon, often)
	require.Equal(t, int64(1), opens.Load(), "not opened anew")
	require.Equal(t, goes, counters["goes"].n.Load())
	require.Equal(t, id, g.Status().Spool)
	cancel()
	require.NoError(t, <-ended)

	// What the removed machine had queued is sent by a gateway that no longer knows it.
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s.edit("mqtt://127.0.0.1:1", b.URL())
	_, stop := s.startCounting(map[string]*counter{"stays": {}})
	require.Eventually(t, func() bool { return server.Count("goes") == int(goes) }, soon, often)
	stop()
}

func TestReloadThatNeedsARestart(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", replayA)
	s.recording(10)
	g, _, stop := s.start(false)
	hash := g.Status().ConfigHash
	for _, change := range [][2]string{{"data: data", "data: elsewhere"}, {"gateway: gw-1", "gateway: gw-2"}, {"site: jodhpur-cfc", "site: other-cfc"}, {"clock: trusted", "clock: kernel"}} {
		s.edit(change[0], change[1])
		err := g.Reload(t.Context())
		require.ErrorContains(t, err, "restart needed")
		require.ErrorContains(t, err, "gateway.yaml:")
		require.Equal(t, hash, g.Status().ConfigHash)
		require.Contains(t, g.Status().ConfigError, "restart needed")
		s.edit(change[1], change[0])
	}
	require.NoDirExists(t, filepath.Join(s.dir, "elsewhere"))
	require.NoError(t, g.Reload(t.Context()), "as it was")
	require.Empty(t, g.Status().ConfigError)
	stop()
	require.ErrorContains(t, g.Reload(t.Context()), "stopped")
}
