// Package watchdog tells systemd that a gateway lives, as long as it really samples.
//
// It owns what living means: each machine's reading came back within that machine's own limit. A reading that failed
// came back, too: a broken wire is not mended by a restart, a driver that hangs is.
package watchdog

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/wire"
)

const (
	// opening is how long a driver may take before its first reading, beside the machine's limit.
	opening = time.Minute
	// margin is what a busy computer may add to a reading.
	margin = 5 * time.Second
)

// Limit is the longest time that may lie between two readings of a machine that is read each every: the sampler gives
// up a reading after max(every, 5 s) and begins the next at the next multiple of every.
func Limit(every time.Duration) time.Duration { return every + max(every, 5*time.Second) + margin }

// Board is where machines are noted when they were read.
type Board struct {
	first chan struct{} // closed at the first reading

	mu       sync.Mutex
	machines map[string]*Machine
	read     bool
	syncs    uint64
	failing  string
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{first: make(chan struct{}), machines: map[string]*Machine{}}
}

// Machine is one machine on the board.
type Machine struct {
	board  *Board
	id     string
	limit  time.Duration
	tick   time.Time // last reading came back; before it the time it is waited for from
	sample time.Time // last value
}

// Watch puts a machine on the board, before its driver is opened. The caller calls Done when it is no longer read.
func (b *Board) Watch(id string, every time.Duration) *Machine {
	m := &Machine{board: b, id: id, limit: Limit(every), tick: time.Now().Add(opening)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.machines[id] = m
	return m
}

// Done takes the machine off the board.
func (m *Machine) Done() {
	m.board.mu.Lock()
	defer m.board.mu.Unlock()
	delete(m.board.machines, m.id)
}

// Source returns src, with its readings noted on the board.
func (m *Machine) Source(src sampler.Source) sampler.Source { return watched{Source: src, machine: m} }

type watched struct {
	sampler.Source
	machine *Machine
}

// Sense reads the source and notes that the reading came back.
func (w watched) Sense(ctx context.Context, at time.Time) ([]wire.Sample, error) {
	samples, err := w.Source.Sense(ctx, at)
	w.machine.ticked(err == nil && hasValue(samples))
	return samples, err
}

// Rest returns what the source found last, if it can say so.
func (w watched) Rest(at time.Time) []wire.Sample {
	if r, ok := w.Source.(sampler.Rester); ok {
		return r.Rest(at)
	}
	return nil
}

// hasValue reports whether one of the samples is more than a fault.
func hasValue(samples []wire.Sample) bool {
	return slices.ContainsFunc(samples, func(s wire.Sample) bool { return !strings.HasPrefix(s.Quality, "fault") })
}

func (m *Machine) ticked(value bool) {
	now := time.Now()
	b := m.board
	b.mu.Lock()
	defer b.mu.Unlock()
	m.tick = now
	if value {
		m.sample = now
	}
	if !b.read {
		b.read = true
		close(b.first)
	}
}

// Synced notes that packs were handed to the disk: n of them durably, or err.
func (b *Board) Synced(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		b.failing = err.Error()
	default:
		b.failing = ""
		if n > 0 {
			b.syncs++
		}
	}
}

// Hanging returns the machines whose reading has not come back within their limit, sorted.
func (b *Board) Hanging() []string {
	var out []string
	for _, m := range b.Machines() {
		if m.Hangs() {
			out = append(out, m.ID)
		}
	}
	return out
}

// Machines returns the board, sorted.
func (b *Board) Machines() []health.Machine {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	out := []health.Machine{}
	for _, m := range b.machines {
		h := health.Machine{ID: m.id, LimitMs: m.limit.Milliseconds(), TickAgeMs: max(0, now.Sub(m.tick).Milliseconds())}
		if !m.sample.IsZero() {
			age := now.Sub(m.sample).Milliseconds()
			h.SampleAgeMs = &age
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b health.Machine) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Spool returns how the disk takes packs; the caller adds what is queued.
func (b *Board) Spool() health.Spool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return health.Spool{Syncs: b.syncs, Failing: b.failing}
}
