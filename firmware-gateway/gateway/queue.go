package gateway

import (
	"errors"
	"fmt"
	"io"

	"karkhana/firmware-gateway/pack"
	"karkhana/firmware-gateway/spool"
	"karkhana/firmware-gateway/uplink"
	"karkhana/internal/wire"
)

// queue is the spool as the uplink sees it: packs as they are sent, and only those whose time is settled.
type queue struct{ g *Gateway }

var _ uplink.Queue = queue{}

var (
	errHeld   = errors.New("the pack waits until its time is known")
	errUnsent = errors.New("the pack can't be sent")
)

// ID is the spool's.
func (q queue) ID() string { return q.g.spool.ID() }

// Receipt takes packs out of the spool.
func (q queue) Receipt(ranges ...[2]uint64) int { return q.g.spool.Receipt(ranges...) }

// Read reads one pack.
func (q queue) Read(ref spool.Ref) (spool.Record, error) {
	r, err := q.g.spool.Read(ref)
	if err != nil {
		return r, err
	}
	return q.finish(r)
}

// Cursor walks through the packs.
func (q queue) Cursor() uplink.Cursor {
	return &cursor{queue: q, spool: q.g.spool.Cursor(), version: q.g.clock.Version()}
}

// finish makes of a pack as it lies in the spool what is sent. It is the same each time, whatever the clock does: the
// time is in the pack, or in the clock's file before it is used.
func (q queue) finish(r spool.Record) (spool.Record, error) {
	if !pack.Is(r.Payload) { // of a former version: as it is sent
		return r, nil
	}
	q.g.scratch.Lock()
	defer q.g.scratch.Unlock()
	s, err := pack.ParseInto(r.Payload, q.g.scratch.samples[:0])
	q.g.scratch.samples = s.Samples
	if err != nil || len(s.Samples) == 0 {
		return r, q.discard(r, errors.Join(err, errUnsent))
	}
	last := newest(s.Samples)
	if !s.Known {
		var ok bool
		if s.OffsetMs, s.Clock, ok = q.g.clock.Resolve(s.Boot, last); !ok {
			return r, errHeld
		}
	}
	p := wire.Pack{
		Site: q.g.config().Site, Machine: r.Key, Spool: q.g.spool.ID(), Seq: r.Seq, Boot: s.Boot, Clock: s.Clock, Samples: s.Samples,
	}
	for i := range p.Samples {
		p.Samples[i].TimeMs += s.OffsetMs
	}
	p.Sort()
	pack.Shorten(p.Samples)
	if r.Payload, err = p.Encode(wire.FormatCBOR); err != nil {
		return r, q.discard(r, err)
	}
	if r.TimeMs == 0 {
		r.TimeMs = last + s.OffsetMs
	}
	return r, nil
}

// discard takes a pack out that would stand in the way for ever.
func (q queue) discard(r spool.Record, why error) error {
	q.g.spool.Receipt([2]uint64{r.Seq, r.Seq})
	q.g.log.Error("pack lost: it can't be sent", "machine", r.Key, "seq", r.Seq, "err", why)
	return fmt.Errorf("%w: %w", spool.ErrGone, why)
}

// cursor leaves packs without a time out and comes back for them when the clock knows more.
type cursor struct {
	queue
	spool   *spool.Cursor
	held    bool   // something was left out
	version uint64 // of the clock, when the cursor began at the oldest
}

// Next returns the next pack that can be sent.
func (c *cursor) Next() (spool.Record, error) {
	for {
		r, err := c.spool.Next()
		if errors.Is(err, io.EOF) && c.held && c.version != c.g.clock.Version() {
			c.held, c.version = false, c.g.clock.Version()
			c.spool.Rewind()
			continue
		}
		if err != nil {
			return r, err
		}
		r, err = c.finish(r)
		switch {
		case errors.Is(err, errHeld):
			c.held = true
		case err == nil:
			return r, nil
		}
	}
}

// Close closes the spool's cursor.
func (c *cursor) Close() { c.spool.Close() }
