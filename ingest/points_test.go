package ingest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

func TestPointsOfAPack(t *testing.T) {
	at := func(ms int64, fields ...tsdb.Field) tsdb.Point {
		return tsdb.Point{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: ms, Fields: fields}
	}
	for _, tt := range []struct {
		name    string
		clock   wire.Clock
		samples []wire.Sample
		want    []tsdb.Point
		values  int
	}{
		{name: "none", clock: wire.ClockSynced},
		{
			name: "merged by instant, stored units", clock: wire.ClockRTC,
			samples: []wire.Sample{
				{TimeMs: 1, Quantity: "power", Number: 5}, {TimeMs: 2, Quantity: "power", Number: 6},
				{TimeMs: 1, Quantity: "vibration", Number: 0.0025}, {TimeMs: 2, Quantity: "card", Text: "c"}, {TimeMs: 1, Quantity: "supply"},
			},
			want: []tsdb.Point{
				at(1, tsdb.Field{Key: "power_w", Value: 5.0}, tsdb.Field{Key: "vibration_mm_s", Value: 2.5}, tsdb.Field{Key: "supply", Value: false}),
				at(2, tsdb.Field{Key: "power_w", Value: 6.0}, tsdb.Field{Key: "card", Value: "c"}),
			},
			values: 5,
		},
		{
			name: "quality beside the value, fault without", clock: wire.ClockSynced,
			samples: []wire.Sample{
				{TimeMs: 1, Quantity: "power", Number: 5, Quality: "stale"}, {TimeMs: 1, Quantity: "temperature", Quality: "fault:open"},
			},
			want:   []tsdb.Point{at(1, tsdb.Field{Key: "power_w", Value: 5.0}, tsdb.Field{Key: "power_w_q", Value: "stale"}, tsdb.Field{Key: "temperature_c_q", Value: "fault:open"})},
			values: 3,
		},
		{
			name: "doubtful clock", clock: wire.ClockRepaired,
			samples: []wire.Sample{{TimeMs: 1, Quantity: "power", Number: 5}, {TimeMs: 2, Quantity: "power", Number: 6}},
			want: []tsdb.Point{
				at(1, tsdb.Field{Key: "power_w", Value: 5.0}, tsdb.Field{Key: "clock", Value: "repaired"}),
				at(2, tsdb.Field{Key: "power_w", Value: 6.0}, tsdb.Field{Key: "clock", Value: "repaired"}),
			},
			values: 2,
		},
		{
			name: "no clock at all", clock: wire.ClockBounded,
			samples: []wire.Sample{{TimeMs: 1, Quantity: "power", Number: 5}},
			want: []tsdb.Point{
				at(1, tsdb.Field{Key: "power_w", Value: 5.0}, tsdb.Field{Key: "clock", Value: "bounded"}, tsdb.Field{Key: tsdb.TimeBounded, Value: int64(1)}),
			},
			values: 1,
		},
		{
			name: "twice in an instant: the later counts", clock: wire.ClockSynced,
			samples: []wire.Sample{{TimeMs: 1, Quantity: "power", Number: 5}, {TimeMs: 1, Quantity: "power", Number: 6}},
			want:    []tsdb.Point{at(1, tsdb.Field{Key: "power_w", Value: 6.0})},
			values:  1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b lineBuilder
			pointsOf(t, &b, packOf(1, "m")) // scratch of another pack
			got, values := pointsOf(t, &b, &wire.Pack{Site: "s", Machine: "m", Clock: tt.clock, Samples: tt.samples})
			require.Empty(t, cmp.Diff(tt.want, got))
			require.Equal(t, tt.values, values)
		})
	}
}

// Whatever the order of the samples, the same points come out.
func TestPointsDoNotDependOnOrder(t *testing.T) {
	quantities := []string{"power", "energy", "temperature", "crest"}
	rapid.Check(t, func(t *rapid.T) {
		p := &wire.Pack{Site: "s", Machine: "m", Clock: wire.ClockBounded}
		want := map[string]bool{}
		n := rapid.IntRange(1, 40).Draw(t, "n")
		for i := range n {
			s := wire.Sample{TimeMs: int64(i / len(quantities)), Quantity: quantities[i%len(quantities)], Number: float64(i)}
			s.Quality = rapid.SampledFrom([]string{"", "", "stale", "fault:open"}).Draw(t, "quality")
			p.Samples = append(p.Samples, s)
		}
		lines := func() (out []string) {
			var b lineBuilder
			points, _ := pointsOf(t, &b, p)
			for _, pt := range points {
				for _, f := range pt.Fields {
					out = append(out, fmt.Sprint(pt.TimeMs, f.Key, f.Value))
				}
			}
			slices.Sort(out)
			return out
		}
		first := lines()
		for _, l := range first {
			require.False(t, want[l], "%s twice", l)
			want[l] = true
		}
		p.Samples = rapid.Permutation(p.Samples).Draw(t, "order")
		require.Equal(t, first, lines())
	})
}

// pointsOf reads back what a pack becomes.
func pointsOf(t require.TestingT, b *lineBuilder, p *wire.Pack) ([]tsdb.Point, int) {
	var l tsdb.Lines
	values := b.append(&l, p)
	points, err := l.Points()
	require.NoError(t, err)
	return points, values
}
