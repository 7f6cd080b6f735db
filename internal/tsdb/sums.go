package tsdb

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// SumRow says of a stretch of time how many values and qualities each field of a NumberQuery has, and the total of the values,
// added in the order of time. The slices are reused between calls of the callback.
type SumRow struct {
	FromMs           int64
	Count, Qualities []int64
	Total            []float64
}

// SumReader is a Store with a way of its own to add up numbers.
type SumReader interface {
	// ReadSums passes fn the sums of each stretch of stepMs, counted from 1970, that holds something, ascending. q begins and
	// ends at such a stretch. It stops at fn's first error, which it returns.
	ReadSums(ctx context.Context, q NumberQuery, stepMs int64, fn func(SumRow) error) error
}

// ReadSums adds up by s's own way when s is a SumReader, else from its rows. Both say the same of fields that hold floats.
func ReadSums(ctx context.Context, s Store, q NumberQuery, stepMs int64, fn func(SumRow) error) error {
	if stepMs <= 0 || floorMod(q.FromMs, stepMs) != 0 || floorMod(q.ToMs, stepMs) != 0 {
		return fmt.Errorf("sums of %s: %d to %d is not made of stretches of %d ms", q.Measurement, q.FromMs, q.ToMs, stepMs)
	}
	if own, ok := s.(SumReader); ok {
		return own.ReadSums(ctx, q, stepMs, fn)
	}
	row, some := newSumRow(len(q.Fields)), false
	err := ReadNumbers(ctx, s, q, func(r NumberRow) error {
		if from := r.TimeMs - floorMod(r.TimeMs, stepMs); !some || from != row.FromMs {
			if some {
				if err := fn(row); err != nil {
					return err
				}
			}
			row.reset(from)
			some = true
		}
		for i, v := range r.Values {
			if !math.IsNaN(v) {
				row.Count[i]++
				row.Total[i] += v
			}
			if r.Quality[i] != "" {
				row.Qualities[i]++
			}
		}
		return nil
	})
	if err != nil || !some {
		return err
	}
	return fn(row)
}

func newSumRow(n int) SumRow {
	return SumRow{Count: make([]int64, n), Qualities: make([]int64, n), Total: make([]float64, n)}
}

func (r *SumRow) reset(fromMs int64) {
	r.FromMs = fromMs
	clear(r.Count)
	clear(r.Qualities)
	clear(r.Total)
}

// ReadSums implements SumReader: InfluxDB adds up ten times as fast as it gives out rows.
func (x *Influx) ReadSums(ctx context.Context, q NumberQuery, stepMs int64, fn func(SumRow) error) error {
	check := Query{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, Fields: q.Fields, FromMs: q.FromMs, ToMs: q.ToMs}
	if err := checkQuery(&check, true); err != nil {
		return err
	}
	if !clamp(&check) {
		return nil
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, f := range q.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		number := identifier(f) + "::float" // a field of another type has no values, as in ReadNumbers; it can't be added up
		fmt.Fprintf(&b, "count(%s),sum(%s),count(%s)", number, number, identifier(f+"_q"))
	}
	writeFrom(&b, &check)
	fmt.Fprintf(&b, " GROUP BY time(%dms) fill(none)", stepMs)
	row := newSumRow(len(q.Fields))
	return x.ask(ctx, b.String(), func(_ int, _ labels, timeMs int64, values []any) error {
		if len(values) != 3*len(q.Fields) {
			return fmt.Errorf("influxdb gave %d columns of sums", len(values))
		}
		row.reset(timeMs)
		for i := range q.Fields {
			count, _ := Number(values[3*i])
			total, _ := Number(values[3*i+1])
			qualities, _ := Number(values[3*i+2])
			row.Count[i], row.Total[i], row.Qualities[i] = int64(count), total, int64(qualities)
		}
		return fn(row)
	})
}
