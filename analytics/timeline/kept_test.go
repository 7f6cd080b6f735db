package timeline_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// counting counts what is asked of a store.
type counting struct {
	*tsdb.Memory
	asked int
}

func (c *counting) Read(ctx context.Context, q tsdb.Query, fn func(tsdb.Row) error) error {
	c.asked++
	return c.Memory.Read(ctx, q, fn)
}

// TestKept: what is kept is what is stored, and asks the store no more; what is not kept is read.
func TestKept(t *testing.T) {
	const h = timeline.HourMs
	s := &counting{Memory: tsdb.NewMemory()}
	for _, m := range []string{"a", "b"} {
		for i := range int64(10) {
			hour := timeline.Hour{StartMs: i * h, RunMs: h, RunMilliWh: 40 * i, QuarterMilliWh: [4]int64{10 * i, 10 * i, 10 * i, 10 * i}, Parts: ""}
			require.NoError(t, s.Write(t.Context(), []tsdb.Point{hour.Point("s", m)}))
		}
	}
	k, err := timeline.Keep(t.Context(), s, "s", []string{"a", "b", "silent"}, h, 9*h, true)
	require.NoError(t, err)
	s.asked = 0
	for _, c := range []struct {
		site, machine string
		from, to      int64
		asks          int
	}{
		{"s", "a", h, 9 * h, 0}, {"s", "b", 2*h + 1, 5 * h, 0}, {"s", "silent", h, 9 * h, 0}, {"s", "a", 5 * h, 4 * h, 0},
		{"s", "a", 0, 9 * h, 1}, {"s", "a", h, 10 * h, 1}, {"s", "new", h, 9 * h, 1}, {"other", "a", h, 9 * h, 1},
	} {
		s.asked = 0
		got, err := k.ReadHours(t.Context(), s, c.site, c.machine, c.from, c.to)
		require.NoError(t, err)
		require.Equal(t, c.asks, s.asked, "%+v", c)
		want, err := timeline.ReadHours(t.Context(), s, c.site, c.machine, c.from, c.to)
		require.NoError(t, err)
		require.Len(t, got, len(want), "%+v", c)
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	}
	all, err := k.SiteHours(t.Context(), s, "s", []string{"a", "b", "silent"}, h, 4*h)
	require.NoError(t, err)
	want, err := timeline.SiteHours(t.Context(), s.Memory, "s", []string{"a", "b", "silent"}, h, 4*h)
	require.NoError(t, err)
	require.Len(t, all, len(want))
	require.Len(t, all["a"], 3)
	var none *timeline.Kept
	got, err := none.ReadHours(t.Context(), s, "s", "a", 0, 3*h)
	require.NoError(t, err)
	require.Len(t, got, 3)
}
