package utilisation_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// fill writes so many days of states of machines that change every 13 minutes by day, with three sessions a day, and
// returns the registry that knows them.
func fill(t testing.TB, store tsdb.Store, machines int, days int64) *fakeRegistry {
	reg := &fakeRegistry{calendar: weekdays()}
	cycle := []string{timeline.StateRun, timeline.StateIdle, timeline.StateRun, timeline.StateOff}
	for i := range machines {
		id := fmt.Sprintf("m-%d", i)
		reg.machines = append(reg.machines, registry.Machine{ID: id, Class: "cutting"})
		var points []tsdb.Point
		for h := range days * 24 {
			start := midnight + h*hour
			total := timeline.Hour{StartMs: start}
			add := func(state string, from, to int64) {
				iv := timeline.Interval{State: state, StartMs: start + from*minute, EndMs: start + to*minute, EnergyMilliWh: 10 * (to - from)}
				points = append(points, iv.Point("cfc", id))
				switch ms := (to - from) * minute; state {
				case timeline.StateRun:
					total.RunMs, total.RunMilliWh = total.RunMs+ms, total.RunMilliWh+iv.EnergyMilliWh
				case timeline.StateIdle:
					total.IdleMs, total.IdleMilliWh = total.IdleMs+ms, total.IdleMilliWh+iv.EnergyMilliWh
				default:
					total.OffMs, total.OffMilliWh = total.OffMs+ms, total.OffMilliWh+iv.EnergyMilliWh
				}
			}
			if clock := h % 24; clock < 8 || clock >= 20 {
				add(timeline.StateOff, 0, 60)
			} else {
				for k, at := 0, int64(0); at < 60; k++ {
					to := min(60, at+13)
					add(cycle[(k+i+int(h))%4], at, to)
					at = to
				}
			}
			points = append(points, total.Point("cfc", id))
		}
		require.NoError(t, store.Write(context.Background(), points))
		for d := range days {
			for _, from := range []int64{9*60 + 7, 12*60 + 40, 16*60 + 21} {
				at := midnight + d*day + from*minute
				reg.sessions = append(reg.sessions, registry.Session{Machine: id, StartMs: at, EndMs: at + 2*hour})
			}
		}
	}
	return reg
}

// InfluxDB and memory give the same figures, of all machines at once and of one alone.
func TestInflux(t *testing.T) {
	memory, influx := tsdb.NewMemory(), influxdtest.Store(t)
	reg := fill(t, memory, 3, 4)
	fill(t, influx, 3, 4)
	for _, by := range []string{utilisation.ByShift, utilisation.ByDay, utilisation.ByMonth} {
		q := utilisation.Asked{Site: "cfc", FromMs: midnight, ToMs: midnight + 4*day, By: by, NowMs: midnight + 40*day}
		want, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: memory, Registry: reg}, q)
		require.NoError(t, err)
		require.Len(t, want, 3)
		got, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: influx, Registry: reg}, q)
		require.NoError(t, err)
		require.Equal(t, want, got)
		q.Machines = []string{"m-1"}
		one, err := utilisation.SiteKPIs(t.Context(), utilisation.Deps{Store: influx, Registry: reg}, q)
		require.NoError(t, err)
		require.Equal(t, want[1:2], one)
	}
}

// BenchmarkMonthOfASite is a month of 40 machines from InfluxDB, with a calendar and three sessions a day.
func BenchmarkMonthOfASite(b *testing.B) {
	store := influxdtest.Store(b)
	reg := fill(b, store, 40, 30)
	q := utilisation.Asked{Site: "cfc", FromMs: midnight, ToMs: midnight + 30*day, By: utilisation.ByMonth, NowMs: midnight + 40*day}
	for b.Loop() {
		rows, err := utilisation.SiteKPIs(b.Context(), utilisation.Deps{Store: store, Registry: reg}, q)
		require.NoError(b, err)
		require.NotNil(b, rows[39].KPIs[0].Availability)
	}
}
