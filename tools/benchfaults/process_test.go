package benchfaults

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long something that must happen is waited for: much longer than it takes on a computer that has time.
const patience = 2 * time.Minute

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 20*time.Millisecond, what)
}

// process is a program that may be killed and started again. All its output goes to one file.
type process struct {
	name, path, log string
	args, env       []string

	cmd  *exec.Cmd
	out  *os.File
	done chan struct{} // closed when it has ended
	from int64         // where the output of this start begins
}

func (l *line) process(name, path string, env []string, args ...string) *process {
	return &process{name: name, path: path, log: filepath.Join(l.dir, name+".log"), args: args, env: env}
}

// start starts it; env is added to what it always gets.
func (p *process) start(t *testing.T, env ...string) {
	t.Helper()
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	at, err := out.Seek(0, 2)
	require.NoError(t, err)
	p.from, p.out, p.done = at, out, make(chan struct{})
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env = append(append(os.Environ(), p.env...), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start(), p.name)
	cmd, done := p.cmd, p.done
	go func() {
		_ = cmd.Wait() // the state says how it ended
		_ = out.Close()
		close(done)
	}()
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill kills it and waits until it is gone.
func (p *process) kill() {
	if p.cmd != nil {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

// end waits for its end and wants that to be a good one.
func (p *process) end(t *testing.T) {
	t.Helper()
	waitFor(t, p.name+" does not end, see "+p.log, p.ended)
	require.Zero(t, p.cmd.ProcessState.ExitCode(), "%s: %s", p.name, p.tail())
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// said returns the output since a place in it.
func (p *process) said(from int64) string {
	b, err := os.ReadFile(p.log)
	if errors.Is(err, fs.ErrNotExist) || int64(len(b)) < from {
		return ""
	}
	return string(b[from:])
}

// length is how much output there is.
func (p *process) length() int64 { return int64(len(p.said(0))) }

func (p *process) tail() string {
	text := p.said(p.from)
	return text[max(0, len(text)-3000):]
}

// find waits until the output from a place on matches, and returns the last group.
func (p *process) find(t *testing.T, from int64, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	waitFor(t, p.name+" does not say "+pattern+", see "+p.log, func() bool {
		found = re.FindStringSubmatch(p.said(from))
		return found != nil || p.ended()
	})
	require.NotNil(t, found, "%s has ended: %s", p.name, p.tail())
	return found[len(found)-1]
}

// run runs a program to its end and returns what it prints.
func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	var stderr []byte
	out, err := exec.CommandContext(t.Context(), path, args...).Output()
	if bad := (*exec.ExitError)(nil); errors.As(err, &bad) {
		stderr = bad.Stderr
	}
	require.NoError(t, err, "%v: %s%s", args, out, stderr)
	return string(out)
}

// stat returns a process's name and the fields after it, from its state on (proc_pid_stat(5)); nil when it has ended,
// also when nobody has waited for it yet.
func stat(pid string) (name string, fields []string) {
	b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	begin, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if err != nil || begin < 0 || end < begin {
		return "", nil
	}
	fields = strings.Fields(string(b[end+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return "", nil
	}
	return string(b[begin+1 : end]), fields
}

func alive(pid int) bool {
	_, fields := stat(strconv.Itoa(pid))
	return fields != nil
}

// childOf returns the process of that name whose parent is pid, 0 when there is none.
func childOf(pid int, name string) int {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range found {
		if n, fields := stat(filepath.Base(path)); n == name && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(path))
			return child
		}
	}
	return 0
}
