package maintenance

import (
	"context"
	"fmt"
	"slices"

	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// The causes of vibration-high: which of the quantities rose tells where to look first.
const (
	CauseBearing   = "bearing"   // acceleration or kurtosis rose, velocity did not: a young fault of a bearing
	CauseImbalance = "imbalance" // velocity rose and kurtosis did not: imbalance, a loose foot, a worn belt
	CauseWear      = "wear"      // velocity and kurtosis rose: worn far, or loose
	CauseShaking   = "shaking"   // velocity is not judged, so that it can be either: an unbalanced fan has a high kurtosis too
)

// Defaults of Settings.PersistOver and PersistOf.
const (
	persistOver = 3
	persistOf   = 5
)

// clearAt is the part of a limit below which a raised quantity is well again.
const clearAt = 0.9

// line is where one quantity is judged.
type line struct {
	rule, known  bool
	usual, limit float64
}

// mark is one judged minute of one quantity.
type mark struct {
	atMs        int64
	over, under bool
}

// track follows one quantity: it is raised by `over` of the last `of` running minutes over the limit, and lowered by as
// many below nine tenths of it. Minutes further back than 15 minutes do not count.
type track struct {
	recent  []mark
	raised  bool
	sinceMs int64   // begin of the first minute over the limit
	value   float64 // of the newest minute over the limit
}

func (t *track) step(l line, over, of int, atMs int64, v float64) {
	t.recent = append(t.recent, mark{atMs, v >= l.limit, v < clearAt*l.limit})
	t.recent = slices.DeleteFunc(t.recent, func(k mark) bool { return k.atMs <= atMs-maxAge.Milliseconds() })
	t.recent = t.recent[max(0, len(t.recent)-of):]
	now, overs, unders := t.recent[len(t.recent)-1], 0, 0
	for _, k := range t.recent {
		if k.over {
			overs++
		}
		if k.under {
			unders++
		}
	}
	if now.over {
		t.value = v
	}
	switch {
	case !t.raised && now.over && overs >= over:
		t.raised = true
		t.sinceMs = t.recent[slices.IndexFunc(t.recent, func(k mark) bool { return k.over })].atMs
	case t.raised && now.under && unders >= over:
		t.raised = false
	}
}

// shaking follows all judged quantities of a machine; they make one alarm.
type shaking struct {
	tracks    [len(judged)]track
	judgedMs  int64           // minutes before are judged
	standing  bool            // an alarm stands, as far as this watcher has told the registry
	announced []registry.Rise // what it says
}

// newShaking starts from what the registry knows: the newest alarm of the rule, or the zero Alarm.
func newShaking(a registry.Alarm) shaking {
	s := shaking{judgedMs: a.ClearedMs, standing: a.Active}
	if !a.Active {
		return s
	}
	s.announced = a.Rises
	if len(a.Rises) == 0 { // raised before several quantities were judged
		s.announced = []registry.Rise{{Quantity: a.Component, Value: a.Value, Limit: a.Limit, SinceMs: a.OpenedMs}}
	}
	for _, r := range s.announced {
		if i := slices.Index(judged[:], r.Quantity); i >= 0 {
			s.tracks[i].raised, s.tracks[i].sinceMs, s.tracks[i].value = true, r.SinceMs, r.Value
		}
	}
	return s
}

// step judges one minute: means of the quantities that came, NaN-free; missing ones have ok false.
func (s *shaking) step(lines [len(judged)]line, over, of int, atMs int64, v [len(judged)]float64, ok [len(judged)]bool) {
	for i, l := range lines {
		switch {
		case !l.rule:
			s.tracks[i] = track{}
		case l.known && ok[i]:
			s.tracks[i].step(l, over, of, atMs, v[i])
		}
	}
}

// rises lists the raised quantities, the one furthest over its limit first.
func (s *shaking) rises(lines [len(judged)]line) []registry.Rise {
	var out []registry.Rise
	for i, t := range s.tracks {
		if !t.raised {
			continue
		}
		r := registry.Rise{Quantity: judged[i], Value: t.value, Baseline: lines[i].usual, Limit: lines[i].limit, SinceMs: t.sinceMs}
		if !lines[i].known { // kept from before a restart, the baseline is yet to be found
			if j := slices.IndexFunc(s.announced, func(a registry.Rise) bool { return a.Quantity == judged[i] }); j >= 0 {
				r = s.announced[j]
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b registry.Rise) int {
		if a.Value*b.Limit > b.Value*a.Limit {
			return -1
		}
		return 1
	})
	return out
}

// causeOf tells from what rose where to look first.
func causeOf(rises []registry.Rise, velocityJudged bool) string {
	rose := func(name string) bool {
		return slices.ContainsFunc(rises, func(r registry.Rise) bool { return r.Quantity == name })
	}
	switch {
	case rose(quantity.Vibration) && rose(quantity.Kurtosis):
		return CauseWear
	case rose(quantity.Vibration):
		return CauseImbalance
	case velocityJudged:
		return CauseBearing
	default:
		return CauseShaking
	}
}

// told reports whether an alarm that says a need not be told b: the same quantities, none grown by a quarter since.
func told(a, b []registry.Rise) bool {
	return len(a) == len(b) && !slices.ContainsFunc(b, func(n registry.Rise) bool {
		return !slices.ContainsFunc(a, func(o registry.Rise) bool { return o.Quantity == n.Quantity && n.Value < 1.25*o.Value })
	})
}

func (w *Watcher) vibrationLines(m *machineWatch) (lines [len(judged)]line) {
	for i, name := range judged {
		b := w.baseline(m, name)
		limit := b.Limit(m.settings)
		lines[i] = line{rule: ruled(m.settings, name), known: limit > 0, usual: b.Usual, limit: limit}
	}
	return lines
}

// evaluateVibration judges the running minutes that are over and were not judged yet, none older than 15 minutes.
func (w *Watcher) evaluateVibration(ctx context.Context, m *machineWatch, newestMs, nowMs int64) error {
	if !shakes(m.settings) {
		return nil
	}
	upTo := newestMs - lookBackMs
	upTo -= upTo % minuteMs
	oldest := nowMs - maxAge.Milliseconds()
	from := max(m.shaking.judgedMs+minuteMs-1, oldest+minuteMs-1)
	from -= from % minuteMs
	if from >= upTo {
		return nil
	}
	lines := w.vibrationLines(m)
	if !slices.ContainsFunc(lines[:], func(l line) bool { return l.known }) {
		return nil // once a baseline is found, the last minutes are judged by it
	}
	over, of := persistOver, persistOf
	if m.settings.PersistOver > 0 && m.settings.PersistOf > 0 {
		over, of = int(m.settings.PersistOver), int(m.settings.PersistOf)
	}
	err := w.minutes(ctx, m, from, upTo, func(atMs int64, v [len(judged)]float64, ok [len(judged)]bool) {
		m.shaking.step(lines, over, of, atMs, v, ok)
	})
	if err != nil {
		return err
	}
	m.shaking.judgedMs = upTo
	w.settleVibration(m, lines, upTo)
	return nil
}

// settleVibration compares what is raised with what the registry has been told.
func (w *Watcher) settleVibration(m *machineWatch, lines [len(judged)]line, atMs int64) {
	s := &m.shaking
	rises := s.rises(lines)
	k := m.key(RuleVibrationHigh, quantity.Vibration)
	if len(rises) == 0 {
		if s.standing {
			w.clear(k, atMs)
		}
		s.standing, s.announced = false, nil
		return
	}
	if s.standing && told(s.announced, rises) {
		return
	}
	w.outbox = append(w.outbox, effect{key: k, raise: true, update: s.standing, atMs: atMs, alarm: registry.Alarm{
		Site: k.site, Machine: k.machine, Rule: k.rule, Component: k.component, State: registry.AlarmOpen, Active: true,
		OpenedMs: atMs, Count: 1, Value: rises[0].Value, Limit: rises[0].Limit, Cause: causeOf(rises, lines[0].known), Rises: rises,
	}})
	s.standing, s.announced = true, rises
}

// minutes calls fn with the mean of each judged quantity over each minute of [fromMs, toMs) in which every one of its
// samples fell into state run.
func (w *Watcher) minutes(ctx context.Context, m *machineWatch, fromMs, toMs int64, fn func(atMs int64, v [len(judged)]float64, ok [len(judged)]bool)) error {
	fields := []string{signalField(m.settings)}
	for _, name := range judged {
		fields = append(fields, quantity.Field(name), quantity.Field(name)+"_q")
	}
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: m.Site, Machine: m.ID, Fields: fields, FromMs: fromMs - m.settings.GapLimitMs(), ToMs: toMs}
	var (
		signal held
		at     int64
		sum    [len(judged)]float64
		n      [len(judged)]float64
		out    [len(judged)]bool // a sample outside state run
	)
	flush := func() {
		var ok [len(judged)]bool
		any := false
		for i := range sum {
			ok[i] = n[i] > 0 && !out[i]
			any = any || ok[i]
			if ok[i] {
				sum[i] /= n[i]
			}
		}
		if any {
			fn(at, sum, ok)
		}
		sum, n, out = [len(judged)]float64{}, [len(judged)]float64{}, [len(judged)]bool{}
	}
	err := w.o.Store.Read(ctx, q, func(row tsdb.Row) error {
		if v, ok := tsdb.Number(row.Values[0]); ok {
			signal = held{row.TimeMs, v}
		}
		if row.TimeMs < fromMs {
			return nil
		}
		if start := row.TimeMs - row.TimeMs%minuteMs; start != at {
			flush()
			at = start
		}
		for i := range judged {
			v, ok := valid(row.Values[1+2*i], row.Values[2+2*i])
			if !ok {
				continue
			}
			if !signal.runs(m.settings, row.TimeMs) {
				out[i] = true
				continue
			}
			sum[i] += v
			n[i]++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read vibration: %w", err)
	}
	flush()
	return nil
}

// signalField is the field of the quantity that shows the machine's state.
func signalField(s registry.Settings) string {
	if f := quantity.Field(s.Signal); f != "" {
		return f
	}
	return quantity.Field(quantity.Power)
}

// runs reports whether the signal was at or above the run threshold when last heard, and heard recently enough.
func (h held) runs(s registry.Settings, atMs int64) bool {
	return s.RunAbove > 0 && s.HasThresholds() && h.atMs > 0 && h.value >= s.RunAbove && h.atMs <= atMs && atMs-h.atMs <= s.GapLimitMs()
}
