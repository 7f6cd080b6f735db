package sitefile

import (
	"cmp"
	"slices"

	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// Kit is what a machine's `kit: NAME` stands for: settings that a file need not write out.
type Kit struct {
	Name     string
	Settings registry.Settings // ValidFromMs is not used
}

// kit finds a kit by name; nil when the machine names none, or none that is known.
func (r *reader) kit(at config.Path, name string) *Kit {
	if name == "" {
		return nil
	}
	names := make([]string, len(r.kits))
	for i, k := range r.kits {
		if names[i] = k.Name; k.Name == name {
			return &r.kits[i]
		}
	}
	r.fault(at.Then("kit"), "unknown kit %.100q%s", name, config.DidYouMean(name, names))
	return nil
}

// fillFromKit gives the keys that a row leaves out the values of the kit, and names them. The kit's thresholds are those of its
// signal: a row with another one takes neither thresholds nor pulse, one with the words of a controller nothing but alarms.
func (r *reader) fillFromKit(at config.Path, s *settings, k Kit) (fromKit []string) {
	own := r.src.Has(at.Then("signal")...) && s.Signal != k.Settings.Signal
	take := func(key string, path ...any) bool {
		taken := !r.src.Has(at.Then(path...)...)
		switch key {
		case "idle_above", "run_above", "hysteresis", "pulse", "phases", "report":
			taken = taken && !own
		}
		if isStatus(s.Signal) && path[0] != "alarms" {
			taken = false
		}
		if taken {
			fromKit = append(fromKit, key)
		}
		return taken
	}
	row := registry.Settings{}
	for _, key := range registry.KitKeys() {
		path := registry.KitPath(key)
		if take(key, path...) {
			registry.CopyKitKey(key, &row, k.Settings)
			s.set(key, row)
		}
	}
	return fromKit
}

// set gives one key of a row as written the value of a row as kept.
func (s *settings) set(key string, row registry.Settings) {
	switch key {
	case "signal":
		s.Signal = row.Signal
	case "idle_above":
		s.IdleAbove = row.IdleAbove
	case "run_above":
		s.RunAbove = row.RunAbove
	case "hysteresis":
		s.Hysteresis = row.Hysteresis
	case "dwell.off":
		s.Dwell.Off = config.Milliseconds(row.DwellOffMs)
	case "dwell.idle":
		s.Dwell.Idle = config.Milliseconds(row.DwellIdleMs)
	case "dwell.run":
		s.Dwell.Run = config.Milliseconds(row.DwellRunMs)
	case "pulse":
		s.Pulse = config.Milliseconds(row.PulseMs)
	case "report":
		s.Report = config.Milliseconds(row.ReportMs)
	case "phases":
		s.Phases = phases{row.PhaseRateC, row.PhaseBandC, row.PhaseColdC}
	case "alarms.temperature_max_c":
		s.Alarms.TemperatureMaxC = row.TemperatureMaxC
	case "alarms.vibration_ratio":
		s.Alarms.VibrationRatio = row.VibrationRatio
	case "alarms.acceleration_ratio":
		s.Alarms.AccelerationRatio = row.AccelerationRatio
	case "alarms.kurtosis_rise":
		s.Alarms.KurtosisRise = row.KurtosisRise
	case "alarms.silent_after":
		s.Alarms.SilentAfter = config.Milliseconds(row.SilentAfterMs)
	}
}

// sortSettings brings the rows into the order of their dates.
func sortSettings(def *registry.MachineDefinition) {
	order := make([]int, len(def.Settings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(def.Settings[a].ValidFromMs, def.Settings[b].ValidFromMs)
	})
	rows, fromKit := make([]registry.Settings, len(order)), make([][]string, len(order))
	named := false
	for i, o := range order {
		rows[i], fromKit[i] = def.Settings[o], def.FromKit[o]
		named = named || fromKit[i] != nil
	}
	def.Settings, def.FromKit = rows, fromKit
	if len(rows) == 0 {
		def.Settings = nil
	}
	if !named {
		def.FromKit = nil
	}
}
