package ingest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

func (r *fakeRegistry) NoteBoots(_ context.Context, boots []registry.MachineBoot) error {
	return r.with(func() error { r.boots = append(r.boots, boots...); return nil })
}

func (r *fakeRegistry) NoteGatewayEvent(_ context.Context, e registry.GatewayEvent) error {
	return r.with(func() error { r.events = append(r.events, e); return nil })
}

func TestBootsAreNotedOnceAndAgainWhenTheyBeganEarlier(t *testing.T) {
	r := newFakeRegistry()
	h := newHistory(r, quiet())
	packs := func(boot string, fromMs ...int64) []item {
		var out []item
		for _, ms := range fromMs {
			out = append(out, item{topic: wire.Topic{Gateway: "gw-1"}, boot: boot, values: 1, touched: registry.Touched{Site: "s", Machine: "m1", FromMs: ms, ToMs: ms + 9}})
		}
		return out
	}
	want := func(boot string, ms int64) []registry.MachineBoot {
		return []registry.MachineBoot{{Site: "s", Machine: "m1", Gateway: "gw-1", Boot: boot, FromMs: ms}}
	}
	take := func(items []item) []registry.MachineBoot {
		due := h.due(items)
		h.noted(due)
		return due
	}
	require.Equal(t, want("b1", 100), take(packs("b1", 200, 100, 300)))
	require.Empty(t, take(packs("b1", 150, 100)))
	require.Equal(t, want("b1", 50), take(packs("b1", 50)))
	require.Equal(t, want("b2", 400), take(packs("b2", 400)))
	refused := packs("b3", 500)
	refused[0].values = 0
	require.Empty(t, take(refused))
}

func TestOnlyChangesOfAGatewayAreEvents(t *testing.T) {
	r := newFakeRegistry()
	h := newHistory(r, quiet())
	id := gatewayID{"s", "gw-1"}
	yes, no := true, false
	h.status(id, &wire.Status{Online: true, TimeMs: 100, Supply: &yes}, 100, 101)
	h.status(id, &wire.Status{Online: true, TimeMs: 200, Supply: &yes}, 200, 201)
	h.status(id, &wire.Status{Online: true, TimeMs: 300, Supply: &no}, 300, 301)
	h.status(id, &wire.Status{}, 0, 400)
	h.status(id, &wire.Status{Online: true, TimeMs: 500}, 500, 501)
	h.status(id, &wire.Status{TimeMs: 600}, 599, 599) // its clock is ahead
	r.setDown(true)
	h.flush(context.Background())
	require.Empty(t, r.events)
	r.setDown(false)
	h.status(id, &wire.Status{Online: true, TimeMs: 700}, 700, 701)
	h.flush(context.Background())
	var got []registry.GatewayEvent
	for _, e := range r.events {
		e.Site, e.Gateway = "", ""
		got = append(got, e)
	}
	require.Equal(t, []registry.GatewayEvent{
		{AtMs: 100, Kind: registry.GatewayOnline}, {AtMs: 100, Kind: registry.GatewaySupplyBack}, {AtMs: 300, Kind: registry.GatewaySupplyLost},
		{AtMs: 400, Kind: registry.GatewayLost}, {AtMs: 500, Kind: registry.GatewayOnline}, {AtMs: 599, Kind: registry.GatewayStopped},
		{AtMs: 700, Kind: registry.GatewayOnline},
	}, got)
	h.flush(context.Background())
	require.Len(t, slices.Clone(r.events), 7)
}

func (r *fakeRegistry) ToReplay(_ context.Context, limit int) (out []registry.Quarantined, err error) {
	return out, r.with(func() error {
		for _, q := range r.quarantine {
			if q.ReplayMs > 0 && len(out) < limit {
				out = append(out, q)
			}
		}
		return nil
	})
}

func (r *fakeRegistry) Replayed(_ context.Context, done registry.QuarantineReplay) error {
	return r.with(func() error {
		done.AtMs = 0
		r.replays = append(r.replays, done)
		for i := range r.quarantine {
			if q := &r.quarantine[i]; q.ID == done.ID {
				q.ReplayMs, q.Reason = 0, done.Reason
			}
		}
		if done.Outcome == registry.ReplayStored {
			r.quarantine = slices.DeleteFunc(r.quarantine, func(q registry.Quarantined) bool { return q.ID == done.ID })
		}
		return nil
	})
}

func (r *fakeRegistry) QuarantineTotals(context.Context) (t registry.QuarantineTotal, err error) {
	return t, r.with(func() error { t.Packs = int64(len(r.quarantine)); return nil })
}
