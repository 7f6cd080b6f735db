package maintenance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

const (
	baselineSpan    = 7 * 24 * time.Hour // a machine's first days are its healthy ones
	baselineMinutes = 240                // run minutes needed: four hours
	baselineAgain   = time.Hour          // late data heals a known baseline
	baselineRetry   = time.Minute        // one that has too few minutes yet is looked for so often
	baselineMargin  = 1.2                // no limit lies closer than this to the 95th percentile of the healthy minutes
	presentSpan     = 24 * time.Hour     // how far back the present value is looked for
	presentMinutes  = 5
	minuteMs        = int64(60_000)
)

// judged are the quantities compared with the machine's own past, by index. Crest is not among them: on the recordings
// it says what kurtosis says with more scatter (docs/vibration.md).
var judged = [...]string{quantity.Vibration, quantity.Accel, quantity.Kurtosis}

// Baseline is what is usual for one quantity of one machine: the means of the minutes wholly in state run of the first
// seven days with data of it (from Settings.BaselineFromMs on). Values are in the unit of the stored field.
type Baseline struct {
	Site, Machine, Quantity string

	Known       bool
	Usual       float64 // median of the minutes; 0 while not known
	High        float64 // their 95th percentile
	RunMinutes  int     // run minutes found so far
	NeedMinutes int
	FromMs      int64 // first data, 0 when there is none
	ToMs        int64 // end of the seven days
	madeAt      time.Time
}

// Limit is where the alarm lies: ratio × usual (kurtosis: usual + rise), but never closer than 1.2 times to what the
// healthy machine reaches in one minute of twenty, so that changing loads and speeds raise nothing. 0: the settings have
// no rule for the quantity, or the baseline is not known.
func (b Baseline) Limit(s registry.Settings) float64 {
	limit := b.Usual
	switch b.Quantity {
	case quantity.Kurtosis:
		limit += s.KurtosisRise
	case quantity.Accel:
		limit *= s.AccelerationRatio
	default:
		limit *= s.VibrationRatio
	}
	if !b.Known || !ruled(s, b.Quantity) {
		return 0
	}
	return max(limit, baselineMargin*b.High)
}

// ruled tells whether the settings compare the quantity with its baseline.
func ruled(s registry.Settings, name string) bool {
	switch name {
	case quantity.Vibration:
		return s.VibrationRatio > 0
	case quantity.Accel:
		return s.AccelerationRatio > 0
	default:
		return s.KurtosisRise > 0
	}
}

// shakes tells whether the settings have any rule against a baseline.
func shakes(s registry.Settings) bool {
	return slices.ContainsFunc(judged[:], func(name string) bool { return ruled(s, name) })
}

func (w *Watcher) baseline(m *machineWatch, name string) Baseline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.baselines[baselineID{m.Site, m.ID, name}]
}

// refreshBaselines computes the baselines of a machine that are missing, an hour old or to be learnt from another day.
func (w *Watcher) refreshBaselines(ctx context.Context, m *machineWatch, now time.Time) error {
	for _, name := range judged {
		id := baselineID{m.Site, m.ID, name}
		if !ruled(m.settings, name) {
			w.mu.Lock()
			delete(w.baselines, id)
			w.mu.Unlock()
			continue
		}
		if b := w.baseline(m, name); b.FromMs > 0 && b.FromMs >= m.settings.BaselineFromMs {
			again := baselineRetry
			if b.Known {
				again = baselineAgain
			}
			if now.Sub(b.madeAt) < again {
				continue
			}
		}
		b, err := LearnBaseline(ctx, w.o.Store, m.Site, m.ID, name, m.settings.BaselineFromMs, now)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.baselines[id] = b
		w.mu.Unlock()
	}
	return nil
}

// LearnBaseline reads the first seven days of a quantity from fromMs on (0: since ever): minute means, those that lie
// wholly in state run. A minute is short enough for machines that run in bursts and long enough that the store does the
// averaging. At least 240 such minutes are needed.
func LearnBaseline(ctx context.Context, s tsdb.Store, site, machine, name string, fromMs int64, now time.Time) (Baseline, error) {
	b := Baseline{Site: site, Machine: machine, Quantity: name, NeedMinutes: baselineMinutes, madeAt: now}
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{quantity.Field(name)},
		FromMs: max(fromMs, wire.MinTimeMs), ToMs: now.UnixMilli(), Limit: 1,
	}
	if q.FromMs >= q.ToMs {
		return b, nil
	}
	found := errors.New("found")
	err := s.Read(ctx, q, func(row tsdb.Row) error {
		b.FromMs = row.TimeMs
		return found
	})
	if err != nil && !errors.Is(err, found) {
		return b, fmt.Errorf("read the first sample of %s: %w", name, err)
	}
	if b.FromMs == 0 {
		return b, nil
	}
	from := b.FromMs - b.FromMs%minuteMs
	b.ToMs = from + baselineSpan.Milliseconds()
	minutes, err := runMinutes(ctx, s, site, machine, name, from, min(b.ToMs, now.UnixMilli()))
	if err != nil {
		return b, err
	}
	b.RunMinutes = len(minutes)
	if b.RunMinutes >= baselineMinutes {
		means := make([]float64, len(minutes))
		for i, m := range minutes {
			means[i] = m.Mean
		}
		b.Usual = median(means)
		b.High = means[int(math.Ceil(0.95*float64(len(means))))-1]
		b.Known = b.Usual > 0 // a sensor that only ever said 0 has no baseline
	}
	return b, nil
}

// runMinutes returns the minute means of a quantity that lie wholly in state run.
func runMinutes(ctx context.Context, s tsdb.Store, site, machine, name string, fromMs, toMs int64) ([]tsdb.Bucket, error) {
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{quantity.Field(name)}, FromMs: fromMs, ToMs: toMs}
	buckets, err := s.Buckets(ctx, q, minuteMs)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(buckets) == 0 {
		return nil, nil
	}
	intervals, err := timeline.Read(ctx, s, site, machine, fromMs, toMs, toMs, 0)
	if err != nil {
		return nil, err
	}
	out := buckets[:0]
	i := 0
	for _, bucket := range buckets {
		for i < len(intervals) && intervals[i].EndMs <= bucket.FromMs {
			i++
		}
		if i < len(intervals) && intervals[i].State == timeline.StateRun &&
			intervals[i].StartMs <= bucket.FromMs && intervals[i].EndMs >= bucket.FromMs+minuteMs {
			out = append(out, bucket)
		}
	}
	return out, nil
}

// Comparison is a baseline beside what the machine does now, for people.
type Comparison struct {
	Baseline
	Limit     float64 // 0: no rule, or the baseline is not known
	Present   float64 // median of the newest five running minutes of the last day
	PresentMs int64   // end of the newest of them; 0: it did not run
}

// Compare returns for each judged quantity that the machine ever sent its baseline and its present. It asks the store
// each time.
func Compare(ctx context.Context, s tsdb.Store, settings registry.Settings, site, machine string, now time.Time) ([]Comparison, error) {
	var out []Comparison
	for _, name := range judged {
		b, err := LearnBaseline(ctx, s, site, machine, name, settings.BaselineFromMs, now)
		if err != nil {
			return nil, fmt.Errorf("baseline of %s/%s: %w", site, machine, err)
		}
		if b.FromMs == 0 {
			continue
		}
		c := Comparison{Baseline: b, Limit: b.Limit(settings)}
		nowMs := now.UnixMilli()
		minutes, err := runMinutes(ctx, s, site, machine, name, nowMs-nowMs%minuteMs-presentSpan.Milliseconds(), nowMs)
		if err != nil {
			return nil, fmt.Errorf("present of %s/%s: %w", site, machine, err)
		}
		if n := len(minutes); n > 0 {
			c.PresentMs = minutes[n-1].FromMs + minuteMs
			var means []float64
			for _, m := range minutes[max(0, n-presentMinutes):] {
				means = append(means, m.Mean)
			}
			c.Present = median(means)
		}
		out = append(out, c)
	}
	return out, nil
}

// median sorts its argument. It is the lower of the two middle values of an even count, so that it is a measured one.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}
