package analytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// signal is where the rows of a source hold what shows the state under one rule.
type signal struct {
	column   int                   // of a number; -1: none
	fallback int                   // column of the window's mean where its extreme is absent; 0: none
	word     int                   // column of a text; -1: none
	states   map[string]fold.State // of a status signal; nil: a measured value
}

// newSignal finds the columns of the settings' signal.
func (s *source) newSignal(x registry.Settings, column func(field string) int) signal {
	name := x.Signal
	if name == "" {
		name = quantity.Power
	}
	out := signal{column: -1, word: -1}
	if x.StatusMap != "" {
		out.states = statusStates(x.StatusMap)
	}
	q, ok := quantity.Get(name)
	switch {
	case !ok:
		return out
	case q.Kind == quantity.KindText:
		if len(s.texts) == 0 {
			s.texts = append(s.texts, q.Field)
		}
		out.word = 0
		return out
	}
	out.column = column(q.Field)
	for _, suffix := range []string{"_max", "_min"} {
		if base, cut := strings.CutSuffix(name, suffix); cut {
			out.fallback = column(quantity.Field(base))
		}
	}
	return out
}

// statusStates reads a stored mapping. What it does not understand it leaves out: those values are unknown.
func statusStates(stored string) map[string]fold.State {
	var words map[string]string
	out := map[string]fold.State{}
	if json.Unmarshal([]byte(stored), &words) != nil {
		return out
	}
	names := map[string]fold.State{timeline.StateOff: fold.Off, timeline.StateIdle: fold.Idle, timeline.StateRun: fold.Run}
	for value, word := range words {
		if state, ok := names[word]; ok {
			out[value] = state
		}
	}
	return out
}

// read puts an instant's signal into the sample. A status becomes the number of its state, by which the thresholds of its
// rule lie; one that is not listed says that nobody knows.
func (s *signal) read(values []float64, quality, words []string, out *fold.Sample) {
	var said string
	switch {
	case s.word >= 0:
		if said = words[s.word]; said == "" {
			return
		}
	case s.column < 0:
		return
	default:
		v, ok := values[s.column], usable(values[s.column], quality[s.column])
		if !ok && s.fallback > 0 && quality[s.column] == "" {
			v = values[s.fallback]
			ok = usable(v, quality[s.fallback])
		}
		if !ok {
			return
		}
		if s.states == nil {
			out.Signal, out.Has = v, out.Has|fold.HasSignal
			return
		}
		said = strconv.FormatFloat(v, 'f', -1, 64)
	}
	if state, ok := s.states[said]; ok {
		out.Signal, out.Has = float64(state), out.Has|fold.HasSignal
	} else {
		out.Has |= fold.SaysUnknown
	}
}

// readWords is read for a machine that also sends words.
func (s *source) readWords(ctx context.Context, fromMs, toMs int64, fn func(fold.Sample) bool) error {
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: s.site, Machine: s.machine, FromMs: fromMs, ToMs: toMs}
	for _, f := range append(slices.Clone(s.fields), s.texts...) {
		q.Fields = append(q.Fields, f, f+"_q")
	}
	values, quality, words := make([]float64, len(s.fields)), make([]string, len(s.fields)), make([]string, len(s.texts))
	err := s.store.Read(ctx, q, func(row tsdb.Row) error {
		for i := range values {
			v, ok := row.Values[2*i].(float64)
			if !ok {
				v = math.NaN()
			}
			values[i] = v
			quality[i], _ = row.Values[2*i+1].(string)
		}
		for i := range words {
			at := 2 * (len(values) + i)
			words[i], _ = row.Values[at].(string)
			if q, _ := row.Values[at+1].(string); bad(q) {
				words[i] = ""
			}
		}
		if sample := s.sample(row.TimeMs, values, quality, words); sample.Has != 0 && !fn(sample) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read samples: %w", err)
	}
	return nil
}

// ruleOf is the fold's rule of a machine's settings. Which words of a controller mean what is part of the rule's name.
func ruleOf(x registry.Settings) fold.Rule {
	return fold.Rule{
		FromMs: x.ValidFromMs, Signal: x.Signal + x.StatusMap, IdleAbove: x.IdleAbove, RunAbove: x.RunAbove, Hysteresis: x.Hysteresis,
		DwellOffMs: x.DwellOffMs, DwellIdleMs: x.DwellIdleMs, DwellRunMs: x.DwellRunMs, GapLimitMs: x.GapLimitMs(), PulseMs: x.PulseMs,
		PhaseRate: x.PhaseRateC, PhaseBand: x.PhaseBandC, PhaseCold: x.PhaseColdC,
	}
}
