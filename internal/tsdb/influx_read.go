package tsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Read implements Store.
func (x *Influx) Read(ctx context.Context, q Query, fn func(Row) error) error {
	if err := checkQuery(&q, true); err != nil {
		return err
	}
	if !clamp(&q) {
		return nil
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, f := range q.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(identifier(f))
	}
	writeFrom(&b, &q)
	if q.Descending {
		b.WriteString(" ORDER BY time DESC")
	}
	if q.Limit > 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(q.Limit))
	}
	row := Row{Machine: q.Machine}
	return x.ask(ctx, b.String(), func(_ int, _ labels, timeMs int64, values []any) error {
		if len(values) != len(q.Fields) {
			return fmt.Errorf("influxdb gave %d columns for %d fields", len(values), len(q.Fields))
		}
		row.TimeMs, row.Values = timeMs, values
		return fn(row)
	})
}

// Last implements Store. Each field is a query of its own, since the newest values of the fields may have different
// times; all go in one request.
func (x *Influx) Last(ctx context.Context, q Query) ([]Row, error) {
	if err := checkQuery(&q, false); err != nil {
		return nil, err
	}
	if !clamp(&q) {
		return nil, nil
	}
	var b strings.Builder
	for _, f := range q.Fields {
		b.WriteString("SELECT last(" + identifier(f) + ")")
		writeFrom(&b, &q)
		b.WriteString(` GROUP BY "machine";`)
	}
	byMachine := map[string]*Row{}
	err := x.ask(ctx, b.String(), func(statement int, series labels, timeMs int64, values []any) error {
		if statement < 0 || statement >= len(q.Fields) || len(values) != 1 {
			return errors.New("influxdb answered a statement that was not asked")
		}
		row, ok := byMachine[series.machine]
		if !ok {
			row = &Row{Machine: series.machine, TimeMs: timeMs, Values: make([]any, len(q.Fields))}
			byMachine[series.machine] = row
		}
		row.Values[statement] = values[0]
		row.TimeMs = max(row.TimeMs, timeMs)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(byMachine))
	for _, row := range byMachine {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Machine, b.Machine) })
	return rows, nil
}

// Buckets implements Store.
func (x *Influx) Buckets(ctx context.Context, q Query, stepMs int64) ([]Bucket, error) {
	if err := checkQuery(&q, true); err != nil {
		return nil, err
	}
	if err := checkStep(&q, stepMs); err != nil {
		return nil, err
	}
	offset := floorMod(q.FromMs, stepMs)
	if !clamp(&q) {
		return nil, nil
	}
	f := identifier(q.Fields[0])
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT min(%[1]s),max(%[1]s),mean(%[1]s),count(%[1]s)", f)
	writeFrom(&b, &q)
	fmt.Fprintf(&b, " GROUP BY time(%dms,%dms) fill(none)", stepMs, offset)
	var buckets []Bucket
	err := x.ask(ctx, b.String(), func(_ int, _ labels, timeMs int64, values []any) error {
		if len(values) != 4 {
			return fmt.Errorf("influxdb gave %d columns for a bucket", len(values))
		}
		numbers := [4]float64{}
		for i, v := range values {
			n, ok := Number(v)
			if !ok {
				return fmt.Errorf("influxdb gave a %T in a bucket of %s", v, q.Fields[0])
			}
			numbers[i] = n
		}
		buckets = append(buckets, Bucket{
			FromMs: timeMs, Min: numbers[0], Max: numbers[1], Mean: numbers[2], Count: int64(numbers[3]),
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return buckets, nil
}

// floorMod is a modulo b in [0, b), also for times before 1970.
func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// writeFrom appends FROM and WHERE. Everything that comes from outside is quoted.
func writeFrom(b *strings.Builder, q *Query) {
	b.WriteString(" FROM " + identifier(q.Measurement) + ` WHERE "site" = ` + text(q.Site))
	if q.Machine != "" {
		b.WriteString(` AND "machine" = ` + text(q.Machine))
	}
	fmt.Fprintf(b, " AND time >= %dms AND time < %dms", q.FromMs, q.ToMs)
}

// The replacements that InfluxQL undoes when it reads a quoted identifier or a quoted text.
var (
	identifierEscapes = strings.NewReplacer("\n", `\n`, `\`, `\\`, `"`, `\"`)
	textEscapes       = strings.NewReplacer("\n", `\n`, `\`, `\\`, `'`, `\'`)
)

func identifier(s string) string { return `"` + identifierEscapes.Replace(s) + `"` }

func text(s string) string { return `'` + textEscapes.Replace(s) + `'` }
