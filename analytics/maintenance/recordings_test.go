package maintenance

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/firmware-gateway/feature"
	"karkhana/hardware/chip/accel"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// window is what a gateway sends of one window of acceleration. Velocity is negative when it can't be measured.
type window struct{ velocity, acceleration, kurtosis float64 }

// recording reads a column of a recording, rows chosen by keep (nil: all), or skips the test.
func recording(t *testing.T, name, column string, keep map[string]string) []float64 {
	t.Helper()
	path := filepath.Join("../../../shared/data", name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", path)
	}
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	rows, err := csv.NewReader(z).ReadAll()
	require.NoError(t, err)
	at := map[string]int{}
	for i, c := range rows[0] {
		at[c] = i
	}
	var out []float64
next:
	for _, r := range rows[1:] {
		for k, v := range keep {
			if r[at[k]] != v {
				continue next
			}
		}
		v, err := strconv.ParseFloat(r[at[column]], 64)
		require.NoError(t, err)
		out = append(out, v*accel.Gravity)
	}
	return out
}

// windows cuts axes into windows of a second, each `step` samples after the one before. The axis with the highest RMS
// tells acceleration and kurtosis, as on the gateway.
func windows(t *testing.T, rateHz float64, step int, axes ...[]float64) (out []window) {
	t.Helper()
	n := int(rateHz)
	for from := 0; from+n <= len(axes[0]); from += step {
		w := window{velocity: -1}
		for _, x := range axes {
			s, err := feature.ShapeOf(x[from : from+n])
			require.NoError(t, err)
			if s.RMS > w.acceleration {
				w.acceleration, w.kurtosis = s.RMS, s.Kurtosis
			}
			if rateHz >= 2000 {
				v, _, err := feature.Velocity(x[from:from+n], rateHz)
				require.NoError(t, err)
				w.velocity = max(w.velocity, v*1000)
			}
		}
		out = append(out, w)
	}
	return out
}

// reduced is x at a quarter of its rate: a windowed-sinc low pass at nine tenths of the new half rate, then every
// fourth sample.
func reduced(x []float64) []float64 {
	const taps, cut = 129, 0.9 / 8
	var h [taps]float64
	sum := 0.0
	for i := range h {
		n := float64(i - taps/2)
		h[i] = 2 * cut
		if n != 0 {
			h[i] = math.Sin(2*math.Pi*cut*n) / (math.Pi * n)
		}
		h[i] *= 0.54 + 0.46*math.Cos(2*math.Pi*n/(taps-1))
		sum += h[i]
	}
	var out []float64
	for i := taps; i < len(x); i += 4 {
		v := 0.0
		for k := range h {
			v += h[k] * x[i-k]
		}
		out = append(out, v/sum)
	}
	return out
}

// play lets the machine run healthily for five hours and a day later with other windows for half an hour, one window a
// minute, everything through store, baseline and watcher. It returns the alarm, if there is one.
func play(t *testing.T, healthy, later []window) (registry.Alarm, bool) {
	t.Helper()
	r := newRig(t)
	r.apply(func(d *registry.SiteDefinition) {
		s := &d.Machines[1].Settings[0]
		s.VibrationRatio, s.AccelerationRatio, s.KurtosisRise, s.ReportMs = 2.5, 2.5, 1.5, 60_000 // the kit's
		d.Machines[0].Settings[0].SilentAfterMs, s.SilentAfterMs = 0, 0
	})
	send := func(at time.Time, w window) {
		fields := []tsdb.Field{number64("power_w", 800), number64("acceleration_m_s2", w.acceleration), number64("kurtosis", w.kurtosis)}
		if w.velocity >= 0 {
			fields = append(fields, number64("vibration_mm_s", w.velocity))
		}
		r.write("lathe", at, fields...)
	}
	begin := noon.Add(-24 * time.Hour)
	for i := range 300 {
		send(begin.Add(time.Duration(i)*time.Minute), healthy[i%len(healthy)])
	}
	run := timeline.Interval{State: timeline.StateRun, StartMs: begin.UnixMilli(), EndMs: begin.Add(5 * time.Hour).UnixMilli()}
	require.NoError(t, r.store.Write(t.Context(), []tsdb.Point{run.Point("cfc", "lathe")}))
	for i := range 30 {
		r.now = r.now.Add(time.Minute)
		send(r.now, later[i%len(later)])
		r.w.evaluate(t.Context())
	}
	for _, b := range r.w.Baselines() {
		require.Equal(t, b.Quantity != "vibration" || healthy[0].velocity >= 0, b.Known, b.Quantity)
	}
	alarms := r.alarms()
	if len(alarms) == 0 {
		return registry.Alarm{}, false
	}
	require.Len(t, alarms, 1)
	return alarms[0], true
}

// TestRecordingsThroughTheRules plays the recordings of sound and faulty machines through features and rules with the
// settings of the polishing kit, and holds docs/vibration.md against the outcome.
func TestRecordingsThroughTheRules(t *testing.T) {
	var table strings.Builder
	table.WriteString("| recording | truth | baseline from | alarm | what rose (× usual) | cause told |\n| --- | --- | --- | --- | --- | --- |\n")
	healthyCount, falseAlarms := 0, 0
	got := map[string]bool{}
	row := func(name, truth, from string, healthy, later []window) {
		a, yes := play(t, healthy, later)
		word, what := "no", "–"
		if yes {
			word = "**yes**"
			var parts []string
			for _, rise := range a.Rises {
				parts = append(parts, fmt.Sprintf("%s %.1f", rise.Quantity, rise.Value/rise.Baseline))
			}
			what = strings.Join(parts, ", ")
		}
		if truth == "sound" {
			healthyCount++
			if yes {
				falseAlarms++
			}
		}
		got[name+", "+from] = yes
		cause := a.Cause
		if cause == "" {
			cause = "–"
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", name, truth, from, word, what, cause)
	}

	half := func(w []window) (first, second []window) { return w[:len(w)/2], w[len(w)/2:] }
	motor := func(name, end string) []float64 { return recording(t, "cwru-bearing/"+name+".csv.gz", end+"_g", nil) }
	const step = 300 // of 12000
	for _, end := range []string{"de", "fe"} {
		sound := motor("1797_Normal", end)
		first, second := half(windows(t, 12000, step, reduced(sound)))
		row("1797_Normal "+end, "sound", "its first half", first, second)
		for _, f := range [][2]string{{"1797_IR_7_DE12", "inner race"}, {"1797_B_7_DE12", "ball"}, {"1797_OR_at_6_7_DE12", "outer race"}} {
			row(f[0]+" "+end, f[1], "1797_Normal", first, windows(t, 12000, step, motor(f[0], end)))
		}
		if end == "de" {
			whole, rest := half(windows(t, 48000, 4*step, sound))
			row("1797_Normal de at 48 kHz", "sound", "its first half", whole, rest)
			row("1797_B_7_DE12 de", "ball", "1797_Normal at 48 kHz", whole, windows(t, 12000, step, motor("1797_B_7_DE12", end)))
		}
	}

	fan := func(weights, speed string) []window {
		axis := func(name string) []float64 {
			return recording(t, "uci-fan-accelerometer/fan_accelerometer.csv.gz", name, map[string]string{"wconfid": weights, "pctid": speed})
		}
		return windows(t, 50, 50, axis("x"), axis("y"), axis("z"))
	}
	var mixed []window
	for _, speed := range []string{"20", "60", "100"} {
		first, second := half(fan("3", speed))
		mixed = append(mixed, first...)
		row("fan balanced, "+speed+" %", "sound", "the same speed", first, second)
		row("fan normal, "+speed+" %", "unbalanced", "the same speed", first, fan("1", speed))
		row("fan perpendicular, "+speed+" %", "unbalanced", "the same speed", first, fan("2", speed))
	}
	for _, speed := range []string{"20", "60", "100"} {
		_, second := half(fan("3", speed))
		row("fan balanced, "+speed+" %", "sound", "all speeds", mixed, second)
		row("fan normal, "+speed+" %", "unbalanced", "all speeds", mixed, fan("1", speed))
	}
	fmt.Fprintf(&table, "\nFalse alarms: %d of %d playings of sound recordings.\n", falseAlarms, healthyCount)
	t.Logf("\n%s", table.String())

	require.Zero(t, falseAlarms)
	require.True(t, got["1797_IR_7_DE12 de, 1797_Normal"])
	require.True(t, got["1797_OR_at_6_7_DE12 de, 1797_Normal"])
	for _, weights := range []string{"normal", "perpendicular"} {
		require.True(t, got["fan "+weights+", 60 %, the same speed"])
		require.True(t, got["fan "+weights+", 100 %, the same speed"])
	}
	text, err := os.ReadFile("../../docs/vibration.md")
	require.NoError(t, err)
	require.Contains(t, string(text), table.String(), "docs/vibration.md shows other figures: take those above over")
}
