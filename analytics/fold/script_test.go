package fold_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
)

var kolkata = func() *time.Location {
	z, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		panic(err)
	}
	return z
}()

// midnight is where the clock of the tests begins.
var midnight = time.Date(2026, 11, 2, 0, 0, 0, 0, kolkata).UnixMilli()

// recorder keeps what a fold emits.
type recorder struct {
	pieces      []timeline.Interval
	hours       []timeline.Hour
	checkpoints map[int64]string
}

func (r *recorder) Piece(p timeline.Interval) { r.pieces = append(r.pieces, p) }
func (r *recorder) Hour(h timeline.Hour)      { r.hours = append(r.hours, h) }
func (r *recorder) Checkpoint(ms int64, s string) {
	if r.checkpoints == nil {
		r.checkpoints = map[int64]string{}
	}
	r.checkpoints[ms] = s
}

// run folds samples and adds the tip.
func run(rules *fold.Rules, samples []fold.Sample) *recorder {
	r := &recorder{}
	f := fold.New(rules, r)
	for _, s := range samples {
		f.Step(s)
	}
	f.Tip(r)
	return r
}

// The scripts in testdata say what a machine does and what must be seen of it. Lines:
//
//	rule [from=0s] idle=W run=W [h=0.1] [off=0s] [idle_dwell=0s] [run_dwell=0s] [gap=180s]
//	power|signal|energy from TIME every STEP: VALUE[xCOUNT] …   (- is a sample that is missing)
//	expect STATE FROM TO [WH] [~] [open]                        (~: energy estimated)
//
// power is also the signal unless the script has signal lines. Times are durations since midnight.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			s := readScript(t, file)
			rules := fold.NewRules(kolkata, s.rules...)
			got := run(rules, s.samples)
			require.Equal(t, s.expect, describe(got.pieces, s.withEnergy))
		})
	}
}

type script struct {
	rules      []fold.Rule
	samples    []fold.Sample
	expect     []string
	withEnergy bool
}

func readScript(t *testing.T, file string) script {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	var s script
	at := map[int64]*fold.Sample{}
	signalled := false
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch where := fmt.Sprintf("%s:%d", file, n); words[0] {
		case "rule":
			s.rules = append(s.rules, readRule(t, where, words[1:]))
		case "power", "signal", "energy":
			signalled = signalled || words[0] == "signal"
			readSamples(t, where, words, at)
		case "expect":
			s.expect = append(s.expect, strings.Join(words[1:], " "))
			s.withEnergy = s.withEnergy || len(words) > 4 && words[4] != "open"
		default:
			t.Fatalf("%s: unknown word %q", where, words[0])
		}
	}
	for _, ms := range slices.Sorted(maps.Keys(at)) {
		sample := *at[ms]
		if !signalled && sample.Has&fold.HasPower != 0 {
			sample.Signal, sample.Has = sample.PowerW, sample.Has|fold.HasSignal
		}
		s.samples = append(s.samples, sample)
	}
	return s
}

func readRule(t *testing.T, where string, words []string) fold.Rule {
	t.Helper()
	r := fold.Rule{Signal: "power", GapLimitMs: 180_000}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		number, _ := strconv.ParseFloat(value, 64)
		d, _ := time.ParseDuration(value)
		switch key {
		case "from":
			r.FromMs = midnight + d.Milliseconds()
		case "idle":
			r.IdleAbove = number
		case "run":
			r.RunAbove = number
		case "h":
			r.Hysteresis = number
		case "off":
			r.DwellOffMs = d.Milliseconds()
		case "idle_dwell":
			r.DwellIdleMs = d.Milliseconds()
		case "run_dwell":
			r.DwellRunMs = d.Milliseconds()
		case "gap":
			r.GapLimitMs = d.Milliseconds()
		default:
			t.Fatalf("%s: unknown setting %q", where, key)
		}
	}
	return r
}

func readSamples(t *testing.T, where string, words []string, at map[int64]*fold.Sample) {
	t.Helper()
	require.True(t, len(words) > 5 && words[1] == "from" && words[3] == "every", where)
	from, err := time.ParseDuration(words[2])
	require.NoError(t, err, where)
	step, err := time.ParseDuration(strings.TrimSuffix(words[4], ":"))
	require.NoError(t, err, where)
	ms := midnight + from.Milliseconds()
	for _, w := range words[5:] {
		value, times, many := strings.Cut(w, "x")
		count := 1
		if many {
			count, err = strconv.Atoi(times)
			require.NoError(t, err, where)
		}
		for range count {
			if value != "-" {
				v, err := strconv.ParseFloat(value, 64)
				require.NoError(t, err, where)
				s := at[ms]
				if s == nil {
					s = &fold.Sample{TimeMs: ms}
					at[ms] = s
				}
				switch words[0] {
				case "power":
					s.PowerW, s.Has = v, s.Has|fold.HasPower
				case "signal":
					s.Signal, s.Has = v, s.Has|fold.HasSignal
				case "energy":
					s.EnergyWh, s.Has = v, s.Has|fold.HasEnergy
				}
			}
			ms += step.Milliseconds()
		}
	}
}

// describe writes pieces as the scripts do.
func describe(pieces []timeline.Interval, withEnergy bool) []string {
	var out []string
	for _, p := range pieces {
		line := fmt.Sprintf("%s %s %s", p.State, short(p.StartMs), short(p.EndMs))
		if withEnergy {
			line += " " + strconv.FormatFloat(float64(p.EnergyMilliWh)/1000, 'f', -1, 64)
			if p.EnergyEstimated {
				line += " ~"
			}
		}
		if p.Open {
			line += " open"
		}
		out = append(out, line)
	}
	return out
}

// short writes a time as a duration since midnight without empty units: 1h, 90m is 1h30m.
func short(ms int64) string {
	s := (time.Duration(ms-midnight) * time.Millisecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
