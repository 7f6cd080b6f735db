package tsdb

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// Lines are points in line protocol, written straight into one buffer: for who stores hundreds of thousands of values a
// second and has checked them already. The caller vouches for what Store.Write looks at: names of letters, digits and
// "_-.", finite numbers, texts in UTF-8 of at most MaxTextBytes, no field twice in a point.
//
// A point is begun with Point, given fields, and ended with End. The zero value is empty and ready.
type Lines struct {
	body   []byte
	ends   []int // of each point in body
	fields int   // of the open point
	lent   bool  // a request that failed may still read body
}

// Reset empties l. It keeps the memory, unless a store may still be sending it.
func (l *Lines) Reset() {
	l.body, l.ends = l.body[:0], l.ends[:0]
	if l.lent {
		l.body, l.lent = nil, false
	}
}

// Len is the number of points, Bytes their text; it is valid until l changes.
func (l *Lines) Len() int { return len(l.ends) }

// Bytes is the text of all points; it is valid until l changes.
func (l *Lines) Bytes() []byte { return l.body }

// Point begins a point.
func (l *Lines) Point(measurement, site, machine string) {
	b := append(l.body, measurement...)
	b = append(b, ",machine="...) // tags in ascending order, as InfluxDB wants them for speed
	b = append(b, machine...)
	b = append(b, ",site="...)
	l.body = append(b, site...)
	l.fields = 0
}

func (l *Lines) key(key, suffix string) {
	sep := byte(',')
	if l.fields == 0 {
		sep = ' '
	}
	l.fields++
	l.body = append(l.body, sep)
	l.body = append(l.body, key...)
	l.body = append(l.body, suffix...)
	l.body = append(l.body, '=')
}

// Number adds a number to the open point.
func (l *Lines) Number(key string, v float64) {
	l.key(key, "")
	l.body = appendNumber(l.body, v)
}

// Integer adds a whole number to the open point.
func (l *Lines) Integer(key string, v int64) {
	l.key(key, "")
	l.body = append(strconv.AppendInt(l.body, v, 10), 'i')
}

// Text adds a text to the open point, under key and suffix joined.
func (l *Lines) Text(key, suffix, v string) {
	l.key(key, suffix)
	l.body = appendText(l.body, v)
}

// Bool adds a truth value to the open point.
func (l *Lines) Bool(key string, v bool) {
	l.key(key, "")
	l.body = strconv.AppendBool(l.body, v)
}

// End ends the open point and returns the number of its fields, at least one.
func (l *Lines) End(timeMs int64) int {
	l.body = append(l.body, ' ')
	l.body = strconv.AppendInt(l.body, timeMs, 10)
	l.body = append(l.body, '\n')
	l.ends = append(l.ends, len(l.body))
	return l.fields
}

// line is the text of point i.
func (l *Lines) line(i int) []byte {
	if i == 0 {
		return l.body[:l.ends[0]]
	}
	return l.body[l.ends[i-1]:l.ends[i]]
}

// appendNumber writes v so that it reads back as the same float64. What a meter shows has at most three decimals and is
// written without the search for the shortest text: if r/1000 divides to v, the text r/1000 is read as v, because both
// are rounded in the same way.
func appendNumber(b []byte, v float64) []byte {
	r := math.Round(v * 1000)
	if r/1000 != v || math.Abs(r) >= 1<<53 || v == 0 {
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	n := int64(r)
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendInt(b, n/1000, 10)
	if f := n % 1000; f != 0 {
		b = append(b, '.', byte('0'+f/100))
		if f %= 100; f != 0 {
			b = append(b, byte('0'+f/10))
			if f %= 10; f != 0 {
				b = append(b, byte('0'+f))
			}
		}
	}
	return b
}

// WriteLines implements Store.
func (x *Influx) WriteLines(ctx context.Context, l *Lines) error {
	select {
	case x.writers <- struct{}{}:
		defer func() { <-x.writers }()
	case <-ctx.Done():
		return fmt.Errorf("write to influxdb: %w", ctx.Err())
	}
	w := batchWriter{store: x, line: func(b []byte, i int) []byte { return append(b, l.line(i)...) }, refused: map[int]string{}}
	// The text is not copied, which would be a third of ingest's garbage: a request that InfluxDB has acknowledged has been
	// read to its end, and after one that failed Reset leaves the memory alone.
	text := unsafe.String(unsafe.SliceData(l.body), len(l.body)) //nolint:gosec // see above
	for from := 0; from < l.Len(); {
		to := min(from+maxLines, l.Len())
		start := 0
		if from > 0 {
			start = l.ends[from-1]
		}
		for to > from+1 && l.ends[to-1]-start > maxBatchBytes {
			to = from + (to-from)/2
		}
		if err := x.writer.WriteRecord(ctx, text[start:l.ends[to-1]]); err != nil {
			l.lent = true
			if err := w.split(ctx, sequence(from, to), err); err != nil {
				return err
			}
		}
		from = to
	}
	if len(w.refused) > 0 {
		return &PointsError{Refused: w.refused}
	}
	return nil
}

// maxLines is how many points one request of WriteLines carries: more than maxBatchPoints, because they are narrow and
// InfluxDB works less for each point of a large request.
const maxLines = 10_000

// sequence is from, from+1 … to−1.
func sequence(from, to int) []int {
	out := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
