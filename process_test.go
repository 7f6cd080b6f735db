package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd"
	"karkhana/internal/lowport/lowporttest"
	"karkhana/internal/secret"
	"karkhana/internal/tsdb"
)

// process is a started program whose output is kept. It is killed with the test, and with the test's process.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *syncBuffer
	done chan struct{} // closed when it has ended
}

// run starts a program; env is added to the test's own.
func run(t *testing.T, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(path) + " " + strings.Join(args, " "), out: &syncBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// end sends a signal and waits for the end.
func (p *process) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	p.signal(s)
	p.wait(t, 30*time.Second)
}

// wait waits for the end and returns the exit code.
func (p *process) wait(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		require.Fail(t, "does not end", "%s: %s", p.name, p.out.tail())
		return 0
	}
}

// find waits until the output matches and returns the first group.
func (p *process) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	ok := waitFor(30*time.Second, func() bool {
		found = re.FindStringSubmatch(p.out.String())
		select {
		case <-p.done:
			return true
		default:
			return found != nil
		}
	})
	require.True(t, ok && found != nil, "%s: no %q in its output: %s", p.name, pattern, p.out.tail())
	return found[1]
}

// command runs a program to its end and returns output and exit code.
func command(t *testing.T, env []string, path string, args ...string) (out string, code int) {
	t.Helper()
	p := run(t, env, path, args...)
	code = p.wait(t, time.Minute)
	return p.out.String(), code
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *syncBuffer) tail() string {
	text := s.String()
	return text[max(0, len(text)-3000):]
}

// upServer is `karkhana up` as a process, which may be killed and started again.
type upServer struct {
	*process
	data  string
	mqtt  string // host:port, the same at each start
	base  string
	token string
}

// influxEnv tells a program that stands alone where influxd is.
func influxEnv(t *testing.T) []string {
	t.Helper()
	path, err := influxd.Find()
	require.NoError(t, err)
	path, err = filepath.Abs(path)
	require.NoError(t, err)
	return []string{influxd.EnvBinary + "=" + path}
}

// newUpServer prepares a data folder with a site through the command line. Nothing runs yet.
func newUpServer(t *testing.T, siteFile string) *upServer {
	t.Helper()
	u := &upServer{data: filepath.Join(t.TempDir(), "data"), mqtt: lowporttest.Address(t)} // it is started several times
	out, code := command(t, nil, serverBinary(t), "admin", "apply", "--file", siteFile, "--data", u.data)
	require.Zero(t, code, out)
	out, code = command(t, nil, serverBinary(t), "admin", "token", "--role", "manager", "--data", u.data)
	require.Zero(t, code, out)
	u.token = strings.TrimSpace(out)
	return u
}

// start runs the server and waits until it answers.
func (u *upServer) start(t *testing.T) {
	t.Helper()
	u.process = run(t, influxEnv(t), serverBinary(t), "up", "--data", u.data, "--listen", "127.0.0.1:0", "--mqtt-listen", u.mqtt)
	u.base = u.find(t, `pages +(http://\S+)`)
	require.Equal(t, "mqtt://"+u.mqtt, u.find(t, `gateways +(\S+)`))
}

// store opens the server's InfluxDB beside it.
func (u *upServer) store(t *testing.T) tsdb.Store {
	t.Helper()
	dir := filepath.Join(u.data, "influxdb")
	conf, err := os.ReadFile(filepath.Join(dir, "influxd.conf"))
	require.NoError(t, err)
	port := regexp.MustCompile(`\[http\]\s+enabled = true\s+bind-address = "127\.0\.0\.1:(\d+)"`).FindSubmatch(conf)
	require.NotNil(t, port, "no port in %s", conf)
	secret, err := secret.Read(filepath.Join(dir, "secret"))
	require.NoError(t, err)
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{
		URL: "http://127.0.0.1:" + string(port[1]), Token: "karkhana:" + secret, Bucket: influxd.Bucket,
	})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

// get asks the API.
func (u *upServer) get(t *testing.T, path string) string {
	t.Helper()
	return get(t, u.base, u.token, path)
}

// get asks an API and wants an answer.
func get(t *testing.T, base, token, path string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}

// getJSON asks an API and reads its answer into out.
func getJSON(t *testing.T, base, token, path string, out any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(get(t, base, token, path)), out))
}

// gatewayFiles writes a gateway's folder, its key made by the command line, and returns the configuration's path.
func (u *upServer) gatewayFiles(t *testing.T, site, gateway, machines string) string {
	t.Helper()
	out, code := command(t, nil, serverBinary(t), "admin", "gateway-key", site, gateway, "--data", u.data)
	require.Zero(t, code, out)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gateway.key"), []byte(out), 0o600))
	path := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("site: %s\ngateway: %s\nbroker: mqtt://%s\nkey_file: gateway.key\nhistory_packs_per_s: 0\nmachines:\n%s", site, gateway, u.mqtt, machines)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
