package analytics

import (
	"context"
	"slices"

	"karkhana/analytics/fold"
	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// reading is a machine whose samples of [fromMs, toMs) are read together with those of others.
type reading struct {
	src          *source
	fromMs, toMs int64
	group        int64 // machines of a site are read by one statement when they are of one group
	columns      []int // of the statement, for each field of src
	tapped       bool  // a card was there
	fn           func(fold.Sample) error
}

// readTogether reads the samples of many machines; none of them may want texts. fn of a machine gets them in ascending
// time, one machine after another.
func readTogether(ctx context.Context, store tsdb.Store, of []*reading) error {
	type key struct {
		site  string
		group int64
	}
	at := map[key]int{}
	var queries []tsdb.SiteQuery
	var machines []map[string]*reading
	for _, r := range of {
		k := key{r.src.site, r.group}
		i, ok := at[k]
		if !ok {
			i = len(queries)
			at[k] = i
			queries = append(queries, tsdb.SiteQuery{
				Measurement: tsdb.Telemetry, Site: r.src.site, FromMs: r.fromMs, ToMs: r.toMs, Fields: []string{quantity.Field(quantity.Card)},
			})
			machines = append(machines, map[string]*reading{})
		}
		q := &queries[i]
		q.FromMs, q.ToMs = min(q.FromMs, r.fromMs), max(q.ToMs, r.toMs)
		q.Machines = append(q.Machines, r.src.machine)
		r.columns = r.columns[:0]
		for _, f := range r.src.fields {
			c := slices.Index(q.Fields, f)
			if c < 0 {
				c = len(q.Fields)
				q.Fields = append(q.Fields, f, f+"_q")
			}
			r.columns = append(r.columns, c)
		}
		machines[i][r.src.machine] = r
	}
	var values []float64
	var quality []string
	return tsdb.ReadSites(ctx, store, queries, func(i int, row tsdb.Row) error {
		r := machines[i][row.Machine]
		if r == nil || row.TimeMs < r.fromMs || row.TimeMs >= r.toMs {
			return nil
		}
		r.tapped = r.tapped || row.Values[0] != nil
		values, quality = values[:0], quality[:0]
		for _, c := range r.columns {
			v, q := tsdb.QualifiedNumber(row.Values[c], row.Values[c+1])
			values, quality = append(values, v), append(quality, q)
		}
		if x := r.src.sample(row.TimeMs, values, quality, nil); x.Has != 0 {
			return r.fn(x)
		}
		return nil
	})
}
