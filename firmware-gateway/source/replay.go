package source

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"karkhana/internal/wire"
)

// ReplayOptions describe a recording and how it is played.
type ReplayOptions struct {
	File    string        // CSV, see docs of the gateway
	Machine string        // value of the column machine; rows of others are left out
	Speed   float64       // 1: as it was; 60: a minute in a second; 0: as fast as it goes
	Shift   time.Duration // added to every time, unless ShiftNow
	// ShiftNow moves the recording to the present: at speed 1 the next row happens now, also after a restart;
	// faster recordings end now, so that nothing lies in the future.
	ShiftNow bool
	Card     func(string) (string, error) // see HashCards; nil: HashCards(nil)
	Now      func() time.Time             // nil: time.Now
	Logger   *slog.Logger
}

// Replay plays a recording. It is a sampler.Backlog. A bad row is logged with file and line, counted and skipped.
type Replay struct {
	o       ReplayOptions
	f       *os.File
	cols    columns
	csv     *csv.Reader
	base    replayPosition // where csv began to read
	head    string         // tells this file from another one of the same name
	shiftMs int64
	shifted bool  // shiftMs is fixed
	last    int64 // recorded time of the last row
	line    int   // of the last row, counted from base
	ended   bool
	badRows uint64
	waiting *dueRow // read, but not due yet when Next was interrupted

	started time.Time // pace: when the first row of this run was due, by a clock that nobody steps …
	startMs int64     // … and its recorded time
}

// dueRow is a row that was read, and the position before it.
type dueRow struct {
	ms      int64
	samples []wire.Sample
	before  any
}

// replayPosition is what a restart goes on with.
type replayPosition struct {
	Head    string `json:"head"`
	Offset  int64  `json:"offset"` // bytes before the next row
	Line    int    `json:"line"`   // lines before it
	LastMs  int64  `json:"last_ms"`
	ShiftMs int64  `json:"shift_ms"`
	Shifted bool   `json:"shifted"`
}

// maxBadRowsLogged is how many bad rows get a line of their own in the log; the rest is counted.
const maxBadRowsLogged = 10

// CheckReplay reads the header of a recording. The error names file and line.
func CheckReplay(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = readHeader(f, file)
	return err
}

// OpenReplay opens a recording. position is what Position returned in an earlier run, or nil. When another file
// stands there now it is played from its beginning.
func OpenReplay(o ReplayOptions, position json.RawMessage) (*Replay, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Card == nil {
		o.Card = HashCards(nil)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := &Replay{o: o, f: f}
	if err := r.open(position); err != nil {
		_ = f.Close()
		return nil, err
	}
	return r, nil
}

func (r *Replay) open(position json.RawMessage) error {
	cols, begin, err := readHeader(r.f, r.o.File)
	if err != nil {
		return err
	}
	r.cols, r.head = cols, begin.Head
	r.base = begin
	var at replayPosition
	if len(position) > 0 {
		if err := json.Unmarshal(position, &at); err != nil {
			return fmt.Errorf("recording %s: position of an earlier run: %w", r.o.File, err)
		}
		info, err := r.f.Stat()
		if err != nil {
			return fmt.Errorf("recording: %w", err)
		}
		if at.Head == begin.Head && at.Offset >= begin.Offset && at.Offset <= info.Size() {
			r.base, r.last = at, at.LastMs
			r.shiftMs, r.shifted = at.ShiftMs, at.Shifted
		} else {
			r.o.Logger.Warn("another recording stands in this file now, playing it from its beginning", "file", r.o.File)
		}
	}
	switch {
	case !r.o.ShiftNow:
		r.shiftMs, r.shifted = r.o.Shift.Milliseconds(), true
	case r.o.Speed == 1:
		r.shifted = false // the next row happens now
	case !r.shifted:
		if err := r.endNow(); err != nil {
			return err
		}
	}
	return r.seek()
}

// readHeader reads the header line and returns the position behind it.
func readHeader(f *os.File, name string) (columns, replayPosition, error) {
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, replayPosition{}, fmt.Errorf("read recording: %w", err)
	}
	head = head[:n]
	line, _, found := bytes.Cut(head, []byte("\n"))
	if !found && n == 4096 {
		return nil, replayPosition{}, fmt.Errorf("%s:1: no line end within %d bytes: %s", name, n, headerForm)
	}
	c := csv.NewReader(bytes.NewReader(line))
	fields, err := c.Read()
	if err != nil {
		return nil, replayPosition{}, fmt.Errorf("%s:1: no header: %s", name, headerForm)
	}
	cols, err := parseHeader(fields)
	if err != nil {
		return nil, replayPosition{}, fmt.Errorf("%s:1: %w", name, err)
	}
	// The first data line tells recordings with the same header apart, and does not change when rows are added.
	first, _, _ := bytes.Cut(head[min(len(line)+1, n):], []byte("\n"))
	sum := crc32.ChecksumIEEE(append(append([]byte{}, line...), first...))
	pos := replayPosition{Offset: int64(min(len(line)+1, n)), Line: 1, Head: hex.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})}
	return cols, pos, nil
}

// endNow finds the last row of the machine and shifts it to the present.
func (r *Replay) endNow() error {
	if err := r.seek(); err != nil {
		return err
	}
	lastMs := int64(0)
	for {
		fields, _, err := r.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if ms, err := r.rowTime(fields, err); err == nil {
			lastMs = max(lastMs, ms)
		}
	}
	if lastMs > 0 {
		r.shiftMs = r.o.Now().UnixMilli() - lastMs
	}
	r.shifted = true
	return nil
}

func (r *Replay) seek() error {
	if _, err := r.f.Seek(r.base.Offset, io.SeekStart); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r.csv, r.line = csv.NewReader(r.f), 0
	r.csv.ReuseRecord = true
	r.csv.FieldsPerRecord = -1
	return nil
}

// row returns the next row of any machine and its line.
func (r *Replay) row() ([]string, int, error) {
	fields, err := r.csv.Read()
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		r.line, err = pe.Line, pe.Err
	case err == nil:
		r.line, _ = r.csv.FieldPos(0)
	}
	return fields, r.base.Line + r.line, err
}

var errOther = errors.New("row of another machine")

func (r *Replay) rowTime(fields []string, err error) (int64, error) {
	switch {
	case err != nil:
		return 0, err
	case len(fields) < 2:
		return 0, fmt.Errorf("%d fields where the header has %d", len(fields), len(r.cols)+2)
	case fields[1] != r.o.Machine:
		return 0, errOther
	}
	return parseTime(fields[0])
}

// Next returns the samples of the next row of the machine, when it is due. After a context's end it may be called again.
func (r *Replay) Next(ctx context.Context) ([]wire.Sample, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.waiting == nil {
		row, err := r.read()
		if err != nil {
			return nil, err
		}
		r.waiting = row
	}
	if err := r.pace(ctx, r.waiting.ms); err != nil {
		return nil, err
	}
	samples := r.waiting.samples
	r.waiting = nil
	for i := range samples {
		samples[i].TimeMs += r.shiftMs
	}
	return samples, nil
}

// read returns the next good row of the machine that holds anything.
func (r *Replay) read() (*dueRow, error) {
	for {
		before := r.Position()
		fields, line, err := r.row()
		if errors.Is(err, io.EOF) {
			r.end()
			return nil, io.EOF
		}
		ms, err := r.rowTime(fields, err)
		if errors.Is(err, errOther) {
			continue
		}
		var samples []wire.Sample
		if err == nil && ms < r.last {
			err = fmt.Errorf("time goes back by %d ms: sort the rows of a machine by time", r.last-ms)
		}
		if err == nil {
			samples, err = r.cols.parseRow(ms, fields, r.o.Card)
		}
		if err != nil {
			r.bad(line, err)
			continue
		}
		r.last = ms
		if len(samples) > 0 {
			return &dueRow{ms: ms, samples: samples, before: before}, nil
		}
	}
}

// pace waits until a row is due. A step of the wall clock neither holds a recording up nor hurries it.
func (r *Replay) pace(ctx context.Context, ms int64) error {
	if r.started.IsZero() {
		r.started, r.startMs = time.Now(), ms
		if !r.shifted {
			r.shiftMs, r.shifted = r.o.Now().UnixMilli()-ms, true
		}
	}
	if r.o.Speed <= 0 {
		return nil
	}
	due := r.started.Add(time.Duration(float64(ms-r.startMs) / r.o.Speed * float64(time.Millisecond)))
	wait := time.Until(due)
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (r *Replay) bad(line int, err error) {
	r.badRows++
	if r.badRows <= maxBadRowsLogged {
		r.o.Logger.Warn("bad row skipped", "at", fmt.Sprintf("%s:%d", filepath.Base(r.o.File), line), "err", err)
	}
}

func (r *Replay) end() {
	if !r.ended {
		r.ended = true
		r.o.Logger.Info("recording ended", "file", filepath.Base(r.o.File), "bad_rows", r.badRows)
	}
}

// Paced reports whether Next waits between rows.
func (r *Replay) Paced() bool { return r.o.Speed > 0 }

// BadRows is how many rows of this run were skipped.
func (r *Replay) BadRows() uint64 { return r.badRows }

// Position says where the next row begins.
func (r *Replay) Position() any {
	if r.waiting != nil {
		return r.waiting.before
	}
	return replayPosition{
		Head: r.head, Offset: r.base.Offset + r.csv.InputOffset(), Line: r.base.Line + r.line,
		LastMs: r.last, ShiftMs: r.shiftMs, Shifted: r.shifted,
	}
}

// Close closes the file.
func (r *Replay) Close() error { return r.f.Close() }
