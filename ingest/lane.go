package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// lane is the way of live packs or of backlog from the broker to the store.
type lane struct {
	in     *Ingest
	name   wire.Lane
	intake *intake
}

func newLane(in *Ingest, name wire.Lane) *lane {
	return &lane{in: in, name: name, intake: newIntake(name, in.opts.HeldBytes, in.metrics.held.WithLabelValues(string(name)))}
}

// run stores what the source delivers until ctx ends. One goroutine decodes while others wait for the store.
func (l *lane) run(ctx context.Context) {
	batches := make(chan *batch)
	var g errgroup.Group
	g.Go(func() error {
		defer close(batches)
		c := &collector{in: l.in, lane: l.name}
		for {
			b := c.next(ctx, l.intake.queue)
			if b == nil {
				return nil
			}
			batches <- b
		}
	})
	for range l.in.opts.Writers {
		g.Go(func() error {
			for b := range batches {
				l.finish(ctx, b)
			}
			return nil
		})
	}
	_ = g.Wait() // they return no errors
}

// finish stores a batch and answers for each of its packs. When ctx ends before, nothing is acknowledged and the
// broker sends again what is not yet.
func (l *lane) finish(ctx context.Context, b *batch) {
	defer func() {
		for i := range b.items {
			if d := b.items[i].delivery; d != nil {
				d.drop()
			}
		}
	}()
	refused, err := l.in.write(ctx, b.points)
	if err != nil {
		return
	}
	begin := 0
	for i := range b.items {
		it := &b.items[i]
		for k := begin; k < it.end && it.refusal == nil; k++ {
			if reason, bad := refused[k]; bad {
				it.refusal = &refusal{ReasonStoreRefused, reason}
			}
		}
		begin = it.end
	}
	if l.in.noteBoots(ctx, b.items) != nil || l.in.touch(ctx, touches(b.items)) != nil {
		return
	}
	for i := range b.items {
		if !l.answer(ctx, &b.items[i]) {
			return
		}
	}
}

// answer acknowledges a pack whose points are stored, or quarantines it. False: ctx has ended.
func (l *lane) answer(ctx context.Context, it *item) bool {
	m := l.in.metrics
	if it.refusal != nil {
		if l.in.quarantine(ctx, it.topic, it.delivery.topic, it.delivery.payload, it.refusal) != nil {
			return false
		}
		m.refused.WithLabelValues(it.refusal.reason).Inc()
		l.in.receipts.refused(it)
	} else {
		m.stored.WithLabelValues(string(l.name)).Inc()
		m.values.WithLabelValues(string(l.name)).Add(float64(it.values))
		if it.values > 0 {
			m.lag.WithLabelValues(string(l.name)).Observe(float64(l.in.opts.Now().UnixMilli()-it.touched.ToMs) / 1000)
		}
		l.in.receipts.stored(it)
	}
	it.delivery.acknowledge()
	it.delivery = nil
	return true
}

// touches merges the stretches of a batch for each machine. Refused packs count too: some of their points may have
// been stored.
func touches(items []item) []registry.Touched {
	index := map[machineID]int{}
	var out []registry.Touched
	for i := range items {
		t := items[i].touched
		if t.Machine == "" || items[i].values == 0 {
			continue
		}
		id := machineID{t.Site, t.Machine}
		k, ok := index[id]
		if !ok {
			index[id] = len(out)
			out = append(out, t)
			continue
		}
		out[k].FromMs, out[k].ToMs = min(out[k].FromMs, t.FromMs), max(out[k].ToMs, t.ToMs)
	}
	return out
}

// write stores points, however long the store is down, and returns those it will never keep, by index.
func (in *Ingest) write(ctx context.Context, points []tsdb.Point) (refused map[int]string, err error) {
	if len(points) == 0 {
		return nil, nil
	}
	err = in.untilDone(ctx, "write to the time-series store", func() error {
		start := time.Now()
		err := in.opts.Store.Write(ctx, points)
		in.metrics.write.Observe(time.Since(start).Seconds())
		var bad *tsdb.PointsError
		if errors.As(err, &bad) {
			refused = bad.Refused
			return nil
		}
		return err
	})
	return refused, err
}

func (in *Ingest) touch(ctx context.Context, t []registry.Touched) error {
	if len(t) == 0 {
		return nil
	}
	return in.untilDone(ctx, "note the touched stretches", func() error { return in.opts.Registry.Touch(ctx, t) })
}

// untilDone tries again with growing distance until do succeeds or ctx ends. A failure is logged once, then each
// minute.
func (in *Ingest) untilDone(ctx context.Context, what string, do func() error) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 5*time.Second
	var said time.Time
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, do() },
		backoff.WithBackOff(retry), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, _ time.Duration) {
			in.metrics.retries.Inc()
			if ctx.Err() == nil && time.Since(said) > time.Minute {
				said = time.Now()
				in.opts.Logger.Warn("ingest waits and tries again, nothing is lost meanwhile", "task", what, "err", err)
			}
		}))
	if err == nil && !said.IsZero() {
		in.opts.Logger.Info("ingest goes on", "task", what)
	}
	return err
}
