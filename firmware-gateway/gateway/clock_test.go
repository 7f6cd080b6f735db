package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// computer is a kernel's clock that runs truly but may be set wrongly.
type computer struct {
	boot   string
	booted time.Time

	mu     sync.Mutex
	wrong  time.Duration
	synced bool
}

func (c *computer) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.wrong)
}
func (c *computer) Mono() time.Duration { return time.Since(c.booted) }
func (c *computer) Synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}
func (c *computer) RTC() (time.Time, error) { return time.Time{}, clock.ErrNoRTC }
func (c *computer) Boot() string            { return c.boot }

func (c *computer) sync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong, c.synced = 0, true
}

func (s *site) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(s.t, err)
	return string(text)
}

func (s *site) boot(k *computer) (g *gateway.Gateway, stop func()) {
	s.t.Helper()
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(s.t, err)
	g, err = gateway.New(gateway.Options{Config: c, Version: "test", Kernel: k})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
	s.t.Cleanup(stop)
	return g, stop
}

// A computer that starts with a wrong date and without network: samples wait on the disk, over a reboot, too. The first sync sends
// them: those of its own boot with their right times, those of the boot before marked as bounded.
func TestNothingIsSentWithoutATime(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	epoch := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	s := newSite(t, b.URL(), fmt.Sprintf("  - id: furnace-1\n    source: sim\n    sim: {seed: 7, epoch: %s, kind: furnace}\n    every: 200ms\n    pack: 400ms\n", epoch.Format(time.RFC3339)))
	s.write("gateway.yaml", strings.Replace(s.read("gateway.yaml"), "clock: trusted", "clock: kernel", 1))

	first := &computer{boot: "boot-1", booted: time.Now().Add(-time.Minute), wrong: -30 * time.Minute}
	g, stop := s.boot(first)
	require.Eventually(t, func() bool { return g.Stats().Spool.Packs >= 3 }, soon, often)
	require.Equal(t, wire.ClockBounded, g.Status().Clock)
	stop()

	begin := time.Now()
	second := &computer{boot: "boot-2", booted: begin.Add(-10 * time.Second), wrong: -20 * time.Minute}
	g, stop = s.boot(second)
	before := g.Stats().Spool.Packs
	require.Eventually(t, func() bool { return g.Stats().Spool.Packs >= before+4 && g.Stats().Uplink.Connected }, soon, often)
	require.Zero(t, server.Packs(), "nothing is sent without a time")
	second.sync()
	synced := time.Now()
	require.Eventually(t, func() bool { return server.Clocks()[wire.ClockSynced] >= 2 && server.Clocks()[wire.ClockBounded] >= 3 }, soon, often)
	stop()
	clocks := server.Clocks()
	require.GreaterOrEqual(t, clocks[wire.ClockRepaired], 4)
	require.Zero(t, clocks[wire.ClockRTC])
	require.Empty(t, server.Changed())

	var last int64
	for _, sample := range server.Samples("furnace-1") {
		if sample.Quantity != quantity.Power || sample.TimeMs < begin.UnixMilli()-5 {
			continue // of the first boot
		}
		require.Less(t, sample.TimeMs, time.Now().UnixMilli()+5)
		if last > 0 {
			require.Greater(t, sample.TimeMs, last, "no overlap where the clock was set, at %v", synced)
			require.Less(t, sample.TimeMs-last, int64(10_000), "no gap where the clock was set, by twenty minutes, at %v; a busy computer makes small ones", synced)
		}
		last = sample.TimeMs
	}
	require.Greater(t, last, synced.UnixMilli())
}

// A recording has its own dates: on a computer without a time it is sent at once, and its samples are not marked.
func TestRecordingKeepsItsDates(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s := newSite(t, b.URL(), replayA)
	s.write("gateway.yaml", strings.Replace(s.read("gateway.yaml"), "clock: trusted", "clock: kernel", 1))
	want := s.recording(500)
	g, _ := s.boot(&computer{boot: "boot-1", booted: time.Now().Add(-time.Minute), wrong: -30 * time.Minute})
	require.Equal(t, wire.ClockBounded, g.Status().Clock)
	require.Eventually(t, func() bool { return server.Count("a") == len(want) }, soon, often)
	clocks := server.Clocks()
	require.Equal(t, map[wire.Clock]int{wire.ClockSynced: server.Packs()}, clocks)
}
