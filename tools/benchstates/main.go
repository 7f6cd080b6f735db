// Command benchstates holds ways of finding a machine's thresholds against recordings and simulated machines of which the
// true states are known, and writes the table into docs/states.md. Each way learns from the first part and is judged on the rest.
package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/learn"
	"karkhana/analytics/timeline"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchstates:", err)
		os.Exit(1)
	}
}

// point is a sample with the true state from it on; "" where the truth says nothing.
type point struct {
	ms    int64
	value float64
	truth string
}

// machine is one series with truth.
type machine struct {
	name, kind      string // kind: recording or simulated
	states          int
	learn, judge    [][]point // stretches
	rule            fold.Rule // dwell and gap limit; thresholds come from the method
	kitIdle, kitRun float64
	kitPulseMs      int64
	stepMs          int64
	window          int64 // ms, of which the kit's signal is the maximum; 0: the signal is the power itself
}

// figures is what a method reached on a machine.
type figures struct {
	refused   string
	idle, run float64
	rightMs   int64
	allMs     int64
	edges     int
	outside   int
	extra     int
	worstMs   int64
	pulseMs   int64
}

func (f figures) right() float64 {
	if f.allMs == 0 {
		return 0
	}
	return 100 * float64(f.rightMs) / float64(f.allMs)
}

var methods = []struct {
	name string
	find learn.Method // nil: the kit's thresholds
}{{"valley", learn.Valley}, {"otsu", learn.Otsu}, {"3-means", learn.KMeans}, {"kit default", nil}}

func run() error {
	data := filepath.Join("..", "shared", "data")
	if len(os.Args) > 1 && os.Args[1] == "drift" {
		if _, err := os.Stat(data); err != nil {
			fmt.Println("the recordings are not here (../shared/data): only simulated machines are judged")
			data = ""
		}
		t, result, err := drifts(data)
		if err != nil {
			return err
		}
		if err := write("bench-drift", t); err != nil {
			return err
		}
		fmt.Printf("%s%s\n", t, result)
		return nil
	}
	var all []machine
	if _, err := os.Stat(data); err != nil {
		fmt.Println("the recordings are not here (../shared/data): only simulated machines are compared")
	} else {
		got, err := recordings(data)
		if err != nil {
			return err
		}
		all = append(all, got...)
	}
	got, err := simulated()
	if err != nil {
		return err
	}
	all = append(all, got...)

	var table strings.Builder
	fmt.Fprintln(&table, "| machine | method | idle / run from | time right | edges | outside one step | not in the truth | worst edge |")
	fmt.Fprintln(&table, "|---|---|---|---|---|---|---|---|")
	right, count := map[string]float64{}, map[string]int{}
	outside := 0
	for _, m := range all {
		for _, x := range methods {
			f := judge(m, x.find)
			note := fmt.Sprintf("%.4g / %.4g", f.idle, f.run)
			if f.pulseMs > 0 {
				note += fmt.Sprintf(", pulse %d s", f.pulseMs/1000)
			}
			if f.refused != "" {
				note += " (refused: " + f.refused + "; the kit's stay)"
			}
			fmt.Fprintf(&table, "| %s | %s | %s | %.2f %% | %d | %d | %d | %s |\n", m.name, x.name, note, f.right(), f.edges, f.outside, f.extra,
				time.Duration(f.worstMs*int64(time.Millisecond)))
			if x.name == "valley" {
				right[m.kind] += f.right()
				count[m.kind]++
				if m.kind == "recording" {
					outside += f.outside + f.extra
				}
			}
		}
	}
	others := ""
	if len(count) > 1 {
		if others, err = refusals(data); err != nil {
			return err
		}
	}
	fmt.Print(table.String(), others)
	if err := write("bench-states", table.String()+others); err != nil {
		return err
	}
	fmt.Printf("result: recordings_time_right_pct=%.3f sim_time_right_pct=%.3f edges_outside_one_step=%d\n",
		right["recording"]/float64(max(1, count["recording"])), right["simulated"]/float64(max(1, count["simulated"])), outside)
	return nil
}

// write puts a table between its marks in docs/states.md.
func write(mark, table string) error {
	const file = "docs/states.md"
	begin, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the marks of the table are missing", file)
	}
	return os.WriteFile(file, []byte(head+begin+"\n"+table+"\n"+end+tail), 0o644) //nolint:gosec // a page of the docs
}

// judge learns on the first part and compares on the rest.
func judge(m machine, method learn.Method) figures {
	var f figures
	rule := m.rule
	if method == nil {
		f.idle, f.run = m.kitIdle, m.kitRun
		if m.states == 2 {
			f.idle = f.run
		}
	} else {
		h := learn.NewHistogram(rule.GapLimitMs)
		for _, stretch := range m.learn {
			for _, p := range stretch {
				h.Add(p.ms, p.value)
			}
		}
		s := learn.Suggest(h, m.states, 0, method)
		f.idle, f.run = s.IdleAbove, s.RunAbove
		if s.Refused != nil {
			f.refused = s.Refused.Code
			if s.Refused.State != "" {
				f.refused += " " + s.Refused.State
			}
		}
		if f.refused != "" { // then the settings that are there stay
			f.idle, f.run = m.kitIdle, m.kitRun
			if m.states == 2 {
				f.idle = f.run
			}
		} else {
			pauses := learn.NewPauses(f.run)
			for _, stretch := range m.learn {
				for _, p := range stretch {
					pauses.Add(p.ms, p.value)
				}
			}
			if m.states == 3 {
				f.pulseMs = pauses.PulseMs()
			}
		}
	}
	if method == nil || f.refused != "" {
		f.pulseMs = m.kitPulseMs
	}
	rule.IdleAbove, rule.RunAbove, rule.PulseMs = f.idle, f.run, f.pulseMs
	for _, stretch := range m.judge {
		seen := stretch
		if (method == nil || f.refused != "") && m.window > 0 {
			seen = highest(stretch, m.window)
		}
		f.compare(stretch, pieces(rule, seen), m.stepMs)
	}
	return f
}

type sink struct{ out []timeline.Interval }

func (s *sink) Piece(p timeline.Interval) {
	if n := len(s.out); n > 0 && s.out[n-1].State == p.State {
		s.out[n-1].EndMs = p.EndMs
		return
	}
	s.out = append(s.out, p)
}
func (*sink) Hour(timeline.Hour)       {}
func (*sink) Checkpoint(int64, string) {}

func pieces(rule fold.Rule, series []point) []timeline.Interval {
	var s sink
	f := fold.New(fold.NewRules(time.UTC, rule), &s)
	for _, p := range series {
		f.Step(fold.Sample{TimeMs: p.ms, Signal: p.value, Has: fold.HasSignal})
	}
	f.Tip(&s)
	return s.out
}

// compare adds a stretch. An edge of the truth wants an edge to the same state within one step.
func (f *figures) compare(series []point, got []timeline.Interval, stepMs int64) {
	var truth []timeline.Interval
	for i, p := range series {
		end := p.ms
		if i+1 < len(series) {
			end = series[i+1].ms
		}
		if n := len(truth); n > 0 && truth[n-1].State == p.truth {
			truth[n-1].EndMs = end
		} else {
			truth = append(truth, timeline.Interval{State: p.truth, StartMs: p.ms, EndMs: end})
		}
	}
	j := 0
	for _, t := range truth {
		if t.State == "" {
			continue
		}
		f.allMs += t.EndMs - t.StartMs
		for j > 0 && got[j].StartMs > t.StartMs {
			j--
		}
		for ; j < len(got) && got[j].StartMs < t.EndMs; j++ {
			if d := min(got[j].EndMs, t.EndMs) - max(got[j].StartMs, t.StartMs); d > 0 && got[j].State == t.State {
				f.rightMs += d
			}
		}
		j = max(0, min(j, len(got))-1)
	}
	used := make([]bool, len(got))
	for i := 1; i < len(truth); i++ {
		if truth[i].State == "" || truth[i-1].State == "" || truth[i].EndMs == truth[i].StartMs {
			continue
		}
		f.edges++
		best, least := -1, int64(1)<<60
		for k := 1; k < len(got); k++ {
			if d := abs(got[k].StartMs - truth[i].StartMs); got[k].State == truth[i].State && !used[k] && d < least {
				best, least = k, d
			}
		}
		if best >= 0 && least <= 10*60_000 {
			used[best] = true
			f.worstMs = max(f.worstMs, least)
		}
		if least > stepMs {
			f.outside++
		}
	}
	for k := 1; k < len(got); k++ {
		if !used[k] {
			f.extra++
		}
	}
}

// highest are the maxima of windows, at their starts.
func highest(series []point, windowMs int64) []point {
	var out []point
	for _, p := range series {
		if begin := p.ms - p.ms%windowMs; len(out) == 0 || out[len(out)-1].ms != begin {
			out = append(out, point{ms: begin, value: p.value})
		} else {
			out[len(out)-1].value = max(out[len(out)-1].value, p.value)
		}
	}
	return out
}

func abs(v int64) int64 { return max(v, -v) }

// table reads a CSV file, zipped or not, as rows by column.
func table(path string) ([]map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := make([]map[string]string, 0, len(rows))
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, cell := range row {
			m[rows[0][i]] = cell
		}
		out = append(out, m)
	}
	return out, nil
}

func number(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64)
	return v
}

// halves cuts a series in the middle of its time.
func halves(series []point) (first, rest []point) {
	mid := (series[0].ms + series[len(series)-1].ms) / 2
	at, _ := slices.BinarySearchFunc(series, mid, func(p point, ms int64) int { return int(p.ms - ms) })
	return series[:at], series[at:]
}
