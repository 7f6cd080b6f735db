package utilisation_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/gap"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
)

var kolkata = func() *time.Location {
	z, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		panic(err)
	}
	return z
}()

// The first day of a month in Kolkata.
var midnight = time.Date(2026, 11, 1, 0, 0, 0, 0, kolkata).UnixMilli()

type fakeRegistry struct {
	gap.Reading // asked for gaps only
	sessions    []registry.Session
	calendar    registry.Calendar
	broken      []registry.Breakdown
	machines    []registry.Machine
}

func (r *fakeRegistry) Gaps(context.Context, string, int64, int64) ([]registry.Gap, error) {
	return nil, nil
}

func (r *fakeRegistry) Machines(context.Context, string) ([]registry.Machine, error) {
	if r.machines != nil {
		return r.machines, nil
	}
	return []registry.Machine{{ID: "lathe", Class: "polishing"}, {ID: "press", Class: "hammering"}, {ID: "main", Class: registry.ClassMainMeter}}, nil
}

func (r *fakeRegistry) Calendar(context.Context, string, int64, int64) (registry.Calendar, error) {
	return r.calendar, nil
}

func (r *fakeRegistry) Breakdowns(context.Context, string, string, int64, int64) ([]registry.Breakdown, error) {
	return r.broken, nil
}

func (r *fakeRegistry) Site(_ context.Context, id string) (registry.Site, error) {
	return registry.Site{ID: id, Zone: "Asia/Kolkata"}, nil
}

func (r *fakeRegistry) SettingsAt(context.Context, string, string) ([]registry.Settings, error) {
	return []registry.Settings{{ReportMs: 1000}}, nil
}

func (r *fakeRegistry) Corrections(context.Context, string, string) ([]registry.Correction, error) {
	return nil, nil
}

func (r *fakeRegistry) Sessions(_ context.Context, _ string, fromMs, toMs int64, _, _ string) ([]registry.Session, error) {
	var out []registry.Session
	for _, s := range r.sessions {
		if s.Machine == "" {
			s.Machine = "lathe"
		}
		if s.StartMs < toMs && (s.EndMs == 0 || s.EndMs > fromMs) {
			out = append(out, s)
		}
	}
	return out, nil
}

// put stores pieces of known states (cut at hours by the caller) and the hours they make.
func put(t require.TestingT, store tsdb.Store, pieces ...timeline.Interval) {
	hours := map[int64]*timeline.Hour{}
	var points []tsdb.Point
	for _, p := range pieces {
		points = append(points, p.Point("cfc", "lathe"))
		start := timeline.HourFloor(p.StartMs, kolkata)
		h := hours[start]
		if h == nil {
			h = &timeline.Hour{StartMs: start}
			hours[start] = h
		}
		length := p.EndMs - p.StartMs
		switch p.State {
		case timeline.StateOff:
			h.OffMs, h.OffMilliWh = h.OffMs+length, h.OffMilliWh+p.EnergyMilliWh
		case timeline.StateIdle:
			h.IdleMs, h.IdleMilliWh = h.IdleMs+length, h.IdleMilliWh+p.EnergyMilliWh
		case timeline.StateRun:
			h.RunMs, h.RunMilliWh = h.RunMs+length, h.RunMilliWh+p.EnergyMilliWh
		default:
			h.UnknownMs, h.UnknownMilliWh = h.UnknownMs+length, h.UnknownMilliWh+p.EnergyMilliWh
		}
	}
	for _, h := range hours {
		points = append(points, h.Point("cfc", "lathe"))
	}
	require.NoError(t, store.Write(context.Background(), points))
}

func piece(state string, from, to, energy int64) timeline.Interval {
	return timeline.Interval{State: state, StartMs: midnight + from, EndMs: midnight + to, EnergyMilliWh: energy}
}

func TestADay(t *testing.T) {
	store := tsdb.NewMemory()
	for h := range int64(24) { // run in the first half of each hour from 9 to 12, off else
		if h >= 9 && h < 12 {
			put(t, store, piece("run", h*hour, h*hour+30*minute, 1000), piece("idle", h*hour+30*minute, (h+1)*hour, 100))
		} else {
			put(t, store, piece("off", h*hour, (h+1)*hour, 1))
		}
	}
	reg := &fakeRegistry{sessions: []registry.Session{
		{StartMs: midnight + 9*hour, EndMs: midnight + 10*hour},              // half of it run
		{StartMs: midnight + 10*hour + 45*minute, EndMs: midnight + 11*hour}, // no run in it
	}}
	d := utilisation.Deps{Store: store, Registry: reg}
	got, err := kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, utilisation.ByDay, midnight+40*day)
	require.NoError(t, err)
	require.Len(t, got, 1)
	k := got[0]
	require.Equal(t, []int64{midnight, midnight + day}, []int64{k.FromMs, k.ToMs})
	require.Equal(t, []int64{21 * hour, 90 * minute, 90 * minute, 0}, []int64{k.OffMs, k.IdleMs, k.RunMs, k.UnknownMs})
	require.Equal(t, []int64{21, 300, 3000, 0}, []int64{k.OffMilliWh, k.IdleMilliWh, k.RunMilliWh, k.UnknownMilliWh})
	require.InDelta(t, 1.0, *k.Coverage, 0)
	require.InDelta(t, 1.5/24, *k.Availability, 1e-12)
	require.InDelta(t, 1.5/2.25, *k.UtilizationEfficiency, 1e-12)
	require.InDelta(t, 2.25/24, *k.AllocationEfficiency, 1e-12)

	hours, err := kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, utilisation.ByHour, midnight+40*day)
	require.NoError(t, err)
	require.Len(t, hours, 24)
	require.Nil(t, hours[0].UtilizationEfficiency, "nobody there, nothing runs: not defined")
	require.InDelta(t, 0.5, *hours[9].UtilizationEfficiency, 1e-12)
	require.InDelta(t, 30.0/45, *hours[10].UtilizationEfficiency, 1e-12)
	require.InDelta(t, 1.0, *hours[11].UtilizationEfficiency, 1e-12)

	months, err := kpis(t.Context(), d, "cfc", "lathe", midnight-2*day, midnight+31*day, utilisation.ByMonth, midnight+40*day)
	require.NoError(t, err)
	require.Len(t, months, 3)
	require.Equal(t, midnight, months[1].FromMs)
	require.Equal(t, midnight+30*day, months[1].ToMs)
	require.Equal(t, 29*day, months[1].UnknownMs)
	require.InDelta(t, 1.0/30, *months[1].Coverage, 1e-12)
	require.Nil(t, months[1].Availability, "hidden: hardly anything is known")
}

// The day under way ends at the newest sample, or now when that is old.
func TestThePresent(t *testing.T) {
	store := tsdb.NewMemory()
	newest := piece("run", hour, hour+20*minute, 7)
	newest.Open = true
	put(t, store, piece("off", 0, hour, 1), newest)
	d := utilisation.Deps{Store: store, Registry: &fakeRegistry{}}
	of := func(now int64) utilisation.KPI {
		got, err := kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+2*day, utilisation.ByDay, midnight+now)
		require.NoError(t, err)
		require.Len(t, got, 1, "tomorrow has not begun")
		return got[0]
	}
	fresh := of(hour + 22*minute)
	require.Zero(t, fresh.UnknownMs)
	require.InDelta(t, 1.0, *fresh.Coverage, 0)
	require.InDelta(t, 0.25, *fresh.Availability, 1e-12)
	stale := of(hour + 40*minute)
	require.Equal(t, 20*minute, stale.UnknownMs)
	require.InDelta(t, 0.8, *stale.Coverage, 1e-12)
	require.Nil(t, of(3*hour).Availability)
}

func TestNothingKnown(t *testing.T) {
	d := utilisation.Deps{Store: tsdb.NewMemory(), Registry: &fakeRegistry{}}
	got, err := kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, utilisation.ByDay, midnight+2*day)
	require.NoError(t, err)
	require.Equal(t, day, got[0].UnknownMs)
	require.InDelta(t, 0.0, *got[0].Coverage, 0)
	require.Nil(t, got[0].Availability)
	got, err = kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, utilisation.ByDay, midnight-day)
	require.NoError(t, err)
	require.Empty(t, got, "the future has no figures")
	_, err = kpis(t.Context(), d, "cfc", "lathe", midnight, midnight+day, "week", midnight)
	require.ErrorContains(t, err, "hour, shift, day, month or year")
}

// Availability = allocation efficiency × utilization efficiency, the times fill the period, and nothing exceeds 1, whatever runs and
// whoever is at the machine.
func TestIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := tsdb.NewMemory()
		for h := range int64(24) {
			at := int64(0)
			for at < 60 {
				end := min(60, at+rapid.Int64Range(1, 60).Draw(t, "minutes"))
				state := rapid.SampledFrom([]string{"off", "idle", "run", "run", "unknown"}).Draw(t, "state")
				put(t, store, piece(state, h*hour+at*minute, h*hour+end*minute, 5))
				at = end
			}
		}
		// Hours are rewritten piece by piece above: make them whole again from the stored pieces.
		pieces, err := timeline.Pieces(context.Background(), store, "cfc", "lathe", midnight, midnight+day)
		require.NoError(t, err)
		put(t, store, pieces...)
		reg := &fakeRegistry{}
		for n := rapid.IntRange(0, 6).Draw(t, "sessions"); n > 0; n-- {
			from := rapid.Int64Range(0, 1400).Draw(t, "from")
			reg.sessions = append(reg.sessions, registry.Session{
				StartMs: midnight + from*minute, EndMs: midnight + (from+rapid.Int64Range(1, 300).Draw(t, "length"))*minute,
			})
		}
		for _, by := range []string{utilisation.ByHour, utilisation.ByDay} {
			ks, err := kpis(context.Background(), utilisation.Deps{Store: store, Registry: reg}, "cfc", "lathe", midnight, midnight+day, by, midnight+2*day)
			require.NoError(t, err)
			for _, k := range ks {
				require.Equal(t, k.ToMs-k.FromMs, k.OffMs+k.IdleMs+k.RunMs+k.UnknownMs)
				require.GreaterOrEqual(t, k.UnknownMs, int64(0))
				if k.UtilizationEfficiency == nil {
					continue
				}
				require.InDelta(t, *k.Availability, *k.AllocationEfficiency**k.UtilizationEfficiency, 1e-12)
				require.LessOrEqual(t, *k.UtilizationEfficiency, 1.0)
				require.LessOrEqual(t, *k.AllocationEfficiency, 1.0)
			}
		}
	})
}

// kpis are the periods of one machine.
func kpis(ctx context.Context, d utilisation.Deps, site, machine string, fromMs, toMs int64, by string, nowMs int64) ([]utilisation.KPI, error) {
	rows, err := utilisation.SiteKPIs(ctx, d, utilisation.Asked{Site: site, Machines: []string{machine}, FromMs: fromMs, ToMs: toMs, By: by, NowMs: nowMs})
	if err != nil {
		return nil, err
	}
	return rows[0].KPIs, nil
}
