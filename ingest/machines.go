package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// machines remembers for a moment what the registry says about a machine, also that it is unknown, so that a new
// machine appears within seconds and packs cost no query each.
type machines struct {
	registry Registry
	keep     time.Duration
	now      func() time.Time

	mu    sync.Mutex
	cache map[machineID]answer
}

type machineID struct{ site, machine string }

type answer struct {
	known bool
	until time.Time
}

// maxCached bounds the memory that names from outside can take.
const maxCached = 100_000

func newMachines(r Registry, keep time.Duration, now func() time.Time) *machines {
	return &machines{registry: r, keep: keep, now: now, cache: map[machineID]answer{}}
}

func (m *machines) known(ctx context.Context, site, machine string) (bool, error) {
	id, now := machineID{site, machine}, m.now()
	m.mu.Lock()
	a, ok := m.cache[id]
	m.mu.Unlock()
	if ok && now.Before(a.until) {
		return a.known, nil
	}
	known, err := m.registry.MachineKnown(ctx, site, machine)
	if err != nil {
		return false, fmt.Errorf("is machine %s/%s registered: %w", site, machine, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.cache) >= maxCached {
		clear(m.cache)
	}
	m.cache[id] = answer{known: known, until: now.Add(m.keep)}
	return known, nil
}
