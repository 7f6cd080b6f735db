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
	in      *Ingest
	name    wire.Lane
	intake  *intake
	counted laneMetrics

	finished time.Time // when finish began last
}

func newLane(in *Ingest, name wire.Lane) *lane {
	return &lane{in: in, name: name, counted: in.metrics.of(name), intake: newIntake(name, in.opts.HeldBytes, in.metrics.held.WithLabelValues(string(name)))}
}

// run stores what the source delivers until ctx ends. One goroutine decodes, Writers wait for the store, and one notes
// in the registry and answers.
func (l *lane) run(ctx context.Context) {
	batches, written := make(chan *batch), make(chan *batch, l.in.opts.Writers)
	free := make(chan *batch, 2*l.in.opts.Writers+2)
	var g, writers errgroup.Group
	g.Go(func() error {
		defer close(batches)
		c := newCollector(l.in, l.counted, free)
		for {
			b := c.next(ctx, l.intake.queue)
			if b == nil {
				return nil
			}
			batches <- b
		}
	})
	for range l.in.opts.Writers {
		writers.Go(func() error {
			for b := range batches {
				if l.store(ctx, b) {
					written <- b
				} else {
					drop(b.items)
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(written)
		return writers.Wait()
	})
	g.Go(func() error {
		var items []item
		for more := true; more; {
			if items, more = l.gather(items[:0], written, free); len(items) > 0 {
				l.finish(ctx, items)
				clear(items) // lets go of the payloads
			}
		}
		return nil
	})
	_ = g.Wait() // they return no errors
}

// finishEvery is the least time between two transactions in the registry: a batch after a quiet time is noted at once, a
// stream of batches shares transactions, for they mostly name the same machines.
const finishEvery = 100 * time.Millisecond

// gather waits for a written batch and takes the items of all that come until the next transaction may begin. False:
// the writers have ended.
func (l *lane) gather(items []item, written <-chan *batch, free chan<- *batch) ([]item, bool) {
	b, more := <-written
	due := time.NewTimer(time.Until(l.finished.Add(finishEvery)))
	defer due.Stop()
	for more {
		items = append(items, b.items...)
		l.recycle(b, free)
		select {
		case b, more = <-written:
		case <-due.C:
			l.finished = time.Now()
			return items, true
		}
	}
	return items, false
}

// recycle gives a batch back whose items have been taken over.
func (*lane) recycle(b *batch, free chan<- *batch) {
	select {
	case free <- b:
	default:
	}
}

// store writes a batch and notes which packs the store refuses. False: ctx has ended.
func (l *lane) store(ctx context.Context, b *batch) bool {
	if b.values > 0 {
		l.counted.batch.Observe(float64(b.values))
	}
	refused, err := l.in.write(ctx, &b.lines)
	if err != nil {
		return false
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
		if it.refusal == nil {
			it.delivery.stored()
		}
	}
	return true
}

// finish notes stored packs in the registry and answers for each. When ctx ends before, nothing more is acknowledged
// and the broker sends again what is not yet.
func (l *lane) finish(ctx context.Context, items []item) {
	defer drop(items)
	if l.in.noteBoots(ctx, items) != nil || l.in.touch(ctx, touches(items)) != nil {
		return
	}
	var refused []*item
	for i := range items {
		if items[i].refusal != nil {
			refused = append(refused, &items[i])
		} else {
			l.answer(&items[i])
		}
	}
	l.in.refuse(ctx, refused) // after what is stored, which needs no more of the registry
}

// drop frees what has not been acknowledged.
func drop(items []item) {
	for i := range items {
		if d := items[i].delivery; d != nil {
			d.drop()
			items[i].delivery = nil
		}
	}
}

// answer acknowledges a pack whose points are stored.
func (l *lane) answer(it *item) {
	l.counted.stored.Inc()
	l.counted.values.Add(float64(it.values))
	if it.values > 0 {
		l.counted.lag.Observe(float64(l.in.opts.Now().UnixMilli()-it.touched.ToMs) / 1000)
	}
	l.in.receipts.stored(it)
	it.acknowledge()
}

// acknowledge gives the message back to the broker as done with.
func (it *item) acknowledge() {
	it.delivery.acknowledge()
	it.delivery = nil
}

// touches are the stretches of a batch. Refused packs count too: some of their points may have been stored.
func touches(items []item) []registry.Touched {
	out := make([]registry.Touched, 0, len(items))
	for i := range items {
		if items[i].touched.Machine != "" && items[i].values > 0 {
			out = append(out, items[i].touched)
		}
	}
	return out
}

// write stores points, however long the store is down, and returns those it will never keep, by index.
func (in *Ingest) write(ctx context.Context, lines *tsdb.Lines) (refused map[int]string, err error) {
	if lines.Len() == 0 {
		return nil, nil
	}
	err = in.untilDone(ctx, "write to the time-series store", func() error {
		start := time.Now()
		err := in.opts.Store.WriteLines(ctx, lines)
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
	defer in.tasks.begin(what)()
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
