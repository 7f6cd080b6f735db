package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/upgrade"
)

// Upgrade replaces the installed gateway by another version, if that proves to work here.
type Upgrade struct {
	Deb      string        `help:"Package file of the new version." type:"existingfile" xor:"what" required:""`
	Previous bool          `help:"Return to the binary that ran before." xor:"what" required:""`
	Wait     time.Duration `help:"Longest time until the new version must sample and store." default:"60s"`
	Config   string        `help:"Configuration that the new version must be able to read." default:"/etc/karkhana/gateway.yaml" type:"path"`
}

// Run upgrades: nil means that the new version runs and is healthy, an error says which version runs now.
func (u *Upgrade) Run(e *Env) error {
	if os.Geteuid() != 0 {
		return errors.New("upgrade changes the system: run it with sudo")
	}
	signal.Ignore(syscall.SIGHUP) // a terminal that is lost does not break it off
	h := &upgrade.Health{
		File: filepath.Join(health.RuntimeDir, health.ReportName), Active: upgrade.Systemd{}.Active,
		Up: func() (int64, error) { return health.Up(os.DirFS("/")) },
	}
	if err := h.Remember(e.Context); err != nil {
		return err
	}
	s := &upgrade.Switch{
		Dir: upgrade.Installed, Recover: filepath.Join(upgrade.Installed, "recover"), Service: h.Restarts(upgrade.Systemd{}),
		Try: u.try, Healthy: h.Check, Wait: u.Wait, Settle: 10 * time.Second, Poll: time.Second, Logger: e.Logger,
	}
	if u.Previous {
		if err := s.To(e.Context, upgrade.Previous(upgrade.Installed)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(e.Stdout, "the former binary runs and is healthy (dpkg still names the other version)")
		return err
	}
	deb, err := upgrade.OpenDeb(e.Context, u.Deb)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "trying version %s, this takes up to %v\n", deb.Version, u.Wait+s.Settle)
	err = s.To(e.Context, func(w io.Writer) error { return deb.Binary(e.Context, w) })
	if err != nil && !errors.Is(err, upgrade.ErrSame) { // the same may still be unknown to dpkg
		return err
	}
	if err := deb.Register(context.WithoutCancel(e.Context)); err != nil {
		return err
	}
	if err := s.Prove(e.Context); err != nil {
		return fmt.Errorf("the new binary was healthy, but is not with the rest of its package: look at journalctl -u karkhana-gateway, go back with `apt install` of the former package: %w", err)
	}
	_, err = fmt.Fprintf(e.Stdout, "version %s runs and is healthy; the former binary is kept (karkhana-gateway upgrade --previous)\n", deb.Version)
	return err
}

// try asks a binary for its version and lets it check the configuration.
func (u *Upgrade) try(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, args := range [][]string{{"version"}, {"check", "--config", u.Config}} {
		if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %v: %w: %s", filepath.Base(path), args, err, out)
		}
	}
	return nil
}
