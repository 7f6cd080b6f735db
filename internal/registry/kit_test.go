package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A kit that changes in a later release changes nothing of the past: its values hold from the day of the next apply, once, and thresholds that a
// person confirmed stay.
func TestKitChange(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		day := func(n int) int64 { return time.Date(2026, 11, n, 6, 0, 0, 0, time.UTC).UnixMilli() }
		midnight := func(n int) int64 { return time.Date(2026, 11, n-1, 18, 30, 0, 0, time.UTC).UnixMilli() }
		definition := func(kit Settings) SiteDefinition {
			row := kit
			row.RunAbove = 900 // written in the file
			keys := []string{}
			for _, k := range KitKeys() {
				if k != "run_above" {
					keys = append(keys, k)
				}
			}
			return SiteDefinition{Site: Site{ID: "s", Name: Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"}, Machines: []MachineDefinition{{
				Machine: Machine{ID: "m", Class: "cutting", Name: Name{Hi: "म", En: "M"}}, Settings: []Settings{row}, Kit: "cutting", FromKit: [][]string{keys},
			}}}
		}
		apply := func(kit Settings, nowMs int64) []KitChange {
			t.Helper()
			changes, err := d.KitChanges(ctx, definition(kit), nowMs)
			require.NoError(t, err)
			require.NoError(t, d.Apply(ctx, definition(kit), "test", nowMs))
			again, err := d.KitChanges(ctx, definition(kit), nowMs)
			require.NoError(t, err)
			require.Empty(t, again, "told once")
			return changes
		}
		rows := func() []Settings {
			t.Helper()
			out, err := d.SettingsAt(ctx, "s", "m")
			require.NoError(t, err)
			return out
		}
		kit := Settings{Signal: "power", IdleAbove: 100, RunAbove: 1200, Hysteresis: 0.1, DwellOffMs: 30_000, ReportMs: 1000}
		require.Empty(t, apply(kit, day(1)))
		first := rows()
		require.Len(t, first, 1)
		require.Empty(t, apply(kit, day(3)))
		require.Equal(t, first, rows(), "the same kit again")

		kit.IdleAbove, kit.DwellOffMs = 120, 60_000
		changes := apply(kit, day(5))
		require.Len(t, changes, 1)
		require.Equal(t, []string{"idle_above", "dwell.off"}, changes[0].Keys)
		require.Contains(t, changes[0].String(), "m: kit cutting has changed: idle_above 100 → 120, dwell.off 30s → 1m0s; from 2026-11-04T18:30:00Z on")
		got := rows()
		require.Len(t, got, 2)
		require.Equal(t, first[0], got[0], "the past stays")
		require.Equal(t, midnight(5), got[1].ValidFromMs)
		require.Equal(t, []float64{120, 900}, []float64{got[1].IdleAbove, got[1].RunAbove})
		touched, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Equal(t, midnight(5), touched[0].FromMs)

		person := got[1]
		person.ValidFromMs, person.IdleAbove, person.RunAbove = midnight(10), 250, 1000
		require.NoError(t, d.ConfirmThresholds(ctx, person, Confirmed{Site: "s", Machine: "m", ValidFromMs: person.ValidFromMs, ConfirmedMs: day(10), Author: "manager"}))
		require.Empty(t, apply(kit, day(11)))
		kit.IdleAbove, kit.DwellOffMs = 140, 90_000
		changes = apply(kit, day(12))
		require.Len(t, changes, 1)
		require.Equal(t, []string{"dwell.off"}, changes[0].Keys, "the person's thresholds stay")
		got = rows()
		require.Len(t, got, 4)
		require.Equal(t, []float64{250, 1000}, []float64{got[3].IdleAbove, got[3].RunAbove})
		require.EqualValues(t, 90_000, got[3].DwellOffMs)
	})
}
