package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/wire"
)

// gateways notes in the registry what gateways say of themselves and when they were last heard. What comes between two
// writes is merged, so that packs cost no write each; a failed write is tried again at the next round.
type gateways struct {
	registry Registry
	log      *slog.Logger
	now      func() time.Time
	history  *history

	mu    sync.Mutex
	state map[gatewayID]*gatewayState
}

type gatewayID struct{ site, gateway string }

type gatewayState struct {
	online  bool
	status  string // not yet written, "" when there is none
	seenMs  int64
	written int64 // seenMs in the registry
	oldestS int64 // age of its oldest pack without a receipt, as it last said
}

const (
	gatewaysEvery = 500 * time.Millisecond
	// seenEveryMs is how exactly the registry knows when a gateway that only sends packs was last heard.
	seenEveryMs = 15_000
)

func newGateways(r Registry, log *slog.Logger, now func() time.Time) *gateways {
	return &gateways{registry: r, log: log, now: now, history: newHistory(r, log), state: map[gatewayID]*gatewayState{}}
}

// get returns the state of a gateway; the lock is held.
func (g *gateways) get(site, gateway string) *gatewayState {
	id := gatewayID{site, gateway}
	s := g.state[id]
	if s == nil {
		if len(g.state) >= maxCached {
			clear(g.state)
		}
		s = &gatewayState{online: true}
		g.state[id] = s
	}
	return s
}

// seen notes that a pack came.
func (g *gateways) seen(site, gateway string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.get(site, gateway).seenMs = g.now().UnixMilli()
}

// take notes a message that is a status, and says whether it was one.
func (g *gateways) take(name string, payload []byte, retained bool) bool {
	if !strings.HasSuffix(name, "/"+string(wire.KindStatus)) {
		return false
	}
	topic, err := wire.ParseTopic(name)
	if err != nil || topic.Kind != wire.KindStatus {
		return false
	}
	g.status(topic.Site, topic.Gateway, payload, retained)
	return true
}

// status notes a status. A retained one is old news and a Will is written by the broker: neither says that the gateway
// was heard just now, only the time inside does.
func (g *gateways) status(site, gateway string, payload []byte, retained bool) {
	st, err := wire.DecodeStatus(payload)
	if err != nil {
		g.log.Warn("a status cannot be read", "site", site, "gateway", gateway, "err", err)
		return
	}
	now := g.now().UnixMilli()
	heard := now
	if retained || st.TimeMs == 0 {
		heard = min(st.TimeMs, now)
	}
	g.history.status(gatewayID{site, gateway}, st, heard, now)
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.get(site, gateway)
	s.oldestS = st.OldestAgeS
	s.online, s.status, s.seenMs = st.Online, string(payload), max(s.seenMs, heard)
}

func (g *gateways) run(ctx context.Context) { repeat.Every(ctx, gatewaysEvery, g.flush) }

// flush writes what is new.
func (g *gateways) flush(ctx context.Context) {
	g.history.flush(ctx)
	g.mu.Lock()
	due := map[gatewayID]gatewayState{}
	for id, s := range g.state {
		if s.status != "" || s.seenMs-s.written >= seenEveryMs {
			due[id] = *s
			s.status, s.written = "", s.seenMs
		}
	}
	g.mu.Unlock()
	for id, s := range due {
		err := g.registry.GatewayStatus(ctx, id.site, id.gateway, s.status, s.online, s.seenMs)
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, registry.ErrNotFound):
			g.log.Debug("a gateway that is not registered speaks", "site", id.site, "gateway", id.gateway)
		default:
			g.log.Warn("a gateway's status could not be noted: it is tried again", "site", id.site, "gateway", id.gateway, "err", err)
			g.again(id, s)
		}
	}
}

// again takes back a write that failed, unless something newer has come.
func (g *gateways) again(id gatewayID, failed gatewayState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.get(id.site, id.gateway)
	if s.status == "" {
		s.status = failed.status
	}
	s.written = failed.written
}
