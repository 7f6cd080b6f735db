// Package upgrade replaces the gateway's binary and proves the new one, or returns to the former one.
//
// It owns the files beside the binary:
//
//	karkhana-gateway           runs
//	karkhana-gateway.previous  ran before
//	karkhana-gateway.next      about to be tried
//	trial                      there while the binary is not proven
//
// Whoever upgrades holds a lock on the directory. The script recover (package deb), which runs before each start,
// puts the former binary back when it finds trial and nobody holds the lock: after a power cut at any moment, or when
// the upgrade was killed. Returning is nothing else: let the lock go, recover, start again.
//
// The queue, the configuration and the key are never touched.
package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Names of the files.
const (
	binary   = "karkhana-gateway"
	previous = binary + ".previous"
	next     = binary + ".next"
	trial    = "trial"
)

var (
	// ErrSame says that the new binary is the one that runs.
	ErrSame = errors.New("this version runs already")
	// ErrReturned says that the new binary was not healthy, and that the former one runs again.
	ErrReturned = errors.New("returned to the former binary")
	// ErrBusy says that another upgrade is at work.
	ErrBusy = errors.New("another upgrade is at work")
)

// Service is what runs the binary.
type Service interface {
	// Restart asks for a stop and a start, and does not wait for it.
	Restart(ctx context.Context) error
}

// Switch replaces a binary.
type Switch struct {
	Dir     string // where the binary is
	Recover string // the script
	Service Service
	// Try runs a binary without starting it: can this computer run it, does it read the configuration?
	Try func(ctx context.Context, path string) error
	// Healthy returns why the service does not work, nil when it does. It is asked again and again.
	Healthy func(ctx context.Context) error
	Wait    time.Duration // longest time until it must be healthy
	Settle  time.Duration // how long it must stay so
	Poll    time.Duration // between two questions
	Logger  *slog.Logger

	after func(step string) // tests cut the power here
}

func (s *Switch) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Switch) done(step string) {
	if s.after != nil {
		s.after(step)
	}
}

// To replaces the binary by the one that fill writes. Nil means that the new one works. On an error the former one runs, or
// is made to run: [ErrReturned] says that the new one was started and failed.
func (s *Switch) To(ctx context.Context, fill func(io.Writer) error) error {
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.stage(ctx, fill); err != nil {
		_ = os.Remove(s.path(next))
		return err
	}
	if err := s.swap(); err != nil {
		return s.back(ctx, lock, err)
	}
	if err := s.start(ctx); err != nil {
		return s.back(ctx, lock, err)
	}
	if err := errors.Join(os.Remove(s.path(trial)), syncDir(s.Dir)); err != nil {
		return s.back(ctx, lock, fmt.Errorf("end the trial: %w", err))
	}
	s.done("proven")
	return nil
}

// Previous returns what writes the binary that ran before.
func Previous(dir string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := os.Open(filepath.Join(dir, previous))
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no former binary in %s: one is kept from the first upgrade on", dir)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}

// lock takes the directory, after an upgrade that broke off was cleared away.
func (s *Switch) lock(ctx context.Context) (*os.File, error) {
	d, err := os.Open(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("upgrade: %s: %w", s.Dir, ErrBusy), d.Close())
	}
	if _, err := os.Stat(s.path(trial)); errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	// recover takes the lock itself.
	if err := errors.Join(d.Close(), s.recover(ctx)); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.path(trial)); err == nil {
		return nil, fmt.Errorf("upgrade: an earlier one broke off and can't be cleared away: is %s read-only?", s.Dir)
	}
	return s.lock(ctx)
}

// stage writes the new binary beside the old one and tries it.
func (s *Switch) stage(ctx context.Context, fill func(io.Writer) error) error {
	f, err := os.OpenFile(s.path(next), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755) //nolint:gosec // a program
	if err != nil {
		return fmt.Errorf("upgrade: write the new binary: %w", err)
	}
	err = errors.Join(fill(f), f.Chmod(0o755), f.Sync(), f.Close(), syncDir(s.Dir))
	if err != nil {
		return fmt.Errorf("upgrade: write the new binary: %w", err)
	}
	s.done("staged")
	same, err := sameContent(s.path(next), s.path(binary))
	if err != nil {
		return fmt.Errorf("upgrade: compare binaries: %w", err)
	}
	if same {
		return ErrSame
	}
	if err := s.Try(ctx, s.path(next)); err != nil {
		return fmt.Errorf("upgrade: the new binary does not fit, nothing was changed: %w", err)
	}
	return nil
}

// swap keeps the former binary, begins the trial and puts the new one in its place. Each step is durable before the
// next.
func (s *Switch) swap() error {
	tmp := s.path(previous + ".tmp")
	_ = os.Remove(tmp)
	if err := errors.Join(os.Link(s.path(binary), tmp), os.Rename(tmp, s.path(previous)), syncDir(s.Dir)); err != nil {
		return fmt.Errorf("upgrade: keep the former binary: %w", err)
	}
	_ = os.Remove(tmp) // it stays where both names were of the same file already
	s.done("kept")
	f, err := os.Create(s.path(trial))
	if err == nil {
		_, err = fmt.Fprintf(f, "on trial since %s", time.Now().UTC().Format(time.RFC3339))
		err = errors.Join(err, f.Sync(), f.Close(), syncDir(s.Dir))
	}
	if err != nil {
		return fmt.Errorf("upgrade: begin the trial: %w", err)
	}
	s.done("trial")
	if err := errors.Join(os.Rename(s.path(next), s.path(binary)), syncDir(s.Dir)); err != nil {
		return fmt.Errorf("upgrade: put the new binary in place: %w", err)
	}
	s.done("switched")
	return nil
}

// start starts what is in place and waits until it is proven.
func (s *Switch) start(ctx context.Context) error {
	if err := s.Service.Restart(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	s.done("started")
	return s.Prove(ctx)
}

// Prove waits until the service is healthy, and has been for a while.
func (s *Switch) Prove(ctx context.Context) error {
	begin := time.Now()
	var since time.Time // healthy since
	t := time.NewTicker(s.Poll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		err := s.Healthy(ctx)
		switch {
		case err != nil && time.Since(begin) >= s.Wait:
			return fmt.Errorf("not healthy within %v: %w", s.Wait, err)
		case err != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
			fallthrough
		default:
			if time.Since(since) >= s.Settle {
				return nil
			}
		}
	}
}

// back returns to the former binary, also when ctx has ended.
func (s *Switch) back(ctx context.Context, lock *os.File, why error) error {
	s.Logger.Error("the new binary is not proven, going back", "err", why)
	ctx = context.WithoutCancel(ctx)
	if _, err := os.Stat(s.path(trial)); errors.Is(err, os.ErrNotExist) { // not begun
		return errors.Join(why, os.Remove(s.path(next)))
	}
	if err := lock.Close(); err != nil {
		return errors.Join(why, err)
	}
	s.done("given up")
	if err := s.recover(ctx); err != nil {
		return errors.Join(why, err)
	}
	if _, err := os.Stat(s.path(trial)); err == nil {
		return fmt.Errorf("the former binary could not be put back, it is %s: %w", s.path(previous), why)
	}
	s.done("back")
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("%w, but it is not healthy either (%w); the new one failed: %w", ErrReturned, err, why)
	}
	return fmt.Errorf("%w: the new one failed: %w", ErrReturned, why)
}

// recover runs the script that also runs before each start.
func (s *Switch) recover(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "/bin/sh", s.Recover, s.Dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("upgrade: put the former binary back: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func sameContent(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return bytes.Equal(x, y), err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
