package ingest

import (
	"context"
	"log/slog"
	"sync"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// history notes what tells later why samples are missing: when each boot of a gateway first sampled a machine, and when
// a gateway came, went, or lost its supply. It writes changes only.
type history struct {
	registry Registry
	log      *slog.Logger

	mu       sync.Mutex
	digester digester
	boots    map[digest]int64        // of site, machine, gateway and boot → the earliest noted
	last     map[subject]string      // newest kind of event
	events   []registry.GatewayEvent // not yet written
}

// subject is what an event speaks of.
type subject struct {
	gateway gatewayID
	supply  bool
}

// maxEvents bounds the events that wait while the registry is down; the newest are kept.
const maxEvents = 10_000

func newHistory(r Registry, log *slog.Logger) *history {
	return &history{registry: r, log: log, digester: newDigester(), boots: map[digest]int64{}, last: map[subject]string{}}
}

// noteBoots notes the boots of a batch's packs, before they are acknowledged.
func (in *Ingest) noteBoots(ctx context.Context, items []item) error {
	h := in.gateways.history
	due := h.due(items)
	if len(due) == 0 {
		return nil
	}
	if err := in.untilDone(ctx, "note the boots of gateways", func() error { return h.registry.NoteBoots(ctx, due) }); err != nil {
		return err
	}
	h.noted(due)
	return nil
}

// due returns the boots of the items that are new or began earlier than noted.
func (h *history) due(items []item) []registry.MachineBoot {
	var earliest map[registry.MachineBoot]int64
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range items {
		it := &items[i]
		if it.values == 0 || it.boot == "" {
			continue
		}
		key := registry.MachineBoot{Site: it.touched.Site, Machine: it.touched.Machine, Gateway: it.topic.Gateway, Boot: it.boot}
		if known, ok := h.boots[h.of(key)]; ok && known <= it.touched.FromMs {
			continue
		}
		if earliest == nil {
			earliest = map[registry.MachineBoot]int64{}
		}
		if ms, ok := earliest[key]; !ok || it.touched.FromMs < ms {
			earliest[key] = it.touched.FromMs
		}
	}
	out := make([]registry.MachineBoot, 0, len(earliest))
	for key, ms := range earliest {
		key.FromMs = ms
		out = append(out, key)
	}
	return out
}

func (h *history) noted(boots []registry.MachineBoot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.boots)+len(boots) > maxCached {
		clear(h.boots)
	}
	for _, b := range boots {
		id := h.of(b)
		if known, ok := h.boots[id]; !ok || b.FromMs < known {
			h.boots[id] = b.FromMs
		}
	}
}

func (h *history) of(b registry.MachineBoot) digest {
	return h.digester.of(b.Site, b.Machine, b.Gateway, b.Boot)
}

// status notes what a status changes. heardMs is when the gateway said it, 0 when that is not known; nowMs when it came.
// A farewell carries the gateway's time, the Will, which the broker writes, has none.
func (h *history) status(id gatewayID, st *wire.Status, heardMs, nowMs int64) {
	link := registry.GatewayOnline
	switch {
	case !st.Online && st.TimeMs != 0:
		link, heardMs = registry.GatewayStopped, min(st.TimeMs, nowMs)
	case !st.Online:
		link = registry.GatewayLost
	}
	if heardMs == 0 {
		heardMs = nowMs
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change(subject{id, false}, link, heardMs)
	if st.Supply != nil {
		kind := registry.GatewaySupplyLost
		if *st.Supply {
			kind = registry.GatewaySupplyBack
		}
		h.change(subject{id, true}, kind, heardMs)
	}
}

// change queues an event unless the newest one says the same; the lock is held.
func (h *history) change(s subject, kind string, atMs int64) {
	if h.last[s] == kind && kind != registry.GatewayStopped {
		return
	}
	if len(h.last) >= maxCached {
		clear(h.last)
	}
	h.last[s] = kind
	if len(h.events) >= maxEvents {
		h.events = h.events[1:]
	}
	h.events = append(h.events, registry.GatewayEvent{Site: s.gateway.site, Gateway: s.gateway.gateway, AtMs: atMs, Kind: kind})
}

// flush writes the queued events; what can't be written waits.
func (h *history) flush(ctx context.Context) {
	h.mu.Lock()
	events := h.events
	h.events = nil
	h.mu.Unlock()
	for i, e := range events {
		if err := h.registry.NoteGatewayEvent(ctx, e); err != nil {
			if ctx.Err() == nil {
				h.log.Warn("an event of a gateway could not be noted: it is tried again", "site", e.Site, "gateway", e.Gateway, "err", err)
			}
			h.mu.Lock()
			h.events = append(events[i:len(events):len(events)], h.events...)
			h.mu.Unlock()
			return
		}
	}
}
