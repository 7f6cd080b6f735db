package tsdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// InfluxDB gives out a field by itself more than twice as fast as fields side by side: two numbers cost it 0.5 µs each alone,
// 1.2 µs together. So a long stretch of numbers is read field by field, in chunks of time that fit in memory, some
// chunks at once, and put together here.
const (
	// columnsFromMs is how long a stretch is read by columns; a shorter one is not worth several statements.
	columnsFromMs = 6 * 3_600_000
	chunkTarget   = 200_000 // rows of one field in a chunk, at best
	chunkMost     = 524_288 // and at most
	chunkFirstMs  = 6 * 3_600_000
	chunkGrowth   = 8 // of the time of one chunk against the one before
)

// numberFunc gets one float and the number of its statement.
type numberFunc func(statement int, timeMs int64, v float64)

// numberRow reads a row of one float when it is written the usual way. It reports whether it did.
func (a *answer) numberRow(statement int) (bool, error) {
	const size = 1 + 9 + 9 // array of two, int64, float64
	b, err := a.r.R.Peek(size)
	if err != nil || b[0] != 0x92 || b[1] != 0xd3 || b[10] != 0xcb {
		return false, nil //nolint:nilerr // the general way will meet the error again
	}
	a.number(statement, int64(binary.BigEndian.Uint64(b[2:])), math.Float64frombits(binary.BigEndian.Uint64(b[11:])))
	_, err = a.r.R.Skip(size)
	return true, err
}

// column holds one field of a chunk, ascending.
type column struct {
	times  []int64
	values []float64 // of a number
	texts  []string  // of a quality
}

func (c *column) reset() { c.times, c.values, c.texts = c.times[:0], c.values[:0], c.texts[:0] }

// chunk is a stretch of time with its columns: the fields and then their qualities.
type chunk struct {
	fromMs, toMs int64
	columns      []column
	done         chan error
}

// ReadNumbers implements NumberReader.
func (x *Influx) ReadNumbers(ctx context.Context, q NumberQuery, fn func(NumberRow) error) error {
	if q.ToMs-q.FromMs < columnsFromMs {
		return readNumbers(ctx, x, q, fn)
	}
	check := Query{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, Fields: q.Fields, FromMs: q.FromMs, ToMs: q.ToMs}
	if err := checkQuery(&check, true); err != nil {
		return err
	}
	if !clamp(&check) {
		return nil
	}
	q.FromMs, q.ToMs = check.FromMs, check.ToMs
	some, err := x.bounds(ctx, &q)
	if err != nil || !some {
		return err
	}
	if q.ToMs-q.FromMs < columnsFromMs {
		return readNumbers(ctx, x, q, fn)
	}
	return x.readChunks(ctx, q, fn)
}

// bounds narrows q to the time from its first to its last value.
func (x *Influx) bounds(ctx context.Context, q *NumberQuery) (some bool, err error) {
	var b strings.Builder
	for _, f := range q.allFields() {
		for _, call := range []string{"first", "last"} {
			b.WriteString("SELECT " + call + "(" + identifier(f) + ")")
			writeFrom(&b, q.rows())
			b.WriteByte(';')
		}
	}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	err = x.ask(ctx, b.String(), func(_ int, _ labels, timeMs int64, _ []any) error {
		first, last = min(first, timeMs), max(last, timeMs)
		return nil
	})
	if err != nil || first > last {
		return false, err
	}
	q.FromMs, q.ToMs = first, last+1
	return true, nil
}

func (q *NumberQuery) allFields() []string {
	fields := slices.Clone(q.Fields)
	for _, f := range q.Fields {
		fields = append(fields, f+"_q")
	}
	return fields
}

func (q *NumberQuery) rows() *Query {
	return &Query{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, FromMs: q.FromMs, ToMs: q.ToMs}
}

// readChunks reads some chunks ahead and gives out their rows in order.
func (x *Influx) readChunks(ctx context.Context, q NumberQuery, fn func(NumberRow) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var ahead []*chunk
	var spare []*chunk
	defer func() {
		cancel()
		for _, c := range ahead { // nobody reads on after this returns
			<-c.done //nolint:errcheck // only that it has ended
		}
	}()
	fields := q.allFields()
	start := func(fromMs, toMs int64) *chunk {
		var c *chunk
		if n := len(spare); n > 0 {
			c, spare = spare[n-1], spare[:n-1]
		} else {
			c = &chunk{columns: make([]column, len(fields)), done: make(chan error, 1)}
		}
		c.fromMs, c.toMs = fromMs, toMs
		go func() { c.done <- x.readChunk(ctx, &q, fields, c) }()
		return c
	}
	row := NumberRow{Values: make([]float64, len(q.Fields)), Quality: make([]string, len(q.Fields))}
	length, next := int64(chunkFirstMs), q.FromMs
	for next < q.ToMs || len(ahead) > 0 {
		for next < q.ToMs && len(ahead) < runtime.GOMAXPROCS(0)+1 {
			to := min(q.ToMs, next+length)
			ahead = append(ahead, start(next, to))
			next = to
		}
		c := ahead[0]
		askedTo := c.toMs
		err := <-c.done
		ahead = ahead[1:]
		if err != nil {
			return err
		}
		rows := c.rows()
		if err := c.merge(&row, fn); err != nil {
			return err
		}
		// The next chunks are to hold as many rows as is good.
		took := c.toMs - c.fromMs
		length = max(1000, min(chunkGrowth*took, took*chunkTarget/int64(max(rows, 1))))
		spare = append(spare, c)
		if c.toMs < askedTo {
			ahead = slices.Insert(ahead, 0, start(c.toMs, askedTo))
		}
	}
	return nil
}

// readChunk fills the columns. When a field has more rows than a chunk may hold, the chunk becomes shorter.
func (x *Influx) readChunk(ctx context.Context, q *NumberQuery, fields []string, c *chunk) error {
	var b strings.Builder
	part := *q.rows()
	part.FromMs, part.ToMs = c.fromMs, c.toMs
	for i, f := range fields {
		c.columns[i].reset()
		b.WriteString("SELECT " + identifier(f))
		writeFrom(&b, &part)
		b.WriteString(" LIMIT " + strconv.Itoa(chunkMost) + ";")
	}
	a := &answer{
		number: func(statement int, timeMs int64, v float64) {
			if statement < len(q.Fields) {
				col := &c.columns[statement]
				col.times, col.values = append(col.times, timeMs), append(col.values, v)
			}
		},
		fn: func(statement int, _ labels, timeMs int64, values []any) error {
			if statement < 0 || statement >= len(fields) || len(values) != 1 {
				return errors.New("influxdb answered a statement that was not asked")
			}
			col := &c.columns[statement]
			switch v := values[0].(type) {
			case float64:
				if statement < len(q.Fields) {
					col.times, col.values = append(col.times, timeMs), append(col.values, v)
				}
			case string:
				if statement >= len(q.Fields) {
					col.times, col.texts = append(col.times, timeMs), append(col.texts, v)
				}
			}
			return nil
		},
	}
	if err := x.askAnswer(ctx, b.String(), a); err != nil {
		return err
	}
	for i := range c.columns {
		if t := c.columns[i].times; len(t) >= chunkMost {
			c.toMs = min(c.toMs, t[len(t)-1]+1)
		}
	}
	if c.toMs <= c.fromMs {
		return fmt.Errorf("influxdb gave times outside of the asked range %d to %d", c.fromMs, c.toMs)
	}
	return nil
}

// rows is how many rows the longest column has.
func (c *chunk) rows() int {
	n := 0
	for i := range c.columns {
		n = max(n, len(c.columns[i].times))
	}
	return n
}

// merge gives out the columns row by row up to the end of the chunk.
func (c *chunk) merge(row *NumberRow, fn func(NumberRow) error) error {
	n := len(row.Values)
	at := make([]int, len(c.columns))
	for {
		t := int64(math.MaxInt64)
		for i := range c.columns {
			if k := at[i]; k < len(c.columns[i].times) {
				t = min(t, c.columns[i].times[k])
			}
		}
		if t >= c.toMs {
			return nil
		}
		row.TimeMs = t
		for i := range c.columns {
			col, k := &c.columns[i], at[i]
			here := k < len(col.times) && col.times[k] == t
			if here {
				at[i]++
			}
			switch {
			case i >= n && here:
				row.Quality[i-n] = col.texts[k]
			case i >= n:
				row.Quality[i-n] = ""
			case here:
				row.Values[i] = col.values[k]
			default:
				row.Values[i] = math.NaN()
			}
		}
		if err := fn(*row); err != nil {
			return err
		}
	}
}
