package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// build makes the binary as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "karkhana-gateway")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

func configure(t *testing.T, broker, machines string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("site: %s\ngateway: %s\nbroker: %s\nkey_file: key\ncard_salt_file: key\nclock: trusted\nhistory_packs_per_s: 500\nmachines:\n%s", uplinktest.Site, uplinktest.Gateway, broker, machines)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte(uplinktest.Key), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gateway.yaml"), []byte(text), 0o600))
	return dir
}

// start runs the binary; it is killed at the end of the test if it still runs.
func start(t *testing.T, bin, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"run", "--log-level=warn", "--config", filepath.Join(dir, "gateway.yaml")}, args...)...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// ownLimitKB is what the gateway may take at its peak beside its program's pages. Seen: 6 to 8 MB; 13 MB where four busy
// programs and three packages' tests left its garbage collector little of two cores, because what is freed late counts.
// The 20 MB with its program's pages that make bench-gateway measures are for a computer that is not crowded.
const ownLimitKB = 24_000

// peakMemory is the largest resident size that a process has had, and what of that is not its program's file, which the
// kernel maps in larger or smaller parts and can drop at any time. In kB.
func peakMemory(t *testing.T, pid int) (peak, own int) {
	t.Helper()
	peak = memory(t, pid, "VmHWM")
	return peak, peak - memory(t, pid, "RssFile")
}

// memory returns a line of /proc/{pid}/status in kB.
func memory(t *testing.T, pid int, key string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return kb
		}
	}
	return 0
}

// bytesIn is the size of the files in a directory.
func bytesIn(dir string) (n int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

// Killed at any moment, again and again, the gateway brings every sample of a recording over, and no pack ever
// changes.
func TestKilledAgainAndAgain(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	dir := configure(t, b.URL(), "  - id: a\n    source: replay\n    replay: {file: r.csv, speed: max}\n")
	const rows = 120_000
	var csv strings.Builder
	csv.WriteString("time,machine,power\n")
	for i := range rows {
		fmt.Fprintf(&csv, "%d,a,%d\n", 1_780_000_000+i, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "r.csv"), []byte(csv.String()), 0o600))
	bin := build(t)
	for range 6 {
		cmd := start(t, bin, dir)
		kill := time.AfterFunc(time.Duration(100+rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
	}
	cmd := start(t, bin, dir, "--exit-when-drained")
	require.NoError(t, cmd.Wait())
	got := server.Samples("a")
	require.Len(t, got, rows)
	for i, s := range got {
		require.InDelta(t, i, s.Number, 0)
	}
	require.Empty(t, server.Changed())
}

// Killed with a pack of an hour and a window of an hour open, the gateway loses at most the last second, and what it did not come
// to on a busy computer.
func TestOpenPacksAndWindowsSurviveAKill(t *testing.T) {
	const lost = 4 * time.Second
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	epoch := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	dir := configure(t, b.URL(), fmt.Sprintf(`  - {id: pack, source: sim, sim: {seed: 7, epoch: %[1]s, kind: main-meter}, every: 100ms, pack: 1h}
  - {id: window, source: sim, sim: {seed: 7, epoch: %[1]s, kind: main-meter}, every: 100ms, report: 1h, pack: 1h}
`, epoch))
	bin := build(t)
	var killed []time.Time
	begin := time.Now()
	for range 3 {
		cmd := start(t, bin, dir)
		<-time.After(lost + time.Duration(1000+rand.IntN(500))*time.Millisecond)
		killed = append(killed, time.Now())
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	cmd := start(t, bin, dir, "--exit-when-drained")
	require.NoError(t, cmd.Wait())
	var times []int64
	for _, s := range server.Samples("pack") {
		if s.Quantity == quantity.Power {
			times = append(times, s.TimeMs)
		}
	}
	require.Greater(t, len(times), 30)
	for i, at := range killed {
		last := int64(0)
		for _, ms := range times {
			if ms <= at.UnixMilli() {
				last = ms
			}
		}
		require.LessOrEqual(t, at.UnixMilli()-last, lost.Milliseconds(), "kill %d cost too much", i)
	}
	windows := 0
	for _, s := range server.Samples("window") {
		if s.Quantity == quantity.Power {
			require.GreaterOrEqual(t, s.TimeMs, begin.Add(-time.Hour).UnixMilli())
			windows++
		}
	}
	require.GreaterOrEqual(t, windows, 3, "what each window had is there")
	require.Empty(t, server.Changed())
}

// Six simulated machines with a month of history behind them, on a gateway that does not reach its server at first:
// the first live value comes within 2 s and the process stays small.
func TestMemoryOfAWholeWorkshop(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	proxy := uplinktest.NewProxy(t, b.URL())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	var machines strings.Builder
	epoch := time.Now().Add(-31 * 24 * time.Hour).UTC().Format(time.RFC3339)
	for _, kind := range []string{"furnace", "cutting", "polishing", "hammering", "designing", "main-meter"} {
		fmt.Fprintf(&machines, "  - id: %s-1\n    source: sim\n    sim: {seed: 7, epoch: %s, kind: %s, history: {span: 720h, every: 5s, report: 60s}}\n    pack: 1s\n", kind, epoch, kind)
	}
	dir := configure(t, proxy.URL(), machines.String())
	bin := build(t)
	begin := time.Now()
	cmd := start(t, bin, dir)
	require.Eventually(t, func() bool { return slices.Contains(server.Arrivals(), wire.KindTelemetry) }, time.Minute, 10*time.Millisecond)
	first := time.Since(begin)
	proxy.Cut()
	queue := filepath.Join(dir, "spool", "spool")
	require.Eventually(t, func() bool { return bytesIn(queue) > 4<<20 }, time.Minute, 50*time.Millisecond, "the past waits on disk")
	proxy.Mend()
	require.Eventually(t, func() bool { return server.Packs() > 2500 }, 4*time.Minute, 50*time.Millisecond)
	peak, own := peakMemory(t, cmd.Process.Pid)
	info, err := os.Stat(bin)
	require.NoError(t, err)
	t.Logf("result: first_live_s=%.1f rss_peak_mb=%.1f own_peak_mb=%.1f binary_mb=%.1f history_packs=%d", first.Seconds(), float64(peak)/1e3, float64(own)/1e3, float64(info.Size())/1e6, server.Packs())
	require.LessOrEqual(t, own, ownLimitKB)
}
