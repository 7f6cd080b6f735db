package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ReportName is the file that a running gateway writes into its runtime directory, which is in memory.
const ReportName = "health.json"

// RuntimeDir is where the packaged unit has its report.
const RuntimeDir = "/run/karkhana"

// WriteEvery is how often a gateway writes its report.
const WriteEvery = 5 * time.Second

// old is the age from which on a report says nothing of the present.
const old = 3 * WriteEvery

// Report is what a running gateway says to the commands beside it. Times are counted from boot, so that a step of
// the clock does not matter.
type Report struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	StartedMs int64     `json:"started_up_ms"` // time from boot to the gateway's start
	UpMs      int64     `json:"up_ms"`         // time from boot to this report
	Machines  []Machine `json:"machines"`      // those that are read live
	Spool     Spool     `json:"spool"`
	System    System    `json:"system"`
}

// Machine says how long ago a machine was read, at the time of the report.
type Machine struct {
	ID          string `json:"id"`
	LimitMs     int64  `json:"limit_ms"`                // longest time that may lie between two readings
	TickAgeMs   int64  `json:"tick_age_ms"`             // since the last reading ended, well or not
	SampleAgeMs *int64 `json:"sample_age_ms,omitempty"` // since the last one that gave a value; nil: never
}

// Spool says how the queue on disk does.
type Spool struct {
	Packs      uint64 `json:"packs"`
	OldestAgeS int64  `json:"oldest_age_s"`
	Syncs      uint64 `json:"syncs"`             // how often packs were made durable since the start
	Failing    string `json:"failing,omitempty"` // why the disk does not take packs now
}

// Fresh reports whether the machine gave a value within its limit.
func (m Machine) Fresh() bool { return m.SampleAgeMs != nil && *m.SampleAgeMs <= m.LimitMs }

// Hangs reports whether a reading has not come back within its limit.
func (m Machine) Hangs() bool { return m.TickAgeMs > m.LimitMs }

// Problems returns what is wrong with the gateway, each with its remedy. upMs is the time since boot.
func (r *Report) Problems(upMs int64) []string {
	if age := time.Duration(upMs-r.UpMs) * time.Millisecond; age > old || age < 0 {
		return []string{fmt.Sprintf("the gateway has not reported for %v: look at its log (journalctl -u karkhana-gateway)", age)}
	}
	var out []string
	for _, m := range r.Machines {
		switch {
		case m.Hangs():
			out = append(out, fmt.Sprintf("%s: its reading has not come back for %v: driver or bus hangs", m.ID, ms(m.TickAgeMs)))
		case m.SampleAgeMs == nil:
			out = append(out, m.ID+": no value since the start: look at wiring and configuration")
		case !m.Fresh():
			out = append(out, fmt.Sprintf("%s: no value for %v: look at the wiring", m.ID, ms(*m.SampleAgeMs)))
		}
	}
	if r.Spool.Failing != "" {
		out = append(out, "the queue can't be written: "+r.Spool.Failing)
	}
	return append(out, r.System.Problems()...)
}

func ms(n int64) time.Duration {
	return (time.Duration(n) * time.Millisecond).Round(100 * time.Millisecond)
}

// Write replaces the report of a runtime directory. It is not synced: the directory is in memory.
func (r *Report) Write(file string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write health report: %w", err)
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil { //nolint:gosec // nothing secret, anybody may look
		return fmt.Errorf("write health report: %w", err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("write health report: %w", err)
	}
	return nil
}

// maxReport is the most that is read of a report.
const maxReport = 1 << 20

// ReadReport reads what a running gateway has written. Without a file the error is fs.ErrNotExist: no gateway runs
// there.
func ReadReport(file string) (*Report, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read health report: %w", err)
	}
	if info.Size() > maxReport {
		return nil, fmt.Errorf("read health report %s: %d bytes are no report", file, info.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read health report: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read health report %s: %w", file, err)
	}
	return r, nil
}

// ReportFile is where a process started by systemd writes its report, "" when systemd gave it no runtime directory.
func ReportFile(getenv func(string) string) string {
	dir := RuntimeDirectory(getenv)
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, ReportName)
}

// RuntimeDirectory is the directory in memory that systemd gave to a process, "" when it gave none.
func RuntimeDirectory(getenv func(string) string) string {
	dir, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":")
	return dir
}

// Up returns the milliseconds since boot (/proc/uptime); root is "/".
func Up(root fs.FS) (int64, error) {
	b, err := fs.ReadFile(root, "proc/uptime")
	if err != nil {
		return 0, fmt.Errorf("time since boot: %w", err)
	}
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return 0, errors.New("time since boot: /proc/uptime is empty")
	}
	s, err := strconv.ParseFloat(f[0], 64)
	if err != nil {
		return 0, fmt.Errorf("time since boot: %w", err)
	}
	return int64(s * 1000), nil
}
