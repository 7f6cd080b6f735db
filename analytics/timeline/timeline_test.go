package timeline

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// pieceStore is the smallest store that can answer Read: one machine's points of one measurement.
type pieceStore struct {
	tsdb.Store
	points map[int64]tsdb.Point
}

func (s *pieceStore) put(iv ...Interval) {
	if s.points == nil {
		s.points = map[int64]tsdb.Point{}
	}
	for _, p := range iv {
		s.points[p.StartMs] = p.Point("s", "m")
	}
}

func (s *pieceStore) Read(_ context.Context, q tsdb.Query, fn func(tsdb.Row) error) error {
	var times []int64
	for t := range s.points {
		if t >= q.FromMs && t < q.ToMs {
			times = append(times, t)
		}
	}
	slices.Sort(times)
	if q.Descending {
		slices.Reverse(times)
	}
	for i, t := range times {
		if q.Limit > 0 && i == q.Limit {
			break
		}
		row := tsdb.Row{Machine: "m", TimeMs: t, Values: make([]any, len(q.Fields))}
		for k, name := range q.Fields {
			for _, f := range s.points[t].Fields {
				if f.Key == name {
					row.Values[k] = f.Value
				}
			}
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

func iv(state string, start, end, energy int64) Interval {
	return Interval{State: state, StartMs: start, EndMs: end, EnergyMilliWh: energy}
}

func open(i Interval) Interval { i.Open = true; return i }

func noData(start, end int64) Interval {
	return Interval{State: StateUnknown, StartMs: start, EndMs: end, Cause: CauseNoData}
}

func TestRead(t *testing.T) {
	const h = HourMs
	base := []Interval{
		iv(StateOff, 1*h, 2*h, 10), iv(StateOff, 2*h, 3*h, 11), iv(StateRun, 3*h, 4*h, 500), iv(StateRun, 4*h, 4*h+60_000, 7),
		iv(StateVoid, 4*h+30_000, 4*h+40_000, 99),
		iv(StateUnknown, 4*h+60_000, 7*h, 3), open(iv(StateIdle, 7*h, 7*h+5_000, 1)),
	}
	off, run, unknown := iv(StateOff, 1*h, 3*h, 21), iv(StateRun, 3*h, 4*h+60_000, 507), iv(StateUnknown, 4*h+60_000, 7*h, 3)
	for _, c := range []struct {
		name          string
		from, to, now int64
		want          []Interval
	}{
		{"all, fresh", 0, 7*h + 20_000, 7*h + 10_000, []Interval{noData(0, h), off, run, unknown,
			open(iv(StateIdle, 7*h, 7*h+10_000, 1)), noData(7*h+10_000, 7*h+20_000)}},
		{"stale", 7 * h, 8 * h, 9 * h, []Interval{open(iv(StateIdle, 7*h, 7*h+5_000, 1)), noData(7*h+5_000, 8*h)}},
		{"whole though asked for a slice", 2*h + 1, 2*h + 2, 9 * h, []Interval{off}},
		{"edge belongs to the later interval", 3 * h, 3*h + 1, 9 * h, []Interval{run}},
		{"inside unknown", 5 * h, 6 * h, 9 * h, []Interval{unknown}},
		{"long before", -9 * h, -8 * h, 9 * h, []Interval{noData(-9*h, -8*h)}},
		{"long after", 20 * h, 21 * h, 30 * h, []Interval{noData(20*h, 21*h)}},
		{"empty range", h, h, 9 * h, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &pieceStore{}
			s.put(base...)
			got, err := Read(t.Context(), s, "s", "m", c.from, c.to, c.now, 180_000)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestReadNothingStored(t *testing.T) {
	got, err := Read(t.Context(), &pieceStore{}, "s", "m", 5, 9, 100, 180_000)
	require.NoError(t, err)
	require.Equal(t, []Interval{noData(5, 9)}, got)
}

func TestReadManyPiecesBackAndAhead(t *testing.T) {
	s := &pieceStore{}
	s.put(iv(StateRun, 0, HourMs, 1))
	for i := int64(1); i < 1000; i++ {
		s.put(iv(StateOff, i*HourMs, (i+1)*HourMs, 2))
	}
	s.put(open(iv(StateRun, 1000*HourMs, 1000*HourMs, 0)))
	got, err := Read(t.Context(), s, "s", "m", 500*HourMs, 500*HourMs+1, 2000*HourMs, 180_000)
	require.NoError(t, err)
	require.Equal(t, []Interval{iv(StateOff, HourMs, 1000*HourMs, 2*999)}, got)
}

// In the middle of a rebuild pieces may overlap or leave a hole: the later start counts, the hole is unknown.
func TestReadDuringRebuild(t *testing.T) {
	s := &pieceStore{}
	s.put(open(iv(StateRun, 0, 100, 1)), iv(StateOff, 60, 200, 1), iv(StateRun, 250, 300, 1))
	got, err := Read(t.Context(), s, "s", "m", 0, 300, 1000, 10)
	require.NoError(t, err)
	require.Equal(t, []Interval{iv(StateRun, 0, 60, 1), iv(StateOff, 60, 200, 1), iv(StateUnknown, 200, 250, 0), iv(StateRun, 250, 300, 1)}, got)
}

func TestClip(t *testing.T) {
	in := []Interval{iv(StateOff, 0, 10, 100), open(iv(StateRun, 10, 13, 10))}
	require.Equal(t, in, Clip(in, -5, 20))
	a, b := Clip(in, 0, 11), Clip(in, 11, 13)
	require.Equal(t, int64(10), a[1].EnergyMilliWh+b[0].EnergyMilliWh, "parts add up")
	require.False(t, a[1].Open)
	require.True(t, b[0].Open)
	require.True(t, a[1].EnergyEstimated)
	require.Empty(t, Clip(in, 13, 20))
}

func TestShare(t *testing.T) {
	require.Equal(t, int64(33), Share(100, 1, 3))
	require.Equal(t, int64(-33), Share(-100, 1, 3))
	require.Equal(t, int64(100), Share(100, 0, 0))
	require.Equal(t, int64(1)<<61, Share(1<<62, 1<<40, 1<<41), "no overflow")
}

func TestHourFloor(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	at := time.Date(2026, 11, 1, 0, 10, 0, 0, zone)
	require.Equal(t, time.Date(2026, 11, 1, 0, 0, 0, 0, zone).UnixMilli(), HourFloor(at.UnixMilli(), zone))
	require.Equal(t, 30, time.UnixMilli(HourFloor(at.UnixMilli(), zone)).UTC().Minute())
	require.Equal(t, HourFloor(at.UnixMilli(), zone)+HourMs, NextHour(at.UnixMilli(), zone))
	edge := HourFloor(at.UnixMilli(), zone)
	require.Equal(t, edge, HourFloor(edge, zone))
	require.Equal(t, edge+HourMs, NextHour(edge, zone))
	require.Equal(t, -HourMs, HourFloor(-1, time.UTC))
}
