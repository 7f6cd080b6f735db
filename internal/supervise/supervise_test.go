package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/leaktest"
	"karkhana/internal/syncbuf"
)

// roleEnv makes the test binary play a child: see playRole.
const roleEnv = "KARKHANA_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		playRole(role)
		return
	}
	leaktest.Main(m)
}

// playRole is what a child of these tests does. It ends the process.
func playRole(role string) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	switch role {
	case "serve": // runs until it is asked to stop
		fmt.Println("serving")
		<-terms
		fmt.Println("bye")
	case "crash":
		fmt.Fprintln(os.Stderr, "no disk left")
		os.Exit(3)
	case "stubborn": // ignores SIGTERM
		fmt.Println("serving")
		for range terms {
			fmt.Println("no")
		}
	case "parent": // supervises a child of its own until it is killed
		c, err := New(Options{Name: "grandchild", Path: os.Args[0], Env: []string{roleEnv + "=serve"}})
		if err != nil {
			panic(err)
		}
		go func() {
			for c.WaitReady(context.Background()) != nil || c.Pid() == 0 {
				time.Sleep(time.Millisecond)
			}
			fmt.Println("pid", c.Pid())
		}()
		_ = c.Run(context.Background())
	}
}

// run supervises a child playing role and returns a stop function that gives Run's error.
func run(t *testing.T, role string, o Options) (*Child, func() error) {
	t.Helper()
	o.Name, o.Path, o.Env = "helper", os.Args[0], append(os.Environ(), roleEnv+"="+role)
	if o.MinPause == 0 {
		o.MinPause = 5 * time.Millisecond
	}
	o.MaxPause = 50 * time.Millisecond
	c, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- c.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() { _ = stop() })
	return c, stop
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStopsWhenAsked(t *testing.T) {
	var out syncbuf.Buffer
	c, stop := run(t, "serve", Options{Stdout: &out, Ready: func(context.Context) error {
		if !strings.Contains(out.String(), "serving") {
			return errors.New("nothing printed yet")
		}
		return nil
	}})
	require.NoError(t, c.WaitReady(within(t, 10*time.Second)))
	pid := c.Pid()
	require.NotZero(t, pid)

	require.NoError(t, stop())
	require.True(t, gone(pid), "the child has ended")
	require.Zero(t, c.Pid())
	require.Contains(t, out.String(), "bye", "it was asked, not killed")
	require.Zero(t, c.Restarts())
	require.ErrorContains(t, c.WaitReady(within(t, time.Second)), "helper was stopped")
}

func TestKillsWhoDoesNotStop(t *testing.T) {
	var out, logged syncbuf.Buffer
	c, stop := run(t, "stubborn", Options{
		Stdout: &out, StopTimeout: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		Ready: func(context.Context) error {
			if out.String() == "" {
				return errors.New("nothing printed yet")
			}
			return nil
		},
	})
	require.NoError(t, c.WaitReady(within(t, 10*time.Second)))
	pid := c.Pid()
	require.NoError(t, stop())
	require.True(t, gone(pid))
	require.Contains(t, logged.String(), "does not stop when asked and is killed")
}

func TestStartsAgainAfterCrash(t *testing.T) {
	reg := prometheus.NewRegistry()
	c, stop := run(t, "serve", Options{Registerer: reg})
	require.NoError(t, c.WaitReady(within(t, 10*time.Second)))
	first := c.Pid()
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool { p := c.Pid(); return p != 0 && p != first }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.WaitReady(within(t, 10*time.Second)))
	require.Equal(t, int64(1), c.Restarts())
	families, err := reg.Gather()
	require.NoError(t, err)
	figures := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		figures[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	require.Equal(t, map[string]float64{"karkhana_child_restarts_total": 1, "karkhana_child_ready": 1}, figures)
	require.NoError(t, stop())
}

func TestTellsWhyItCrashes(t *testing.T) {
	var logged syncbuf.Buffer
	c, stop := run(t, "crash", Options{
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		Ready:  func(context.Context) error { return errors.New("connection refused") },
	})
	require.Eventually(t, func() bool { return c.Restarts() >= 3 }, 10*time.Second, time.Millisecond)
	require.Contains(t, logged.String(), "no disk left")
	require.Contains(t, logged.String(), "exit status 3")
	require.NoError(t, stop())
}

func TestWaitReadyTellsLastLines(t *testing.T) {
	c, _ := run(t, "crash", Options{
		MinPause: time.Minute, // stays down after the first crash
		Ready:    func(context.Context) error { return errors.New("connection refused") },
	})
	require.Eventually(t, func() bool { return c.Restarts() == 1 }, 10*time.Second, time.Millisecond)
	err := c.WaitReady(within(t, 20*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no disk left")
}

func TestWaitReadyTellsProbeError(t *testing.T) {
	asked := make(chan struct{}, 100)
	c, _ := run(t, "serve", Options{Ready: func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return errors.New("wrong password")
	}})
	<-asked
	<-asked // the first answer has been noted
	require.ErrorContains(t, c.WaitReady(within(t, 10*time.Millisecond)), "not ready: wrong password")
}

func TestMissingProgramEndsRun(t *testing.T) {
	c, err := New(Options{Name: "helper", Path: filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err)
	require.ErrorIs(t, c.Run(context.Background()), os.ErrNotExist)
	require.ErrorIs(t, c.WaitReady(context.Background()), os.ErrNotExist)
	require.Error(t, c.Run(context.Background()), "Run may be called once")
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Name: "helper"})
	require.ErrorContains(t, err, "name and path")
	reg := prometheus.NewRegistry()
	for i, want := range []bool{true, false} {
		_, err := New(Options{Name: "helper", Path: "/bin/true", Registerer: reg})
		require.Equal(t, want, err == nil, "%d: the same metrics cannot be registered twice", i)
	}
}

// A killed parent cannot stop its child: the kernel must.
func TestChildDiesWithKilledParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=parent")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var line string
	_, err = fmt.Fscanf(stdout, "pid %s\n", &line)
	require.NoError(t, err)
	pid, err := strconv.Atoi(line)
	require.NoError(t, err)
	require.False(t, gone(pid))

	require.NoError(t, cmd.Process.Kill())
	_, _ = io.Copy(io.Discard, stdout)
	_ = cmd.Wait()
	// The orphan is reaped by whoever adopts orphans here; a process that waits for that is dead as well.
	require.Eventually(t, func() bool { return gone(pid) || dead(pid) }, 10*time.Second, time.Millisecond)
}

// dead reports whether the process has ended but was not waited for yet (state Z in /proc/pid/stat).
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return os.IsNotExist(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

func TestTailKeepsLastLines(t *testing.T) {
	tail := &tail{max: 2}
	for _, part := range []string{"one\ntw", "o\nthree\n", "fo", strings.Repeat("x", 2*maxLine)} {
		n, err := tail.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	require.Equal(t, "two\nthree\nfo"+strings.Repeat("x", maxLine-2), tail.String())
}
