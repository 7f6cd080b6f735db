package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child whose costs are read from /proc.
type process struct {
	name string
	cmd  *exec.Cmd
	out  output
}

// output keeps what a child says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func start(name, path string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(path, args...)} //nolint:gosec,noctx // our own programs, stopped by stop
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// find waits until the child's output matches and gives the first group.
func (p *process) find(ctx context.Context, pattern string) (string, error) {
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if m := re.FindStringSubmatch(p.out.String()); m != nil {
			return m[1], nil
		}
	}
	return "", fmt.Errorf("%s did not start:\n%s", p.name, p.out.String())
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.cmd.Wait()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// cost is what a process has used up to now.
type cost struct {
	CPU    float64 // seconds
	PeakMB float64
	NowMB  float64
	OwnMB  float64 // of NowMB what is not mapped files, which the system can take back at any time
}

const clockTicks = 100 // per second, on every Linux that Go runs on

func costOf(pid int) (c cost, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return c, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return c, errors.New("/proc/PID/stat is not as expected")
	}
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return c, err
		}
		c.CPU += n / clockTicks
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			c.PeakMB = megabytes(kb)
		}
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			c.NowMB = megabytes(kb)
		}
		if kb, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			c.OwnMB = megabytes(kb)
		}
	}
	return c, nil
}

func megabytes(kb string) float64 {
	n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
	return n / 1024
}

// runSelf runs this program again as a part of the bench and gives its standard output and its CPU seconds.
func runSelf(ctx context.Context, args ...string) ([]byte, float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // ourselves
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(os.Stderr)
	err = cmd.Run()
	cpu := 0.0
	if cmd.ProcessState != nil {
		cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	return out.Bytes(), cpu, err
}
