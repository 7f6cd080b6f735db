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

// A long stretch of numbers is read in chunks of time that fit in memory, some of them at once. InfluxDB works for each row and
// each column of it, also an empty one, and for a row it works more than for its values: so all fields stand in one
// statement, but only those of which there is any value in the stretch.
const (
	// chunksFromMs is how long a stretch is read in chunks; a shorter one is not worth several requests.
	chunksFromMs = 6 * 3_600_000
	chunkTarget  = 200_000 // rows of a chunk, at best
	chunkMost    = 524_288 // and at most
	chunkFirstMs = 6 * 3_600_000
	chunkGrowth  = 8 // of the time of one chunk against the one before
)

// ReadNumbers implements NumberReader.
func (x *Influx) ReadNumbers(ctx context.Context, q NumberQuery, fn func(NumberRow) error) error {
	if q.ToMs-q.FromMs < chunksFromMs {
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
	columns, err := x.bounds(ctx, &q)
	if err != nil || len(columns) == 0 {
		return err
	}
	if q.ToMs-q.FromMs < chunksFromMs {
		return readNumbers(ctx, x, q, fn)
	}
	return x.readChunks(ctx, &q, columns, fn)
}

// bounds narrows q to the time from its first to its last value and returns the columns that have any there: of fields, and
// len(q.Fields) and more for their qualities.
func (x *Influx) bounds(ctx context.Context, q *NumberQuery) (columns []int, err error) {
	var b strings.Builder
	for i := range 2 * len(q.Fields) {
		for _, call := range []string{"first", "last"} {
			b.WriteString("SELECT " + call + "(" + identifier(q.column(i)) + ")")
			writeFrom(&b, q.rows(q.FromMs, q.ToMs))
			b.WriteByte(';')
		}
	}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	err = x.ask(ctx, b.String(), func(statement int, _ labels, timeMs int64, _ []any) error {
		first, last = min(first, timeMs), max(last, timeMs)
		if i := statement / 2; !slices.Contains(columns, i) {
			columns = append(columns, i)
		}
		return nil
	})
	if err != nil || len(columns) == 0 {
		return nil, err
	}
	slices.Sort(columns)
	q.FromMs, q.ToMs = first, last+1
	return columns, nil
}

// column is the name of a field, or of a quality after all fields.
func (q *NumberQuery) column(i int) string {
	if n := len(q.Fields); i >= n {
		return q.Fields[i-n] + "_q"
	}
	return q.Fields[i]
}

func (q *NumberQuery) rows(fromMs, toMs int64) *Query {
	return &Query{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, FromMs: fromMs, ToMs: toMs}
}

// chunk is a stretch of time with its rows, ascending.
type chunk struct {
	fromMs, toMs int64
	columns      []int // that there is anything of
	numbers      int   // how many of them are fields
	times        []int64
	values       []float64 // the numbers of row after row, NaN where there is none
	texts        []cell    // the qualities there are
	done         chan error
}

// cell is a quality in a row.
type cell struct {
	row, column int
	text        string
}

// readChunks reads some chunks ahead and gives out their rows in order.
func (x *Influx) readChunks(ctx context.Context, q *NumberQuery, columns []int, fn func(NumberRow) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var ahead []*chunk
	var spare []*chunk
	defer func() {
		cancel()
		for _, c := range ahead { // nobody reads on after this returns
			<-c.done //nolint:errcheck // only that it has ended
		}
	}()
	numbers, _ := slices.BinarySearch(columns, len(q.Fields))
	start := func(fromMs, toMs int64) *chunk {
		c := &chunk{columns: columns, numbers: numbers, done: make(chan error, 1)}
		if n := len(spare); n > 0 {
			c, spare = spare[n-1], spare[:n-1]
		}
		c.fromMs, c.toMs = fromMs, toMs
		go func() { c.done <- x.readChunk(ctx, q, c) }()
		return c
	}
	row := NumberRow{Values: make([]float64, len(q.Fields)), Quality: make([]string, len(q.Fields))}
	for i := range row.Values {
		row.Values[i] = math.NaN()
	}
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
		if err := c.give(&row, fn); err != nil {
			return err
		}
		// The next chunks are to hold as many rows as is good.
		took := c.toMs - c.fromMs
		length = max(1000, min(chunkGrowth*took, took*chunkTarget/int64(max(len(c.times), 1))))
		spare = append(spare, c)
		if c.toMs < askedTo {
			ahead = slices.Insert(ahead, 0, start(c.toMs, askedTo))
		}
	}
	return nil
}

// readChunk fills the rows. When there are more of them than a chunk may hold, the chunk becomes shorter.
func (x *Influx) readChunk(ctx context.Context, q *NumberQuery, c *chunk) error {
	c.times, c.values, c.texts = c.times[:0], c.values[:0], c.texts[:0]
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, column := range c.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(identifier(q.column(column)))
	}
	writeFrom(&b, q.rows(c.fromMs, c.toMs))
	b.WriteString(" LIMIT " + strconv.Itoa(chunkMost))
	if err := x.askAnswer(ctx, b.String(), &answer{fn: c.add, plain: c.plain}); err != nil {
		return err
	}
	if n := len(c.times); n >= chunkMost {
		c.toMs = min(c.toMs, c.times[n-1]+1)
	}
	if c.toMs <= c.fromMs {
		return fmt.Errorf("influxdb gave times outside of the asked range %d to %d", c.fromMs, c.toMs)
	}
	return nil
}

// add takes a row of any kind.
func (c *chunk) add(statement int, _ labels, timeMs int64, values []any) error {
	if statement != 0 || len(values) != len(c.columns) {
		return errors.New("influxdb answered what was not asked")
	}
	for i, value := range values {
		if v, ok := value.(float64); i < c.numbers {
			if !ok {
				v = math.NaN()
			}
			c.values = append(c.values, v)
		} else if text, ok := value.(string); ok {
			c.texts = append(c.texts, cell{row: len(c.times), column: c.columns[i], text: text})
		}
	}
	c.times = append(c.times, timeMs)
	return nil
}

// plain takes a row that is written the usual way, a time and floats or nothing, from the beginning of b, and returns how long
// it is. It returns 0 and takes nothing when the row is another one.
func (c *chunk) plain(b []byte) int {
	const array, none, float, long = 0x90, 0xc0, 0xcb, 0xd3 // of MessagePack
	if len(c.columns) > 14 || len(b) < 10 || b[0] != array|byte(len(c.columns)+1) || b[1] != long {
		return 0
	}
	at, had := 10, len(c.values)
	for i := range c.columns {
		switch {
		case i < c.numbers && len(b) >= at+9 && b[at] == float:
			c.values = append(c.values, math.Float64frombits(binary.BigEndian.Uint64(b[at+1:])))
			at += 9
			continue
		case len(b) <= at || b[at] != none:
			c.values = c.values[:had]
			return 0
		case i < c.numbers:
			c.values = append(c.values, math.NaN())
		}
		at++
	}
	c.times = append(c.times, int64(binary.BigEndian.Uint64(b[2:])))
	return at
}

// give gives out the rows.
func (c *chunk) give(row *NumberRow, fn func(NumberRow) error) error {
	texts := c.texts
	for i, t := range c.times {
		row.TimeMs = t
		for k, v := range c.values[i*c.numbers : (i+1)*c.numbers] {
			row.Values[c.columns[k]] = v
		}
		had := texts
		for len(texts) > 0 && texts[0].row == i {
			row.Quality[texts[0].column-len(row.Values)] = texts[0].text
			texts = texts[1:]
		}
		if err := fn(*row); err != nil {
			return err
		}
		for _, q := range had[:len(had)-len(texts)] {
			row.Quality[q.column-len(row.Values)] = ""
		}
	}
	return nil
}
