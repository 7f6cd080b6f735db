package fold_test

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
)

// recording opens a file of the recordings beside the repository, or skips the test.
func recording(t *testing.T, name string) []map[string]string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", name)
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("recordings are not beside the repository: no %s", path)
	}
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		r = csv.NewReader(z)
	}
	rows, err := r.ReadAll()
	require.NoError(t, err)
	out := make([]map[string]string, 0, len(rows)-1)
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}

// combed returns a meter's samples: power as signal, the counter as register.
func combed(t *testing.T, meter string) []fold.Sample {
	t.Helper()
	var out []fold.Sample
	for _, row := range recording(t, "combed-campus-meters/"+meter+".csv.gz") {
		s := fold.Sample{TimeMs: int64(number(t, row["t_unix_ms"]))}
		if row["power_w"] != "" {
			s.PowerW = number(t, row["power_w"])
			s.Signal, s.Has = s.PowerW, fold.HasPower|fold.HasSignal
		}
		if row["energy_wh"] != "" {
			s.EnergyWh = number(t, row["energy_wh"])
			s.Has |= fold.HasEnergy
		}
		out = append(out, s)
	}
	return out
}

var at250 = fold.NewRules(kolkata, fold.Rule{Signal: "power", IdleAbove: 250, RunAbove: 250, GapLimitMs: 180_000})

// runs joins the run pieces to intervals.
func runs(pieces []timeline.Interval) []timeline.Interval {
	var out []timeline.Interval
	for _, p := range pieces {
		if p.State != timeline.StateRun {
			continue
		}
		if n := len(out); n > 0 && out[n-1].EndMs == p.StartMs {
			out[n-1].EndMs = p.EndMs
			continue
		}
		out = append(out, p)
	}
	return out
}

func TestCombedOnIntervals(t *testing.T) {
	truth := recording(t, "combed-campus-meters/ground_truth_on_intervals.csv")
	for _, meter := range []string{"academic_ahu0", "academic_ahu5"} {
		t.Run(meter, func(t *testing.T) {
			var want [][2]int64
			for _, row := range truth {
				if row["meter"] == meter {
					want = append(want, [2]int64{int64(number(t, row["on_from_ms"])), int64(number(t, row["off_at_ms"]))})
				}
			}
			var got [][2]int64
			for _, iv := range runs(run(at250, combed(t, meter)).pieces) {
				got = append(got, [2]int64{iv.StartMs, iv.EndMs})
			}
			require.Equal(t, want, got)
		})
	}
}

// The truth gives the whole of an increment to the day of its later reading. That is sharp where the counter was read every
// 30 s. The counter of AHU 0 has a reading every 10,000 s only (its times were rounded by the source): what it counted over
// a midnight may belong to either day, by so much the days may differ.
func TestCombedEnergy(t *testing.T) {
	totals := recording(t, "combed-campus-meters/ground_truth_totals.csv")
	daily := recording(t, "combed-campus-meters/ground_truth_daily_wh_ist.csv")
	day := func(ms int64) string { return time.UnixMilli(ms).In(kolkata).Format(time.DateOnly) }
	for _, row := range totals {
		meter := row["meter"]
		t.Run(meter, func(t *testing.T) {
			samples := combed(t, meter)
			days, doubt := map[string]float64{}, map[string]float64{}
			total := 0.0
			for _, h := range run(at250, samples).hours {
				wh := float64(h.OffMilliWh+h.IdleMilliWh+h.RunMilliWh+h.UnknownMilliWh) / 1000
				days[day(h.StartMs)] += wh
				total += wh
			}
			var last fold.Sample
			for _, s := range samples {
				if s.Has&fold.HasEnergy == 0 {
					continue
				}
				if last.Has != 0 && s.TimeMs-last.TimeMs > 180_000 && day(last.TimeMs) != day(s.TimeMs) {
					doubt[day(last.TimeMs)] += s.EnergyWh - last.EnergyWh
					doubt[day(s.TimeMs)] += s.EnergyWh - last.EnergyWh
				}
				last = s
			}
			require.InEpsilon(t, number(t, row["counter_consumed_wh"]), total, 0.001)
			for _, d := range daily {
				if d["meter"] == meter {
					want := number(t, d["counter_wh"])
					require.InDelta(t, want, days[d["ist_date"]], 0.005*want+doubt[d["ist_date"]], d["ist_date"])
				}
			}
		})
	}
}

// The spindle of the mill: velocity over 1 rev/s is the truth for on and off.
func TestUmichSpindle(t *testing.T) {
	rules := fold.NewRules(kolkata, fold.Rule{Signal: "speed", IdleAbove: 60, RunAbove: 60, GapLimitMs: 180_000})
	for _, row := range recording(t, "umich-cnc-mill/ground_truth_totals.csv") {
		t.Run(row["experiment"], func(t *testing.T) {
			n := int(number(t, row["experiment"]))
			rows := recording(t, "umich-cnc-mill/experiment_"+strconv.Itoa(n/10)+strconv.Itoa(n%10)+".csv.gz")
			var samples []fold.Sample
			for i, r := range rows {
				samples = append(samples, fold.Sample{
					TimeMs: midnight + int64(i)*100, Signal: 60 * number(t, r["S1_ActualVelocity"]), PowerW: 1000 * number(t, r["S1_OutputPower"]),
					Has: fold.HasSignal | fold.HasPower,
				})
			}
			var on int64
			starts := 0
			for _, iv := range runs(run(rules, samples).pieces) {
				on += iv.EndMs - iv.StartMs
				starts++
			}
			require.Equal(t, int(number(t, row["spindle_starts"])), starts)
			require.InDelta(t, number(t, row["spindle_on_seconds"])*1000, on, 100)
		})
	}
}
