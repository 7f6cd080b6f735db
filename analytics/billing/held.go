package billing

import (
	"context"
	"fmt"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// heldBack is a stretch in which run time is not billed, because when it was is not known and nobody has confirmed it.
type heldBack struct {
	span
	timeline.Bounded
}

// boundedBefore is how far before the month a session may have begun that a statement has to look at.
const boundedBefore = 32 * 24 * 3600_000

// boundedMachines tells which machines have samples with a bounded time, in one question.
func (m *month) boundedMachines(ctx context.Context, d Deps) (map[string]bool, error) {
	if m.horizonMs == m.fromMs {
		return nil, nil
	}
	rows, err := d.Store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: m.site.ID, Fields: []string{tsdb.TimeBounded}, FromMs: m.fromMs - boundedBefore, ToMs: m.horizonMs,
	})
	if err != nil {
		return nil, fmt.Errorf("samples of %s with a bounded time: %w", m.site.ID, err)
	}
	out := make(map[string]bool, len(rows))
	for _, r := range rows {
		out[r.Machine] = true
	}
	return out, nil
}

// heldBack reads the stretches of a machine and leaves out those that a person has confirmed: where one has grown since
// beyond what was confirmed, it is held back again.
func (m *month) heldBack(ctx context.Context, d Deps, mm machineMonth, fromMs int64) ([]heldBack, error) {
	found, err := timeline.ReadBounded(ctx, d.Store, m.site.ID, mm.ID, fromMs, m.horizonMs)
	if err != nil {
		return nil, err
	}
	var out []heldBack
	for _, b := range found {
		if session.Confirmed(mm.told, b) {
			continue
		}
		from, to := b.Stretch()
		if n := len(out); n > 0 {
			from = max(from, out[n-1].to) // no time is held back twice
		}
		out = append(out, heldBack{span{max(from, fromMs), min(to, m.horizonMs)}, b})
	}
	return out, nil
}

// heldMs is the run time that is held back within [fromMs, toMs).
func (mm machineMonth) heldMs(fromMs, toMs int64) int64 {
	var sum int64
	for _, h := range mm.held {
		sum += runMs(mm.intervals, max(h.from, fromMs), min(h.to, toMs))
	}
	return sum
}

// holdBack takes the run time that is held back out of a line and says on it why. It names the confirmations, too.
func (mm machineMonth) holdBack(l *Line, part span) {
	for _, h := range mm.held {
		ms := runMs(mm.intervals, max(h.from, part.from), min(h.to, part.to))
		if ms <= 0 {
			continue
		}
		l.RunMs -= ms
		l.HeldMs += ms
		b := HeldBack{From: at(h.FirstMs), To: at(h.LastMs + 1), RunS: halfUp(ms, 1000)}
		if h.AfterMs != 0 {
			b.NotBefore = atPtr(h.AfterMs)
		}
		if h.BeforeMs != 0 {
			b.NotAfter = atPtr(h.BeforeMs)
		}
		l.Held = append(l.Held, b)
	}
	l.HeldS = halfUp(l.HeldMs, 1000)
	for _, c := range mm.told {
		if c.Kind == session.KindConfirm && c.Status == session.StatusApplied && c.FromMs < part.to && c.ToMs > part.from {
			l.Corrections = append(l.Corrections, LineCorrection{ID: c.ID, Kind: c.Kind, Author: c.Author, Reason: c.Reason, Made: at(c.MadeMs)})
		}
	}
}
