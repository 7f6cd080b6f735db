package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

const (
	baselineSpan    = 7 * 24 * time.Hour // a machine's first days are its healthy ones
	baselineMinutes = 240                // run minutes needed: four hours
	baselineAgain   = time.Hour          // late data heals a known baseline; a missing one is looked for at each reload
)

// Baseline is a machine's own vibration when healthy: the median over the minutes in state run of its first seven days
// with vibration data.
type Baseline struct {
	Site, Machine string
	Known         bool
	MmS           float64 // mm/s RMS, 0 while not known
	RunMinutes    int     // run minutes found so far
	NeedMinutes   int
	madeAt        time.Time
}

// Baselines lists the machines that have a vibration rule, in the order of sites and machine ids. Those that are not
// Known raise no vibration alarm yet.
func (w *Watcher) Baselines() []Baseline {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Baseline, 0, len(w.baselines))
	for _, b := range w.baselines {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Baseline) int {
		return slices.Compare([]string{a.Site, a.Machine}, []string{b.Site, b.Machine})
	})
	return out
}

func (w *Watcher) baseline(m *machineWatch) Baseline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.baselines[machineID{m.Site, m.ID}]
}

// refreshBaseline computes the baseline of a machine with a vibration rule when it is missing or an hour old.
func (w *Watcher) refreshBaseline(ctx context.Context, m *machineWatch, now time.Time) error {
	id := machineID{m.Site, m.ID}
	if m.settings.VibrationRatio <= 0 {
		w.mu.Lock()
		delete(w.baselines, id)
		w.mu.Unlock()
		return nil
	}
	if b := w.baseline(m); b.Known && now.Sub(b.madeAt) < baselineAgain {
		return nil
	}
	b, err := computeBaseline(ctx, w.o.Store, m.Site, m.ID, now)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.baselines[id] = b
	w.mu.Unlock()
	return nil
}

// computeBaseline reads the first seven days from the store: minute means of vibration, those that lie wholly in state
// run. A minute is short enough for machines that run in bursts and long enough that the store does the averaging.
func computeBaseline(ctx context.Context, s tsdb.Store, site, machine string, now time.Time) (Baseline, error) {
	b := Baseline{Site: site, Machine: machine, NeedMinutes: baselineMinutes, madeAt: now}
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{quantity.Field(quantity.Vibration)},
		FromMs: wire.MinTimeMs, ToMs: now.UnixMilli(), Limit: 1,
	}
	first, found := int64(0), errors.New("found")
	err := s.Read(ctx, q, func(row tsdb.Row) error {
		first = row.TimeMs
		return found
	})
	if err != nil && !errors.Is(err, found) {
		return b, fmt.Errorf("read the first vibration sample: %w", err)
	}
	if first == 0 {
		return b, nil
	}
	const minute = int64(60_000)
	q.FromMs, q.Limit = first-first%minute, 0
	q.ToMs = min(q.FromMs+baselineSpan.Milliseconds(), now.UnixMilli())
	buckets, err := s.Buckets(ctx, q, minute)
	if err != nil {
		return b, fmt.Errorf("read vibration: %w", err)
	}
	intervals, err := timeline.Read(ctx, s, site, machine, q.FromMs, q.ToMs, q.ToMs, 0)
	if err != nil {
		return b, err
	}
	running := make([]float64, 0, len(buckets))
	i := 0
	for _, bucket := range buckets {
		for i < len(intervals) && intervals[i].EndMs <= bucket.FromMs {
			i++
		}
		if i < len(intervals) && intervals[i].State == timeline.StateRun &&
			intervals[i].StartMs <= bucket.FromMs && intervals[i].EndMs >= bucket.FromMs+minute {
			running = append(running, bucket.Mean)
		}
	}
	b.RunMinutes = len(running)
	if b.RunMinutes >= baselineMinutes {
		b.MmS = median(running)
		b.Known = b.MmS > 0 // a sensor that only ever said 0 has no baseline
	}
	return b, nil
}

// median sorts its argument. It is the lower of the two middle values of an even count, so that it is a measured one.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}
