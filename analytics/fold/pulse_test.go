package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
)

// every second one sample of what watt says of the second since midnight.
func seconds(n int64, watt func(s int64) float64) []fold.Sample {
	var out []fold.Sample
	for s := range n {
		w := watt(s)
		out = append(out, fold.Sample{TimeMs: midnight + s*1000, Signal: w, PowerW: w, Has: fold.HasSignal | fold.HasPower})
	}
	return out
}

func states(samples []fold.Sample, rule fold.Rule) []string {
	return describe(run(fold.NewRules(kolkata, rule), samples).pieces, false)
}

// A hammer strikes for 2 s of every 10 s, between 09:05 and 09:20 so to say, and idles around it. One stroke alone is
// no work, nor is a pause of three strokes its end.
func TestHammer(t *testing.T) {
	hammer := fold.Rule{IdleAbove: 300, RunAbove: 3000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellOffMs: minute, DwellIdleMs: minute, DwellRunMs: 30_000, PulseMs: 45_000}
	at := func(s int64) float64 {
		switch {
		case s == 100: // trying it
			return 5000
		case s >= 300 && s < 1200 && (s < 600 || s >= 640) && s%10 < 2:
			return 5000
		case s < 60 || s >= 1500:
			return 0
		}
		return 1050
	}
	want := []string{"off 0s 1m", "idle 1m 5m", "run 5m 19m52s", "idle 19m52s 25m", "off 25m 29m59s open"}
	require.Equal(t, want, states(seconds(1800, at), hammer))

	// Without the rule for pulses neither dwell is ever reached: the hammer stays idle.
	hammer.PulseMs = 0
	require.Equal(t, []string{"off 0s 1m", "idle 1m 25m", "off 25m 29m59s open"}, states(seconds(1800, at), hammer))
}

// Elements 30 s on and 30 s off at soak are run, also when the data begin there or go on there after a gap.
func TestCyclingFurnace(t *testing.T) {
	furnace := fold.Rule{IdleAbove: 40, RunAbove: 3000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellOffMs: minute, DwellIdleMs: 2 * minute, DwellRunMs: minute, PulseMs: 2 * minute}
	at := func(s int64) float64 {
		switch {
		case s < 3600 && s/30%2 == 1:
			return 12000
		case s < 3600:
			return 90
		}
		return 0
	}
	require.Equal(t, []string{"idle 0s 30s", "run 30s 1h", "off 1h 1h6m39s open"}, states(seconds(4000, at), furnace))
}

// Noise around the threshold: within the hysteresis nothing happens, and noise over it that is shorter than the dwell
// does not either.
func TestNoiseAroundTheThreshold(t *testing.T) {
	rule := fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellOffMs: minute, DwellIdleMs: 2 * minute, DwellRunMs: minute}
	require.Equal(t, []string{"run 0s 29m59s open"}, states(seconds(1800, func(s int64) float64 { return 1000 - float64(s*7919%99) + 20 }), rule))
	require.Equal(t, []string{"run 0s 29m59s open"}, states(seconds(1800, func(s int64) float64 { return []float64{1300, 800, 1100, 700}[s/15%4] }), rule))
}

// A controller's own word: unknown from where it says so, no dwell, no gap needed.
func TestStatusSaysUnknown(t *testing.T) {
	rule := fold.Rule{IdleAbove: 2, RunAbove: 3, GapLimitMs: 3 * minute}
	var samples []fold.Sample
	for i, status := range []fold.State{fold.Off, fold.Run, fold.Run, fold.Unknown, fold.Unknown, fold.Run, fold.Off, fold.Off} {
		s := fold.Sample{TimeMs: midnight + int64(i)*minute, Signal: float64(status), Has: fold.HasSignal}
		if status == fold.Unknown {
			s.Signal, s.Has = 0, fold.SaysUnknown
		}
		samples = append(samples, s)
	}
	require.Equal(t, []string{"off 0s 1m", "run 1m 3m", "unknown 3m 5m", "run 5m 6m", "off 6m 7m open"}, states(samples, rule))
}

// Run, stop and unknown hours of 21 machines as their hubs told them, against the counts of the source.
func TestXepStatus(t *testing.T) {
	truth := recording(t, "xep-machine-status/ground_truth_run_hours.csv")
	rule := fold.NewRules(kolkata, fold.Rule{Signal: "status_code", IdleAbove: 2, RunAbove: 3, GapLimitMs: 3 * minute})
	levels := map[string]fold.State{"0": fold.Off, "1": fold.Run}
	rows := map[string][]map[string]string{}
	for _, want := range truth {
		week := want["week"]
		if rows[week] == nil {
			rows[week] = recording(t, "xep-machine-status/machinestatus_"+week+".csv.gz")
		}
		var samples []fold.Sample
		for _, row := range rows[week] {
			word := row[want["machine"]]
			if row["UID"] != want["uid"] || word == "" {
				continue
			}
			s := fold.Sample{TimeMs: int64(number(t, row["Timestamp"]))}
			if level, ok := levels[word]; ok {
				s.Signal, s.Has = float64(level), fold.HasSignal
			} else {
				s.Has = fold.SaysUnknown
			}
			samples = append(samples, s)
		}
		hours := map[string]float64{}
		for _, p := range run(rule, samples).pieces {
			hours[p.State] += float64(p.EndMs-p.StartMs) / 3.6e6
		}
		name := week + " " + want["machine"]
		require.InDelta(t, number(t, want["run_hours"]), hours[timeline.StateRun], 0.001, name)
		require.InDelta(t, number(t, want["stop_hours"]), hours[timeline.StateOff], 0.001, name)
		require.InDelta(t, number(t, want["unknown_hours"]), hours[timeline.StateUnknown], 0.001, name)
	}
}
