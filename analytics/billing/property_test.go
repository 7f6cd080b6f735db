package billing

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Whatever machines, states, sessions and tariffs: lines add up, billed and unattributed run time are the machine's,
// the months of a session are the session, and the order in which the registry answers does not matter.
func TestStatementsAddUp(t *testing.T) {
	months := []string{"2026-10", "2026-11", "2026-12"}
	start, end := ist(t, "2026-10-30 00:00:00"), ist(t, "2026-12-02 00:00:00")
	now := ist(t, "2027-01-15 00:00:00")
	rapid.Check(t, func(t *rapid.T) {
		d, f := drawn(t, start, end)
		ctx := context.Background()
		var all []Statement
		for _, name := range months {
			s, err := MakeAll(ctx, d, "jodhpur-cfc", name, now)
			require.NoError(t, err)
			all = append(all, s...)
		}
		type part struct{ ms, s, parts int64 }
		billed := map[[2]any]part{}
		for _, s := range all {
			var sum Total
			bySub := map[string]Total{}
			for _, l := range s.Lines {
				sub := bySub[l.Machine]
				require.NoError(t, sum.add(l))
				require.NoError(t, sub.add(l))
				bySub[l.Machine] = sub
				id := [2]any{l.Machine, l.SessionStart.UnixMilli()}
				p := billed[id]
				billed[id] = part{p.ms + l.RunMs, p.s + l.RunS, p.parts + 1}
				if l.Tariff == nil {
					require.Zero(t, l.AmountPaise)
				} else {
					want, err := Amount(l.RunS, l.Tariff.PaisePerRunHour)
					require.NoError(t, err)
					require.Equal(t, want, l.AmountPaise)
				}
			}
			require.Equal(t, sum, s.Total)
			for _, sub := range s.Machines {
				require.Equal(t, bySub[sub.Machine], sub.Total)
			}
			require.Len(t, s.Machines, len(bySub))
			for _, b := range s.Balance {
				require.True(t, b.Balanced, "%s %s: %+v", s.Month, s.Group, b)
			}
		}
		for _, session := range f.sessions {
			intervals, err := timeline.Read(ctx, d.Store, "jodhpur-cfc", session.Machine, start, end, now, 0)
			require.NoError(t, err)
			ms := runMs(intervals, session.StartMs, session.EndMs)
			got := billed[[2]any{session.Machine, session.StartMs}]
			if session.Group == "" {
				require.Zero(t, got.parts)
				continue
			}
			require.Equal(t, ms, got.ms, "run time of a session is billed once")
			require.Equal(t, halfUp(ms, 1000), got.s, "to the second, however often it is cut")
		}

		f.sessions = rapid.Permutation(f.sessions).Draw(t, "sessions")
		f.tariffs = rapid.Permutation(f.tariffs).Draw(t, "tariffs")
		for i, name := range months {
			again, err := MakeAll(ctx, d, "jodhpur-cfc", name, now)
			require.NoError(t, err)
			want, err := json.Marshal(all[i*len(again) : (i+1)*len(again)])
			require.NoError(t, err)
			got, err := json.Marshal(again)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "byte for byte the same")
		}
	})
}

// drawn makes two machines with states and sessions between start and end, two groups, and some tariffs.
func drawn(t *rapid.T, start, end int64) (Deps, *fake) {
	f := &fake{groups: []registry.Group{{ID: "pg-1"}, {ID: "pg-2"}}}
	store := tsdb.NewMemory()
	for _, id := range []string{"a", "b"} {
		f.machines = append(f.machines, registry.Machine{Site: "jodhpur-cfc", ID: id, Class: id})
		var points []tsdb.Point
		for at := start; at < end; {
			iv := timeline.Interval{
				State:   rapid.SampledFrom([]string{timeline.StateOff, timeline.StateIdle, timeline.StateRun, timeline.StateRun, timeline.StateUnknown}).Draw(t, "state"),
				StartMs: at, EndMs: min(at+rapid.Int64Range(1, 8*86_400_000).Draw(t, "length"), end),
				EnergyMilliWh: rapid.Int64Range(0, 1e9).Draw(t, "energy"),
			}
			points = append(points, iv.Point("jodhpur-cfc", id))
			at = iv.EndMs
		}
		require.NoError(t, store.Write(context.Background(), points))
		for at := start; at < end; {
			from := at + rapid.Int64Range(0, 2*86_400_000).Draw(t, "pause")
			to := from + rapid.Int64Range(1, 8*86_400_000).Draw(t, "session")
			if to > end {
				break
			}
			f.sessions = append(f.sessions, registry.Session{
				Site: "jodhpur-cfc", Machine: id, StartMs: from, EndMs: to, EndReason: "tap",
				Group: rapid.SampledFrom([]string{"pg-1", "pg-2", ""}).Draw(t, "group"), CardHash: "card",
			})
			at = to
		}
		seen := map[int64]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "tariffs") {
			from := rapid.Int64Range(start, end).Draw(t, "valid from")
			if !seen[from] {
				seen[from] = true
				f.tariffs = append(f.tariffs, registry.Tariff{Class: id, ValidFromMs: from, PaisePerRunHour: rapid.Int64Range(0, 100_000).Draw(t, "rate")})
			}
		}
	}
	return Deps{Store: store, Registry: f}, f
}
