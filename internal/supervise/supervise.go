// Package supervise keeps a child process running: it starts it, waits until it is ready, starts it again with
// growing pauses when it ends by itself, and stops it cleanly.
//
// It owns the process: signals, output, restarts, and the promise that no child outlives its parent (on Linux, even
// when the parent is killed). It does not own what the child does; the caller says by a probe when it is ready.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// Options describe the child. Name and Path must be set; everything else has a sensible default.
type Options struct {
	Name       string     // short name in logs and metrics, for example "influxd"
	Path       string     // the program
	Args       []string   // its arguments, without the program name; never secrets, everybody on the machine can read them
	Env        []string   // nil: our own environment
	Dir        string     // working directory; empty: ours
	ExtraFiles []*os.File // open files the child inherits as descriptors 3, 4, …

	Stdout io.Writer // gets standard output and standard error; nil: thrown away (the last lines are kept for the log)

	// Ready is the readiness probe: nil when the child serves. It is asked again and again, each time with its own
	// time limit, until it returns nil. A nil Ready means ready as soon as started.
	Ready func(ctx context.Context) error

	StopTimeout time.Duration // from SIGTERM to SIGKILL; 0: 10 s
	MinPause    time.Duration // pause before the first restart; 0: 200 ms
	MaxPause    time.Duration // longest pause between restarts; 0: 10 s
	SteadyAfter time.Duration // a child that ran this long starts again with the shortest pause; 0: 30 s

	Logger     *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
}

const (
	probeTimeout = 10 * time.Second
	probeFirst   = 10 * time.Millisecond
	probeSlowest = 250 * time.Millisecond
	keptLines    = 10
)

// Child is one supervised process. Its methods are safe for concurrent use.
type Child struct {
	o        Options
	log      *slog.Logger
	restarts prometheus.Counter
	running  prometheus.Gauge

	mu      sync.Mutex
	process *os.Process
	ready   chan struct{} // closed while the child is ready
	isReady bool
	done    chan struct{} // closed when Run has returned
	count   int64
	last    error // why the child is not ready: the last end, or the last answer of the probe
	runErr  error
	started bool
}

// New checks the options and returns a child that is not running yet.
func New(o Options) (*Child, error) {
	if o.Name == "" || o.Path == "" {
		return nil, errors.New("supervise: name and path of the program must be set")
	}
	setDefault(&o.StopTimeout, 10*time.Second)
	setDefault(&o.MinPause, 200*time.Millisecond)
	setDefault(&o.MaxPause, 10*time.Second)
	setDefault(&o.SteadyAfter, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	c := &Child{
		o:     o,
		log:   o.Logger.With("child", o.Name),
		ready: make(chan struct{}),
		done:  make(chan struct{}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name:        "karkhana_child_restarts_total",
			Help:        "How often a supervised program ended by itself and was started again.",
			ConstLabels: prometheus.Labels{"child": o.Name},
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "karkhana_child_ready",
			Help:        "1 while the supervised program answers its readiness probe.",
			ConstLabels: prometheus.Labels{"child": o.Name},
		}),
	}
	if o.Registerer != nil {
		for _, m := range []prometheus.Collector{c.restarts, c.running} {
			if err := o.Registerer.Register(m); err != nil {
				return nil, fmt.Errorf("supervise %s: register metrics: %w", o.Name, err)
			}
		}
	}
	return c, nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Run starts the child and keeps it running until ctx ends, then stops it with SIGTERM, or SIGKILL after
// StopTimeout, and returns nil when the child has gone. It returns an error at once when the very first start fails,
// for example because the program is missing; whatever happens later only leads to a restart. Run may be called once.
func (c *Child) Run(ctx context.Context) (err error) {
	c.mu.Lock()
	if c.started {
		c.mu.Unlock()
		return fmt.Errorf("supervise %s: Run called twice", c.o.Name)
	}
	c.started = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.runErr = err
		c.mu.Unlock()
		close(c.done)
	}()

	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = c.o.MinPause
	pauses.MaxInterval = c.o.MaxPause
	pauses.Multiplier = 2
	pauses.RandomizationFactor = 0.2
	for ctx.Err() == nil {
		began := time.Now()
		tail, started, err := c.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if !started && c.Restarts() == 0 {
			return fmt.Errorf("start %s: %w", c.o.Name, err)
		}
		ran := time.Since(began)
		if ran >= c.o.SteadyAfter {
			pauses.Reset()
		}
		pause := pauses.NextBackOff()
		c.ended(err, tail)
		c.log.Error("program ended by itself and is started again",
			"err", err, "ran", ran.Round(time.Millisecond), "pause", pause.Round(time.Millisecond), "last_lines", tail)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// once runs the process from start to end. It returns its last lines, whether it started at all, and how it ended.
func (c *Child) once(ctx context.Context) (lines string, started bool, err error) {
	tail := &tail{max: keptLines}
	cmd := exec.Command(c.o.Path, c.o.Args...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = c.o.Env, c.o.Dir, c.o.ExtraFiles
	out := io.MultiWriter(tail, c.o.Stdout)
	cmd.Stdout, cmd.Stderr = out, out // the same value: one pipe, lines keep their order
	cmd.SysProcAttr = processAttributes()
	cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open cannot hold us up

	// Linux sends the death signal when the thread that started the child ends, not the process. So one goroutine,
	// locked to its thread, starts the child and stays with it to its end.
	startErr, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			startErr <- err
			return
		}
		startErr <- nil
		ended <- cmd.Wait()
	}()
	if err := <-startErr; err != nil {
		return "", false, err
	}
	c.mu.Lock()
	c.process = cmd.Process
	c.mu.Unlock()
	c.log.Debug("program started", "pid", cmd.Process.Pid)

	probeCtx, stopProbe := context.WithCancel(ctx)
	var probing sync.WaitGroup
	probing.Go(func() { c.probe(probeCtx) })
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = c.stop(cmd.Process, ended)
	}
	stopProbe()
	probing.Wait()

	c.mu.Lock()
	c.process = nil
	c.setReady(false)
	c.mu.Unlock()
	if err == nil {
		err = errors.New("exit status 0")
	}
	return tail.String(), true, err
}

// stop asks the process to end and kills it when it does not in time.
func (c *Child) stop(p *os.Process, ended <-chan error) error {
	_ = p.Signal(syscall.SIGTERM) // fails only when the process has gone: then ended says so
	patience := time.NewTimer(c.o.StopTimeout)
	defer patience.Stop()
	select {
	case err := <-ended:
		return err
	case <-patience.C:
		c.log.Warn("program does not stop when asked and is killed", "pid", p.Pid, "after", c.o.StopTimeout)
		_ = p.Kill()
		return <-ended
	}
}

// probe asks Ready until it says yes or ctx ends.
func (c *Child) probe(ctx context.Context) {
	pause := probeFirst
	for {
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			c.mu.Lock()
			c.setReady(true)
			c.mu.Unlock()
			return
		}
		c.mu.Lock()
		c.last = fmt.Errorf("not ready: %w", err)
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, probeSlowest)
	}
}

func (c *Child) ask(ctx context.Context) error {
	if c.o.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.o.Ready(ctx)
}

// setReady is called with c.mu held.
func (c *Child) setReady(ready bool) {
	if ready == c.isReady {
		return
	}
	c.isReady = ready
	if ready {
		c.last = nil
		close(c.ready)
		c.running.Set(1)
		return
	}
	c.ready = make(chan struct{})
	c.running.Set(0)
}

// ended notes that the child ended by itself.
func (c *Child) ended(err error, tail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	c.restarts.Inc()
	c.last = fmt.Errorf("ended: %w", err)
	if tail != "" {
		c.last = fmt.Errorf("%w; its last lines:\n%s", c.last, tail)
	}
}

// WaitReady blocks until the child answers its probe, and returns at once when it already does. When ctx ends before
// that, or Run has returned, the error says why the child is not ready, with its last lines when it ended by itself.
func (c *Child) WaitReady(ctx context.Context) error {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.runErr != nil {
			return c.runErr
		}
		return fmt.Errorf("%s was stopped", c.o.Name)
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.last != nil {
			return fmt.Errorf("wait for %s: %w (%w)", c.o.Name, ctx.Err(), c.last)
		}
		return fmt.Errorf("wait for %s: %w", c.o.Name, ctx.Err())
	}
}

// Pid returns the process id of the child, 0 while none runs.
func (c *Child) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.Pid
}

// Restarts returns how often the child ended by itself.
func (c *Child) Restarts() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// tail keeps the last lines written to it. exec.Cmd writes from one goroutine; reading comes after its end.
type tail struct {
	max     int
	lines   []string
	partial []byte
}

// maxLine bounds a line without end.
const maxLine = 1000

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, found := strings.Cut(string(p), "\n")
		if room := maxLine - len(t.partial); room > 0 {
			t.partial = append(t.partial, line[:min(room, len(line))]...)
		}
		if !found {
			break
		}
		t.lines = append(t.lines, string(t.partial))
		t.partial = t.partial[:0]
		if len(t.lines) > t.max {
			t.lines = t.lines[1:]
		}
		p = []byte(rest)
	}
	return n, nil
}

func (t *tail) String() string {
	lines := t.lines
	if len(t.partial) > 0 {
		lines = append(lines, string(t.partial))
	}
	return strings.Join(lines, "\n")
}
