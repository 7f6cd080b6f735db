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
	refused  func(reason string) // counts a status that cannot be read

	mu    sync.Mutex
	state map[gatewayID]*gatewayState
}

type gatewayID struct{ site, gateway string }

type gatewayState struct {
	online  bool
	status  string // not yet written, "" when there is none
	seenMs  int64
	written int64 // seenMs in the registry
	toldMs  int64 // when the log last said that its status cannot be read
	oldestS int64 // age of its oldest pack without a receipt, as it last said
}

const (
	gatewaysEvery = 500 * time.Millisecond
	// seenEveryMs is how exactly the registry knows when a gateway that only sends packs was last heard.
	seenEveryMs = 15_000
	// tellEveryMs is how often the log says of a gateway that its status cannot be read.
	tellEveryMs = 60_000
)

func newGateways(r Registry, log *slog.Logger, now func() time.Time, refused func(reason string)) *gateways {
	return &gateways{registry: r, log: log, now: now, refused: refused, history: newHistory(r, log), state: map[gatewayID]*gatewayState{}}
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
		g.unreadable(site, gateway, err)
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

// unreadable counts a status that cannot be read, and says so, of a gateway that sends them without end now and then.
func (g *gateways) unreadable(site, gateway string, err error) {
	var why *wire.DecodeError
	if errors.As(err, &why) {
		g.refused(why.Reason)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, now := g.get(site, gateway), g.now().UnixMilli(); s.toldMs == 0 || now-s.toldMs >= tellEveryMs {
		s.toldMs = now
		g.log.Warn("a status cannot be read", "site", site, "gateway", gateway, "err", err)
	}
}

func (g *gateways) run(ctx context.Context) { repeat.Every(ctx, gatewaysEvery, g.flush) }

// flush writes what is new.
func (g *gateways) flush(ctx context.Context) {
	g.history.flush(ctx)
	due := map[gatewayID]gatewayState{}
	var heard []registry.GatewayHeard
	g.mu.Lock()
	for id, s := range g.state {
		if s.status != "" || s.seenMs-s.written >= seenEveryMs {
			due[id] = *s
			heard = append(heard, registry.GatewayHeard{Site: id.site, Gateway: id.gateway, StatusJSON: s.status, Online: s.online, SeenMs: s.seenMs})
			s.status, s.written = "", s.seenMs
		}
	}
	g.mu.Unlock()
	unknown, err := g.registry.GatewaysHeard(ctx, heard)
	if err != nil {
		if ctx.Err() == nil {
			g.log.Warn("what gateways said could not be noted: it is tried again", "gateways", len(heard), "err", err)
		}
		g.again(due)
		return
	}
	for _, h := range unknown {
		g.log.Debug("a gateway that is not registered speaks", "site", h.Site, "gateway", h.Gateway)
	}
}

// again takes back writes that failed, unless something newer has come.
func (g *gateways) again(failed map[gatewayID]gatewayState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, f := range failed {
		s := g.get(id.site, id.gateway)
		if s.status == "" {
			s.status = f.status
		}
		s.written = f.written
	}
}
