package tsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// SiteQuery asks for rows of some machines of a site at once.
type SiteQuery struct {
	Measurement  string
	Site         string
	Machines     []string // at least one
	Fields       []string // at least one; a row appears when at least one of them is present
	FromMs, ToMs int64    // half-open [FromMs, ToMs)
}

// SiteReader is a Store with a way of its own to read many machines.
type SiteReader interface {
	// ReadSites streams the rows of each query to fn with the number of the query, stopping at fn's first error, which it
	// returns. Rows of one machine ascend and stand together.
	ReadSites(ctx context.Context, queries []SiteQuery, fn func(query int, r Row) error) error
}

// ReadSites reads by s's own way when s is a SiteReader, else machine by machine. Both give the same rows.
func ReadSites(ctx context.Context, s Store, queries []SiteQuery, fn func(query int, r Row) error) error {
	if own, ok := s.(SiteReader); ok {
		return own.ReadSites(ctx, queries, fn)
	}
	for i, q := range queries {
		for _, m := range q.Machines {
			one := Query{Measurement: q.Measurement, Site: q.Site, Machine: m, Fields: q.Fields, FromMs: q.FromMs, ToMs: q.ToMs}
			if err := s.Read(ctx, one, func(r Row) error { return fn(i, r) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// sitesPerRequest bounds the statements of one request: InfluxDB works them off one after another.
const sitesPerRequest = 64

// machinesByName is how many machines are asked for by name. InfluxDB 1.8 gives two of twenty machines six times as fast when
// they are named, but it looks at every name for every series: from about seven names on, all of the site cost less.
const machinesByName = 6

// ReadSites implements SiteReader: one statement for each site, grouped by machine.
func (x *Influx) ReadSites(ctx context.Context, queries []SiteQuery, fn func(query int, r Row) error) error {
	for begin := 0; begin < len(queries); begin += sitesPerRequest {
		part := queries[begin:min(len(queries), begin+sitesPerRequest)]
		err := x.readSites(ctx, part, func(query int, r Row) error { return fn(begin+query, r) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Influx) readSites(ctx context.Context, queries []SiteQuery, fn func(query int, r Row) error) error {
	var b strings.Builder
	wanted := make([]map[string]bool, len(queries))
	asked := make([]int, 0, len(queries)) // statement → query
	for i, s := range queries {
		q := Query{Measurement: s.Measurement, Site: s.Site, Fields: s.Fields, FromMs: s.FromMs, ToMs: s.ToMs}
		if err := checkQuery(&q, false); err != nil {
			return err
		}
		if !clamp(&q) || len(s.Machines) == 0 {
			continue
		}
		if len(s.Machines) == 1 {
			q.Machine = s.Machines[0]
		}
		wanted[i] = make(map[string]bool, len(s.Machines))
		for _, m := range s.Machines {
			wanted[i][m] = true
		}
		b.WriteString("SELECT ")
		for k, f := range q.Fields {
			if k > 0 {
				b.WriteByte(',')
			}
			b.WriteString(identifier(f))
		}
		writeFrom(&b, &q)
		if n := len(s.Machines); n > 1 && n <= machinesByName {
			for k, m := range s.Machines {
				b.WriteString([]string{" AND (", " OR "}[min(k, 1)] + `"machine" = ` + text(m))
			}
			b.WriteByte(')')
		}
		b.WriteString(` GROUP BY "machine";`)
		asked = append(asked, i)
	}
	if len(asked) == 0 {
		return nil
	}
	var row Row
	return x.ask(ctx, b.String(), func(statement int, series labels, timeMs int64, values []any) error {
		if statement < 0 || statement >= len(asked) {
			return errors.New("influxdb answered a statement that was not asked")
		}
		i := asked[statement]
		if len(values) != len(queries[i].Fields) {
			return fmt.Errorf("influxdb gave %d columns for %d fields", len(values), len(queries[i].Fields))
		}
		if !wanted[i][series.machine] {
			return nil
		}
		row.Machine, row.TimeMs, row.Values = series.machine, timeMs, values
		return fn(i, row)
	})
}
