package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// computer is a Raspberry Pi with a unit: what is in place runs when it is started, after recover.
type computer struct {
	t       *testing.T
	dir     string
	running string // content of the binary that runs
	starts  []string
	cut     string // step at which the power is cut
}

const (
	former = "former good"
	better = "newer good"
	broken = "newer broken" // runs, but not healthy
	alien  = "newer alien"  // this computer can't run it
)

func newComputer(t *testing.T) *computer {
	t.Helper()
	script, err := os.ReadFile("../deb/recover")
	require.NoError(t, err)
	c := &computer{t: t, dir: t.TempDir()}
	c.write("recover", string(script))
	c.write(binary, former)
	c.boot()
	return c
}

func (c *computer) write(name, content string) {
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o755))
}

func (c *computer) read(name string) string {
	b, err := os.ReadFile(filepath.Join(c.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return "-"
	}
	require.NoError(c.t, err)
	return string(b)
}

func (c *computer) Restart(context.Context) error {
	out, err := exec.Command("/bin/sh", filepath.Join(c.dir, "recover"), c.dir).CombinedOutput()
	require.NoError(c.t, err, string(out))
	c.running = c.read(binary)
	c.starts = append(c.starts, c.running)
	return nil
}

func (c *computer) boot() { require.NoError(c.t, c.Restart(c.t.Context())) }

// powerCut ends an upgrade in the middle; like death it lets go of locks.
type powerCut struct{}

func (c *computer) sw() *Switch {
	return &Switch{
		Dir: c.dir, Recover: filepath.Join(c.dir, "recover"), Service: c, Wait: 30 * time.Millisecond, Settle: 5 * time.Millisecond, Poll: time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
		Try: func(_ context.Context, path string) error {
			b, err := os.ReadFile(path)
			if err == nil && string(b) == alien {
				err = errors.New("exec format error")
			}
			return err
		},
		Healthy: func(context.Context) error {
			if !strings.HasSuffix(c.running, "good") {
				return errors.New("no values")
			}
			return nil
		},
		after: func(step string) {
			if step == c.cut {
				panic(powerCut{})
			}
		},
	}
}

func (c *computer) upgrade(content string) (err error, cut bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, cut = p.(powerCut); !cut {
				panic(p)
			}
		}
	}()
	return c.sw().To(c.t.Context(), from(content)), false
}

func from(content string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

func (c *computer) tidy() {
	require.Equal(c.t, "-", c.read(trial))
	require.Equal(c.t, "-", c.read(next))
	require.Equal(c.t, "-", c.read(binary+".back"))
	require.Equal(c.t, "-", c.read(previous+".tmp"))
}

func TestUpgrade(t *testing.T) {
	c := newComputer(t)
	err, _ := c.upgrade(better)
	require.NoError(t, err)
	require.Equal(t, better, c.running)
	require.Equal(t, former, c.read(previous))
	c.tidy()

	err, _ = c.upgrade(better)
	require.ErrorIs(t, err, ErrSame)
	require.Equal(t, former, c.read(previous), "the former binary is still there")
	c.tidy()

	require.NoError(t, c.sw().To(t.Context(), Previous(c.dir)))
	require.Equal(t, former, c.running)
	require.Equal(t, better, c.read(previous), "there and back")
	c.tidy()
}

func TestABrokenBinaryIsTakenBack(t *testing.T) {
	c := newComputer(t)
	err, _ := c.upgrade(broken)
	require.ErrorIs(t, err, ErrReturned)
	require.ErrorContains(t, err, "no values")
	require.Equal(t, []string{former, broken, former}, c.starts)
	require.Equal(t, former, c.read(binary))
	c.tidy()
	err, _ = c.upgrade(broken)
	require.ErrorIs(t, err, ErrReturned, "as often as one tries")
	c.tidy()
}

func TestABinaryThatCannotRunIsNeverStarted(t *testing.T) {
	c := newComputer(t)
	err, _ := c.upgrade(alien)
	require.ErrorContains(t, err, "nothing was changed: exec format error")
	require.Equal(t, []string{former}, c.starts)
	c.tidy()
	err = c.sw().To(t.Context(), func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of")
		return errors.New("package is damaged")
	})
	require.ErrorContains(t, err, "package is damaged")
	require.Equal(t, []string{former}, c.starts)
	c.tidy()
	require.ErrorContains(t, c.sw().To(t.Context(), Previous(c.dir)), "no former binary")
}

func TestAnUpgradeThatIsStoppedGoesBack(t *testing.T) {
	c := newComputer(t)
	ctx, stop := context.WithCancel(t.Context())
	s := c.sw()
	s.after = func(step string) {
		if step == "started" {
			stop()
		}
	}
	err := s.To(ctx, from(better))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, ErrReturned)
	require.Equal(t, former, c.running)
	c.tidy()
}

func TestRestartsDuringATrialLeaveItAlone(t *testing.T) {
	c := newComputer(t)
	s := c.sw()
	s.after = func(step string) {
		if step == "started" {
			c.boot() // crashed and started again by systemd, while somebody watches
			require.Equal(t, better, c.running)
		}
	}
	require.NoError(t, s.To(t.Context(), from(better)))
	c.tidy()
}

func TestOnlyOneUpgradeAtATime(t *testing.T) {
	c := newComputer(t)
	s := c.sw()
	s.after = func(step string) {
		if step == "started" {
			require.ErrorIs(t, c.sw().To(t.Context(), from(broken)), ErrBusy)
		}
	}
	require.NoError(t, s.To(t.Context(), from(better)))
	require.Equal(t, better, c.running)
}

// Power goes away after each step, comes back, and goes away again while recover works: what was not proven never
// runs after a boot, what was proven stays, and the upgrade can be done again.
func TestPowerCutAtEachStep(t *testing.T) {
	for _, c := range []struct {
		step, newer, want string
	}{
		{"staged", better, former},
		{"kept", better, former},
		{"trial", better, former},
		{"switched", better, former},
		{"started", better, former},
		{"proven", better, better},
		{"switched", broken, former},
		{"started", broken, former},
		{"given up", broken, former},
		{"back", broken, former},
	} {
		for again := range 4 {
			t.Run(fmt.Sprintf("%s, %s, %d", c.step, c.newer, again), func(t *testing.T) {
				pi := newComputer(t)
				pi.cut = c.step
				_, cut := pi.upgrade(c.newer)
				require.True(t, cut)
				pi.halfRecover(again)
				pi.boot()
				require.Equal(t, c.want, pi.running)
				require.Equal(t, "-", pi.read(trial))
				pi.boot()
				require.Equal(t, c.want, pi.running, "each boot the same")

				pi.cut = ""
				err, _ := pi.upgrade(better)
				if c.want == better {
					require.ErrorIs(t, err, ErrSame)
				} else {
					require.NoError(t, err)
					require.Equal(t, former, pi.read(previous))
				}
				require.Equal(t, better, pi.running)
				pi.tidy()
			})
		}
	}
}

// halfRecover does the first n steps of recover, after which the power goes away once more.
func (c *computer) halfRecover(n int) {
	if c.read(trial) == "-" || n == 0 {
		return
	}
	back := filepath.Join(c.dir, binary+".back")
	_ = os.Remove(back)
	require.NoError(c.t, os.Link(filepath.Join(c.dir, previous), back))
	if n > 1 {
		require.NoError(c.t, os.Rename(back, filepath.Join(c.dir, binary)))
		_ = os.Remove(back) // a rename of two names of one file leaves both
	}
	if n > 2 {
		_ = os.Remove(filepath.Join(c.dir, next))
	}
}

// An upgrade that was killed leaves its trial: the next upgrade clears it away first.
func TestTheNextUpgradeClearsAway(t *testing.T) {
	c := newComputer(t)
	c.cut = "started"
	_, cut := c.upgrade(broken)
	require.True(t, cut)
	c.cut = ""
	err, _ := c.upgrade(better)
	require.NoError(t, err)
	require.Equal(t, former, c.read(previous), "never the one that was not proven")
	c.tidy()
}

func TestRecoverNeverKeepsAGatewayFromStarting(t *testing.T) {
	c := newComputer(t)
	for _, dir := range []string{filepath.Join(c.dir, "missing"), c.dir} {
		out, err := exec.Command("/bin/sh", filepath.Join(c.dir, "recover"), dir).CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, out)
	}
	c.write(trial, "on trial") // without a former binary: a trial that nothing can come of
	c.boot()
	require.Equal(t, former, c.running)
	require.Equal(t, "-", c.read(trial))
}
