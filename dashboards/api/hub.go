package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/internal/registry"
)

// hub keeps one board for each site that is looked at and tells the viewers of a board what changes. It looks for
// changes only where somebody watches.
type hub struct {
	api  *API
	boot string // tells cursors of this process from those of another

	mu     sync.Mutex
	boards map[string]*board
}

func newHub(a *API) *hub { return &hub{api: a, boot: rand.Text()[:8], boards: map[string]*board{}} }

// board returns the board of a site.
func (h *hub) board(s registry.Site) *board {
	h.mu.Lock()
	old := h.boards[s.ID]
	if old != nil && old.reader.site == s {
		h.mu.Unlock()
		return old
	}
	b := &board{
		hub: h, reader: reader{store: h.api.store, reg: h.api.reg, site: s, slow: map[string]*slowParts{}},
		machines: map[string]*machineItem{}, alarms: map[int64]*item{}, gateways: map[string]*item{}, viewers: map[*watcher]struct{}{},
	}
	h.boards[s.ID] = b
	h.mu.Unlock()
	if old != nil {
		old.closeAll() // the site was renamed or moved to another zone: its viewers come back to the new board
	}
	return b
}

// looksAtOnce is how many sites are read side by side, so that one does not wait for the store's answers to the others.
const looksAtOnce = 4

// run looks for changes until ctx ends, then sends every viewer away.
func (h *hub) run(ctx context.Context) error {
	tick := time.NewTicker(h.api.poll)
	defer tick.Stop()
	defer func() {
		for _, b := range h.all() {
			b.closeAll()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			looking := errgroup.Group{}
			looking.SetLimit(looksAtOnce)
			for _, b := range h.all() {
				if b.watched() {
					looking.Go(func() error {
						b.look(ctx)
						return nil
					})
				}
			}
			_ = looking.Wait()
		}
	}
}

func (h *hub) all() []*board {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*board, 0, len(h.boards))
	for _, b := range h.boards {
		out = append(out, b)
	}
	return out
}

// board is one site's picture: what was last sent of each thing, and who watches. Every change gets the next
// number, so that a viewer who comes back gets only what it missed.
type board struct {
	hub *hub

	mu       sync.Mutex
	reader   reader
	readMs   int64
	err      error // of the last reading
	seq      uint64
	list     []Machine
	machines map[string]*machineItem
	alarms   map[int64]*item
	gateways map[string]*item
	viewers  map[*watcher]struct{}
	pingMs   int64
	closed   bool
}

// item is one thing's last content and the number of its last change.
type item struct {
	seq   uint64
	value any
}

// machineItem has two parts that change at different speeds.
type machineItem struct {
	liveSeq, todaySeq uint64
	machine           Machine
}

// The distance of pings, and the longest that a changed sparkline waits: pages draw on from live values meanwhile.
const (
	pingEveryMs  = 15_000
	sparkEveryMs = 300_000
)

// watcher is one open live stream. Batches that don't fit the channel mean that the viewer is too slow.
type watcher struct {
	batches chan []byte
	gone    chan struct{} // closed when the hub sends the viewer away
}

// now returns the picture, reading it anew when it is older than most of a second.
func (b *board) now(ctx context.Context) ([]Machine, string, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refresh(ctx, 0); err != nil {
		return nil, "", 0, err
	}
	return b.list, b.cursor(), b.readMs, nil
}

// watched reports whether anybody looks.
func (b *board) watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.viewers) > 0
}

// look reads the picture and sends the viewers what changed.
func (b *board) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	had := b.err
	if err := b.refresh(ctx, slowBudget); err != nil && had == nil && ctx.Err() == nil {
		b.hub.api.log.Error("live page can't be read", "site", b.reader.site.ID, "err", err)
	}
	nowMs := b.hub.api.now().UnixMilli()
	if (b.err == nil) != (had == nil) || nowMs-b.pingMs >= pingEveryMs {
		b.pingMs = nowMs
		b.send(b.event(nil, "ping", Ping{Time: at(nowMs), OK: b.err == nil}))
	}
}

// refresh reads the picture unless it is young, numbers what changed and sends it; budget is that of [reader.read]. The
// caller holds mu.
func (b *board) refresh(ctx context.Context, budget time.Duration) error {
	nowMs := b.hub.api.now().UnixMilli()
	if b.err == nil && b.readMs != 0 && nowMs >= b.readMs && nowMs-b.readMs < 800 {
		return nil
	}
	b.err = b.readAll(ctx, nowMs, budget)
	return b.err
}

func (b *board) readAll(ctx context.Context, nowMs int64, budget time.Duration) error {
	machines, err := b.reader.read(ctx, nowMs, budget)
	if err != nil {
		return err
	}
	alarms, err := b.hub.api.alarms(ctx, b.reader.site.ID, true, 1000)
	if err != nil {
		return err
	}
	gateways, err := b.hub.api.gateways(ctx, b.reader.site.ID, nowMs)
	if err != nil {
		return err
	}
	before := b.seq
	b.list, b.readMs = machines, nowMs
	for _, m := range machines {
		b.noteMachine(m)
	}
	open := map[int64]bool{}
	for _, al := range alarms {
		open[al.ID] = true
		note(b, b.alarms, al.ID, al)
	}
	for id, it := range b.alarms {
		if al := it.value.(Alarm); !open[id] && al.State != string(registry.AlarmResolved) {
			al.State = string(registry.AlarmResolved) // pages take it off their list
			note(b, b.alarms, id, al)
		}
	}
	for _, g := range gateways {
		seen := g
		seen.AgeS = 0 // pages count the age themselves
		note(b, b.gateways, g.ID, seen)
	}
	if b.seq > before {
		b.send(b.since(before))
	}
	return nil
}

// note gives value the next number when it differs from what was known.
func note[K comparable](b *board, known map[K]*item, id K, value any) {
	if old := known[id]; old != nil && reflect.DeepEqual(old.value, value) {
		return
	}
	b.seq++
	known[id] = &item{seq: b.seq, value: value}
}

func (b *board) noteMachine(m Machine) {
	it := b.machines[m.ID]
	if it == nil {
		b.seq++
		b.machines[m.ID] = &machineItem{liveSeq: b.seq, todaySeq: b.seq, machine: m}
		return
	}
	was, is := it.machine.Live, m.Live
	was.AgeS, is.AgeS = 0, 0 // pages count the age themselves
	if !reflect.DeepEqual(was, is) {
		b.seq++
		it.liveSeq, it.machine.Live = b.seq, m.Live
	}
	if !continues(it.machine.Today, m.Today) {
		b.seq++
		it.todaySeq, it.machine.Today = b.seq, m.Today
	}
}

// continues reports whether a page that has the old day can draw the new one from the live values it got since:
// the same pieces, the last grown, or further pieces behind it.
func continues(old, is MachineToday) bool {
	if !old.From.Equal(is.From) || len(is.Segments) < len(old.Segments) || is.To.Sub(old.To).Milliseconds() >= sparkEveryMs {
		return false
	}
	for i, s := range old.Segments {
		last := i == len(old.Segments)-1
		if is.Segments[i].State != s.State || !is.Segments[i].Start.Equal(s.Start) || (!last && !is.Segments[i].End.Equal(s.End)) {
			return false
		}
	}
	return true
}

// since is one batch with every change numbered above seq.
func (b *board) since(seq uint64) []byte { return b.thingsSince(b.machinesSince(nil, seq), seq, true) }

// machinesSince appends the machines that changed above seq, each with the parts that did.
func (b *board) machinesSince(to []byte, seq uint64) []byte {
	for _, m := range b.list {
		it := b.machines[m.ID]
		e := MachineEvent{ID: m.ID}
		if it.liveSeq > seq {
			e.Live = &m.Live
		}
		if it.todaySeq > seq {
			e.Today = &m.Today
		}
		if e.Live != nil || e.Today != nil {
			to = b.event(to, "machine", e)
		}
	}
	return to
}

// thingsSince appends the alarms and gateways that changed above seq.
func (b *board) thingsSince(to []byte, seq uint64, resolvedToo bool) []byte {
	for _, id := range slices.Sorted(maps.Keys(b.alarms)) {
		it := b.alarms[id]
		if it.seq > seq && (resolvedToo || it.value.(Alarm).State != string(registry.AlarmResolved)) {
			to = b.event(to, "alarm", it.value)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.gateways)) {
		if it := b.gateways[id]; it.seq > seq {
			to = b.event(to, "gateway", it.value)
		}
	}
	return to
}

// event appends one server-sent event. Its id is the board's cursor: batches are sent whole.
func (b *board) event(to []byte, name string, value any) []byte {
	data, err := json.Marshal(value)
	if err != nil { // only a value that JSON can't say, such as NaN: skip it rather than end the stream
		b.hub.api.log.Error("live event can't be written", "site", b.reader.site.ID, "event", name, "err", err)
		return to
	}
	return fmt.Appendf(to, "event: %s\nid: %s\ndata: %s\n\n", name, b.cursor(), data)
}

func (b *board) cursor() string { return b.hub.boot + "." + strconv.FormatUint(b.seq, 10) }

// send gives the batch to every viewer and drops those that have not taken the former ones.
func (b *board) send(batch []byte) {
	if len(batch) == 0 {
		return
	}
	for v := range b.viewers {
		select {
		case v.batches <- bytes.Clone(batch):
		default:
			b.hub.api.metrics.dropped.Inc()
			delete(b.viewers, v)
			close(v.gone)
		}
	}
}

// watch adds a viewer and returns its first batch: the machines that changed since the cursor, or all when the cursor
// is of another process or none; then the unresolved alarms and the gateways, which are few.
func (b *board) watch(ctx context.Context, cursor string) (*watcher, []byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refresh(ctx, 0); err != nil {
		return nil, nil, err
	}
	if b.closed {
		return nil, nil, problem(503, "the server is stopping: try again")
	}
	var from uint64
	if boot, seq, ok := strings.Cut(cursor, "."); ok && boot == b.hub.boot {
		if n, err := strconv.ParseUint(seq, 10, 64); err == nil && n <= b.seq {
			from = n
		}
	}
	v := &watcher{batches: make(chan []byte, 16), gone: make(chan struct{})}
	b.viewers[v] = struct{}{}
	first := b.thingsSince(b.machinesSince(nil, from), 0, false)
	return v, b.event(first, "ping", Ping{Time: at(b.readMs), OK: true}), nil
}

// leave removes a viewer; leaving twice does nothing.
func (b *board) leave(v *watcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.viewers, v)
}

// closeAll sends every viewer away and takes no more.
func (b *board) closeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for v := range b.viewers {
		delete(b.viewers, v)
		close(v.gone)
	}
}
