package learn

import (
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// InForce is the row of dated settings that holds at an instant; the first one before its date, the zero Settings without any.
func InForce(rows []registry.Settings, atMs int64) registry.Settings {
	var out registry.Settings
	for i, r := range rows {
		if i == 0 || r.ValidFromMs <= atMs {
			out = r
		}
	}
	return out
}

// Row is the row of settings that confirmed thresholds make: all else stays as in force at fromMs.
func Row(rows []registry.Settings, fromMs int64, idleAbove, runAbove float64, pulseMs int64) registry.Settings {
	s := InForce(rows, fromMs)
	s.ValidFromMs, s.IdleAbove, s.RunAbove, s.PulseMs = fromMs, idleAbove, runAbove, pulseMs
	if s.Signal == "" {
		s.Signal = quantity.Power
	}
	if s.ReportMs == 0 {
		s.ReportMs, s.Hysteresis, s.DwellOffMs, s.DwellIdleMs, s.DwellRunMs = 1000, 0.1, 60_000, 120_000, 60_000
	}
	return s
}

// Classed are the classes of a suggestion as they are kept beside confirmed thresholds.
func Classed(classes []Class) []registry.ThresholdClass {
	var out []registry.ThresholdClass
	for _, c := range classes {
		if c.State != "" {
			out = append(out, registry.ThresholdClass{State: c.State, Centre: c.Centre, Share: c.Share})
		}
	}
	return out
}
