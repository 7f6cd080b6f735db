package learn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// LeastKnownMs is the known time below which nothing is suggested: a week, in which every state should occur.
const LeastKnownMs = 7 * 24 * 3_600_000

// ErrNoThresholds means that the machine's state comes from a controller's words, which have no thresholds.
var ErrNoThresholds = errors.New("the state comes from the machine's own controller (signal status): there are no thresholds to learn")

// Machine suggests thresholds for a machine from the signal of its settings in [fromMs, toMs). present are the settings in
// force: as many states as they have are looked for.
func Machine(ctx context.Context, s tsdb.Store, site, machine string, present registry.Settings, fromMs, toMs int64) (Suggestion, int64, error) {
	if !present.HasThresholds() {
		return Suggestion{}, 0, ErrNoThresholds
	}
	h := NewHistogram(present.GapLimitMs())
	if err := values(ctx, s, site, machine, present.Signal, fromMs, toMs, h.Add); err != nil {
		return Suggestion{}, 0, err
	}
	states := 3
	if present.IdleAbove == present.RunAbove && present.RunAbove > 0 {
		states = 2
	}
	out := Suggest(h, states, LeastKnownMs, Valley)
	if out.Refused == nil && states == 3 {
		p := NewPauses(out.RunAbove)
		if err := values(ctx, s, site, machine, present.Signal, fromMs, toMs, p.Add); err != nil {
			return Suggestion{}, 0, err
		}
		out.PulseMs = p.PulseMs()
	}
	return out, h.KnownMs(), nil
}

// ReadHistogram is the histogram of the signal of the settings in [fromMs, toMs).
func ReadHistogram(ctx context.Context, s tsdb.Store, site, machine string, present registry.Settings, fromMs, toMs int64) (*Histogram, error) {
	h := NewHistogram(present.GapLimitMs())
	return h, values(ctx, s, site, machine, present.Signal, fromMs, toMs, h.Add)
}

// values streams the usable values of a signal; the window's mean stands for an extreme that is absent.
func values(ctx context.Context, s tsdb.Store, site, machine, signal string, fromMs, toMs int64, fn func(ms int64, v float64)) error {
	if signal == "" {
		signal = quantity.Power
	}
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{quantity.Field(signal)}, FromMs: fromMs, ToMs: toMs}
	base := strings.TrimSuffix(strings.TrimSuffix(signal, "_max"), "_min")
	if base != signal {
		q.Fields = append(q.Fields, quantity.Field(base))
	}
	err := tsdb.ReadNumbers(ctx, s, q, func(row tsdb.NumberRow) error {
		for i, v := range row.Values {
			quality := row.Quality[i]
			if quality == "stale" || strings.HasPrefix(quality, "fault") {
				return nil
			}
			if v == v { //nolint:gocritic // not NaN
				fn(row.TimeMs, v)
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s of %s/%s: %w", signal, site, machine, err)
	}
	return nil
}
