package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfirmThresholds(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		const from = int64(1_700_000_000_000)
		def := SiteDefinition{Site: Site{ID: "s", Name: Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"}, Machines: []MachineDefinition{{
			Machine:  Machine{ID: "m", Class: "cutting", Name: Name{Hi: "म", En: "M"}},
			Settings: []Settings{{Signal: "power", IdleAbove: 10, RunAbove: 100, ReportMs: 1000, PulseMs: 5000, StatusMap: "", PhaseRateC: 2, PhaseBandC: 10, PhaseColdC: 60}},
		}}}
		require.NoError(t, d.Apply(ctx, def, "test", 1000))
		rows, err := d.SettingsAt(ctx, "s", "m")
		require.NoError(t, err)
		require.Equal(t, def.Machines[0].Settings, rows)

		row := rows[0]
		row.ValidFromMs, row.IdleAbove, row.RunAbove = from, 30, 900
		c := Confirmed{Site: "s", Machine: "m", ValidFromMs: from, ConfirmedMs: from + 2000, Author: "the technician", Signal: "power", FromMs: 1, ToMs: 400, Classes: []ThresholdClass{{State: "run", Centre: 2000, Share: 0.5}}}
		require.NoError(t, d.ConfirmThresholds(ctx, row, c))
		rows, err = d.SettingsAt(ctx, "s", "m")
		require.NoError(t, err)
		require.Equal(t, row, rows[1])
		confirmed, err := d.ConfirmedThresholds(ctx, "s", "m")
		require.NoError(t, err)
		require.Equal(t, []Confirmed{c}, confirmed)
		touched, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Len(t, touched, 1)
		require.Equal(t, from, touched[0].FromMs)

		// A standing alarm of drift ends with the next confirmation, also of thresholds that stay.
		_, _, err = d.RaiseAlarm(ctx, Alarm{Site: "s", Machine: "m", Rule: RuleThresholdDrift, OpenedMs: from + 3000})
		require.NoError(t, err)
		c.ConfirmedMs = from + 4000
		require.NoError(t, d.ConfirmThresholds(ctx, row, c))
		alarms, err := d.Alarms(ctx, "s", true, 0)
		require.NoError(t, err)
		require.Empty(t, alarms)
		touched, err = d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(1), touched[0].Version, "thresholds that stay rebuild nothing")

		c.Machine = "nobody"
		require.ErrorIs(t, d.ConfirmThresholds(ctx, row, c), ErrNotFound)
		row.IdleAbove = 2000
		c.Machine = "m"
		require.ErrorContains(t, d.ConfirmThresholds(ctx, row, c), "lies above run_above")
		row.IdleAbove, row.ValidFromMs = 30, from-1
		require.ErrorContains(t, d.ConfirmThresholds(ctx, row, c), "would end these")
	})
}
