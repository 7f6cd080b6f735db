package upgrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/health"
)

// unitOf is a unit without systemd: it runs recover and then the binary, a shell script that reports like a gateway.
type unitOf struct {
	t      *testing.T
	dir    string
	report string
	cmd    *exec.Cmd
	ended  chan struct{}
}

func (u *unitOf) Restart(context.Context) error {
	u.stop()
	out, err := exec.Command("/bin/sh", filepath.Join(u.dir, "recover"), u.dir).CombinedOutput()
	require.NoError(u.t, err, string(out))
	u.ended = make(chan struct{})
	for {
		u.cmd = exec.Command(filepath.Join(u.dir, binary), u.report)
		err := u.cmd.Start()
		if err == nil {
			break
		}
		// A child that another test forked while the binary was being written holds it open for a moment (golang.org/issue/22315).
		if !errors.Is(err, syscall.ETXTBSY) {
			close(u.ended) // the unit fails
			return nil     //nolint:nilerr // as systemctl restart --no-block
		}
	}
	cmd, ended := u.cmd, u.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	return nil
}

func (u *unitOf) stop() {
	if u.cmd != nil && u.cmd.Process != nil {
		_ = u.cmd.Process.Kill()
		<-u.ended
	}
	_ = os.Remove(u.report) // as systemd empties a runtime directory
}

func (u *unitOf) active(context.Context) error {
	select {
	case <-u.ended:
		return errors.New("the service is failed")
	default:
		return nil
	}
}

// gateway is a program that reports one machine like a gateway does: its values are of the age that is given.
func gateway(name, ageMs, spool string) string {
	return fmt.Sprintf(`#!/bin/sh
# %s
up() { read -r up _ </proc/uptime; up=${up%%.*}${up#*.}0; }
up; started=$up
while :; do
	up
	printf '{"pid":%%s,"started_up_ms":%%s,"up_ms":%%s,"machines":[{"id":"furnace-1","limit_ms":11000,"sample_age_ms":%s}],"spool":%s}' $$ "$started" "$up" >"$1.tmp"
	mv "$1.tmp" "$1"
	sleep 0.05
done
`, name, ageMs, spool)
}

const working = `{"syncs":3}`

// With real processes and the report that the health check really reads.
func TestProcesses(t *testing.T) {
	script, err := os.ReadFile("../deb/recover")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		newer string
		wrong string // "" when the upgrade is good
	}{
		"good":          {gateway("2", "20", working), ""},
		"no values":     {gateway("2", "null", working), "no values from furnace-1"},
		"old values":    {gateway("2", "60000", working), "no values from furnace-1"},
		"queue refused": {gateway("2", "20", `{"syncs":1,"failing":"no space left on device"}`), "no space left on device"},
		"queue unused":  {gateway("2", "20", `{"syncs":0}`), "nothing was written"},
		"ends at once":  {"#!/bin/sh\nexit 1\n", "the service is failed"},
		"silent":        {"#!/bin/sh\nexec sleep 60\n", "no such file"},
		"not a program": {"\x7fELF of another computer", "the service is failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			u := &unitOf{t: t, dir: dir, report: filepath.Join(dir, health.ReportName)}
			for file, text := range map[string]string{"recover": string(script), binary: gateway("1", "20", working)} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755))
			}
			require.NoError(t, u.Restart(t.Context()))
			t.Cleanup(u.stop)
			h := &Health{File: u.report, Up: func() (int64, error) { return health.Up(os.DirFS("/")) }, Active: u.active}
			require.Eventually(t, func() bool { return h.Remember(t.Context()) == nil }, time.Minute, 10*time.Millisecond)
			s := &Switch{
				Dir: dir, Recover: filepath.Join(dir, "recover"), Service: h.Restarts(u), Healthy: h.Check, Logger: slog.New(slog.DiscardHandler),
				Try:  func(context.Context, string) error { return nil },
				Wait: time.Second, Settle: 200 * time.Millisecond, Poll: 20 * time.Millisecond,
			}
			if c.wrong == "" {
				s.Wait = time.Minute
			}
			err := s.To(t.Context(), from(c.newer))
			b, readErr := os.ReadFile(filepath.Join(dir, binary))
			require.NoError(t, readErr)
			if c.wrong == "" {
				require.NoError(t, err)
				require.Equal(t, c.newer, string(b))
				return
			}
			require.ErrorIs(t, err, ErrReturned)
			require.ErrorContains(t, err, c.wrong)
			require.Equal(t, gateway("1", "20", working), string(b))
			require.NoFileExists(t, filepath.Join(dir, trial))
		})
	}
}

func TestNothingToCompareWith(t *testing.T) {
	up := func() (int64, error) { return 1000, nil }
	h := &Health{File: filepath.Join(t.TempDir(), "none"), Up: up, Active: func(context.Context) error { return errors.New("the service is inactive") }}
	require.ErrorContains(t, h.Remember(t.Context()), "install the package with apt instead: the service is inactive")
	h.Active = func(context.Context) error { return nil }
	require.ErrorContains(t, h.Remember(t.Context()), "does not report, install the package with apt")
}

// A report of the process before the restart does not count.
func TestAnOldReportIsNoHealth(t *testing.T) {
	now := int64(100_000)
	h := &Health{File: filepath.Join(t.TempDir(), "r"), Up: func() (int64, error) { return now, nil }, Active: func(context.Context) error { return nil }}
	r := &health.Report{PID: 1, StartedMs: 50_000, UpMs: 99_000, Spool: health.Spool{Syncs: 1}}
	require.NoError(t, r.Write(h.File))
	require.NoError(t, h.Remember(t.Context()))
	require.NoError(t, h.Restarting())
	require.ErrorContains(t, h.Check(t.Context()), "not reported yet")
	r.PID, r.StartedMs, r.UpMs = 2, 100_500, 101_000
	require.NoError(t, r.Write(h.File))
	now = 101_500
	require.ErrorContains(t, h.Check(t.Context()), "only just started")
	require.NoError(t, h.Check(t.Context()))
	now += reportAge + 1
	require.ErrorContains(t, h.Check(t.Context()), "no longer reports")
}
