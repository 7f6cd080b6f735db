// Command benchgateway measures the gateway against its budget and prints one line of figures:
//
//	go run ./firmware-gateway/benchgateway -for 60s -dir /mnt/card
//
// It starts the gateway as a process of its own (package load: made-up sensors, else what is shipped) with 50 channels
// at 1 Hz and a window of vibration for each machine each 10 s, before an embedded broker that gives receipts; then it
// takes a month's rate of 100 samples/s through the spool, as fast as the disk goes, without receipts.
//
// Measured in that run: memory (high-water mark), processor time of the process, bytes that the process made the kernel
// write, bytes of packs and of MQTT both ways, size of the arm64 binary, time to the first sample, bytes per sample that
// stay on the disk, rates of the spool. Computed from them, and said so where they are printed: a day on a SIM, 30 days on
// the disk, headers of TCP and IP, and what ext4 writes of its own for a file that is synced each second (see metadata).
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("for", 45*time.Second, "how long the gateway is watched")
	dir := flag.String("dir", "", "where the spools lie: a folder on the disk that is measured; default: a temporary one")
	flag.Parse()
	if err := run(*duration, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "benchgateway:", err)
		os.Exit(1)
	}
}

// machines and channels make the 50 channels of the budget.
const machines, channels = 10, 5

func run(duration time.Duration, under string) error {
	dir, err := os.MkdirTemp(under, "benchgateway")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	arm, err := build(ctx, filepath.Join(dir, "arm64"), "./firmware-gateway", "GOOS=linux", "GOARCH=arm64")
	if err != nil {
		return err
	}
	load := filepath.Join(dir, "load")
	if _, err := build(ctx, load, "./firmware-gateway/benchgateway/load"); err != nil {
		return err
	}
	live, err := watch(ctx, load, dir, duration)
	if err != nil {
		return err
	}
	fmt.Printf("gateway, %d channels at 1 Hz and a window of vibration per machine each 10 s, %v: %d samples in %d packs came over\n", machines*channels, duration, live.samples, live.packs)
	perDay := func(bytes int) float64 { return float64(bytes) / live.took.Seconds() * 86400 / 1e6 }
	per := func(bytes int) float64 { return float64(bytes) / float64(live.samples) }
	fmt.Printf("  packs, measured: %.1f bytes per sample; each compressed by itself: deflate %.1f, zstd %.1f; all as one stream: deflate %.1f\n", live.bytesPerSample(), per(live.deflated), per(live.zstd), per(live.stream))
	fmt.Printf("  on a SIM, computed for a day: packs %.0f MB (deflate %.0f, zstd %.0f, stream %.0f); with MQTT, receipts and status %.0f MB; with TCP and IP about %.0f MB\n",
		perDay(live.payload), perDay(live.deflated), perDay(live.zstd), perDay(live.stream), perDay(live.mqtt), perDay(live.mqtt+live.below))
	fmt.Printf("  its disk, measured: %.2f kB/s written by the process while receipts come\n", live.flash/1e3)

	f, err := flash(filepath.Join(dir, "flash"))
	if err != nil {
		return err
	}
	flashed := max(f.written, live.flash)
	fmt.Printf("spool, %d samples/s for %d s without receipts, measured: %.2f kB/s written by the process (journal and segments), %.2f bytes per sample stay\n", rate, seconds, f.written/1e3, f.perSample)
	fmt.Printf("  with what ext4 adds, computed: %.2f kB/s; mounted with commit=60: %.2f kB/s\n", (flashed+metadata(5*time.Second))/1e3, (flashed+metadata(time.Minute))/1e3)
	r, err := rates(filepath.Join(dir, "rates"))
	if err != nil {
		return err
	}
	fmt.Printf("spool, as fast as it goes: %.0f packs/s appended and durable, %.0f packs/s read back\n", r.append, r.read)
	fmt.Printf("result: rss_mb=%.1f arm64_mb=%.1f cpu_pct=%.2f flash_kb_s=%.2f wire_bytes_per_sample=%.1f spool_append_per_s=%.0f spool_gb_30d=%.2f first_sample_s=%.2f\n",
		live.rss, arm, live.cpu, (flashed+metadata(5*time.Second))/1e3, live.bytesPerSample(), r.append*packSamples, f.perSample*rate*86400*30/1e9, live.first.Seconds())
	return nil
}

// build builds a program as it is shipped and returns its size in MB.
func build(ctx context.Context, to, pkg string, env ...string) (float64, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	info, err := os.Stat(to)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}

// seen is what watching the gateway gave.
type seen struct {
	rss, cpu, flash float64 // MB; % of one core; bytes/s
	counted
	mqtt, below int           // bytes both ways, and what TCP and IP add
	took, first time.Duration // how long was counted; from the start of the process to its first sample
}

func (s seen) bytesPerSample() float64 { return float64(s.payload) / float64(max(s.samples, 1)) }

// watch runs the gateway for a while. CPU and disk are counted after its start.
func watch(ctx context.Context, program, dir string, duration time.Duration) (s seen, err error) {
	server, err := serve(ctx, filepath.Join(dir, "broker"))
	if err != nil {
		return s, err
	}
	defer server.stop()
	wire, err := newLink(ctx, server.url())
	if err != nil {
		return s, err
	}
	defer wire.stop()
	path, err := configure(dir, wire.url())
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, program, "run", "--log-level=warn", "--config", path)
	cmd.Env = append(os.Environ(), "BENCH_BEGAN="+strconv.FormatInt(time.Now().UnixMilli(), 10))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, cmd.Wait())
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return s, fmt.Errorf("the gateway gives no sample: %w", err)
	}
	ms, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "first_sample_ms ")))
	if err != nil {
		return s, fmt.Errorf("unexpected %q: %w", line, err)
	}
	s.first = time.Duration(ms) * time.Millisecond

	pid := cmd.Process.Pid
	time.Sleep(5 * time.Second) // the start is over
	cpu0, disk0 := cpu(pid), written(pid)
	was := server.counts()
	mqtt0, below0 := wire.counted()
	begin := time.Now()
	time.Sleep(duration)
	s.took = time.Since(begin)
	mqtt, below := wire.counted()
	s.counted, s.mqtt, s.below = server.counts().minus(was), int(mqtt-mqtt0), int(below-below0)
	s.cpu = (cpu(pid) - cpu0).Seconds() / s.took.Seconds() * 100
	s.flash = float64(written(pid)-disk0) / s.took.Seconds()
	s.rss = float64(field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")) / 1e3
	if s.samples == 0 {
		return s, errors.New("no sample came over")
	}
	return s, nil
}

// configure writes the gateway's configuration.
func configure(dir, url string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "site: %s\ngateway: %s\nbroker: %s\nkey: %s\ncard_salt_file: salt\nclock: trusted\ndata: gateway\nmachines:\n", site, gatewayID, url, key)
	for i := range machines {
		fmt.Fprintf(&b, "  - {id: lathe-%d, source: sim, sim: {seed: 1, epoch: 2026-01-01T00:00:00Z, kind: cutting}, every: 1s}\n", i)
	}
	path := filepath.Join(dir, "gateway.yaml")
	return path, errors.Join(os.WriteFile(filepath.Join(dir, "salt"), []byte("salt"), 0o600), os.WriteFile(path, []byte(b.String()), 0o600))
}

// field returns the number after a word in a file of /proc.
func field(path, word string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

// written is how many bytes a process has caused to be written to block devices: pages that it made dirty, and what went
// past the page cache (proc(5), io).
func written(pid int) int64 { return field(fmt.Sprintf("/proc/%d/io", pid), "write_bytes:") }

// metadata is what ext4 with blocks of 4 KiB writes each second for a file that is synced each second and does not grow,
// beside the data: with each commit of its journal a descriptor, the inode's block and a commit block. It does not show
// in the process's own count. Measured once with a block device's own counter: spool/FORMAT.md has the table.
func metadata(commit time.Duration) float64 { return 3 * 4096 / commit.Seconds() }

// cpu is the processor time that a process has used, of the kernel in its name included (proc(5), stat: 100 ticks/s).
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

var quiet = slog.New(slog.DiscardHandler)
