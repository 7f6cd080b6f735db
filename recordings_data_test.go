package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The recordings are older than the earliest time that ingest believes (2020), so they are replayed a whole number of
// days later: June 2014 becomes June 2026. Days and hours of the site stay what they were.
const shiftDays = 4383

const shiftMs = int64(shiftDays) * 24 * 3600 * 1000

// A mill experiment has no clock, only rows 0.1 s apart: each gets its own hour on this day.
var millDay = time.Date(2026, 6, 1, 6, 30, 0, 0, time.UTC)

// recording is one recorded machine with its ground truth.
type recording struct {
	machine string
	csv     string // replay file, made by prepareRecordings
	samples int    // values in it
	stepMs  int64  // usual distance of samples
	fromMs  int64  // first sample
	toMs    int64  // last sample
	wh      float64
	days    []truthDay
	on      []span // nil when the recording has no two-state truth
}

type span struct{ from, to int64 }

// truthDay is what the counter says of a day of the site. The truth file books an increment whole on the day of its
// later reading. That is sharp where the counter was read every 30 s. AHU 0's counter was stamped every 10,000 s only:
// where it moved over midnight, the day really used wh − before … wh + after.
type truthDay struct {
	start         time.Time
	wh            float64
	before, after float64 // increments astride its two midnights, Wh
}

// errorPct is how far got lies outside of what the counter allows.
func (d truthDay) errorPct(got float64) float64 {
	return errorPct(got, min(max(got, d.wh-d.before), d.wh+d.after))
}

// recordingsFolder returns ../shared/data or skips the test.
func recordingsFolder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "shared", "data")
	if _, err := os.Stat(filepath.Join(dir, "combed-campus-meters")); err != nil {
		t.Skip("the recordings are not here (../shared/data): nothing to replay")
	}
	return dir
}

// prepareRecordings writes replay files (design §9) into out and reads the ground truth.
func prepareRecordings(t testing.TB, data, out string) []recording {
	var all []recording
	for _, meter := range []string{"academic_ahu0", "academic_ahu5", "academic_lifts"} {
		all = append(all, combed(t, filepath.Join(data, "combed-campus-meters"), out, meter))
	}
	for i, experiment := range []string{"01", "02", "08", "11"} {
		all = append(all, mill(t, filepath.Join(data, "umich-cnc-mill"), out, experiment, millDay.Add(time.Duration(i)*time.Hour)))
	}
	return all
}

func combed(t testing.TB, dir, out, meter string) recording {
	r := recording{machine: map[string]string{"academic_ahu0": "ahu-0", "academic_ahu5": "ahu-5", "academic_lifts": "lifts"}[meter], stepMs: 30_000}
	r.csv = filepath.Join(out, r.machine+".csv")
	w, done := replayFile(t, r.csv, "time", "machine", "power[W]", "energy[Wh]", "current[A]")
	var counter counter
	for _, row := range table(t, filepath.Join(dir, meter+".csv.gz")) {
		ms := integer(t, row["t_unix_ms"]) + shiftMs
		if r.fromMs == 0 {
			r.fromMs = ms
		}
		r.toMs = ms
		if row["energy_wh"] != "" {
			counter.read(ms, number(t, row["energy_wh"]))
		}
		for _, key := range []string{"power_w", "energy_wh", "current_a"} {
			if row[key] != "" {
				r.samples++
			}
		}
		require.NoError(t, w.Write([]string{unixSeconds(ms), r.machine, row["power_w"], row["energy_wh"], row["current_a"]}))
	}
	done()

	for _, row := range table(t, filepath.Join(dir, "ground_truth_totals.csv")) {
		if row["meter"] == meter {
			r.wh = number(t, row["counter_consumed_wh"])
		}
	}
	for _, row := range table(t, filepath.Join(dir, "ground_truth_daily_wh_ist.csv")) {
		if row["meter"] != meter {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, row["ist_date"], ist)
		require.NoError(t, err)
		day = day.AddDate(0, 0, shiftDays)
		r.days = append(r.days, truthDay{
			start: day, wh: number(t, row["counter_wh"]),
			before: counter.astride(day), after: counter.astride(day.AddDate(0, 0, 1)),
		})
	}
	for _, row := range table(t, filepath.Join(dir, "ground_truth_on_intervals.csv")) {
		if row["meter"] == meter {
			r.on = append(r.on, span{integer(t, row["on_from_ms"]) + shiftMs, integer(t, row["off_at_ms"]) + shiftMs})
		}
	}
	return r
}

// counter gathers increments that took longer than five minutes.
type counter struct {
	lastMs int64
	lastWh float64
	slow   []slowStep
}

type slowStep struct {
	span
	wh float64
}

func (c *counter) read(ms int64, wh float64) {
	if c.lastMs != 0 && ms-c.lastMs > 300_000 {
		c.slow = append(c.slow, slowStep{span{c.lastMs, ms}, wh - c.lastWh})
	}
	c.lastMs, c.lastWh = ms, wh
}

// astride returns what such an increment over midnight counted.
func (c *counter) astride(midnight time.Time) float64 {
	for _, s := range c.slow {
		if s.from < midnight.UnixMilli() && midnight.UnixMilli() < s.to {
			return s.wh
		}
	}
	return 0
}

// mill reads one experiment. The spindle is on while its velocity is over 1 revolution per second.
func mill(t testing.TB, dir, out, experiment string, start time.Time) recording {
	r := recording{machine: "mill-" + experiment, stepMs: 100, fromMs: start.UnixMilli()}
	r.csv = filepath.Join(out, r.machine+".csv")
	w, done := replayFile(t, r.csv, "time", "machine", "power[kW]", "speed[1/s]")
	var first, last float64 // kW
	for _, row := range table(t, filepath.Join(dir, "experiment_"+experiment+".csv.gz")) {
		ms := start.UnixMilli() + integer(t, row["row"])*100
		r.toMs = ms
		r.samples += 2
		last = number(t, row["S1_OutputPower"])
		if row["row"] == "0" {
			first = last
		}
		on := number(t, row["S1_ActualVelocity"]) > 1
		switch {
		case on && (len(r.on) == 0 || r.on[len(r.on)-1].to != 0):
			r.on = append(r.on, span{from: ms})
		case !on && len(r.on) > 0 && r.on[len(r.on)-1].to == 0:
			r.on[len(r.on)-1].to = ms
		}
		require.NoError(t, w.Write([]string{unixSeconds(ms), r.machine, row["S1_OutputPower"], row["S1_ActualVelocity"]}))
	}
	done()
	if n := len(r.on); n > 0 && r.on[n-1].to == 0 {
		r.on[n-1].to = r.toMs
	}
	want, _ := strconv.Atoi(experiment)
	for _, row := range table(t, filepath.Join(dir, "ground_truth_totals.csv")) {
		if row["experiment"] == strconv.Itoa(want) {
			// The truth counts 0.1 s for each row; the trapezoid between first and last sample lacks half a step at
			// either end, of which no sample tells.
			r.wh = number(t, row["spindle_energy_wh"]) - (first+last)*1000*0.05/3600
			require.Equal(t, row["spindle_starts"], strconv.Itoa(len(r.on)), "starts of %s", r.machine)
		}
	}
	return r
}

// table reads a CSV file, zipped or not, as rows by column name.
func table(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var in io.Reader = f
	if filepath.Ext(path) == ".gz" {
		in, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	rows, err := csv.NewReader(in).ReadAll()
	require.NoError(t, err)
	out := make([]map[string]string, 0, len(rows)-1)
	for _, row := range rows[1:] {
		m := make(map[string]string, len(row))
		for i, cell := range row {
			m[rows[0][i]] = cell
		}
		out = append(out, m)
	}
	return out
}

func replayFile(t testing.TB, path string, header ...string) (*csv.Writer, func()) {
	f, err := os.Create(path)
	require.NoError(t, err)
	w := csv.NewWriter(f)
	require.NoError(t, w.Write(header))
	return w, func() {
		w.Flush()
		require.NoError(t, w.Error())
		require.NoError(t, f.Close())
	}
}

func unixSeconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

func integer(t testing.TB, s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return v
}

func number(t testing.TB, s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}
