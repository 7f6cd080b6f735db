package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// replayAsked tries again what people asked for: the same way through check, store and touch as a pack from the broker.
// What is refused again stays, under its new reason; of each pack it is noted what became of it.
func (in *Ingest) replayAsked(ctx context.Context) error {
	for {
		packs, err := in.opts.Registry.ToReplay(ctx, replayAtOnce)
		if err != nil {
			return fmt.Errorf("packs to be tried again: %w", err)
		}
		if len(packs) == 0 {
			return nil
		}
		for _, q := range packs {
			r, err := in.tryAgain(ctx, q)
			if err != nil {
				return fmt.Errorf("try pack %d from quarantine again: %w", q.ID, err)
			}
			done := registry.QuarantineReplay{ID: q.ID, AtMs: max(in.opts.Now().UnixMilli(), q.ReplayMs), Outcome: registry.ReplayStored}
			if r != nil {
				done.Outcome, done.Reason, done.Detail = registry.ReplayRefused, r.reason, r.detail
			} else {
				in.metrics.released.Inc()
			}
			if err := in.opts.Registry.Replayed(ctx, done); err != nil {
				return err
			}
			in.opts.Logger.Info("tried a pack from quarantine again", "id", q.ID, "site", q.Site, "machine", q.Machine, "outcome", done.Outcome, "reason", done.Reason)
		}
	}
}

// tryAgain stores one pack from quarantine, or says why not.
func (in *Ingest) tryAgain(ctx context.Context, q registry.Quarantined) (*refusal, error) {
	topic, err := wire.ParseTopic(q.Topic)
	if err != nil {
		return &refusal{ReasonBadTopic, err.Error()}, nil
	}
	p, r, err := in.checker.check(ctx, &wire.Decoder{}, topic, q.Payload)
	if err != nil {
		return nil, err
	}
	if r != nil && r.reason == ReasonUnknownMachine { // what the cache says may be some seconds old
		known, err := in.opts.Registry.MachineKnown(ctx, topic.Site, topic.Machine)
		if err != nil {
			return nil, err
		}
		if known {
			r = nil
		}
	}
	if r != nil {
		return r, nil
	}
	return in.storeReleased(ctx, topic, p)
}

// quarantineMetrics shows how full the quarantine is.
type quarantineMetrics struct {
	packs, bytes, summarised prometheus.Gauge
	every                    time.Duration
	next                     time.Time
}

func newQuarantineMetrics(r prometheus.Registerer) (*quarantineMetrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "karkhana_ingest_quarantine_" + name, Help: help})
	}
	m := &quarantineMetrics{
		packs:      gauge("packs", "Packs in quarantine."),
		bytes:      gauge("bytes", "Bytes of the packs in quarantine."),
		summarised: gauge("summarised_packs", "Packs that had to make room in quarantine: only a summary of them is left."),
		every:      15 * time.Second,
	}
	for _, c := range []prometheus.Collector{m.packs, m.bytes, m.summarised} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("ingest: register metrics: %w", err)
		}
	}
	return m, nil
}

// update reads the totals now and then.
func (m *quarantineMetrics) update(ctx context.Context, r Registry, now time.Time) error {
	if now.Before(m.next) {
		return nil
	}
	m.next = now.Add(m.every)
	t, err := r.QuarantineTotals(ctx)
	if err != nil {
		return fmt.Errorf("totals of the quarantine: %w", err)
	}
	m.packs.Set(float64(t.Packs))
	m.bytes.Set(float64(t.Bytes))
	m.summarised.Set(float64(t.SummarisedPacks))
	return nil
}
