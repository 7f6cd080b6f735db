package broker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// A client may hold a quarter of what is free (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998): one that
	// floods gets a fifth of the memory, ten of them two thirds together, and there is always room for others.
	shareOfFree = 4
	// leastShare of the memory nobody is refused for: a thousand gateways that wait for the store fill it with far less each.
	leastShare = 64
	// quietShare of the memory may be held without that anybody looks closely; more than as much again is looked at at once.
	quietShare = 16

	shareTick      = 20 * time.Millisecond // how often the memory in use is read, which costs a microsecond
	shareLook      = 500 * time.Millisecond
	shareQuietLook = 5 * time.Second

	maxMarks       = 64       // of a client
	maxJudged      = 16       // clients whose oldest message is asked for in a look
	maxConnections = 32       // of a user at once: a gateway needs one
	lastRead       = 64 << 10 // bytes: what the server reads at once, and does not count when it was the last of a connection
	messageCost    = 200      // bytes: the most that the memory needs for a message beside its payload
)

// shares keeps one client from filling the memory of messages that all clients share. The server has neither a bound for a
// client nor a place where we see a message, so we look on: at the bytes that came over each client's connections, and at
// the oldest message of it that still waits. What it holds came after that one. A client that holds more than its share
// loses its connections and gets no new one until ingest has taken enough of it. Nothing is dropped: what was acknowledged
// waits on, and what was not the client sends again.
type shares struct {
	server  *server.Server
	stream  jetstream.Stream // of messages
	limit   uint64           // bytes
	log     *slog.Logger
	refused *refusals

	mu    sync.Mutex
	users map[string]*sharer
}

// sharer is a user whose messages are counted.
type sharer struct {
	name     string
	subjects []string          // where its messages are in the stream
	open     map[uint64]uint64 // bytes that came over each connection when we last looked, by the server's number of it
	past     uint64            // bytes of connections that have ended
	unstored uint64            // bytes that came while nothing was stored
	// marks are how many bytes had come when the stream's newest message was which, oldest first; the first one is before
	// all that waits.
	marks  []mark
	over   bool      // it holds more than its share
	judged time.Time // when its oldest message was last asked for
}

type mark struct{ newest, bytes uint64 }

// admit takes a new connection into the books. subjects are what the user may publish to. false: it may not connect now,
// for the reason.
func (g *shares) admit(name string, subjects []string, cid uint64) (reason string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.users[name]
	if u == nil {
		u = &sharer{name: name, open: map[uint64]uint64{}, marks: []mark{{}}}
		g.users[name] = u
	}
	if u.over {
		return refusedShare, false
	}
	if len(u.open) >= maxConnections {
		g.count(u, nil)
	}
	if len(u.open) >= maxConnections {
		return refusedConnections, false
	}
	u.subjects = u.subjects[:0:0]
	for _, subject := range subjects {
		u.subjects = append(u.subjects, messagesPrefix+subject)
	}
	u.open[cid] = 0
	return "", true
}

// count brings the bytes of a user up to date. open are the bytes of all open connections, nil: not known.
func (g *shares) count(u *sharer, open map[uint64]uint64) (total uint64) {
	for cid := range u.open {
		if bytes, ok := open[cid]; ok {
			u.open[cid] = bytes
			continue
		}
		z, err := g.server.Connz(&server.ConnzOptions{CID: cid, State: server.ConnAll})
		if err == nil && len(z.Conns) == 1 {
			u.open[cid] = received(z.Conns[0])
		}
		if err != nil || len(z.Conns) == 0 || z.Conns[0].Stop != nil {
			u.past += u.open[cid] + lastRead
			delete(u.open, cid)
		}
	}
	total = u.past
	for _, bytes := range u.open {
		total += bytes
	}
	return total
}

// received is how much memory what came over a connection takes at most.
func received(c *server.ConnInfo) uint64 {
	return uint64(max(c.InBytes, 0)) + uint64(max(c.InMsgs, 0))*messageCost
}

// run looks on until ctx ends.
func (g *shares) run(ctx context.Context) {
	tick := time.NewTicker(shareTick)
	defer tick.Stop()
	var looked time.Time
	var usedThen uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		used := g.used()
		wait := shareLook
		if used < g.limit/quietShare {
			wait = shareQuietLook
		}
		if time.Since(looked) < wait && used < usedThen+g.limit/quietShare {
			usedThen = min(usedThen, used)
			continue
		}
		if err := g.look(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("broker: look at what waits of each client", "err", err)
		}
		looked, usedThen = time.Now(), used
	}
}

// used is the memory that messages take.
func (g *shares) used() uint64 { return g.server.GlobalAccount().JetStreamUsage().Memory }

// look finds who holds more than its share, and who no longer does.
func (g *shares) look(ctx context.Context) error {
	z, err := g.server.Connz(&server.ConnzOptions{Limit: 1 << 20})
	if err != nil {
		return err
	}
	open := make(map[uint64]uint64, len(z.Conns))
	for _, c := range z.Conns {
		open[c.Cid] = received(c)
	}
	info, err := g.stream.Info(ctx) // after the bytes: what came with them is in the stream by now
	if err != nil {
		return err
	}
	used := min(info.State.Bytes, g.limit)
	share := max((g.limit-used)/shareOfFree, g.limit/leastShare)
	for _, u := range g.suspects(open, info.State.LastSeq, share, used < g.limit/quietShare) {
		if err := g.judge(ctx, u, share); err != nil {
			return err
		}
	}
	return nil
}

// suspects counts what came of whom, and returns those who may hold more than a share: the ones who sent most, and of those
// who are known to hold too much the ones not asked for longest. When it is quiet nobody holds much.
func (g *shares) suspects(open map[uint64]uint64, newest, share uint64, quiet bool) []*sharer {
	g.mu.Lock()
	defer g.mu.Unlock()
	var fresh, over []*sharer
	for _, u := range g.users {
		u.note(mark{newest, g.count(u, open)}, quiet)
		switch {
		case quiet:
			u.over = false
		case u.over:
			over = append(over, u)
		case u.held() > share:
			fresh = append(fresh, u)
		}
	}
	slices.SortFunc(fresh, func(a, b *sharer) int { return cmp.Compare(b.held(), a.held()) })
	slices.SortFunc(over, func(a, b *sharer) int { return a.judged.Compare(b.judged) })
	return slices.Concat(fresh[:min(len(fresh), maxJudged)], over[:min(len(over), maxJudged)])
}

// note adds a mark, or makes it the only one. When there are too many every second goes: what a client holds is then known
// less closely.
func (u *sharer) note(m mark, only bool) {
	last := u.marks[len(u.marks)-1]
	m.bytes -= u.unstored
	if m.newest == last.newest { // of nobody anything was stored since: the broker was full
		u.unstored += m.bytes - last.bytes
		m.bytes = last.bytes
	}
	switch {
	case only:
		u.marks = append(u.marks[:0], m)
		return
	case m.bytes == last.bytes:
		return
	case len(u.marks) >= maxMarks:
		kept := u.marks[:1]
		for i := 2; i < len(u.marks); i += 2 {
			kept = append(kept, u.marks[i])
		}
		u.marks = kept
	}
	u.marks = append(u.marks, m)
}

// held is the most that can wait of the user.
func (u *sharer) held() uint64 { return u.marks[len(u.marks)-1].bytes - u.marks[0].bytes }

// judge asks for the oldest message of a user that still waits, and refuses the user or lets it in again.
func (g *shares) judge(ctx context.Context, u *sharer, share uint64) error {
	g.mu.Lock()
	subjects := u.subjects
	g.mu.Unlock()
	oldest, err := g.oldest(ctx, subjects)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	u.judged = time.Now()
	for len(u.marks) > 1 && u.marks[1].newest < oldest {
		u.marks = u.marks[1:]
	}
	held := u.held()
	switch {
	case u.over && held <= share/2:
		u.over = false
	case !u.over && held > share:
		u.over = true
		g.refused.count(refusedShare)
		if say, before := g.refused.say(refusedShare, u.name); say {
			g.log.Warn("broker closes a client's connections: more of it waits for ingest than its share of the memory; it may come again when ingest has taken it",
				"user", u.name, "held_bytes", held, "share_bytes", share, "alike_before", before)
		}
		for cid := range u.open {
			_ = g.server.DisconnectClientByID(cid) // fails only where the connection has ended by itself
		}
	}
	return nil
}

// oldest is the number of the oldest message that waits under these subjects; above all numbers when there is none.
func (g *shares) oldest(ctx context.Context, subjects []string) (uint64, error) {
	oldest := ^uint64(0)
	for _, s := range subjects {
		m, err := g.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(s))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		oldest = min(oldest, m.Sequence)
	}
	return oldest, nil
}
