package ingest

import (
	"context"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// item is one message on its way through the batch.
type item struct {
	delivery *delivery
	topic    wire.Topic
	spool    string // "" when the pack is too broken to tell
	seq      uint64
	boot     string
	refusal  *refusal
	touched  registry.Touched
	values   int
	end      int // its points are lines[end of the item before : end]
}

// batch is what one write to the store carries, with the refused packs that came in between.
type batch struct {
	items  []item
	lines  tsdb.Lines
	values int
	bytes  int64
}

// reset empties a batch and keeps its memory.
func (b *batch) reset() {
	clear(b.items) // lets go of the payloads
	b.items, b.values, b.bytes = b.items[:0], 0, 0
	b.lines.Reset()
}

// collector fills batches from a queue.
type collector struct {
	in      *Ingest
	counted laneMetrics
	decoder wire.Decoder
	builder lineBuilder
	free    chan *batch // done with, their memory is used again
	seen    recentPacks
}

func newCollector(in *Ingest, counted laneMetrics, free chan *batch) *collector {
	return &collector{in: in, counted: counted, free: free, seen: newRecentPacks()}
}

const (
	// maxBatchBytes ends a batch of odd packs that are large and hold few values.
	maxBatchBytes = 4 << 20
	// maxLineBytes ends a batch whose values stand alone on their lines, which makes them long.
	maxLineBytes = 800_000
)

// next waits for a message and gathers more until the batch is full or BatchWait is over. nil: ctx has ended.
func (c *collector) next(ctx context.Context, queue <-chan *delivery) *batch {
	var b *batch
	select {
	case b = <-c.free:
		b.reset()
	default:
		b = &batch{}
	}
	select {
	case d := <-queue:
		c.add(ctx, b, d)
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(c.in.opts.BatchWait)
	defer timer.Stop()
	for b.values < c.in.opts.BatchValues && b.bytes < maxBatchBytes && len(b.lines.Bytes()) < maxLineBytes {
		select {
		case d := <-queue:
			c.add(ctx, b, d)
		case <-timer.C:
			return b
		case <-ctx.Done():
			return b
		}
	}
	return b
}

// add checks a message and puts it into the batch.
func (c *collector) add(ctx context.Context, b *batch, d *delivery) {
	topic, err := wire.ParseTopic(d.topic)
	c.counted.received.Inc()
	it := item{delivery: d, topic: topic}
	if err != nil {
		it.refusal = &refusal{ReasonBadTopic, err.Error()}
	} else if !c.pack(ctx, b, &it) {
		d.drop() // ctx has ended: the broker sends it again
		return
	}
	it.end = b.lines.Len()
	b.items = append(b.items, it)
	b.values += it.values
	b.bytes += d.size
}

// pack decodes and checks a pack and adds its points. False: ctx ended before the registry could be asked.
func (c *collector) pack(ctx context.Context, b *batch, it *item) bool {
	p, refusal, err := c.in.checker.check(ctx, &c.decoder, it.topic, it.delivery.payload)
	if err != nil { // the registry does not answer
		err = c.in.untilDone(ctx, "check a pack", func() (err error) {
			p, refusal, err = c.in.checker.check(ctx, &c.decoder, it.topic, it.delivery.payload)
			return err
		})
	}
	if err != nil {
		return false
	}
	it.refusal = refusal
	it.spool, it.seq = p.Spool, p.Seq
	c.in.gateways.seen(it.topic.Site, it.topic.Gateway)
	if it.refusal != nil {
		return true
	}
	if c.seen.again(p) {
		c.counted.duplicates.Inc()
	}
	it.values = c.builder.append(&b.lines, p)
	it.touched, it.boot = stretch(p), p.Boot
	return true
}

// stretch is the time that the samples of a pack cover.
func stretch(p *wire.Pack) registry.Touched {
	t := registry.Touched{Site: p.Site, Machine: p.Machine}
	for i := range p.Samples {
		ms := p.Samples[i].TimeMs
		if i == 0 || ms < t.FromMs {
			t.FromMs = ms
		}
		if i == 0 || ms > t.ToMs {
			t.ToMs = ms
		}
	}
	return t
}

// recentPacks counts packs that come twice, as far as it remembers: the last few thousand.
type recentPacks struct {
	digester    digester
	now, before map[packID]struct{}
}

type packID struct {
	spool digest
	seq   uint64
}

const recentLimit = 8192

func newRecentPacks() recentPacks {
	return recentPacks{digester: newDigester(), now: make(map[packID]struct{}, recentLimit)}
}

func (r *recentPacks) again(p *wire.Pack) bool {
	id := packID{r.digester.of(p.Spool), p.Seq}
	if _, ok := r.now[id]; ok {
		return true
	}
	_, ok := r.before[id]
	if len(r.now) >= recentLimit {
		r.now, r.before = make(map[packID]struct{}, recentLimit), r.now
	}
	r.now[id] = struct{}{}
	return ok
}
