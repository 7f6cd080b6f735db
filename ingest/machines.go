package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"karkhana/internal/registry"
)

// machines remembers for a moment which machines the registry has, so that a new machine appears within seconds and
// packs cost no query each: a thousand sites send two thousand packs a second, each of another machine.
type machines struct {
	registry Registry
	keep     time.Duration
	now      func() time.Time

	mu    sync.Mutex
	round int
	set   map[machineID]int // the round in which a machine was seen last
	until time.Time
}

type machineID struct{ site, machine string }

// maxCached bounds the memory that names from outside can take.
const maxCached = 100_000

func newMachines(r Registry, keep time.Duration, now func() time.Time) *machines {
	return &machines{registry: r, keep: keep, now: now, set: map[machineID]int{}}
}

func (m *machines) known(ctx context.Context, site, machine string) (bool, error) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !now.Before(m.until) {
		m.round++ // what an attempt that failed has seen may be gone in the next one
		err := m.registry.EachMachine(ctx, func(id registry.MachineRef) { m.set[machineID{id.Site, id.Machine}] = m.round })
		if err != nil {
			return false, fmt.Errorf("which machines are registered: %w", err)
		}
		for id, round := range m.set {
			if round != m.round {
				delete(m.set, id)
			}
		}
		m.until = now.Add(m.keep)
	}
	_, ok := m.set[machineID{site, machine}]
	return ok, nil
}
