// Package deb holds the gateway's Debian package: unit, scripts, contents. It has no Go code but its tests.
package deb

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "karkhana-deb-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// arches maps what tools/packages.sh calls an architecture to what Debian calls it.
var arches = map[string]string{"amd64": "amd64", "arm64": "arm64", "armv7": "armhf"}

type built struct {
	version, arch string
}

var packages sync.Map // built → func() (string, error)

// pack returns a folder with the package of a version and, below the architecture's name, its binary. Each is built
// once.
func pack(t *testing.T, version, arch string) (deb, binary string) {
	t.Helper()
	require.FileExists(t, filepath.Join(root, "bin", "nfpm"), "run make bin/nfpm")
	out := filepath.Join(scratch, version)
	once, _ := packages.LoadOrStore(built{version, arch}, sync.OnceValue(func() error {
		cmd := exec.Command(filepath.Join(root, "tools", "packages.sh"), version, out, arch)
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("packages.sh: %w: %s", err, b)
		}
		return nil
	}))
	require.NoError(t, once.(func() error)())
	return filepath.Join(out, "karkhana-gateway_"+version+"_"+arches[arch]+".deb"), filepath.Join(out, arch, "karkhana-gateway")
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

var line = regexp.MustCompile(`^(\S+) +(\S+) +\d+ \S+ \S+ \./(.*)$`)

const contents = `-rw-r--r-- root/root etc/karkhana/gateway.yaml
-rw-r--r-- root/root usr/lib/systemd/system/karkhana-gateway.service
-rw-r--r-- root/root usr/lib/sysusers.d/karkhana-gateway.conf
-rw-r--r-- root/root usr/share/doc/karkhana-gateway/copyright
-rw-r--r-- root/root usr/share/doc/karkhana-gateway/examples/watchdog.conf
-rw-r--r-- root/root usr/share/doc/karkhana-gateway/pi.md
-rwxr-xr-x root/root usr/lib/karkhana/karkhana-gateway
-rwxr-xr-x root/root usr/lib/karkhana/recover
drwxr-x--- root/root etc/karkhana/
l--------- root/root usr/bin/karkhana-gateway -> ../lib/karkhana/karkhana-gateway
`

func TestPackages(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "armv7": elf.EM_ARM}
	for arch, debian := range arches {
		t.Run(arch, func(t *testing.T) {
			deb, binary := pack(t, "1.0.0", arch)
			for field, want := range map[string]string{"Package": "karkhana-gateway", "Version": "1.0.0", "Architecture": debian, "Depends": "systemd, init-system-helpers, util-linux"} {
				require.Equal(t, want, strings.TrimSpace(output(t, "dpkg-deb", "-f", deb, field)))
			}
			require.Equal(t, "/etc/karkhana/gateway.yaml\n", output(t, "dpkg-deb", "-I", deb, "conffiles"))
			var got []string
			for l := range strings.Lines(output(t, "dpkg-deb", "-c", deb)) {
				m := line.FindStringSubmatch(strings.TrimSpace(l))
				require.NotNil(t, m, l)
				if m[1] != "drwxr-xr-x" { // folders of the system
					got = append(got, strings.Join(m[1:], " "))
				}
			}
			require.ElementsMatch(t, strings.Split(strings.TrimSpace(contents), "\n"), got)

			f, err := elf.Open(binary)
			require.NoError(t, err)
			defer f.Close()
			require.Equal(t, machines[arch], f.Machine)
			for _, p := range f.Progs {
				require.NotEqual(t, elf.PT_INTERP, p.Type, "needs no library")
			}
			info, err := buildinfo.ReadFile(binary)
			require.NoError(t, err)
			settings := map[string]string{}
			for _, s := range info.Settings {
				settings[s.Key] = s.Value
			}
			require.Equal(t, "0", settings["CGO_ENABLED"])
			if arch == "armv7" {
				require.Equal(t, "7", settings["GOARM"])
			}
			size, err := os.Stat(binary)
			require.NoError(t, err)
			whole, err := os.Stat(deb)
			require.NoError(t, err)
			t.Logf("result: arch=%s binary_mb=%.1f deb_mb=%.1f", arch, float64(size.Size())/1e6, float64(whole.Size())/1e6)
			require.LessOrEqual(t, size.Size(), int64(15_000_000))
		})
	}
}

func TestVersionsAreDebians(t *testing.T) {
	for version, want := range map[string]string{"v1.2.0": "1.2.0", "v1.2.0-rc1": "1.2.0~rc1", "v1.2.0-3-gabc1234-dirty": "1.2.0+3.gabc1234.dirty"} {
		require.Equal(t, want+"\n", output(t, filepath.Join(root, "tools", "packages.sh"), version))
	}
	output(t, "dpkg", "--compare-versions", "1.2.0~rc1", "lt", "1.2.0")
	output(t, "dpkg", "--compare-versions", "1.2.0", "lt", "1.2.0+3.gabc1234.dirty")
	output(t, "dpkg", "--compare-versions", "0.0.0+git.100.abc", "lt", "1.2.0")
}

// The unit as systemd reads it, with the package's files where they are.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed: the unit is not checked")
	}
	deb, _ := pack(t, "1.0.0", "amd64")
	dir := t.TempDir()
	output(t, "dpkg-deb", "-x", deb, dir)
	b, err := os.ReadFile("karkhana-gateway.service")
	require.NoError(t, err)
	moved := filepath.Join(dir, "karkhana-gateway.service")
	verify := func(unit string) string {
		unit = strings.ReplaceAll(unit, "/usr/lib/karkhana/", filepath.Join(dir, "usr/lib/karkhana")+"/")
		require.NoError(t, os.WriteFile(moved, []byte(unit), 0o644))
		out, _ := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", moved).CombinedOutput()
		var own []string
		for l := range strings.Lines(string(out)) {
			if strings.Contains(l, "karkhana") { // other units of the computer are not ours
				own = append(own, l)
			}
		}
		return strings.Join(own, "")
	}
	require.Empty(t, verify(string(b)))
	require.NotEmpty(t, verify(strings.Replace(string(b), "MemoryMax=", "MemoryMaxx=", 1)), "verify sees mistakes")
	output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", moved)

	// The trap: hardening that takes the kernel's clock away would make every sample's time untrusted.
	require.NotContains(t, string(b), "\nProtectClock=")
	require.Regexp(t, `(?m)^SystemCallFilter=.*\badjtimex\b`, string(b))
	require.NotContains(t, string(b), "\nProcSubset=")
}

// dpkg keeps packages below a folder, as on a computer of its own.
type dpkg struct {
	t    *testing.T
	root string
}

func newDpkg(t *testing.T) *dpkg {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: dpkg can't install below a folder")
	}
	d := &dpkg{t: t, root: t.TempDir()}
	for _, dir := range []string{"etc", "usr/bin", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/karkhana"} {
		require.NoError(t, os.MkdirAll(filepath.Join(d.root, dir), 0o755))
	}
	d.write("var/lib/dpkg/status", "")
	d.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	d.write("etc/group", "root:x:0:\ndialout:x:20:\n")
	return d
}

func (d *dpkg) write(name, text string) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.root, name), []byte(text), 0o644))
}

func (d *dpkg) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.root, name))
	require.NoError(d.t, err)
	return string(b)
}

func (d *dpkg) run(env string, args ...string) string {
	d.t.Helper()
	args = append([]string{"--root=" + d.root, "--force-script-chrootless", "--force-depends", "--force-architecture", "--force-confold", "--log=/dev/null"}, args...)
	cmd := exec.CommandContext(d.t.Context(), "dpkg", args...)
	cmd.Env = append(os.Environ(), env, "DPKG_MAINTSCRIPT_DEBUG=")
	out, err := cmd.CombinedOutput()
	require.NoError(d.t, err, string(out))
	return string(out)
}

// A gateway's life with dpkg itself: installed, filled in, upgraded, removed, purged.
func TestLifeOfAPackage(t *testing.T) {
	first, _ := pack(t, "1.0.0", "amd64")
	second, _ := pack(t, "1.1.0", "amd64")
	d := newDpkg(t)
	const binary, kept = "usr/lib/karkhana/karkhana-gateway", "usr/lib/karkhana/karkhana-gateway.previous"
	const wants = "etc/systemd/system/multi-user.target.wants/karkhana-gateway.service"
	at := func(name string) string { return filepath.Join(d.root, name) }

	said := d.run("", "--install", first)
	require.Contains(t, said, "sudo karkhana-gateway enrol --server URL")
	require.Regexp(t, `(?m)^karkhana:`, d.read("etc/passwd"))
	for _, group := range []string{"i2c", "spi", "gpio", "dialout"} {
		require.Regexp(t, `(?m)^`+group+`:.*:karkhana$`, d.read("etc/group"))
	}
	info, err := os.Stat(at("etc/karkhana"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o770)|os.ModeDir|os.ModeSetgid, info.Mode())
	config, err := os.Stat(at("etc/karkhana/gateway.yaml"))
	require.NoError(t, err)
	require.Equal(t, info.Sys().(*syscall.Stat_t).Gid, config.Sys().(*syscall.Stat_t).Gid, "the gateway can read it, also after chmod 640")
	require.NotZero(t, config.Sys().(*syscall.Stat_t).Gid)
	_, err = os.Lstat(at(wants))
	require.NoError(t, err, "starts at boot")
	require.NoFileExists(t, at(kept))

	d.write("etc/karkhana/gateway.yaml", "mine\n")
	d.write("etc/karkhana/gateway.key", "secret\n")
	d.write("var/lib/karkhana/queue", "samples\n")
	before := d.read(binary)

	said = d.run("", "--install", second)
	require.NotContains(t, said, "fill in")
	require.Equal(t, "mine\n", d.read("etc/karkhana/gateway.yaml"))
	require.Equal(t, "samples\n", d.read("var/lib/karkhana/queue"))
	require.NotEqual(t, before, d.read(binary))
	require.Equal(t, before, d.read(kept), "the former binary is kept")

	// The upgrade command has put the binary in place and kept the former one itself.
	d.run("KARKHANA_UPGRADE=1", "--install", second)
	require.Equal(t, before, d.read(kept))

	require.NoError(t, os.Remove(at(wants)))
	d.run("", "--install", first)
	_, err = os.Lstat(at(wants))
	require.ErrorIs(t, err, os.ErrNotExist, "what an administrator switched off stays off")

	d.write("usr/lib/karkhana/trial", "on trial")
	d.run("", "--remove", "karkhana-gateway")
	require.NoDirExists(t, at("usr/lib/karkhana"))
	require.Equal(t, "samples\n", d.read("var/lib/karkhana/queue"), "the queue outlives removal")
	require.Equal(t, "secret\n", d.read("etc/karkhana/gateway.key"))

	d.run("", "--install", second)
	require.Equal(t, "mine\n", d.read("etc/karkhana/gateway.yaml"))
	d.run("", "--purge", "karkhana-gateway")
	require.NoDirExists(t, at("var/lib/karkhana"))
	require.NoDirExists(t, at("etc/karkhana"))
	leftover, err := filepath.Glob(at("etc/systemd/system/*/karkhana*"))
	require.NoError(t, err)
	require.Empty(t, leftover)
}
