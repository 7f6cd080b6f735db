package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"karkhana/analytics/learn"
	"karkhana/hardware/kit"
	"karkhana/hardware/sim"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

const (
	driftDays  = 60
	changeDay  = 30 // of a sudden change
	driftSeeds = 5
	dayMs      = int64(24 * time.Hour / time.Millisecond)
)

// scenario is what happens to a machine: the power it shows instead of v on a day (counted from 0, with its fraction).
type scenario struct {
	name   string
	change bool // it is to be told
	power  func(s registry.Settings, state string, v, day float64) float64
}

// swing is the normal variation of every scenario: seasons of ±8 %, each week its own work (±12 %), a closure of ten days and Sundays off.
func swing(state string, v, day float64) float64 {
	d := int(day)
	if d%7 == 6 || d >= 18 && d < 28 {
		return 0
	}
	v *= 1 + 0.08*math.Sin(2*math.Pi*day/driftDays)
	if state == "run" {
		v *= []float64{1, 1.12, 0.93, 1.06, 0.88, 1.1, 0.95, 1.02, 0.9}[d/7%9]
	}
	return v
}

var scenarios = []scenario{
	{"normal variation", false, func(_ registry.Settings, _ string, v, _ float64) float64 { return v }},
	{"idle and off sometimes left out for weeks", false, func(_ registry.Settings, state string, v, day float64) float64 {
		if state == "idle" && int(day)/7%3 == 2 {
			return 0 // switched off instead
		}
		return v
	}},
	{"idle power creeps to the threshold of run", true, func(s registry.Settings, state string, v, day float64) float64 {
		if state == "idle" && day > 14 { // from its own power to run_above in 40 days
			return v * math.Pow(s.RunAbove/idlePower[s.RunAbove], min(1, (day-14)/40))
		}
		return v
	}},
	{"transformer of half the ratio", true, after(func(string) float64 { return 0.5 })},
	{"transformer of twice the ratio", true, after(func(string) float64 { return 2 })},
	{"a motor of twice the power", true, after(func(state string) float64 {
		if state == "idle" {
			return 1.8
		}
		return 2.1
	})},
}

// idlePower is the idle power of the simulated machines by their kit's run_above.
var idlePower = map[float64]float64{2000: 90, 1200: 760, 850: 430, 2700: 1050, 185: 125}

func after(times func(state string) float64) func(registry.Settings, string, float64, float64) float64 {
	return func(_ registry.Settings, state string, v, day float64) float64 {
		if day < changeDay {
			return v
		}
		return v * times(state)
	}
}

// drifts is the table of what is told of simulated machines, and the recordings that are long enough.
func drifts(data string) (table, result string, err error) {
	var out strings.Builder
	fmt.Fprintf(&out, "| machine | what happens | told, of %d seeds | days after the change |\n|---|---|---|---|\n", driftSeeds)
	falsely, judged, missed, changes := 0, 0, 0, 0
	for _, kind := range sim.Kinds()[:5] {
		k, err := kit.Load(kind)
		if err != nil {
			return "", "", err
		}
		s := registry.Settings{Signal: k.Settings.Signal, IdleAbove: k.Settings.IdleAbove, RunAbove: k.Settings.RunAbove, Hysteresis: k.Settings.Hysteresis}
		told := make([][]int, len(scenarios))
		for seed := range uint64(driftSeeds) {
			days, err := simulatedDays(kind, 100+seed, s, k.Settings.Report.Ms())
			if err != nil {
				return "", "", err
			}
			for i, x := range scenarios {
				first, evaluations, _ := firstTold(days[i], s)
				told[i] = append(told[i], first)
				if !x.change {
					judged += evaluations
				}
			}
		}
		for i, x := range scenarios {
			count, least, most, early := 0, math.MaxInt, 0, 0
			from := changeDay
			if strings.HasPrefix(x.name, "idle power") {
				from = 14
			}
			for _, d := range told[i] {
				switch {
				case d < 0:
				case x.change && d < from:
					early++
				default:
					count++
					least, most = min(least, d-from), max(most, d-from)
				}
			}
			when := "–"
			if count > 0 {
				when = fmt.Sprintf("%d to %d", least, most)
			}
			fmt.Fprintf(&out, "| %s | %s | %d | %s |\n", kind, x.name, count, when)
			falsely += early
			if x.change {
				changes += driftSeeds
				missed += driftSeeds - count
			} else {
				falsely += count
			}
		}
	}
	fmt.Fprintf(&out, "\n%d of %d changes told; %d false alarms in %d machine-days without a change.\n", changes-missed, changes, falsely, judged)
	result = fmt.Sprintf("result: drift_told_pct=%.1f drift_false_alarms=%d drift_machine_days=%d", 100*float64(changes-missed)/float64(changes), falsely, judged)
	if data == "" {
		return out.String(), result, nil
	}
	text, err := recordedDrift(data)
	return out.String() + text, result, err
}

// simulatedDays are the daily histograms of a machine under each scenario.
func simulatedDays(kind string, seed uint64, s registry.Settings, reportMs int64) ([][]learn.Day, error) {
	epoch := time.Date(2026, 10, 22, 18, 30, 0, 0, time.UTC) // midnight in India
	w, err := sim.New(sim.Options{Seed: seed, Epoch: epoch})
	if err != nil {
		return nil, err
	}
	m, err := w.Machine(kind)
	if err != nil {
		return nil, err
	}
	step := 5 * time.Second
	if s.Signal == quantity.PowerMax {
		step = time.Second
	}
	out := make([][]learn.Day, len(scenarios))
	highest := make([]float64, len(scenarios))
	for at := time.Duration(0); at < driftDays*24*time.Hour; at += step {
		day := at.Hours() / 24
		ms := epoch.Add(at).UnixMilli()
		values, err := m.Sense(epoch.Add(at))
		if err != nil {
			return nil, err
		}
		truth, err := m.Truth(epoch.Add(at))
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if v.Quantity != quantity.Power {
				continue
			}
			for i, x := range scenarios {
				if at%(24*time.Hour) == 0 {
					out[i] = append(out[i], learn.Day{FromMs: ms, Histogram: learn.NewHistogram(gapLimitMs)})
				}
				p := swing(truth.State, x.power(s, truth.State, v.Number, day), day)
				h := out[i][len(out[i])-1]
				if s.Signal != quantity.PowerMax {
					h.Add(ms, p)
					continue
				}
				highest[i] = max(highest[i], p)
				if (ms+step.Milliseconds())%reportMs == 0 {
					h.Add(ms, highest[i])
					highest[i] = 0
				}
			}
		}
	}
	return out, nil
}

// firstTold is the day at the end of which drift is told first, −1 for never, and how many evaluations there were until then.
func firstTold(days []learn.Day, s registry.Settings) (day, evaluations int, what learn.Drift) {
	const reference = 14
	for d := reference; d < len(days); d++ {
		evaluations++
		if j := learn.FindDrift(days[:reference], days[reference:d+1], s); j.Drift != nil {
			return d, evaluations, *j.Drift
		}
	}
	return -1, evaluations, what
}

// recordedDrift judges recordings of some weeks: thresholds learnt on the first two, held against each day after.
func recordedDrift(data string) (string, error) {
	var out strings.Builder
	fmt.Fprint(&out, "\n| recording | thresholds | evaluations | told |\n|---|---|---|---|\n")
	for _, x := range []struct {
		name      string
		idle, run float64
	}{{"academic_ahu0", 0, 0}, {"academic_ahu5", 0, 0}, {"academic_lifts", 150, 1200}, {"steel works", 0, 0}} {
		series, limit, err := recorded(data, x.name)
		if err != nil {
			return "", err
		}
		zone := time.FixedZone("IST", 5*3600+1800)
		var days []learn.Day
		all := learn.NewHistogram(limit)
		for _, p := range series {
			t := time.UnixMilli(p.ms).In(zone)
			from := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone).UnixMilli()
			if len(days) == 0 || days[len(days)-1].FromMs != from {
				days = append(days, learn.Day{FromMs: from, Histogram: learn.NewHistogram(limit)})
			}
			days[len(days)-1].Add(p.ms, p.value)
			if len(days) <= 14 {
				all.Add(p.ms, p.value)
			}
		}
		s := registry.Settings{Signal: quantity.Power, IdleAbove: x.idle, RunAbove: x.run, Hysteresis: 0.1}
		if x.run == 0 {
			found := learn.Suggest(all, 2, 0, learn.Valley)
			s.IdleAbove, s.RunAbove = found.IdleAbove, found.RunAbove
		}
		d, n, what := firstTold(days, s)
		told := "no"
		if d >= 0 {
			told = fmt.Sprintf("on day %d: %s %s (%.2g, was %.2g)", d, what.Code, what.State, what.Value, what.Was)
		}
		fmt.Fprintf(&out, "| %s | %g / %g | %d | %s |\n", x.name, s.IdleAbove, s.RunAbove, n, told)
	}
	return out.String(), nil
}

// recorded is a recording of some weeks and how far apart its samples may lie.
func recorded(data, name string) ([]point, int64, error) {
	if name != "steel works" {
		series, err := combed(data, name)
		return series, gapLimitMs, err
	}
	rows, err := table(filepath.Join(data, "steel-plant-15min", "steel_15min.csv.gz"))
	var out []point
	for i, row := range rows {
		out = append(out, point{ms: int64(i+1) * 900_000, value: 4000 * number(row["Usage_kWh"])})
	}
	return out, 2_700_000, err
}
