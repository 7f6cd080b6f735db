package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"karkhana/internal/lowport"
)

const startTimeout = time.Minute

// supervise is the shell between: $1 is the folder, $2 the bin folder, the rest are options of the server. The pipe is
// its standard input, kept as 3 because a shell gives what it starts in the background no input. SIGQUIT ends
// PostgreSQL at once, which is right for data that is thrown away; again and again, because it is deaf while it starts.
const supervise = `
exec 3<&0 </dev/null
dir=$1; bin=$2; shift 2
"$bin/postgres" -D "$dir/data" "$@" 3<&- &
server=$!
{
	while read -r _ <&3; do :; done
	while kill -QUIT $server; do sleep 1; done
} 2>/dev/null &
waiter=$!
wait $server
kill $waiter
rm -rf "$dir"
`

// start makes a database cluster and starts its server; it returns the URL of database postgres.
func start() (string, error) {
	bin, err := findBin()
	if err != nil {
		return "", err
	}
	owner, err := notRoot()
	if err != nil {
		return "", err
	}
	// A free port can be taken by another process before the server listens there.
	for attempt := 1; ; attempt++ {
		address, err := startOnce(bin, owner)
		if err == nil || attempt == 3 {
			return address, err
		}
	}
}

func startOnce(bin string, owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "karkhana-pgtest-")
	if err != nil {
		return "", fmt.Errorf("test PostgreSQL: %w", err)
	}
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("test PostgreSQL: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	password := rand.Text()
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		return fail(err)
	}
	if owner != nil {
		for _, path := range []string{dir, passwordFile} {
			if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
				return fail(err)
			}
		}
	}
	// A collation that is not plain byte order, as real databases have one: what relies on the order of text shows up.
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata="+filepath.Join(dir, "data"), "--username=karkhana",
		"--auth=scram-sha-256", "--pwfile="+passwordFile, "--encoding=UTF8", "--locale=C.UTF-8",
		"--locale-provider=icu", "--icu-locale=en-IN", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Pdeathsig: syscall.SIGKILL}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fail(fmt.Errorf("%s: %w\n%s", initdb.Path, err, out))
	}

	port, err := lowport.Take()
	if err != nil {
		return fail(err)
	}
	exited, log, err := startServer(dir, bin, owner, port)
	if err != nil {
		port.Release()
		return fail(err)
	}
	address := (&url.URL{
		Scheme: "postgres", User: url.UserPassword("karkhana", password),
		Host: port.Address(), Path: "/postgres", RawQuery: "sslmode=disable",
	}).String()
	if err := waitReady(address, exited); err != nil {
		return fail(fmt.Errorf("%w\n%s", err, log()))
	}
	return address, nil
}

// startServer starts the shell with the server. exited is closed when both are gone; log returns what they said.
func startServer(dir, bin string, owner *syscall.Credential, port *lowport.Port) (exited <-chan struct{}, log func() string, err error) {
	logFile, err := os.Create(filepath.Join(dir, "log")) // not our own output: go test waits for all who hold that
	if err != nil {
		return nil, nil, err
	}
	shell := exec.Command("/bin/sh", "-c", supervise, "pgtest", dir, bin,
		"-p", strconv.Itoa(port.Number), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "shared_buffers=32MB", "-c", "max_connections=200")
	shell.Dir = "/"
	shell.Stdout, shell.Stderr = logFile, logFile
	// A group of its own: Ctrl-C must not end the shell before it has cleaned up.
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	if _, err := shell.StdinPipe(); err != nil { // stays open as long as this process lives
		return nil, nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = shell.Wait()
		port.Release()
	}()
	log = func() string { // from the open file: the shell may have removed the folder already
		text, _ := io.ReadAll(io.NewSectionReader(logFile, 0, 1<<20))
		return string(text)
	}
	return done, log, nil
}

func waitReady(address string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-exited:
			return fmt.Errorf("the server ended at once: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer within %s: %w", startTimeout, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// findBin returns the folder of the newest installed PostgreSQL.
func findBin() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", fmt.Errorf("no PostgreSQL found in PATH or /usr/lib/postgresql: run tools/setup.sh test, or set %s to a server's URL", EnvURL)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// notRoot returns who the server runs as when we are root, which PostgreSQL refuses; nil when we are not.
func notRoot() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither user postgres nor nobody to run it as")
}
