package gateway

import (
	"context"
	"time"
)

const (
	// syncEvery is the longest time a pack waits in memory, and so what a power cut costs.
	syncEvery = time.Second
	// syncBytes is how much may wait before it is synced earlier.
	syncBytes = 256 << 10
)

// commit makes appended packs durable, at once when the last sync is long ago and else once a second, and offers them
// to the uplink. It ends with ctx; the last packs are the caller's to sync.
func (g *Gateway) commit(ctx context.Context) error {
	failing, dropped := false, uint64(0) // dropped: when it was said last
	t := time.NewTimer(syncEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.dirty:
		case <-t.C:
		}
		begin := time.Now()
		err := g.sync()
		if err != nil && !failing {
			g.log.Error("disk does not take samples, they wait in memory; make room on it or replace it", "err", err)
		} else if err == nil && failing {
			g.log.Info("disk works again")
		}
		failing = err != nil
		if d := g.spool.Stats().Dropped; d > 2*dropped {
			g.log.Error("no room for all samples, the oldest packs are lost; make room on the disk or replace it", "packs", d)
			dropped = d
		}
		if !g.rest(ctx, begin.Add(syncEvery), failing) {
			return ctx.Err()
		}
		if g.spool.Buffered() > 0 {
			g.poke()
		}
		t.Reset(syncEvery)
	}
}

// sync makes everything appended so far durable, then the positions that led to it.
func (g *Gateway) sync() error {
	marks := g.progress.take()
	g.spool.SetMark(g.clock.Mark(g.counts.Samples()...))
	refs, err := g.spool.Sync()
	g.board.Synced(len(refs), err)
	if err == nil {
		err = g.progress.save(marks)
	}
	if err != nil {
		g.progress.giveBack(marks)
	}
	g.uplink.Load().Offer(refs)
	return err
}

// rest waits until the next sync is due, or until much waits for it and the disk takes it.
func (g *Gateway) rest(ctx context.Context, until time.Time, failing bool) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		case <-g.full:
			if !failing && g.spool.Buffered() >= syncBytes {
				return true
			}
		}
	}
}

// poke wakes commit.
func (g *Gateway) poke() {
	select {
	case g.dirty <- struct{}{}:
	default:
	}
	if g.spool.Buffered() < syncBytes {
		return
	}
	select {
	case g.full <- struct{}{}:
	default:
	}
}
