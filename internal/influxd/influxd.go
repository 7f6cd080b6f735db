// Package influxd runs the embedded time-series database: stock InfluxDB 1.8.10 (bin/influxd, built from
// tools/influxd.mod) as a supervised child with its own data directory, reachable on loopback only.
//
// It owns the directory, its lock, the configuration file, the generated secret, the admin user and the database
// `karkhana`. It does not own reading and writing (package tsdb) nor restarting (package supervise).
//
// In the data directory: influxd.conf (written anew at each start), secret (0600, made once), lock, and InfluxDB's
// own meta, data and wal.
package influxd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/internal/lowport"
	"karkhana/internal/supervise"
)

// The database, its retention policy and the user that Karkhana makes and uses.
const (
	Database  = "karkhana"
	Retention = "autogen"
	Bucket    = Database + "/" + Retention // what tsdb.InfluxOptions wants
	user      = "karkhana"
)

// EnvBinary names the influxd program where it lies neither beside the running program nor in bin.
const EnvBinary = "KARKHANA_INFLUXD"

// ErrTaken means that another running influxd holds the data directory.
var ErrTaken = errors.New("the directory is in use by another running influxd")

// Options say what to run and where. Binary and DataDir must be set.
type Options struct {
	Binary  string // the influxd program, see Find
	DataDir string // made when absent; for this influxd alone

	LockPatience time.Duration // how long to wait for a directory still held by an ending process; 0: 3 s

	Logger     *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
}

// Server is one embedded influxd. Its methods are safe for concurrent use.
type Server struct {
	child  *supervise.Child
	lock   *os.File
	port   *lowport.Port
	url    string
	secret string
	dir    string
}

// Find returns the influxd program: the one named by KARKHANA_INFLUXD, else influxd beside the running program, else
// bin/influxd in the working directory or the nearest directory above it that has one. The error says what to do.
func Find() (string, error) {
	if named := os.Getenv(EnvBinary); named != "" {
		if !executable(named) {
			return "", fmt.Errorf("%s names %s, which is not an executable file", EnvBinary, named)
		}
		return named, nil
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "influxd"); executable(beside) {
			return beside, nil
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for influxd: %w", err)
	}
	for {
		if found := filepath.Join(dir, "bin", "influxd"); executable(found) {
			return found, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("influxd is missing: run make build, or name the program in %s", EnvBinary)
		}
		dir = parent
	}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// New prepares the data directory: takes its lock (ErrTaken when another influxd has it), makes the secret once,
// takes a free loopback port and writes the configuration. Lock and port are held until Run returns or the process ends,
// even while an orphaned child lives on. Nothing runs before Run.
func New(o Options) (*Server, error) {
	if o.LockPatience <= 0 {
		o.LockPatience = 3 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if _, err := exec.LookPath(o.Binary); err != nil {
		return nil, fmt.Errorf("influxd %q cannot be run: %w: run make build", o.Binary, err)
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("influxd data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make influxd data directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, "lock"), o.LockPatience)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, dir: dir}
	if err := s.prepare(o); err != nil {
		s.giveUp()
		return nil, err
	}
	return s, nil
}

// prepare does what New promises once the lock is held.
func (s *Server) prepare(o Options) error {
	secret, err := loadSecret(s.secretFile(), freshDirectory(s.dir))
	if err != nil {
		return err
	}
	s.secret = secret
	if s.port, err = lowport.Take(); err != nil {
		return fmt.Errorf("a port for influxd: %w", err)
	}
	s.url = "http://" + s.port.Address()
	conf := filepath.Join(s.dir, "influxd.conf")
	if err := os.WriteFile(conf, configuration(s.dir, s.port.Number), 0o600); err != nil {
		return fmt.Errorf("write influxd configuration: %w", err)
	}
	s.child, err = supervise.New(supervise.Options{
		Name:       "influxd",
		Path:       o.Binary,
		Args:       []string{"run", "-config", conf},
		Env:        environment(),
		Dir:        s.dir,
		ExtraFiles: []*os.File{s.lock},
		Stdout:     &lineLog{log: o.Logger},
		Ready:      s.setUp,
		// influxd writes its caches out when stopped: seconds on a slow card.
		StopTimeout: 20 * time.Second,
		Logger:      o.Logger,
		Registerer:  o.Registerer,
	})
	return err
}

// Run runs influxd, starting it again when it ends by itself, until ctx ends; then it stops it and gives up the
// directory. The port stays the same over restarts. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.giveUp()
	return s.child.Run(ctx)
}

// giveUp lets another one have the directory and the port.
func (s *Server) giveUp() {
	_ = s.lock.Close()
	if s.port != nil {
		s.port.Release()
	}
}

// WaitReady blocks until the database answers and accepts Token. The error says why it does not.
func (s *Server) WaitReady(ctx context.Context) error { return s.child.WaitReady(ctx) }

// URL is where influxd listens, for example http://127.0.0.1:23456. It stays the same for the life of s.
func (s *Server) URL() string { return s.url }

// Token is the secret for Authorization: Token, in the form user:password that InfluxDB 1.8 wants.
func (s *Server) Token() string { return user + ":" + s.secret }

// Pid is the process id of influxd, 0 while it does not run.
func (s *Server) Pid() int { return s.child.Pid() }

func (s *Server) secretFile() string { return filepath.Join(s.dir, "secret") }

// freshDirectory reports whether no InfluxDB has kept anything in dir yet.
func freshDirectory(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "meta", "meta.db"))
	return errors.Is(err, fs.ErrNotExist)
}

// environment is the child's: nothing of ours but what a program needs, so that an INFLUXDB_… variable of the user
// cannot change the configuration.
func environment() []string {
	env := []string{}
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "TZ", "GOMEMLIMIT", "GOGC"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}
