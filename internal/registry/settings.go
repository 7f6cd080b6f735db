package registry

import (
	"context"
	"fmt"
)

func scanSettings(row scanner) (s Settings, err error) {
	return s, row.Scan(&s.ValidFromMs, &s.Signal, &s.IdleAbove, &s.RunAbove, &s.Hysteresis,
		&s.DwellOffMs, &s.DwellIdleMs, &s.DwellRunMs, &s.ReportMs,
		&s.TemperatureMaxC, &s.VibrationRatio, &s.SilentAfterMs,
		&s.AccelerationRatio, &s.KurtosisRise, &s.PersistOver, &s.PersistOf, &s.BaselineFromMs,
		&s.PulseMs, &s.StatusMap, &s.PhaseRateC, &s.PhaseBandC, &s.PhaseColdC)
}

// SettingsAt returns all dated settings of a machine, oldest first; none when it has none or does not exist.
func (d *DB) SettingsAt(ctx context.Context, site, machine string) ([]Settings, error) {
	return settings(ctx, d.read, site, machine)
}

// SiteSettings returns all dated settings of the site's machines that have any, oldest first.
func (d *DB) SiteSettings(ctx context.Context, site string) (map[string][]Settings, error) {
	out := map[string][]Settings{}
	scan := func(row scanner) (_ struct{}, err error) {
		var machine string
		s, err := scanSettings(and{row, &machine})
		out[machine] = append(out[machine], s)
		return struct{}{}, err
	}
	_, err := list(ctx, d.read, "settings of "+site, scan, `
		SELECT `+settingsColumns+`, machine FROM machine_settings WHERE site = $1 ORDER BY machine, valid_from_ms`, site)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// and scans one more column, the last one.
type and struct {
	row  scanner
	last any
}

// Scan implements scanner.
func (a and) Scan(dest ...any) error { return a.row.Scan(append(dest, a.last)...) }

const settingsColumns = `valid_from_ms, signal, idle_above, run_above, hysteresis, dwell_off_ms, dwell_idle_ms, dwell_run_ms,
			report_ms, temperature_max_c, vibration_ratio, silent_after_ms,
			acceleration_ratio, kurtosis_rise, persist_over, persist_of, baseline_from_ms,
			pulse_ms, status_map, phase_rate_c, phase_band_c, phase_cold_c`

func settings(ctx context.Context, q querier, site, machine string) ([]Settings, error) {
	return list(ctx, q, "settings of "+site+"/"+machine, scanSettings, `
		SELECT `+settingsColumns+`
		FROM machine_settings WHERE site = $1 AND machine = $2 ORDER BY valid_from_ms`, site, machine)
}

func saveSettings(ctx context.Context, q querier, site, machine string, s Settings) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO machine_settings (site, machine, valid_from_ms, signal, idle_above, run_above, hysteresis,
			dwell_off_ms, dwell_idle_ms, dwell_run_ms, report_ms, temperature_max_c, vibration_ratio, silent_after_ms,
			acceleration_ratio, kurtosis_rise, persist_over, persist_of, baseline_from_ms,
			pulse_ms, status_map, phase_rate_c, phase_band_c, phase_cold_c)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT (site, machine, valid_from_ms) DO UPDATE SET signal = excluded.signal,
			idle_above = excluded.idle_above, run_above = excluded.run_above, hysteresis = excluded.hysteresis,
			dwell_off_ms = excluded.dwell_off_ms, dwell_idle_ms = excluded.dwell_idle_ms,
			dwell_run_ms = excluded.dwell_run_ms, report_ms = excluded.report_ms,
			temperature_max_c = excluded.temperature_max_c, vibration_ratio = excluded.vibration_ratio,
			silent_after_ms = excluded.silent_after_ms,
			acceleration_ratio = excluded.acceleration_ratio, kurtosis_rise = excluded.kurtosis_rise,
			persist_over = excluded.persist_over, persist_of = excluded.persist_of,
			baseline_from_ms = excluded.baseline_from_ms,
			pulse_ms = excluded.pulse_ms, status_map = excluded.status_map,
			phase_rate_c = excluded.phase_rate_c, phase_band_c = excluded.phase_band_c, phase_cold_c = excluded.phase_cold_c`,
		site, machine, s.ValidFromMs, s.Signal, s.IdleAbove, s.RunAbove, s.Hysteresis,
		s.DwellOffMs, s.DwellIdleMs, s.DwellRunMs, s.ReportMs, s.TemperatureMaxC, s.VibrationRatio, s.SilentAfterMs,
		s.AccelerationRatio, s.KurtosisRise, s.PersistOver, s.PersistOf, s.BaselineFromMs,
		s.PulseMs, s.StatusMap, s.PhaseRateC, s.PhaseBandC, s.PhaseColdC)
	if err != nil {
		return fmt.Errorf("settings of %s: %w", machine, err)
	}
	return nil
}
