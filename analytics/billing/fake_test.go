package billing

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// fake is a registry of one site in Jodhpur.
type fake struct {
	machines []registry.Machine
	groups   []registry.Group
	tariffs  []registry.Tariff
	sessions []registry.Session
	err      error

	corrections []registry.Correction
}

func (f *fake) Corrections(_ context.Context, _, machine string) ([]registry.Correction, error) {
	var out []registry.Correction
	for _, c := range f.corrections {
		if machine == "" || c.Machine == machine {
			out = append(out, c)
		}
	}
	return out, f.err
}

func (f *fake) Site(_ context.Context, id string) (registry.Site, error) {
	if id != "jodhpur-cfc" {
		return registry.Site{}, fmt.Errorf("site %s: %w", id, registry.ErrNotFound)
	}
	return registry.Site{ID: id, Name: registry.Name{Hi: "जोधपुर सीएफसी", En: "Jodhpur CFC"}, Zone: "Asia/Kolkata"}, f.err
}

func (f *fake) Machines(context.Context, string) ([]registry.Machine, error) {
	return f.machines, f.err
}

func (f *fake) SettingsAt(context.Context, string, string) ([]registry.Settings, error) {
	return []registry.Settings{{ReportMs: 5000}}, f.err
}

func (f *fake) Groups(context.Context, string) ([]registry.Group, error)   { return f.groups, f.err }
func (f *fake) Tariffs(context.Context, string) ([]registry.Tariff, error) { return f.tariffs, f.err }

func (f *fake) Sessions(_ context.Context, _ string, fromMs, toMs int64, machine, _ string) ([]registry.Session, error) {
	var out []registry.Session
	for _, s := range f.sessions {
		if s.Machine == machine && s.StartMs < toMs && (s.EndMs == 0 || s.EndMs > fromMs) {
			out = append(out, s)
		}
	}
	return out, f.err
}

// ist parses a time of the workshop's clock.
func ist(t testing.TB, s string) int64 {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04:05.999", s, zone)
	require.NoError(t, err)
	return at.UnixMilli()
}

// states writes intervals that begin at start, each lasting so many milliseconds.
type states struct {
	t     testing.TB
	store *tsdb.Memory
	id    string
	at    int64
}

func (s *states) add(state string, ms, milliWh int64) {
	s.t.Helper()
	iv := timeline.Interval{State: state, StartMs: s.at, EndMs: s.at + ms, EnergyMilliWh: milliWh}
	require.NoError(s.t, s.store.Write(context.Background(), []tsdb.Point{iv.Point("jodhpur-cfc", s.id)}))
	s.at += ms
}

// november returns a store and a registry with a November that has one of everything: a whole session, one over the start
// of the month and over a change of tariff, unknown time inside a session, a class without tariff, a card of nobody,
// run time without a session, an open session, a main meter.
func november(t testing.TB) (Deps, *fake) {
	t.Helper()
	const minute, hour = 60_000, 3600_000
	f := &fake{
		machines: []registry.Machine{
			{Site: "jodhpur-cfc", ID: "furnace-1", Class: "furnace", Name: registry.Name{Hi: "भट्टी", En: "Furnace"}},
			{Site: "jodhpur-cfc", ID: "lathe-1", Class: "polishing", Name: registry.Name{Hi: "पॉलिश खराद", En: "=Polishing lathe"}},
			{Site: "jodhpur-cfc", ID: "incomer", Class: registry.ClassMainMeter, Name: registry.Name{Hi: "मुख्य मीटर", En: "Main meter"}},
		},
		groups: []registry.Group{
			{Site: "jodhpur-cfc", ID: "pg-1", Name: registry.Name{Hi: "समूह एक", En: "Group One"}},
			{Site: "jodhpur-cfc", ID: "pg-2", Name: registry.Name{Hi: "समूह दो", En: "Group Two"}},
		},
		tariffs: []registry.Tariff{
			{Class: "furnace", ValidFromMs: ist(t, "2026-11-01 02:00:00"), PaisePerRunHour: 15_000},
			{Class: "furnace", ValidFromMs: ist(t, "2026-01-01 00:00:00"), PaisePerRunHour: 12_000},
		},
	}
	store := tsdb.NewMemory()
	furnace := &states{t, store, "furnace-1", ist(t, "2026-10-31 20:00:00")}
	furnace.add(timeline.StateRun, 5*hour+500, 60_000_000)   // 20:00 … 01:00:00.500
	furnace.add(timeline.StateIdle, 30*minute-500, 500_000)  // … 01:30
	furnace.add(timeline.StateRun, 2*hour, 24_000_000)       // … 03:30, over the tariff change at 02:00
	furnace.add(timeline.StateUnknown, 20*minute, 2_000_000) // … 03:50
	furnace.add(timeline.StateRun, 10*minute, 2_000_000)     // … 04:00, tap out at 04:00
	furnace.add(timeline.StateRun, 15*minute+250, 3_000_000) // nobody's
	furnace.add(timeline.StateOff, 8*hour-250, 0)            // … 12:15
	furnace.add(timeline.StateRun, hour, 12_000_000)         // … 13:15, card of nobody
	furnace.add(timeline.StateOff, hour, 0)                  // … 14:15
	furnace.add(timeline.StateRun, 40*minute, 8_000_000)     // … 14:55, open session of pg-1
	lathe := &states{t, store, "lathe-1", ist(t, "2026-11-02 10:00:00")}
	lathe.add(timeline.StateRun, 90*minute, 1_500_499)
	incomer := &states{t, store, "incomer", ist(t, "2026-11-01 00:00:00")}
	incomer.add(timeline.StateRun, 24*hour, 90_000_000)

	session := func(machine, from, to, group, card, reason string) {
		s := registry.Session{
			Site: "jodhpur-cfc", Machine: machine, StartMs: ist(t, from), Group: group, CardHash: card, EndReason: reason,
		}
		if to != "" {
			s.EndMs = ist(t, to)
		}
		f.sessions = append(f.sessions, s)
	}
	session("furnace-1", "2026-10-31 19:55:00", "2026-11-01 04:00:00", "pg-1", "aaa", "tap")
	session("furnace-1", "2026-11-01 12:10:00", "2026-11-01 13:20:00", "", "nobody", "tap")
	session("furnace-1", "2026-11-01 14:10:00", "", "pg-1", "aaa", "open")
	session("lathe-1", "2026-11-02 10:05:00", "2026-11-02 10:05:00", "pg-2", "bbb", "forgotten") // never used
	session("lathe-1", "2026-11-02 10:10:00", "2026-11-02 11:00:00", "pg-2", "bbb", "takeover")
	session("lathe-1", "2026-11-02 11:00:00", "2026-11-02 11:30:00", "pg-1", "aaa", "tap")
	slices.Reverse(f.sessions) // the order must not matter
	return Deps{Store: store, Registry: f}, f
}
