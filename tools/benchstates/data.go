package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/learn"
	"karkhana/hardware/kit"
	"karkhana/hardware/sim"
	"karkhana/internal/quantity"
)

const gapLimitMs = 180_000

// recordings are the recorded machines with true states: air handling units (on or off by the source's intervals), the
// mill (spindle turns or not, learnt on experiments 1 and 2, judged on 8 and 11), status signals.
func recordings(data string) ([]machine, error) {
	cutting, err := kit.Load("cutting")
	if err != nil {
		return nil, err
	}
	on, err := table(filepath.Join(data, "combed-campus-meters", "ground_truth_on_intervals.csv"))
	if err != nil {
		return nil, err
	}
	var out []machine
	for _, meter := range []string{"academic_ahu0", "academic_ahu5"} {
		series, err := combed(data, meter)
		if err != nil {
			return nil, err
		}
		for i := range series {
			series[i].truth = "off"
			for _, row := range on {
				if row["meter"] == meter && float64(series[i].ms) >= number(row["on_from_ms"]) && float64(series[i].ms) < number(row["off_at_ms"]) {
					series[i].truth = "run"
				}
			}
		}
		first, rest := halves(series)
		out = append(out, machine{
			name: "combed " + meter, kind: "recording", states: 2, learn: [][]point{first}, judge: [][]point{rest},
			rule: fold.Rule{Hysteresis: 0.1, GapLimitMs: gapLimitMs}, kitIdle: cutting.Settings.IdleAbove, kitRun: cutting.Settings.RunAbove, stepMs: 30_000,
		})
	}
	for _, signal := range []struct {
		name, column string
		per, kitRun  float64
	}{{"spindle power", "S1_OutputPower", 1000, cutting.Settings.RunAbove}, {"spindle speed", "S1_ActualVelocity", 60, 60}} {
		mill := machine{
			name: "umich mill, " + signal.name, kind: "recording", states: 2, rule: fold.Rule{Hysteresis: 0.1, GapLimitMs: gapLimitMs},
			kitRun: signal.kitRun, stepMs: 100,
		}
		for i, experiment := range []string{"01", "02", "08", "11"} {
			rows, err := table(filepath.Join(data, "umich-cnc-mill", "experiment_"+experiment+".csv.gz"))
			if err != nil {
				return nil, err
			}
			var series []point
			for n, row := range rows {
				p := point{ms: int64(i+1)*3_600_000 + int64(n)*100, value: signal.per * number(row[signal.column]), truth: "off"}
				if number(row["S1_ActualVelocity"]) > 1 {
					p.truth = "run"
				}
				series = append(series, p)
			}
			if i < 2 {
				mill.learn = append(mill.learn, series)
			} else {
				mill.judge = append(mill.judge, series)
			}
		}
		out = append(out, mill)
	}
	return out, nil
}

func combed(data, meter string) ([]point, error) {
	rows, err := table(filepath.Join(data, "combed-campus-meters", meter+".csv.gz"))
	if err != nil {
		return nil, err
	}
	var series []point
	for _, row := range rows {
		if row["power_w"] != "" {
			ms, err := strconv.ParseInt(row["t_unix_ms"], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", meter, err)
			}
			series = append(series, point{ms: ms, value: number(row["power_w"])})
		}
	}
	return series, nil
}

// simulated are the simulated machines of four days, a reading a second, with the state of the work plan. Learnt from the
// first two days.
func simulated() ([]machine, error) {
	epoch := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)
	w, err := sim.New(sim.Options{Seed: 7, Epoch: epoch})
	if err != nil {
		return nil, err
	}
	var out []machine
	for _, kind := range sim.Kinds()[:5] {
		k, err := kit.Load(kind)
		if err != nil {
			return nil, err
		}
		m, err := w.Machine(kind)
		if err != nil {
			return nil, err
		}
		var series []point
		for at := time.Duration(0); at < 4*24*time.Hour; at += time.Second {
			values, err := m.Sense(epoch.Add(at))
			if err != nil {
				return nil, err
			}
			truth, err := m.Truth(epoch.Add(at))
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				if v.Quantity == quantity.Power {
					series = append(series, point{ms: epoch.Add(at).UnixMilli(), value: v.Number, truth: truth.State})
				}
			}
		}
		d := k.Settings.Dwell
		window := int64(0)
		if k.Settings.Signal == quantity.PowerMax {
			window = k.Settings.Report.Ms()
		}
		first, rest := halves(series)
		out = append(out, machine{
			name: "simulated " + kind, kind: "simulated", states: 3, learn: [][]point{first}, judge: [][]point{rest}, stepMs: 1000, window: window,
			rule: fold.Rule{
				Hysteresis: k.Settings.Hysteresis, GapLimitMs: gapLimitMs,
				DwellOffMs: d.Off.Ms(), DwellIdleMs: d.Idle.Ms(), DwellRunMs: d.Run.Ms(),
			},
			kitIdle: k.Settings.IdleAbove, kitRun: k.Settings.RunAbove, kitPulseMs: k.Settings.Pulse.Ms(),
		})
	}
	return out, nil
}

// refusals tells what valley says of recordings whose labels are no states of power: they enter no figure.
func refusals(data string) (string, error) {
	var out strings.Builder
	fmt.Fprint(&out, "\nRecordings without true states of power (in no figure above):\n\n| recording | what is suggested, or why not |\n|---|---|\n")
	lifts, err := combed(data, "academic_lifts")
	if err != nil {
		return "", err
	}
	steel, err := table(filepath.Join(data, "steel-plant-15min", "steel_15min.csv.gz"))
	if err != nil {
		return "", err
	}
	var plant []point
	for i, row := range steel {
		plant = append(plant, point{ms: int64(i+1) * 900_000, value: 4000 * number(row["Usage_kWh"])})
	}
	sme, err := table(filepath.Join(data, "sme-discrete-manufacturing", "company_A_labelled.csv.gz"))
	if err != nil {
		return "", err
	}
	assets := map[string][]point{}
	for _, row := range sme {
		at, err := time.Parse("2006-01-02 15:04:05-07:00", row["ts"])
		if err != nil {
			continue
		}
		assets[row["asset"]] = append(assets[row["asset"]], point{ms: at.UnixMilli(), value: 1000 * number(row["power_avg"])})
	}
	for _, x := range []struct {
		name   string
		series []point
		limit  int64
	}{
		{"combed academic_lifts (30 s)", lifts, gapLimitMs},
		{"steel works (15 min; labels are load types of the tariff)", plant, 2_700_000},
		{"sme asset 0 (5 min, whole kW; labels are modes of work)", assets["0"], 900_000},
		{"sme asset 1 (5 min, whole kW)", assets["1"], 900_000},
	} {
		h := learn.NewHistogram(x.limit)
		for _, p := range x.series {
			h.Add(p.ms, p.value)
		}
		s := learn.Suggest(h, 3, 0, learn.Valley)
		what := fmt.Sprintf("idle from %.4g W, run from %.4g W", s.IdleAbove, s.RunAbove)
		if s.Refused != nil {
			what = s.Refused.Error()
		}
		fmt.Fprintf(&out, "| %s | %s |\n", x.name, what)
	}
	return out.String(), nil
}
