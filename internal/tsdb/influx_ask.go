package tsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// chunkRows is how many rows InfluxDB sends at a time.
const chunkRows = "10000"

// answerType is MessagePack. JSON and CSV write the number 1 the same whether it is stored as a float or an integer,
// and InfluxDB leaves errors out of CSV, so that a query broken off looks complete.
const answerType = "application/x-msgpack"

// rowFunc gets one row: the number of its statement, its machine when the query groups by it, its time, and its
// values, which are reused between calls.
type rowFunc func(statement int, series labels, timeMs int64, values []any) error

// labels are the tags of a series that the query groups by.
type labels struct{ machine string }

// ask runs InfluxQL statements and streams their rows to fn. It stops at fn's first error and returns it.
func (x *Influx) ask(ctx context.Context, statements string, fn rowFunc) error {
	return x.askAnswer(ctx, statements, &answer{fn: fn})
}

// askAnswer runs InfluxQL statements and lets a read what comes back.
func (x *Influx) askAnswer(ctx context.Context, statements string, a *answer) error {
	form := url.Values{
		"db": {x.db}, "q": {statements}, "epoch": {"ms"}, "chunked": {"true"}, "chunk_size": {chunkRows},
	}
	if x.rp != "" {
		form.Set("rp", x.rp)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // an answer that is not read to its end is broken off
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.query, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("query influxdb: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", answerType)
	req.Header.Set("Accept-Encoding", "identity") // else Go asks for gzip, which costs InfluxDB more than the query
	resp, err := x.http.DoHTTPRequestWithResponse(req, nil)
	if err != nil {
		return fmt.Errorf("query influxdb: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return refusedQuery(resp)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, answerType) {
		return fmt.Errorf("query influxdb: answer is %q, not %s: is this an InfluxDB with InfluxQL?", got, answerType)
	}
	a.r = msgp.NewReaderSize(resp.Body, 64<<10)
	for {
		err := a.chunk()
		if errors.Is(err, io.EOF) {
			break
		}
		var own *callbackError
		if errors.As(err, &own) {
			return own.err
		}
		if err != nil {
			return fmt.Errorf("query influxdb: %w", err)
		}
	}
	if a.more {
		return fmt.Errorf("query influxdb: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// refusedQuery turns an answer that is not 200 into an error.
func refusedQuery(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	message := strings.TrimSpace(string(body))
	var parsed struct{ Error, Message string }
	if h := resp.Header.Get("X-Influxdb-Error"); h != "" {
		message = h
	} else if json.Unmarshal(body, &parsed) == nil && parsed.Error+parsed.Message != "" {
		message = parsed.Error + parsed.Message
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return fmt.Errorf("query influxdb: %w (%s)", ErrUnauthorized, message)
	}
	return fmt.Errorf("query influxdb: HTTP status %d: %s", resp.StatusCode, message)
}

// callbackError keeps the caller's own error apart from those of the answer.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// answer reads a stream of {"results": [{"statement_id", "series": [{"tags", "columns", "values"}]}]}.
type answer struct {
	r       *msgp.Reader
	fn      rowFunc
	plain   func(row []byte) int // not nil: takes rows that it knows, instead of fn, and says how long they are
	values  []any
	scratch []byte
	more    bool // the last series said that more of it follows
}

// chunk reads one message. io.EOF means that there was none.
func (a *answer) chunk() error {
	keys, err := a.r.ReadMapHeader()
	if err != nil {
		return err
	}
	if err := a.message(keys); err != nil {
		if errors.Is(err, io.EOF) { // an end inside a message is no proper end
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

func (a *answer) message(keys uint32) error {
	for range keys {
		key, err := a.key()
		if err != nil {
			return err
		}
		switch key {
		case "error":
			return a.failure()
		case "results":
			err = a.each(a.result)
		default:
			err = a.r.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) result() error {
	keys, err := a.r.ReadMapHeader()
	if err != nil {
		return err
	}
	statement := 0
	for range keys {
		key, err := a.key()
		if err != nil {
			return err
		}
		switch key {
		case "error":
			return a.failure()
		case "statement_id":
			statement, err = a.r.ReadInt()
		case "series":
			err = a.each(func() error { return a.series(statement) })
		default:
			err = a.r.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) series(statement int) error {
	keys, err := a.r.ReadMapHeader()
	if err != nil {
		return err
	}
	var series labels
	a.more = false
	for range keys {
		key, err := a.key()
		if err != nil {
			return err
		}
		switch key {
		case "tags":
			series, err = a.labels()
		case "values":
			err = a.each(func() error { return a.row(statement, series) })
		case "partial":
			a.more, err = a.r.ReadBool()
		default:
			err = a.r.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// labels reads the tags of a series.
func (a *answer) labels() (l labels, err error) {
	tags, err := a.r.ReadMapHeader()
	if err != nil {
		return l, err
	}
	for range tags {
		key, err := a.key()
		if err != nil {
			return l, err
		}
		value, err := a.r.ReadString()
		if err != nil {
			return l, err
		}
		if key == "machine" {
			l.machine = value
		}
	}
	return l, nil
}

func (a *answer) row(statement int, series labels) error {
	if a.plain != nil {
		if done, err := a.plainRow(); done || err != nil {
			return err
		}
	}
	columns, err := a.r.ReadArrayHeader()
	if err != nil {
		return err
	}
	if columns == 0 {
		return errors.New("row without a time")
	}
	timeMs, err := a.r.ReadInt64()
	if err != nil {
		return fmt.Errorf("time of a row: %w", err)
	}
	a.values = a.values[:0]
	for range columns - 1 {
		v, err := a.value()
		if err != nil {
			return err
		}
		a.values = append(a.values, v)
	}
	if err := a.fn(statement, series, timeMs, a.values); err != nil {
		return &callbackError{err}
	}
	return nil
}

// plainRow gives plain what is there of a row. It reports whether it was taken.
func (a *answer) plainRow() (bool, error) {
	const most = 256 // bytes of a row of fourteen floats, and more
	if a.r.R.Buffered() < most {
		_, _ = a.r.R.Peek(most) // at the end of an answer there may be less
	}
	b, _ := a.r.R.Peek(a.r.R.Buffered())
	n := a.plain(b)
	if n == 0 {
		return false, nil
	}
	_, err := a.r.R.Skip(n)
	return true, err
}

// value reads one value as one of the types of Row, or nil.
func (a *answer) value() (any, error) {
	kind, err := a.r.NextType()
	if err != nil {
		return nil, err
	}
	switch kind {
	case msgp.NilType:
		return nil, a.r.ReadNil()
	case msgp.Float64Type:
		return boxed(a.r.ReadFloat64())
	case msgp.IntType, msgp.UintType:
		return boxed(a.r.ReadInt64())
	case msgp.StrType:
		return boxed(a.r.ReadString())
	case msgp.BoolType:
		return boxed(a.r.ReadBool())
	}
	return nil, fmt.Errorf("value of unexpected type %s", kind)
}

func boxed[T any](v T, err error) (any, error) { return v, err }

// key reads a map key.
func (a *answer) key() (string, error) {
	key, err := a.r.ReadMapKey(a.scratch)
	a.scratch = key
	return string(key), err
}

// each reads an array, calling read for each element.
func (a *answer) each(read func() error) error {
	n, err := a.r.ReadArrayHeader()
	if err != nil {
		return err
	}
	for range n {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// failure reads the text of an error that InfluxDB reports.
func (a *answer) failure() error {
	s, err := a.r.ReadString()
	if err != nil {
		return err
	}
	return errors.New(s)
}
