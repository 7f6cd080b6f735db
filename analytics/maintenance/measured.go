package maintenance

import (
	"context"
	"fmt"
	"strings"

	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// measuredRule is a rule on a measured value of one machine.
type measuredRule struct {
	condition condition
	replaying bool  // the registry has the alarm as standing and the stored samples have yet to confirm it
	clearedMs int64 // at replay's end: when the condition went
}

// newMeasuredRule starts from what the registry knows: the newest alarm of the rule, or the zero Alarm. When it stands,
// the first samples only find out whether it still does: the raise is recorded already. When it does not, samples up
// to its clearing have been judged before.
func newMeasuredRule(a registry.Alarm) measuredRule {
	return measuredRule{
		condition: condition{raised: a.Active, lastMs: a.ClearedMs},
		replaying: a.Active,
	}
}

// evaluateMeasured reads the machine's new samples, oldest first, and steps its conditions.
func (w *Watcher) evaluateMeasured(ctx context.Context, m *machineWatch, newestMs, nowMs int64) error {
	hot, shaking := w.temperatureLimits(m), w.vibrationLimits(m)
	if hot == nil && shaking == nil {
		return nil
	}
	temperature, vibration := quantity.Field(quantity.Temperature), quantity.Field(quantity.Vibration)
	signal := quantity.Field(m.settings.Signal)
	if signal == "" {
		signal = quantity.Field(quantity.Power)
	}
	oldest := nowMs - maxAge.Milliseconds()
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: m.Site, Machine: m.ID,
		Fields: []string{temperature, temperature + "_q", vibration, vibration + "_q", signal},
		FromMs: max(m.cursorMs-lookBackMs, oldest), ToMs: newestMs + 1,
	}
	if m.cursorMs == 0 {
		q.FromMs = oldest
	}
	err := w.o.Store.Read(ctx, q, func(row tsdb.Row) error {
		if v, ok := tsdb.Number(row.Values[4]); ok {
			m.signal = held{row.TimeMs, v}
		}
		if v, ok := valid(row.Values[0], row.Values[1]); ok && hot != nil {
			w.step(m.key(RuleTemperatureHigh, quantity.Temperature), &m.temperature, *hot, row.TimeMs, v)
		}
		if v, ok := valid(row.Values[2], row.Values[3]); ok && shaking != nil && m.runningAt(row.TimeMs) {
			w.step(m.key(RuleVibrationHigh, quantity.Vibration), &m.vibration, *shaking, row.TimeMs, v)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read samples: %w", err)
	}
	w.endReplay(m.key(RuleTemperatureHigh, quantity.Temperature), &m.temperature)
	w.endReplay(m.key(RuleVibrationHigh, quantity.Vibration), &m.vibration)
	m.cursorMs = newestMs
	return nil
}

// step takes one sample of a rule.
func (w *Watcher) step(k key, r *measuredRule, l limits, atMs int64, v float64) {
	switch e := r.condition.step(l, atMs, v); {
	case e == nothing:
	case r.replaying:
		r.clearedMs = atMs
	case e == raised:
		w.raise(k, atMs, v, l.limit, "")
	default:
		w.clear(k, atMs)
	}
}

// endReplay compares the condition found from the samples with the registry's.
func (w *Watcher) endReplay(k key, r *measuredRule) {
	if r.replaying && !r.condition.raised {
		w.clear(k, r.clearedMs)
	}
	r.replaying = false
}

// temperatureLimits are nil when the machine has no such rule. Deadband: 1 %, at least 2 °C.
func (w *Watcher) temperatureLimits(m *machineWatch) *limits {
	limit := m.settings.TemperatureMaxC
	if limit <= 0 {
		return nil
	}
	return &limits{limit, max(limit/100, 2), onDelay.Milliseconds(), m.settings.GapLimitMs()}
}

// vibrationLimits are nil when the machine has no such rule or no baseline. Deadband: 10 %.
func (w *Watcher) vibrationLimits(m *machineWatch) *limits {
	b := w.baseline(m)
	if m.settings.VibrationRatio <= 0 || !b.Known {
		return nil
	}
	limit := m.settings.VibrationRatio * b.MmS
	return &limits{limit, limit / 10, onDelay.Milliseconds(), m.settings.GapLimitMs()}
}

// runningAt reports whether the signal was at or above the run threshold when last heard, and heard recently enough.
func (m *machineWatch) runningAt(atMs int64) bool {
	return m.settings.RunAbove > 0 && m.signal.atMs > 0 && m.signal.value >= m.settings.RunAbove &&
		m.signal.atMs <= atMs && atMs-m.signal.atMs <= m.settings.GapLimitMs()
}

// valid returns a value that may be judged: a sensor fault or a stale reading says nothing about the machine.
func valid(v, quality any) (float64, bool) {
	q, _ := quality.(string)
	if q == "stale" || strings.HasPrefix(q, "fault") {
		return 0, false
	}
	return tsdb.Number(v)
}
