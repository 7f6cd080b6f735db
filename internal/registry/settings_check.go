package registry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// SettingsFault is what is wrong with one value of a machine's settings. It is the one wording for the site file (which
// adds file and line), the API and the command line.
type SettingsFault struct {
	Key  string // as in a site file: signal, idle_above, run_above, hysteresis, from
	Text string
}

// Error implements error.
func (f *SettingsFault) Error() string { return f.Text }

// highestThreshold is beyond any signal: a gigawatt, or a thousand million turns a minute.
const highestThreshold = 1e9

// ThresholdFaults tells what keeps the thresholds of settings from telling states apart: an unknown signal, a threshold that is no
// number above 0, idle above run, a hysteresis that reaches from run below the beginning of idle.
func (s Settings) ThresholdFaults() []*SettingsFault {
	var out []*SettingsFault
	fault := func(key, format string, args ...any) {
		out = append(out, &SettingsFault{key, fmt.Sprintf(format, args...)})
	}
	switch {
	case s.Signal == "":
		fault("signal", "signal is missing%s", config.DidYouMean(s.Signal, Signals))
	case !slices.Contains(Signals, s.Signal):
		fault("signal", "unknown signal %.100q%s", s.Signal, config.DidYouMean(s.Signal, Signals))
	}
	unit := ""
	if q, ok := quantity.Get(s.Signal); ok && q.Unit != "" {
		unit = " " + q.Unit
	}
	sound := true
	for _, t := range []struct {
		key   string
		value float64
	}{{"idle_above", s.IdleAbove}, {"run_above", s.RunAbove}} {
		switch {
		case math.IsNaN(t.value) || t.value > highestThreshold:
			fault(t.key, "%s is %v%s; give a number above 0 and up to %g", t.key, t.value, unit, highestThreshold)
			sound = false
		case t.value <= 0:
			fault(t.key, "%s is %v%s; it must be above 0, else a machine that stands would count", t.key, t.value, unit)
			sound = false
		}
	}
	if sound && s.IdleAbove > s.RunAbove {
		fault("idle_above", "idle_above (%v%s) lies above run_above (%v%s); a machine idles on less than it runs on", s.IdleAbove, unit, s.RunAbove, unit)
		sound = false
	}
	if !(s.Hysteresis >= 0 && s.Hysteresis < 1) { // so that NaN is refused too
		fault("hysteresis", "hysteresis is %v; give the part of the threshold, 0 up to (not including) 1, usually 0.1", s.Hysteresis)
		sound = false
	}
	if leave := s.RunAbove * (1 - s.Hysteresis); sound && s.IdleAbove < s.RunAbove && leave < s.IdleAbove {
		fault("hysteresis", "hysteresis %v is wider than the gap between the thresholds: run would last down to %.4g%s, below idle_above (%v%s); make it smaller or move the thresholds apart",
			s.Hysteresis, leave, unit, s.IdleAbove, unit)
	}
	return out
}

// confirmFaults adds to ThresholdFaults what is wrong with the date of a row among those that are there. A row that is there already
// may be confirmed again (kept), whatever its date.
func confirmFaults(s Settings, rows []Settings, nowMs int64) error {
	var errs []error
	for _, f := range s.ThresholdFaults() {
		errs = append(errs, f)
	}
	fault := func(key, format string, args ...any) {
		errs = append(errs, &SettingsFault{key, fmt.Sprintf(format, args...)})
	}
	if s.PulseMs < 0 || s.PulseMs > int64(24*time.Hour/time.Millisecond) {
		fault("pulse", "pulse is %v; give 0 (none) up to 24 h", time.Duration(s.PulseMs)*time.Millisecond)
	}
	if slices.Contains(rows, s) {
		return errors.Join(errs...)
	}
	from := time.UnixMilli(s.ValidFromMs).UTC()
	if from.Year() < 2000 || from.After(time.UnixMilli(nowMs).AddDate(1, 0, 0)) {
		fault("from", "the settings would hold from %s; give a time from 2000 to a year from now", from.Format(time.RFC3339))
	}
	for _, r := range rows {
		if r.ValidFromMs > s.ValidFromMs {
			fault("from", "other settings of this machine begin at %s and would end these; confirm from then on, or write the rows of the past in the site file",
				time.UnixMilli(r.ValidFromMs).UTC().Format(time.RFC3339))
		}
	}
	return errors.Join(errs...)
}
