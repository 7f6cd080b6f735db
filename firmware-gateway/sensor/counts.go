package sensor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"karkhana/firmware-gateway/config"
	"karkhana/internal/wire"
)

// Counts are the registers of S0 inputs, which have to go on where they were when the gateway starts again. Their owner
// keeps [Counts.Samples] with the samples themselves, at the same moment, and gives them back to [NewCounts]: so a
// register never goes back behind what was sent, and never jumps. Pulses that come while nobody counts are lost: those of
// the second before a power cut that were not durable yet, and all while the gateway is off.
//
// It is safe for concurrent use.
type Counts struct {
	mu     sync.Mutex
	counts map[string]*count
}

type count struct {
	base, since int64        // at its opening; seen since
	live        func() int64 // counted since its opening; nil: not open
}

const countPrefix = "s0 "

// NewCounts goes on from what Samples returned; other samples are passed over.
func NewCounts(kept []wire.Sample) *Counts {
	c := &Counts{counts: map[string]*count{}}
	for _, s := range kept {
		if key, ok := strings.CutPrefix(s.Quantity, countPrefix); ok && s.Number >= 0 {
			c.counts[key] = &count{base: int64(s.Number)}
		}
	}
	return c
}

// Samples are the registers now, in a form that a pack can hold; they are not for sending.
func (c *Counts) Samples() []wire.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []wire.Sample
	for _, key := range slices.Sorted(maps.Keys(c.counts)) {
		out = append(out, wire.Sample{Quantity: countPrefix + key, Number: float64(c.counts[key].now())})
	}
	return out
}

// countKey names a register. Another machine, another pin or another meter begins a new one.
func countKey(machine string, c config.Sensor) string {
	return fmt.Sprintf("%s %s %d", machine, c.S0, c.ImpPerKWh)
}

func (n *count) now() int64 {
	if n.live != nil {
		n.since = max(n.since, n.live())
	}
	return n.base + n.since
}

// open begins to count at the register's place. live is called while it is open; it must not wait.
func (c *Counts) open(key string, live func() int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[key]
	if n == nil {
		n = &count{}
		c.counts[key] = n
	}
	n.live = live
}

// get returns the register.
func (c *Counts) get(key string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[key].now()
}

// shut ends what open began.
func (c *Counts) shut(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[key]
	*n = count{base: n.now()}
}
