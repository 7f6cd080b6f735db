package utilisation_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// folded is a sink that stores pieces and hours as the service does.
type folded struct {
	t     require.TestingT
	store tsdb.Store
}

func (f folded) write(p tsdb.Point) {
	require.NoError(f.t, f.store.Write(context.Background(), []tsdb.Point{p}))
}
func (f folded) Piece(p timeline.Interval) { f.write(p.Point("cfc", "lathe")) }
func (f folded) Hour(h timeline.Hour)      { f.write(h.Point("cfc", "lathe")) }
func (folded) Checkpoint(int64, string)    {}

// counted is a store that counts how often pieces of the past are read, and may hide the parts of hours, as hours stored by
// an earlier version have none.
type counted struct {
	tsdb.Store
	hide   bool
	pieces int
}

func (c *counted) Read(ctx context.Context, q tsdb.Query, fn func(tsdb.Row) error) error {
	if q.Measurement == tsdb.State {
		c.pieces++
	}
	return c.Store.Read(ctx, q, func(r tsdb.Row) error {
		for i, f := range q.Fields {
			if c.hide && q.Measurement == tsdb.MachineHour && f == timeline.FieldParts {
				r.Values[i] = nil
			}
		}
		return fn(r)
	})
}

// What an hour says of its own states gives the same figures as its pieces, without reading them.
func TestPartsOfHoursAreTheirPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := tsdb.NewMemory()
		sink := folded{rt, store}
		rules := fold.NewRules(kolkata, fold.Rule{
			IdleAbove: 100, RunAbove: 1000, GapLimitMs: 180_000, DwellIdleMs: rapid.SampledFrom([]int64{0, 45_000}).Draw(rt, "dwell"),
		})
		f := fold.New(rules, sink)
		end := midnight + 2*day
		energy := 0.0
		for ms := midnight + rapid.Int64Range(0, 3*hour).Draw(rt, "first"); ms < end; {
			w := rapid.SampledFrom([]float64{0, 300, 2000}).Draw(rt, "w")
			for to := ms + rapid.Int64Range(minute, 5*hour).Draw(rt, "for"); ms < to && ms < end; ms += 60_000 {
				f.Step(fold.Sample{TimeMs: ms, Signal: w, PowerW: w, EnergyWh: energy, Has: fold.HasSignal | fold.HasEnergy | fold.HasPower})
				energy += w / 60
			}
			ms += rapid.SampledFrom([]int64{0, 0, 0, 17 * minute, 3 * hour}).Draw(rt, "gap")
		}
		f.Tip(sink)
		reg := &fakeRegistry{calendar: weekdays()}
		for at := midnight; at < end; {
			s := registry.Session{StartMs: at + rapid.Int64Range(0, 3*hour).Draw(rt, "tap")}
			s.EndMs = s.StartMs + rapid.Int64Range(1, 4*hour).Draw(rt, "held")
			reg.sessions = append(reg.sessions, s)
			at = s.EndMs
		}
		for _, by := range []string{utilisation.ByHour, utilisation.ByShift, utilisation.ByDay, utilisation.ByMonth, utilisation.ByYear} {
			q := utilisation.Asked{Site: "cfc", Machines: []string{"lathe"}, FromMs: midnight, ToMs: end, By: by, NowMs: end + 9*day}
			told, pieces := &counted{Store: store}, &counted{Store: store, hide: true}
			got, err := utilisation.SiteKPIs(context.Background(), utilisation.Deps{Store: told, Registry: reg}, q)
			require.NoError(rt, err)
			want, err := utilisation.SiteKPIs(context.Background(), utilisation.Deps{Store: pieces, Registry: reg}, q)
			require.NoError(rt, err)
			require.Equal(rt, want, got)
			if by != utilisation.ByShift {
				require.Zero(rt, told.pieces, "pieces are read by %s", by)
			}
		}
	})
}
