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
	if err := w.evaluateVibration(ctx, m, newestMs, nowMs); err != nil {
		return err
	}
	hot := w.temperatureLimits(m)
	if hot == nil {
		return nil
	}
	temperature := quantity.Field(quantity.Temperature)
	oldest := nowMs - maxAge.Milliseconds()
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: m.Site, Machine: m.ID, Fields: []string{temperature, temperature + "_q"},
		FromMs: max(m.cursorMs-lookBackMs, oldest), ToMs: newestMs + 1,
	}
	if m.cursorMs == 0 {
		q.FromMs = oldest
	}
	k := m.key(RuleTemperatureHigh, quantity.Temperature)
	err := w.o.Store.Read(ctx, q, func(row tsdb.Row) error {
		if v, ok := valid(row.Values[0], row.Values[1]); ok {
			w.step(k, &m.temperature, *hot, row.TimeMs, v)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read samples: %w", err)
	}
	w.endReplay(k, &m.temperature)
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

// valid returns a value that may be judged: a sensor fault or a stale reading says nothing about the machine.
func valid(v, quality any) (float64, bool) {
	q, _ := quality.(string)
	if q == "stale" || strings.HasPrefix(q, "fault") {
		return 0, false
	}
	return tsdb.Number(v)
}
