package tsdbtest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// testSums: whatever way a store has to add numbers up, it says what its rows say.
func testSums(t *testing.T, f *fixture) {
	const hour = 3_600_000
	from := epochMs - epochMs%hour
	var points []tsdb.Point
	for i := range int64(3000) {
		p := f.point("lathe", from+i*7000, field("a", float64(i)*0.1))
		if i%3 == 0 {
			p.Fields = append(p.Fields, field("b", float64(i)))
		}
		if i%100 == 0 {
			p.Fields = append(p.Fields, field("b_q", "stale"), field("flag", true))
		}
		if i < 1200 || i > 2000 {
			points = append(points, p)
		}
	}
	points = append(points, f.point("mill", from, field("a", 9.0)), f.point("lathe", from+50*hour, field("b_q", "fault")))
	f.write(t, points...)
	for _, fields := range [][]string{{"a"}, {"b", "a"}, {"flag", "a"}, {"nothing"}} {
		q := tsdb.NumberQuery{Measurement: f.measurement, Site: f.site, Machine: "lathe", Fields: fields, FromMs: from, ToMs: from + 60*hour}
		read := func(s tsdb.Store) (out []tsdb.SumRow) {
			require.NoError(t, tsdb.ReadSums(context.Background(), s, q, hour, func(r tsdb.SumRow) error {
				r.Count, r.Qualities, r.Total = slices.Clone(r.Count), slices.Clone(r.Qualities), slices.Clone(r.Total)
				if r.Total[len(r.Total)-1] != 0 || r.Qualities[0] != 0 {
					out = append(out, r)
				}
				return nil
			}))
			return out
		}
		require.Equal(t, read(struct{ tsdb.Store }{f.Store}), read(f.Store), fields)
	}
	q := tsdb.NumberQuery{Measurement: f.measurement, Site: f.site, Machine: "lathe", Fields: []string{"a"}, FromMs: from + 1, ToMs: from + hour}
	require.ErrorContains(t, tsdb.ReadSums(context.Background(), f.Store, q, hour, nil), "is not made of stretches")
}
