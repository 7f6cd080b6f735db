// Package tsdbtest holds the tests that every tsdb.Store passes.
package tsdbtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// epochMs is where the suite's times start: 1 July 2026 in India.
var epochMs = time.Date(2026, 6, 30, 18, 30, 0, 0, time.UTC).UnixMilli()

// Suite runs every test against store. It uses sites and measurements of its own, drawn at random, so that one
// database can serve many runs.
func Suite(t *testing.T, store tsdb.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"types come back as stored", testTypes},
		{"writing again changes nothing", testIdempotent},
		{"the same instant merges fields, the last one wins", testMerge},
		{"rows when at least one field is present", testSparse},
		{"range, limit and order", testRange},
		{"arrival order does not matter", testShuffled},
		{"a month in many requests", testMonth},
		{"refused points are named, the others stored", testRefused},
		{"everything of a batch refused", testAllRefused},
		{"absurd points are refused before sending", testAbsurd},
		{"numbers with their qualities", testNumbers},
		{"sums", testSums},
		{"many machines at once", testSites},
		{"last value of each field", testLast},
		{"buckets", testBuckets},
		{"buckets of integers and of text", testBucketKinds},
		{"names from outside are only names", testInjection},
		{"texts survive", testTexts},
		{"queries without sense", testBadQueries},
		{"callback error stops the reading", testCallbackError},
		{"writing while reading", testWriteInCallback},
		{"concurrent writers and readers", testConcurrent},
		{"ended context", testContext},
		{"unknown names give nothing", testUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{Store: store, site: fmt.Sprintf("s%08x", rand.Uint32()), measurement: fmt.Sprintf("m%016x", rand.Uint64())}
			test.run(t, f)
		})
	}
	t.Run("ping", func(t *testing.T) { require.NoError(t, store.Ping(context.Background())) })
}

// fixture is a store with a site and a measurement nobody else uses.
type fixture struct {
	tsdb.Store
	site, measurement string
}

func (f *fixture) point(machine string, timeMs int64, fields ...tsdb.Field) tsdb.Point {
	return tsdb.Point{Measurement: f.measurement, Site: f.site, Machine: machine, TimeMs: timeMs, Fields: fields}
}

func (f *fixture) query(machine string, fields ...string) tsdb.Query {
	return tsdb.Query{
		Measurement: f.measurement, Site: f.site, Machine: machine, Fields: fields,
		FromMs: epochMs - 1_000_000, ToMs: epochMs + 40*86_400_000,
	}
}

func (f *fixture) write(t *testing.T, points ...tsdb.Point) {
	t.Helper()
	require.NoError(t, f.Write(context.Background(), points))
}

// rows reads everything the query gives, copied.
func (f *fixture) rows(t *testing.T, q tsdb.Query) []tsdb.Row {
	t.Helper()
	var rows []tsdb.Row
	require.NoError(t, f.Read(context.Background(), q, func(r tsdb.Row) error {
		r.Values = append([]any(nil), r.Values...)
		rows = append(rows, r)
		return nil
	}))
	return rows
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("unexpected answer (-want +got):\n%s", diff)
	}
}

func field(key string, v any) tsdb.Field { return tsdb.Field{Key: key, Value: v} }

func row(machine string, timeMs int64, values ...any) tsdb.Row {
	return tsdb.Row{Machine: machine, TimeMs: timeMs, Values: values}
}

func testTypes(t *testing.T, f *fixture) {
	floats := []float64{0, 1, -1, 0.1, 230.25, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, -1e-7, 1 << 53}
	ints := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 53, 40_000, 7, -129, 255}
	texts := []string{"", "run", "true", "1", "काम", "a b", "a,b=c", `"quoted"`, `back\slash\`, "two\nlines"}
	var points []tsdb.Point
	var want []tsdb.Row
	for i := range floats {
		ms := epochMs + int64(i)
		points = append(points, f.point("m-1", ms,
			field("f", floats[i]), field("i", ints[i]), field("t", texts[i]), field("b", i%2 == 0)))
		want = append(want, row("m-1", ms, floats[i], ints[i], texts[i], i%2 == 0))
	}
	f.write(t, points...)
	same(t, want, f.rows(t, f.query("m-1", "f", "i", "t", "b")))
}

func testIdempotent(t *testing.T, f *fixture) {
	p := []tsdb.Point{f.point("m-1", epochMs, field("f", 1.5)), f.point("m-1", epochMs+1, field("f", 2.5))}
	f.write(t, p...)
	f.write(t, p[1], p[0])
	f.write(t, p...)
	same(t, []tsdb.Row{row("m-1", epochMs, 1.5), row("m-1", epochMs+1, 2.5)}, f.rows(t, f.query("m-1", "f")))
}

func testMerge(t *testing.T, f *fixture) {
	f.write(t,
		f.point("m-1", epochMs, field("a", 1.0)),
		f.point("m-1", epochMs, field("b", 2.0)),
		f.point("m-1", epochMs, field("a", 3.0)))
	same(t, []tsdb.Row{row("m-1", epochMs, 3.0, 2.0)}, f.rows(t, f.query("m-1", "a", "b")))
	f.write(t, f.point("m-1", epochMs, field("b", 4.0), field("c", 5.0)))
	same(t, []tsdb.Row{row("m-1", epochMs, 3.0, 4.0, 5.0)}, f.rows(t, f.query("m-1", "a", "b", "c")))
}

func testSparse(t *testing.T, f *fixture) {
	f.write(t,
		f.point("m-1", epochMs, field("a", 1.0)),
		f.point("m-1", epochMs+1, field("c", 1.0)),
		f.point("m-1", epochMs+2, field("b", true), field("c", 2.0)),
		f.point("m-2", epochMs+3, field("a", 9.0)))
	same(t, []tsdb.Row{row("m-1", epochMs, 1.0, nil), row("m-1", epochMs+2, nil, true)}, f.rows(t, f.query("m-1", "a", "b")))
	same(t, []tsdb.Row{row("m-1", epochMs, nil, 1.0), row("m-1", epochMs+2, true, nil)}, f.rows(t, f.query("m-1", "b", "a")))
	same(t, []tsdb.Row{row("m-2", epochMs+3, 9.0, nil)}, f.rows(t, f.query("m-2", "a", "never_written")))
}

func testRange(t *testing.T, f *fixture) {
	var points []tsdb.Point
	for i := range int64(10) {
		points = append(points, f.point("m-1", epochMs+i, field("i", i)))
	}
	points = append(points, f.point("m-1", -5_000, field("i", int64(-5)))) // before 1970
	f.write(t, points...)
	times := func(change func(*tsdb.Query)) []int64 {
		q := f.query("m-1", "i")
		change(&q)
		got := []int64{}
		for _, r := range f.rows(t, q) {
			got = append(got, r.Values[0].(int64))
		}
		return got
	}
	same(t, []int64{3, 4}, times(func(q *tsdb.Query) { q.FromMs, q.ToMs = epochMs+3, epochMs+5 }))
	same(t, []int64{9, 8}, times(func(q *tsdb.Query) { q.Descending, q.Limit = true, 2 }))
	same(t, []int64{0, 1, 2}, times(func(q *tsdb.Query) { q.Limit = 3 }))
	same(t, []int64{}, times(func(q *tsdb.Query) { q.FromMs, q.ToMs = epochMs+5, epochMs+5 }))
	same(t, []int64{}, times(func(q *tsdb.Query) { q.FromMs, q.ToMs = epochMs+5, epochMs }))
	same(t, []int64{-5, 0}, times(func(q *tsdb.Query) { q.FromMs, q.ToMs, q.Limit = math.MinInt64, math.MaxInt64, 2 }))
	same(t, []int64{-5}, times(func(q *tsdb.Query) { q.FromMs, q.ToMs = -5_000, 0 }))
}

func testShuffled(t *testing.T, f *fixture) {
	var points []tsdb.Point
	var want []tsdb.Row
	for i := range int64(2000) {
		ms := epochMs + i*1_200_000 // 28 days: several shards
		points = append(points, f.point("m-1", ms, field("i", i)))
		want = append(want, row("m-1", ms, i))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		f.write(t, points...)
	}
	same(t, want, f.rows(t, f.query("m-1", "i")))
}

func testMonth(t *testing.T, f *fixture) {
	const n, step = 43_200, 60_000 // a row each minute of a month: more than one request and more than one chunk
	points := make([]tsdb.Point, n)
	for i := range points {
		points[i] = f.point("m-1", epochMs+int64(i)*step, field("power_w", float64(i)+0.25), field("energy_wh", float64(2*i)), field("state", "run"))
	}
	f.write(t, points...)
	i := 0
	require.NoError(t, f.Read(context.Background(), f.query("m-1", "power_w", "energy_wh", "state"), func(r tsdb.Row) error {
		if r.TimeMs != epochMs+int64(i)*step || r.Values[0] != float64(i)+0.25 || r.Values[1] != float64(2*i) || r.Values[2] != "run" {
			return fmt.Errorf("row %d is %v", i, r)
		}
		i++
		return nil
	}))
	require.Equal(t, n, i)
}

func testRefused(t *testing.T, f *fixture) {
	f.write(t, f.point("m-1", epochMs-1, field("power_w", 1.0)))
	const n = 100
	bad := map[int]bool{0: true, 17: true, 18: true, 63: true, 99: true}
	var points []tsdb.Point
	var want []tsdb.Row
	for i := range n {
		ms := epochMs + int64(i)
		if bad[i] {
			points = append(points, f.point("m-1", ms, field("power_w", "twelve"), field("good", 1.0)))
			continue
		}
		points = append(points, f.point("m-1", ms, field("power_w", float64(i))))
		want = append(want, row("m-1", ms, float64(i), nil))
	}
	points = append(points, f.point("m-1", epochMs+n, field("power_w", math.NaN())))
	bad[n] = true
	for i := range int64(5) { // good ones far away, that InfluxDB keeps in other shards
		ms := epochMs + (i-2)*10*86_400_000 + 1000
		points = append(points, f.point("m-1", ms, field("power_w", float64(i))))
		if ms >= epochMs {
			want = append(want, row("m-1", ms, float64(i), nil))
		}
	}
	err := f.Write(context.Background(), points)
	var refused *tsdb.PointsError
	require.ErrorAs(t, err, &refused)
	got := map[int]bool{}
	for i, reason := range refused.Refused {
		got[i] = true
		if i < n {
			require.Contains(t, reason, "field type conflict")
			require.Contains(t, reason, "power_w")
		}
	}
	same(t, bad, got)
	require.ErrorContains(t, err, "refused")
	q := f.query("m-1", "power_w", "good")
	q.FromMs = epochMs
	same(t, want, f.rows(t, q))
}

func testAllRefused(t *testing.T, f *fixture) {
	f.write(t, f.point("m-1", epochMs, field("i", int64(1))))
	var points []tsdb.Point
	for i := range int64(1000) {
		points = append(points, f.point("m-1", epochMs+i, field("i", 1.5)))
	}
	var refused *tsdb.PointsError
	require.ErrorAs(t, f.Write(context.Background(), points), &refused)
	require.Len(t, refused.Refused, len(points))
	same(t, []tsdb.Row{row("m-1", epochMs, int64(1))}, f.rows(t, f.query("m-1", "i")))
}

func testAbsurd(t *testing.T, f *fixture) {
	change := func(change func(*tsdb.Point)) tsdb.Point {
		p := f.point("m-1", epochMs, field("f", 1.0))
		change(&p)
		return p
	}
	value := func(v any) tsdb.Point { return f.point("m-1", epochMs, field("f", v)) }
	points := []tsdb.Point{
		value(math.NaN()), value(math.Inf(1)), value(math.Inf(-1)), value(nil), value(3), value(uint64(3)), value(float32(1)),
		value("\xff\xfe"), value("zero\x00byte"), value(strings.Repeat("x", tsdb.MaxTextBytes+1)),
		f.point("m-1", epochMs),
		f.point("m-1", epochMs, field("f", 1.0), field("f", 2.0)),
		f.point("m-1", epochMs, field("", 1.0)),
		f.point("m-1", epochMs, field("time", 1.0)),
		f.point("m-1", epochMs, field("machine", "x")),
		f.point("m-1", epochMs, field("a b", 1.0)),
		f.point("m-1", epochMs, field("_f", 1.0)),
		change(func(p *tsdb.Point) { p.Measurement = "" }),
		change(func(p *tsdb.Point) { p.Measurement = "a,b" }),
		change(func(p *tsdb.Point) { p.Site = "" }),
		change(func(p *tsdb.Point) { p.Site = "a\nb" }),
		change(func(p *tsdb.Point) { p.Machine = "" }),
		change(func(p *tsdb.Point) { p.Machine = `m\` }),
		change(func(p *tsdb.Point) { p.Machine = strings.Repeat("m", 200) }),
		change(func(p *tsdb.Point) { p.TimeMs = math.MaxInt64 }),
		change(func(p *tsdb.Point) { p.TimeMs = math.MinInt64 }),
	}
	good := f.point("m-1", epochMs+7, field("f", 7.0), field("t", strings.Repeat("x", tsdb.MaxTextBytes)))
	var refused *tsdb.PointsError
	require.ErrorAs(t, f.Write(context.Background(), append(points, good)), &refused)
	for i, p := range points {
		require.NotEmpty(t, refused.Refused[i], "point %d: %v", i, p)
	}
	require.Len(t, refused.Refused, len(points))
	same(t, []tsdb.Row{row("m-1", epochMs+7, 7.0)}, f.rows(t, f.query("m-1", "f")))
	require.NoError(t, f.Write(context.Background(), nil), "nothing to write is written")
}

func testLast(t *testing.T, f *fixture) {
	day := int64(86_400_000)
	f.write(t,
		f.point("m-2", epochMs, field("power_w", 5.0), field("state", "idle"), field("n", int64(3))),
		f.point("m-2", epochMs+20*day, field("state", "run")), // far away: another shard
		f.point("m-1", epochMs+5, field("power_w", 7.0), field("ok", true)),
		f.point("m-1", epochMs+4, field("power_w", 6.0), field("n", int64(1))),
		f.point("m-3", epochMs+5, field("other", 7.0)))
	last := func(change func(*tsdb.Query)) []tsdb.Row {
		q := f.query("", "power_w", "state", "n", "ok")
		change(&q)
		rows, err := f.Last(context.Background(), q)
		require.NoError(t, err)
		return rows
	}
	m1 := row("m-1", epochMs+5, 7.0, nil, int64(1), true)
	m2 := row("m-2", epochMs+20*day, 5.0, "run", int64(3), nil)
	same(t, []tsdb.Row{m1, m2}, last(func(*tsdb.Query) {}))
	same(t, []tsdb.Row{m2}, last(func(q *tsdb.Query) { q.Machine = "m-2" }))
	same(t, []tsdb.Row{row("m-2", epochMs, 5.0, "idle", int64(3), nil)}, last(func(q *tsdb.Query) { q.ToMs = epochMs + 4 }))
	same(t, 0, len(last(func(q *tsdb.Query) { q.Machine = "m-9" })))
	same(t, 0, len(last(func(q *tsdb.Query) { q.ToMs = q.FromMs })))
	f.write(t, f.point("m-2", epochMs+21*day, field("power_w", 8.0)))
	m2 = row("m-2", epochMs+21*day, 8.0, "run", int64(3), nil)
	same(t, []tsdb.Row{m1, m2}, last(func(*tsdb.Query) {}))
}

func testBuckets(t *testing.T, f *fixture) {
	var points []tsdb.Point
	for i := range int64(100) {
		if i >= 40 && i < 60 {
			continue
		}
		points = append(points, f.point("m-1", epochMs+i*1000, field("f", float64(i)), field("g", 1.0)))
	}
	f.write(t, points...)
	q := f.query("m-1", "f")
	q.FromMs, q.ToMs = epochMs+5_500, epochMs+95_000 // starts in the middle of a second
	got, err := f.Buckets(context.Background(), q, 20_000)
	require.NoError(t, err)
	same(t, []tsdb.Bucket{
		{FromMs: epochMs + 5_500, Min: 6, Max: 25, Mean: 15.5, Count: 20},
		{FromMs: epochMs + 25_500, Min: 26, Max: 39, Mean: 32.5, Count: 14},
		{FromMs: epochMs + 45_500, Min: 60, Max: 65, Mean: 62.5, Count: 6},
		{FromMs: epochMs + 65_500, Min: 66, Max: 85, Mean: 75.5, Count: 20},
		{FromMs: epochMs + 85_500, Min: 86, Max: 94, Mean: 90, Count: 9},
	}, got)
	q.FromMs, q.ToMs = -4_000, epochMs+40_000 // one stretch that starts before 1970
	got, err = f.Buckets(context.Background(), q, epochMs*2)
	require.NoError(t, err)
	same(t, []tsdb.Bucket{{FromMs: -4_000, Min: 0, Max: 39, Mean: 19.5, Count: 40}}, got)
	for _, step := range []int64{0, -1, math.MaxInt64} {
		_, err = f.Buckets(context.Background(), q, step)
		require.Error(t, err, "step %d", step)
	}
}

func testBucketKinds(t *testing.T, f *fixture) {
	f.write(t,
		f.point("m-1", epochMs, field("i", int64(2)), field("t", "on"), field("b", true)),
		f.point("m-1", epochMs+1, field("i", int64(5)), field("t", "off"), field("b", false)))
	q := f.query("m-1", "i")
	q.FromMs = epochMs
	got, err := f.Buckets(context.Background(), q, 1000)
	require.NoError(t, err)
	same(t, []tsdb.Bucket{{FromMs: epochMs, Min: 2, Max: 5, Mean: 3.5, Count: 2}}, got)
	for _, notNumber := range []string{"t", "b"} {
		q.Fields = []string{notNumber}
		_, err = f.Buckets(context.Background(), q, 1000)
		require.Error(t, err, "field %s", notNumber)
	}
}

// hostile are names that would change a query if they were pasted into it.
var hostile = []string{
	`' OR 1=1 --`, `x' OR "machine" = 'm-1`, `" FROM "secret`, `\`, `\'`, `\"`, `'`, `"`, "a\nb", ";", `"; DROP DATABASE karkhana;`, "/*", "$x", "é",
}

func testInjection(t *testing.T, f *fixture) {
	f.write(t, f.point("m-1", epochMs, field("f", 1.0)))
	ctx := context.Background()
	never := func(tsdb.Row) error { return errors.New("a row came") }
	for _, h := range hostile {
		for name, change := range map[string]func(*tsdb.Query){
			"measurement": func(q *tsdb.Query) { q.Measurement = h },
			"site":        func(q *tsdb.Query) { q.Site = h },
			"machine":     func(q *tsdb.Query) { q.Machine = h },
			"field":       func(q *tsdb.Query) { q.Fields = []string{h} },
		} {
			q := f.query("m-1", "f")
			change(&q)
			require.NoError(t, f.Read(ctx, q, never), "read with %s %q", name, h)
			rows, err := f.Last(ctx, q)
			require.NoError(t, err, "last with %s %q", name, h)
			require.Empty(t, rows)
			buckets, err := f.Buckets(ctx, q, 1000)
			require.NoError(t, err, "buckets with %s %q", name, h)
			require.Empty(t, buckets)
		}
		q := f.query("m-1", h, "f")
		same(t, []tsdb.Row{row("m-1", epochMs, nil, 1.0)}, f.rows(t, q))
	}
}

func testTexts(t *testing.T, f *fixture) {
	rng := rand.New(rand.NewPCG(3, 4))
	alphabet := []rune("ab \\\"',=#\n\r\té{}|कα😀i0")
	var points []tsdb.Point
	var want []tsdb.Row
	for i := range int64(500) {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteRune(alphabet[rng.IntN(len(alphabet))])
		}
		points = append(points, f.point("m-1", epochMs+i, field("t", b.String()), field("i", i), field("u", b.String())))
		want = append(want, row("m-1", epochMs+i, b.String(), i, b.String()))
	}
	f.write(t, points...)
	same(t, want, f.rows(t, f.query("m-1", "t", "i", "u")))
}

func testBadQueries(t *testing.T, f *fixture) {
	for name, change := range map[string]func(*tsdb.Query){
		"no measurement": func(q *tsdb.Query) { q.Measurement = "" },
		"no site":        func(q *tsdb.Query) { q.Site = "" },
		"no machine":     func(q *tsdb.Query) { q.Machine = "" },
		"no fields":      func(q *tsdb.Query) { q.Fields = nil },
		"tag as field":   func(q *tsdb.Query) { q.Fields = []string{"machine"} },
		"negative limit": func(q *tsdb.Query) { q.Limit = -1 },
	} {
		q := f.query("m-1", "f")
		change(&q)
		require.Error(t, f.Read(context.Background(), q, func(tsdb.Row) error { return nil }), name)
	}
}

func testCallbackError(t *testing.T, f *fixture) {
	var points []tsdb.Point
	for i := range int64(30_000) {
		points = append(points, f.point("m-1", epochMs+i, field("i", i)))
	}
	f.write(t, points...)
	enough := errors.New("enough")
	seen := 0
	err := f.Read(context.Background(), f.query("m-1", "i"), func(tsdb.Row) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	})
	require.Equal(t, enough, err)
	require.Equal(t, 3, seen)
}

func testWriteInCallback(t *testing.T, f *fixture) {
	f.write(t, f.point("m-1", epochMs, field("f", 1.0)), f.point("m-1", epochMs+1, field("f", 2.0)))
	require.NoError(t, f.Read(context.Background(), f.query("m-1", "f"), func(r tsdb.Row) error {
		return f.Write(context.Background(), []tsdb.Point{f.point("m-2", r.TimeMs, field("f", r.Values[0]))})
	}))
	same(t, []tsdb.Row{row("m-2", epochMs, 1.0), row("m-2", epochMs+1, 2.0)}, f.rows(t, f.query("m-2", "f")))
}

func testConcurrent(t *testing.T, f *fixture) {
	const machines, batches, size = 12, 5, 200
	var group sync.WaitGroup
	failed := make(chan error, 2*machines)
	for m := range machines {
		machine := fmt.Sprintf("m-%d", m)
		group.Go(func() {
			for b := range batches {
				var points []tsdb.Point
				for i := range size {
					points = append(points, f.point(machine, epochMs+int64(b*size+i), field("i", int64(i))))
				}
				if err := f.Write(context.Background(), points); err != nil {
					failed <- err
					return
				}
			}
		})
		group.Go(func() {
			if _, err := f.Last(context.Background(), f.query("", "i")); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	close(failed)
	require.NoError(t, <-failed)
	for m := range machines {
		require.Len(t, f.rows(t, f.query(fmt.Sprintf("m-%d", m), "i")), batches*size)
	}
}

func testContext(t *testing.T, f *fixture) {
	f.write(t, f.point("m-1", epochMs, field("f", 1.0)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, f.Write(ctx, []tsdb.Point{f.point("m-1", epochMs, field("f", 2.0))}), context.Canceled)
	require.ErrorIs(t, f.Read(ctx, f.query("m-1", "f"), func(tsdb.Row) error { return nil }), context.Canceled)
	_, err := f.Last(ctx, f.query("m-1", "f"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = f.Buckets(ctx, f.query("m-1", "f"), 1000)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, f.Ping(ctx), context.Canceled)
}

func testUnknown(t *testing.T, f *fixture) {
	require.Empty(t, f.rows(t, f.query("m-1", "f")))
	rows, err := f.Last(context.Background(), f.query("", "f"))
	require.NoError(t, err)
	require.Empty(t, rows)
	buckets, err := f.Buckets(context.Background(), f.query("m-1", "f"), 1000)
	require.NoError(t, err)
	require.Empty(t, buckets)
}
