package sensor

import (
	"sync"

	"karkhana/internal/wire"
)

// mostPending bounds what waits for a machine that is not read: events are kept, of readings the newest.
const mostPending = 1000

// ahead is how far a time may lie in the future before it is taken for that of a clock since set back.
const ahead = 60_000 // ms

// inbox keeps what a goroutine has found until the machine is read.
type inbox struct {
	mu      sync.Mutex
	pending []found
}

type found struct {
	atMs    int64
	event   bool
	samples []wire.Sample
}

// put adds a reading; events are all delivered, of several other readings only the newest is.
func (b *inbox) put(atMs int64, event bool, samples []wire.Sample) {
	for i := range samples {
		samples[i].TimeMs = atMs
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == mostPending {
		b.pending = b.pending[1:]
	}
	b.pending = append(b.pending, found{atMs, event, samples})
}

// take appends what was found up to a time and forgets it.
func (b *inbox) take(atMs int64, out []wire.Sample) []wire.Sample {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := -1
	for i, f := range b.pending {
		if !f.event && (f.atMs <= atMs || f.atMs > atMs+ahead) {
			newest = i
		}
	}
	rest := b.pending[:0]
	for i, f := range b.pending {
		future := f.atMs > atMs
		if future && f.atMs <= atMs+ahead {
			rest = append(rest, f)
			continue
		}
		if !f.event && i != newest {
			continue
		}
		for _, s := range f.samples {
			s.TimeMs = min(s.TimeMs, atMs)
			out = append(out, s)
		}
	}
	b.pending = rest
	return out
}
