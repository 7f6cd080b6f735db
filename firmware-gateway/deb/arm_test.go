package deb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
)

// emulators maps architectures to what runs their programs here.
var emulators = map[string]string{"arm64": "qemu-aarch64-static", "armv7": "qemu-arm-static"}

// The programs of the packages for the Raspberry Pi, run: they check a configuration, read a simulated machine, bring a
// recording over to a server after keeping it on disk, and report their health.
func TestArmPrograms(t *testing.T) {
	for arch, name := range emulators {
		t.Run(arch, func(t *testing.T) {
			qemu, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("SKIPPED: %s is not installed (Debian package qemu-user-static): the %s program is built but not run", name, arch)
			}
			_, binary := pack(t, "1.0.0", arch)
			p := &program{t: t, qemu: qemu, binary: binary, dir: t.TempDir()}
			p.write("gateway.key", uplinktest.Key)
			p.write("site.salt", "salt")

			require.Equal(t, "karkhana-gateway 1.0.0\n", p.must("version"))
			require.Contains(t, p.must("config", "--packaged"), "key_file: gateway.key")
			p.write("gateway.yaml", "nonsense: 1\n")
			out, err := p.run("check")
			require.Error(t, err)
			require.Contains(t, out, "gateway.yaml:1")

			p.replay()
			p.live()
		})
	}
}

// program is a gateway for another processor.
type program struct {
	t                 *testing.T
	qemu, binary, dir string
}

func (p *program) write(name, text string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
}

func (p *program) configure(broker, machines string) {
	p.t.Helper()
	p.write("gateway.yaml", fmt.Sprintf("site: %s\ngateway: %s\nbroker: %s\nkey_file: gateway.key\ncard_salt_file: site.salt\ndata: data\nclock: trusted\nhistory_packs_per_s: 0\nmachines:\n%s",
		uplinktest.Site, uplinktest.Gateway, broker, machines))
}

func (p *program) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{p.binary}, args...)
	if len(args) > 1 && args[1] != "version" && args[1] != "config" {
		args = append(args, "--config", filepath.Join(p.dir, "gateway.yaml"))
	}
	return exec.CommandContext(ctx, p.qemu, args...)
}

func (p *program) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	out, err := p.command(ctx, args...).CombinedOutput()
	return string(out), err
}

func (p *program) must(args ...string) string {
	p.t.Helper()
	out, err := p.run(args...)
	require.NoError(p.t, err, "%v: %s", args, out)
	return out
}

const rows = 2000

// replay brings a recording over to a server, every sample once. All of it waited on disk first, in a process that
// was killed.
func (p *program) replay() {
	var csv strings.Builder
	csv.WriteString("time,machine,power[kW],energy[kWh]\n")
	for i := range rows {
		fmt.Fprintf(&csv, "%d,a,%d.5,%d\n", 1_780_000_000+i, i, i)
	}
	p.write("r.csv", csv.String())
	const machines = "  - {id: a, source: replay, replay: {file: r.csv, speed: max}}\n"
	p.configure("mqtt://127.0.0.1:1", machines)
	require.Contains(p.t, p.must("check"), "right: gateway")
	for range 2 {
		cmd := p.start()
		p.reports(func(r *health.Report) bool { return r.Spool.Packs == rows*2/sampler.MaxSamples })
		require.NoError(p.t, cmd.Process.Kill())
		_ = cmd.Wait()
		p.must("spool", "verify")
	}

	b := brokertest.Embedded(p.t, uplinktest.Users())
	server := uplinktest.NewServer(p.t, b)
	server.Answer(true)
	p.configure(b.URL(), machines)
	p.must("run", "--exit-when-drained")
	got := server.Samples("a")
	require.Len(p.t, got, 2*rows)
	for i := range rows {
		require.InDelta(p.t, i*1000, got[2*i].Number, 0, "energy, Wh")
		require.InDelta(p.t, float64(i)*1000+500, got[2*i+1].Number, 0, "power, W")
	}
	require.Empty(p.t, server.Changed())
	p.must("spool", "verify")
}

// start runs the gateway as a unit does, with a place for its report; it is killed at the end of the test.
func (p *program) start() *exec.Cmd {
	p.t.Helper()
	_ = os.Remove(p.report())
	cmd := p.command(p.t.Context(), "run")
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+p.dir)
	cmd.Stderr = p.t.Output()
	require.NoError(p.t, cmd.Start())
	return cmd
}

func (p *program) report() string { return filepath.Join(p.dir, health.ReportName) }

// reports waits for a report.
func (p *program) reports(good func(*health.Report) bool) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		r, err := health.ReadReport(p.report())
		return err == nil && good(r)
	}, 2*time.Minute, 100*time.Millisecond)
}

// live reads a simulated machine like a unit does: it reports, and hands everything to the disk when it is stopped.
func (p *program) live() {
	require.NoError(p.t, os.RemoveAll(filepath.Join(p.dir, "data")))
	p.configure("mqtt://127.0.0.1:1", "  - {id: a, source: sim, every: 100ms, pack: 1s, sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}}\n")
	cmd := p.start()
	p.reports(func(r *health.Report) bool { return len(r.Machines) == 1 && r.Machines[0].Fresh() && r.Spool.Syncs > 0 })
	out, err := p.run("health", "--report", p.report())
	require.NoError(p.t, err, out)
	require.Contains(p.t, out, "a: last value")
	require.NoError(p.t, cmd.Process.Signal(os.Interrupt))
	require.NoError(p.t, cmd.Wait(), "stops by itself when told to")
	p.must("spool", "verify")
}
