package api

import "karkhana/internal/wire"

// Limits of what is a problem of a gateway.
const (
	diskLow     = 500 << 20 // bytes: days of a queue at full load
	queueOldS   = 3600      // an hour behind while connected
	hotNow      = 1 << 3    // bits of the Pi's firmware, see wire.Status.Throttled
	slowNow     = 1<<1 | 1<<2
	voltsNow    = 1 << 0
	voltsBefore = 1 << 16
	slowBefore  = 1<<17 | 1<<18 | 1<<19
)

// statusProblems tells what of a gateway's status somebody should look at, the most urgent first.
func statusProblems(s wire.Status) []string {
	var out []string
	add := func(when bool, what string) {
		if when {
			out = append(out, what)
		}
	}
	var bits uint32
	if s.Throttled != nil {
		bits = *s.Throttled
	}
	volts := bits&voltsNow != 0 || s.Undervolted != nil && *s.Undervolted
	hot, slow := bits&hotNow != 0, bits&slowNow != 0
	add(s.Disk != nil && s.Disk.ReadOnly, "disk-read-only")
	add(s.Supply != nil && !*s.Supply, "mains-out")
	add(volts, "undervoltage")
	if !s.Online { // the rest may be over
		return out
	}
	add(s.SpoolDropped+s.SpoolThinned > 0, "samples-lost")
	add(hot, "too-hot")
	add(s.Disk != nil && !s.Disk.ReadOnly && s.Disk.FreeBytes < diskLow, "disk-low")
	add(s.ConfigError != "", "config-error")
	add(s.Clock == wire.ClockBounded, "clock-bounded")
	add(s.SpoolPacks > 0 && s.OldestAgeS > queueOldS, "queue-old")
	add(slow && !volts && !hot, "throttled")
	add(!volts && bits&voltsBefore != 0, "undervoltage-before")
	add(!slow && !hot && bits&voltsBefore == 0 && bits&slowBefore != 0, "throttled-before")
	add(s.Clock == wire.ClockRTC, "clock-rtc")
	return out
}
