package influxd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/leaktest"
	"karkhana/internal/syncbuf"
	"karkhana/internal/tsdb"
)

// parentEnv makes the test binary run an influxd on the named directory until it is killed.
const parentEnv = "KARKHANA_TEST_INFLUXD_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		playParent(dir)
		return
	}
	leaktest.Main(m)
}

func playParent(dir string) {
	binary, err := Find()
	if err != nil {
		panic(err)
	}
	s, err := New(Options{Binary: binary, DataDir: dir})
	if err != nil {
		panic(err)
	}
	go func() {
		if err := s.WaitReady(context.Background()); err != nil {
			panic(err)
		}
		store, err := open(s)
		if err == nil {
			err = store.Write(context.Background(), []tsdb.Point{point(1)})
		}
		fmt.Println("ready", s.Pid(), err)
	}()
	_ = s.Run(context.Background())
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := Find()
	require.NoError(t, err)
	return path
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// start runs an influxd on dir until stop is called.
func start(t *testing.T, dir string, log *slog.Logger) (*Server, func()) {
	t.Helper()
	s, err := New(Options{Binary: binary(t), DataDir: dir, Logger: log})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-ended)
		})
	}
	t.Cleanup(stop)
	require.NoError(t, s.WaitReady(within(t, 30*time.Second)))
	return s, stop
}

func open(s *Server) (*tsdb.Influx, error) {
	return tsdb.NewInflux(tsdb.InfluxOptions{URL: s.URL(), Token: s.Token(), Bucket: Bucket})
}

func point(ms int64) tsdb.Point {
	return tsdb.Point{
		Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: ms,
		Fields: []tsdb.Field{{Key: "power_w", Value: float64(ms)}},
	}
}

func count(t *testing.T, s *Server) int {
	t.Helper()
	store, err := open(s)
	require.NoError(t, err)
	defer store.Close()
	rows := 0
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", Fields: []string{"power_w"}, ToMs: 1 << 40}
	require.NoError(t, store.Read(context.Background(), q, func(tsdb.Row) error { rows++; return nil }))
	return rows
}

func write(t *testing.T, s *Server, from, n int64) {
	t.Helper()
	store, err := open(s)
	require.NoError(t, err)
	defer store.Close()
	points := make([]tsdb.Point, n)
	for i := range points {
		points[i] = point(from + int64(i))
	}
	require.NoError(t, store.Write(context.Background(), points))
}

func TestKeepsDataOverStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "influxdb")
	var logged syncbuf.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))

	s, stop := start(t, dir, log)
	token := s.Token()
	write(t, s, 0, 1000)
	pid := s.Pid()
	stop()
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "influxd has ended")

	s, stop = start(t, dir, log)
	require.Equal(t, token, s.Token())
	require.Equal(t, 1000, count(t, s))
	stop()

	info, err := os.Stat(filepath.Join(dir, "secret"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	secret := strings.TrimPrefix(token, "karkhana:")
	require.Len(t, secret, 43)
	require.NotContains(t, logged.String(), secret)
	conf, err := os.ReadFile(filepath.Join(dir, "influxd.conf"))
	require.NoError(t, err)
	require.NotContains(t, string(conf), secret)
	require.NotContains(t, logged.String(), "closed network connection")
}

func TestComesBackAfterKill(t *testing.T) {
	s, _ := start(t, t.TempDir(), nil)
	url := s.URL()
	write(t, s, 0, 1000)
	pid := s.Pid()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return s.child.Restarts() == 1 && s.Pid() != 0 }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, s.WaitReady(within(t, 30*time.Second)))
	require.NotEqual(t, pid, s.Pid())
	require.Equal(t, url, s.URL())
	require.Equal(t, 1000, count(t, s), "acknowledged points survive kill -9")
	write(t, s, 1000, 10)
	require.Equal(t, 1010, count(t, s))
}

// Killed again and again while points are written: nothing acknowledged is ever lost.
func TestAcknowledgedPointsSurviveKills(t *testing.T) {
	s, _ := start(t, t.TempDir(), nil)
	store, err := open(s)
	require.NoError(t, err)
	defer store.Close()
	acknowledged := int64(0)
	for kill := range int64(3) {
		killed := make(chan error, 1)
		for written := 0; s.child.Restarts() == kill; {
			// While influxd is down the write fails, and the same points are written again.
			if store.Write(context.Background(), []tsdb.Point{point(acknowledged)}) != nil {
				continue
			}
			acknowledged++
			if written++; written == 20 {
				go func() { killed <- syscall.Kill(s.Pid(), syscall.SIGKILL) }() // while the next ones are on their way
			}
		}
		require.NoError(t, <-killed)
		require.NoError(t, s.WaitReady(within(t, 30*time.Second)))
		require.NoError(t, store.Write(context.Background(), []tsdb.Point{point(acknowledged)}))
		acknowledged++
		require.Equal(t, int(acknowledged), count(t, s))
	}
}

// Whoever writes before everything is made is refused, or finds shards of the right length: a point written again, with
// other shards made in between, is one point.
func TestWritersNeedNotWaitUntilReady(t *testing.T) {
	s, err := New(Options{Binary: binary(t), DataDir: t.TempDir()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	store, err := open(s)
	require.NoError(t, err)
	defer store.Close()

	week := time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC) // in one shard of 30 days with the day before the week
	again := point(week.UnixMilli())
	for store.Write(ctx, []tsdb.Point{again}) != nil { // from before it runs
		require.NoError(t, ctx.Err())
	}
	require.NoError(t, s.WaitReady(within(t, 30*time.Second)))
	require.NoError(t, store.Write(ctx, []tsdb.Point{point(week.AddDate(0, 0, -2).UnixMilli())}))
	again.Fields[0].Value = 2.0
	require.NoError(t, store.Write(ctx, []tsdb.Point{again}))
	var values []any
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", Fields: []string{"power_w"}, FromMs: again.TimeMs, ToMs: again.TimeMs + 1}
	require.NoError(t, store.Read(ctx, q, func(row tsdb.Row) error {
		values = append(values, row.Values[0])
		return nil
	}))
	require.Equal(t, []any{2.0}, values)
}

func TestTakenDirectory(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, dir, nil)
	_, err := New(Options{Binary: binary(t), DataDir: dir, LockPatience: 10 * time.Millisecond})
	require.ErrorIs(t, err, ErrTaken)
	require.ErrorContains(t, err, fmt.Sprintf("started by process %d", os.Getpid()))
	require.ErrorContains(t, err, "stop it or name another data directory")
	stop()
	_, stop = start(t, dir, nil)
	stop()
}

// When everything above influxd is killed, influxd goes too, and the directory is free for the next start.
func TestKilledParentFreesDirectory(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"="+dir)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	var problem string
	_, err = fmt.Fscanf(stdout, "ready %d %s\n", &pid, &problem)
	require.NoError(t, err)
	require.Equal(t, "<nil>", problem)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	s, _ := start(t, dir, nil)
	require.Equal(t, 1, count(t, s))
}

func TestOnlyLoopbackAndOnlyWithSecret(t *testing.T) {
	s, _ := start(t, t.TempDir(), nil)
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", u.Hostname())

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/query?q=SHOW+DATABASES", "/debug/pprof/", "/api/v2/query"} {
		resp, err := client.Get(s.URL() + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NotEqual(t, http.StatusOK, resp.StatusCode, path)
	}

	for _, ip := range otherAddresses(t) {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip, u.Port()), 200*time.Millisecond)
		if err == nil {
			_ = conn.Close()
		}
		require.Error(t, err, "influxd must not listen on %s", ip)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.Pid()))
	require.NoError(t, err)
	require.NotContains(t, string(cmdline), strings.TrimPrefix(s.Token(), "karkhana:"))
}

func otherAddresses(t *testing.T) []string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	var others []string
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			others = append(others, n.IP.String())
		}
	}
	return others
}

func TestMissingBinary(t *testing.T) {
	_, err := New(Options{Binary: filepath.Join(t.TempDir(), "influxd"), DataDir: t.TempDir()})
	require.ErrorContains(t, err, "run make build")

	t.Setenv(EnvBinary, "")
	t.Chdir(t.TempDir())
	_, err = Find()
	require.ErrorContains(t, err, "influxd is missing: run make build")
	t.Setenv(EnvBinary, "/no/such/program")
	_, err = Find()
	require.ErrorContains(t, err, "/no/such/program")
}

func TestFindLooksAbove(t *testing.T) {
	t.Setenv(EnvBinary, "")
	root := t.TempDir()
	program := filepath.Join(root, "bin", "influxd")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Dir(program), 0o755))
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	t.Chdir(filepath.Join(root, "a", "b"))
	found, err := Find()
	require.NoError(t, err)
	require.Equal(t, program, found)
}

func TestLostSecret(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, dir, nil)
	stop()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.Remove(secret))
	_, err := New(Options{Binary: binary(t), DataDir: dir})
	require.ErrorContains(t, err, "restore the file from a backup")

	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	_, err = New(Options{Binary: binary(t), DataDir: dir})
	require.ErrorContains(t, err, "is empty")

	require.NoError(t, os.WriteFile(secret, []byte("another\n"), 0o600))
	s, err := New(Options{Binary: binary(t), DataDir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool {
		err := s.WaitReady(within(t, 50*time.Millisecond))
		return err != nil && strings.Contains(err.Error(), "does not accept the secret")
	}, 30*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}
