package tsdbtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// number is a copy of a tsdb.NumberRow as a Row: NaN and "" become nil.
func number(r tsdb.NumberRow) tsdb.Row {
	out := tsdb.Row{TimeMs: r.TimeMs}
	for _, v := range r.Values {
		if v == v { //nolint:gocritic // not NaN
			out.Values = append(out.Values, v)
		} else {
			out.Values = append(out.Values, nil)
		}
	}
	for _, q := range r.Quality {
		if q != "" {
			out.Values = append(out.Values, q)
		} else {
			out.Values = append(out.Values, nil)
		}
	}
	return out
}

// testNumbers: whatever way a store has to read numbers, the rows are those of Read. Dense and sparse stretches, years
// apart, take turns; fields and qualities come and go.
func testNumbers(t *testing.T, f *fixture) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	var points []tsdb.Point
	at := epochMs - 3*365*86_400_000
	for range 6 {
		step := []int64{1000, 60_000, 3_600_000}[rng.IntN(3)]
		for range rng.IntN(3000) {
			p := f.point("lathe", at)
			for _, name := range []string{"a", "b", "c"} {
				if rng.IntN(5) > 0 {
					p.Fields = append(p.Fields, field(name, float64(rng.IntN(1000))/8))
				}
				if rng.IntN(50) == 0 {
					p.Fields = append(p.Fields, field(name+"_q", "stale"))
				}
			}
			if len(p.Fields) > 0 {
				points = append(points, p)
			}
			at += step
		}
		at += rng.Int64N(300 * 86_400_000)
	}
	points = append(points, f.point("lathe", at, field("a", 1.5)), f.point("lathe", at+1, field("whole", int64(3))))
	f.write(t, points...)
	for _, fields := range [][]string{{"a"}, {"a", "b", "c"}, {"c", "whole"}, {"nothing"}} {
		for _, toMs := range []int64{1 << 43, points[len(points)/2].TimeMs} {
			q := tsdb.Query{Measurement: f.measurement, Site: f.site, Machine: "lathe", Fields: append([]string(nil), fields...), ToMs: toMs}
			for _, name := range fields {
				q.Fields = append(q.Fields, name+"_q")
			}
			var want []tsdb.Row
			for _, r := range f.rows(t, q) { // of ints nothing is to be seen
				r.Machine = ""
				for i, v := range r.Values {
					if _, isInt := v.(int64); isInt {
						r.Values[i] = nil
					}
				}
				want = append(want, r)
			}
			var got []tsdb.Row
			n := tsdb.NumberQuery{Measurement: q.Measurement, Site: q.Site, Machine: q.Machine, Fields: fields, ToMs: toMs}
			require.NoError(t, tsdb.ReadNumbers(context.Background(), f.Store, n, func(r tsdb.NumberRow) error {
				got = append(got, number(r))
				return nil
			}))
			same(t, withSome(want), withSome(got))
		}
	}
	enough := errors.New("enough")
	seen := 0
	err := tsdb.ReadNumbers(context.Background(), f.Store,
		tsdb.NumberQuery{Measurement: f.measurement, Site: f.site, Machine: "lathe", Fields: []string{"a"}, ToMs: 1 << 43},
		func(tsdb.NumberRow) error { seen++; return enough })
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, seen)
}

// withSome leaves out rows without any value.
func withSome(rows []tsdb.Row) []tsdb.Row {
	var out []tsdb.Row
	for _, r := range rows {
		for _, v := range r.Values {
			if v != nil {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

// testSites: reading many machines gives what reading each gives, and no others.
func testSites(t *testing.T, f *fixture) {
	f.write(t,
		f.point("m1", epochMs, field("a", 1.0)), f.point("m1", epochMs+1, field("b", true)), f.point("m1", epochMs+2, field("c", int64(1))),
		f.point("m2", epochMs+1, field("a", 2.0), field("b", false)), f.point("m3", epochMs, field("a", 3.0)),
	)
	one := tsdb.SiteQuery{Measurement: f.measurement, Site: f.site, Machines: []string{"m1", "m2", "m9"}, Fields: []string{"a", "b"}, FromMs: epochMs, ToMs: epochMs + 10}
	single, none, nobody := one, one, one
	single.Machines = []string{"m3"}
	none.FromMs = one.ToMs
	nobody.Machines = nil
	queries := []tsdb.SiteQuery{none, one, nobody, single}
	for range 70 {
		queries = append(queries, none)
	}
	queries = append(queries, single)
	got := map[int][]tsdb.Row{}
	require.NoError(t, tsdb.ReadSites(context.Background(), f.Store, queries, func(query int, r tsdb.Row) error {
		r.Values = append([]any(nil), r.Values...)
		got[query] = append(got[query], r)
		return nil
	}))
	three := []tsdb.Row{row("m3", epochMs, 3.0, nil)}
	same(t, map[int][]tsdb.Row{
		1: {row("m1", epochMs, 1.0, nil), row("m1", epochMs+1, nil, true), row("m2", epochMs+1, 2.0, false)},
		3: three, 74: three,
	}, got)
}
