package tsdb

import (
	"context"
	"math"
)

// NumberQuery asks for rows of numbers of one machine, each number with its quality: the value of field `{field}_q`.
type NumberQuery struct {
	Measurement   string
	Site, Machine string
	Fields        []string // at least one
	FromMs, ToMs  int64    // half-open [FromMs, ToMs)
}

// NumberRow is one instant. Values[i] and Quality[i] belong to NumberQuery.Fields[i]: NaN and "" when absent. Both slices
// are reused between calls of the callback.
type NumberRow struct {
	TimeMs  int64
	Values  []float64
	Quality []string
}

// NumberReader is a Store with a way of its own to read numbers.
type NumberReader interface {
	// ReadNumbers streams rows in ascending time to fn, stopping at fn's first error, which it returns. A row
	// appears when at least one value or quality is present. Values that are no floats are absent.
	ReadNumbers(ctx context.Context, q NumberQuery, fn func(NumberRow) error) error
}

// ReadNumbers reads by s's own way when s is a NumberReader, else by Read. Both give the same rows.
func ReadNumbers(ctx context.Context, s Store, q NumberQuery, fn func(NumberRow) error) error {
	if own, ok := s.(NumberReader); ok {
		return own.ReadNumbers(ctx, q, fn)
	}
	return readNumbers(ctx, s, q, fn)
}

func readNumbers(ctx context.Context, s Store, q NumberQuery, fn func(NumberRow) error) error {
	n := len(q.Fields)
	fields := make([]string, 0, 2*n)
	fields = append(fields, q.Fields...)
	for _, f := range q.Fields {
		fields = append(fields, f+"_q")
	}
	row := NumberRow{Values: make([]float64, n), Quality: make([]string, n)}
	rows := Query{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, Fields: fields, FromMs: q.FromMs, ToMs: q.ToMs}
	return s.Read(ctx, rows, func(r Row) error {
		row.TimeMs = r.TimeMs
		row.take(r.Values)
		return fn(row)
	})
}

// take sets values and qualities from a row of the fields followed by their qualities.
func (r *NumberRow) take(values []any) {
	n := len(r.Values)
	for i := range n {
		v, ok := values[i].(float64)
		if !ok {
			v = math.NaN()
		}
		r.Values[i] = v
		r.Quality[i], _ = values[n+i].(string)
	}
}

// QualifiedNumber is a float and its quality as Values of a Row hold them: NaN and "" when absent.
func QualifiedNumber(value, quality any) (float64, string) {
	v, ok := value.(float64)
	if !ok {
		v = math.NaN()
	}
	q, _ := quality.(string)
	return v, q
}
