package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// kitValue is one value of settings that can come from a kit, by its key in a site file.
type kitValue struct {
	key  string
	copy func(to *Settings, from Settings)
}

var kitValues = []kitValue{
	{"signal", func(to *Settings, from Settings) { to.Signal = from.Signal }},
	{"idle_above", func(to *Settings, from Settings) { to.IdleAbove = from.IdleAbove }},
	{"run_above", func(to *Settings, from Settings) { to.RunAbove = from.RunAbove }},
	{"hysteresis", func(to *Settings, from Settings) { to.Hysteresis = from.Hysteresis }},
	{"dwell.off", func(to *Settings, from Settings) { to.DwellOffMs = from.DwellOffMs }},
	{"dwell.idle", func(to *Settings, from Settings) { to.DwellIdleMs = from.DwellIdleMs }},
	{"dwell.run", func(to *Settings, from Settings) { to.DwellRunMs = from.DwellRunMs }},
	{"pulse", func(to *Settings, from Settings) { to.PulseMs = from.PulseMs }},
	{"report", func(to *Settings, from Settings) { to.ReportMs = from.ReportMs }},
	{"phases", func(to *Settings, from Settings) {
		to.PhaseRateC, to.PhaseBandC, to.PhaseColdC = from.PhaseRateC, from.PhaseBandC, from.PhaseColdC
	}},
	{"alarms.temperature_max_c", func(to *Settings, from Settings) { to.TemperatureMaxC = from.TemperatureMaxC }},
	{"alarms.vibration_ratio", func(to *Settings, from Settings) { to.VibrationRatio = from.VibrationRatio }},
	{"alarms.acceleration_ratio", func(to *Settings, from Settings) { to.AccelerationRatio = from.AccelerationRatio }},
	{"alarms.kurtosis_rise", func(to *Settings, from Settings) { to.KurtosisRise = from.KurtosisRise }},
	{"alarms.silent_after", func(to *Settings, from Settings) { to.SilentAfterMs = from.SilentAfterMs }},
}

// KitKeys are the keys of settings whose values a kit can give.
func KitKeys() []string {
	out := make([]string, len(kitValues))
	for i, v := range kitValues {
		out[i] = v.key
	}
	return out
}

// KitPath is a key as the steps of a path.
func KitPath(key string) []any {
	var out []any
	for _, step := range strings.Split(key, ".") {
		out = append(out, step)
	}
	return out
}

// CopyKitKey gives one key the value that it has in from.
func CopyKitKey(key string, to *Settings, from Settings) {
	for _, v := range kitValues {
		if v.key == key {
			v.copy(to, from)
		}
	}
}

// kitDiffers lists the keys of those given that have another value in b.
func kitDiffers(keys []string, a, b Settings) []string {
	var out []string
	for _, key := range keys {
		c := a
		if CopyKitKey(key, &c, b); c != a {
			out = append(out, key)
		}
	}
	return out
}

// KitChange tells that a kit has other values than when it was applied to a machine. They hold from FromMs on; what lies before stays as it was.
type KitChange struct {
	Machine, Kit string
	FromMs       int64
	Keys         []string // what changes, as in a site file
	Before       Settings
	After        Settings
}

// datedKit turns the rows of a machine's definition into those to be written when some of their values come from a kit: a row that is there already keeps
// its kit's values, and if the kit has others now a new row begins today. Thresholds that a person confirmed since stay.
func datedKit(md MachineDefinition, stored []Settings, confirmed map[int64]bool, todayMs int64) (rows []Settings, changes []KitChange) {
	for i, row := range md.Settings {
		if i >= len(md.FromKit) || md.FromKit[i] == nil {
			rows = append(rows, row)
			continue
		}
		keys := md.FromKit[i]
		endMs := int64(1) << 62
		if i+1 < len(md.Settings) {
			endMs = md.Settings[i+1].ValidFromMs
		}
		var base, last, kept *Settings // the file's row, the newest of its time, the newest that no person made
		byHand := false                // a person stands for the thresholds
		for k := range stored {
			s := &stored[k]
			if s.ValidFromMs < row.ValidFromMs || s.ValidFromMs >= endMs {
				continue
			}
			if s.ValidFromMs == row.ValidFromMs {
				base = s
			}
			byHand = byHand || confirmed[s.ValidFromMs]
			if last = s; !confirmed[s.ValidFromMs] || s == base {
				kept = s
			}
		}
		if base == nil {
			rows = append(rows, row)
			continue
		}
		written := row // what the file says itself may change the past: whoever writes it means it
		for _, key := range keys {
			CopyKitKey(key, &written, *base)
		}
		rows = append(rows, written)
		after := *last
		if last == base {
			after = written
		}
		for _, key := range kitDiffers(keys, *kept, row) {
			if byHand && (key == "signal" || key == "idle_above" || key == "run_above" || key == "pulse") {
				continue
			}
			CopyKitKey(key, &after, row)
		}
		before := *last
		if last == base {
			before = written
		}
		if after == before {
			continue
		}
		after.ValidFromMs = max(todayMs, last.ValidFromMs+1)
		if after.ValidFromMs >= endMs {
			continue // another row of the file holds by then
		}
		rows = append(rows, after)
		before.ValidFromMs = after.ValidFromMs
		changes = append(changes, KitChange{
			Machine: md.Machine.ID, Kit: md.Kit, FromMs: after.ValidFromMs, Keys: kitDiffers(KitKeys(), before, after), Before: before, After: after,
		})
	}
	return rows, changes
}

// String says what changes, for people.
func (c KitChange) String() string {
	parts := make([]string, len(c.Keys))
	for i, key := range c.Keys {
		parts[i] = fmt.Sprintf("%s %v → %v", key, kitText(key, c.Before), kitText(key, c.After))
	}
	return fmt.Sprintf("%s: kit %s has changed: %s; from %s on, what lies before stays as it was", c.Machine, c.Kit, strings.Join(parts, ", "),
		time.UnixMilli(c.FromMs).UTC().Format(time.RFC3339))
}

// kitText is one value for people.
func kitText(key string, s Settings) any {
	switch key {
	case "signal":
		return s.Signal
	case "idle_above":
		return s.IdleAbove
	case "run_above":
		return s.RunAbove
	case "hysteresis":
		return s.Hysteresis
	case "phases":
		return fmt.Sprintf("%v/%v/%v °C", s.PhaseRateC, s.PhaseBandC, s.PhaseColdC)
	case "alarms.temperature_max_c":
		return s.TemperatureMaxC
	case "alarms.vibration_ratio":
		return s.VibrationRatio
	case "alarms.acceleration_ratio":
		return s.AccelerationRatio
	case "alarms.kurtosis_rise":
		return s.KurtosisRise
	}
	ms := map[string]int64{"dwell.off": s.DwellOffMs, "dwell.idle": s.DwellIdleMs, "dwell.run": s.DwellRunMs, "pulse": s.PulseMs, "report": s.ReportMs, "alarms.silent_after": s.SilentAfterMs}
	return time.Duration(ms[key]) * time.Millisecond
}

// KitText lists the values of settings as `karkhana check` shows them.
func (s Settings) KitText() string {
	var parts []string
	for _, key := range KitKeys() {
		text := fmt.Sprint(kitText(key, s))
		if slices.Contains([]string{"0", "0s", "0/0/0 °C"}, text) {
			continue
		}
		parts = append(parts, key+" "+text)
	}
	return strings.Join(parts, ", ")
}
