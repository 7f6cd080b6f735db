// Package kits makes the kits of package hardware/kit known to site files, so that a machine can say `kit: furnace`.
package kits

import (
	"fmt"

	"karkhana/hardware/kit"
	"karkhana/internal/registry"
	"karkhana/internal/sitefile"
)

// All are the shipped kits as site files take them.
func All() ([]sitefile.Kit, error) {
	var out []sitefile.Kit
	for _, name := range kit.Classes() {
		k, err := kit.Load(name)
		if err != nil {
			return nil, fmt.Errorf("kit %s: %w", name, err)
		}
		out = append(out, sitefile.Kit{Name: name, Settings: Settings(k.Settings)})
	}
	return out, nil
}

// Settings are those of a kit as a machine has them, without a date.
func Settings(s kit.Settings) registry.Settings {
	return registry.Settings{
		Signal: s.Signal, IdleAbove: s.IdleAbove, RunAbove: s.RunAbove, Hysteresis: s.Hysteresis,
		DwellOffMs: s.Dwell.Off.Ms(), DwellIdleMs: s.Dwell.Idle.Ms(), DwellRunMs: s.Dwell.Run.Ms(), PulseMs: s.Pulse.Ms(), ReportMs: s.Report.Ms(),
		PhaseRateC: s.Phases.Rate, PhaseBandC: s.Phases.Band, PhaseColdC: s.Phases.Cold,
		TemperatureMaxC: s.Alarms.TemperatureMaxC, VibrationRatio: s.Alarms.VibrationRatio, SilentAfterMs: s.Alarms.SilentAfter.Ms(),
		AccelerationRatio: s.Alarms.AccelerationRatio, KurtosisRise: s.Alarms.KurtosisRise,
	}
}

// Load reads a site file whose machines may name kits.
func Load(path string) (registry.SiteDefinition, error) {
	all, err := All()
	if err != nil {
		return registry.SiteDefinition{}, err
	}
	return sitefile.Load(path, all...)
}
