package timeline

import (
	"context"
	"fmt"
	"math"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// Bounded is a stretch of samples that a gateway took in a boot without a time: what happened in it and how long it took
// is right, when it was is only known to lie between the samples around it.
type Bounded struct {
	FirstMs, LastMs int64 // where its samples are stored, closed
	AfterMs         int64 // it was after this sample, the newest one before it with a known time; 0: not known
	BeforeMs        int64 // it was before this one, the first one after it; 0: none yet
}

// Stretch is all the time in which it can have been, half-open: no end gives the last instant there is.
func (b Bounded) Stretch() (fromMs, toMs int64) {
	if b.BeforeMs == 0 {
		return b.AfterMs, math.MaxInt64
	}
	return b.AfterMs, b.BeforeMs
}

const (
	boundedPieces = 2000 // how finely stretches are looked for
	boundedExact  = 50   // stretches whose edges are read; more are as long as their pieces, and between nothing known
)

// trusted are the fields of which a sample has at least one, the mark of a bounded time before them.
var trusted = func() []string {
	fields := []string{tsdb.TimeBounded}
	for _, q := range quantity.All() {
		fields = append(fields, q.Field)
	}
	return fields
}()

// ReadBounded finds the bounded stretches of a machine that are stored in [fromMs, toMs), ascending. It counts in the
// store and reads a few samples for each stretch, however long they are. Stretches that stand closer than a two
// thousandth of the asked time may come as one.
func ReadBounded(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs int64) ([]Bounded, error) {
	if fromMs >= toMs {
		return nil, nil
	}
	fail := func(err error) ([]Bounded, error) {
		return nil, fmt.Errorf("samples of %s/%s with a bounded time: %w", site, machine, err)
	}
	step := max(1000, (toMs-fromMs+boundedPieces-1)/boundedPieces)
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{tsdb.TimeBounded}, FromMs: fromMs, ToMs: toMs}
	buckets, err := s.Buckets(ctx, q, step)
	if err != nil {
		return fail(err)
	}
	var out []Bounded
	for _, b := range buckets {
		last := min(toMs, b.FromMs+step) - 1
		if n := len(out); n > 0 && out[n-1].LastMs >= b.FromMs-1 {
			out[n-1].LastMs = last
		} else {
			out = append(out, Bounded{FirstMs: max(fromMs, b.FromMs), LastMs: last})
		}
	}
	if len(out) > boundedExact {
		return out, nil
	}
	one := func(fields []string, fromMs, toMs int64, newest bool, fn func(tsdb.Row)) error {
		q.Fields, q.FromMs, q.ToMs, q.Limit, q.Descending = fields, fromMs, toMs, 1, newest
		return s.Read(ctx, q, func(r tsdb.Row) error { fn(r); return nil })
	}
	for i := range out {
		b := &out[i]
		first, last := b.FirstMs, b.LastMs
		for _, err := range []error{
			one(trusted[:1], first, last+1, false, func(r tsdb.Row) { b.FirstMs = r.TimeMs }),
			one(trusted[:1], first, last+1, true, func(r tsdb.Row) { b.LastMs = r.TimeMs }),
			one(trusted, 0, b.FirstMs, true, func(r tsdb.Row) {
				if r.Values[0] == nil {
					b.AfterMs = r.TimeMs
				}
			}),
			one(trusted, b.LastMs+1, FarMs, false, func(r tsdb.Row) {
				if r.Values[0] == nil {
					b.BeforeMs = r.TimeMs
				}
			}),
		} {
			if err != nil {
				return fail(err)
			}
		}
	}
	return out, nil
}
