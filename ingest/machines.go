package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"karkhana/internal/registry"
)

// machines remembers which machines the registry has, so that a new machine appears within seconds and packs cost no query
// each: a thousand sites send two thousand packs a second, each of another machine.
type machines struct {
	registry Registry
	keep     time.Duration // how long it is believed that a machine is not there
	now      func() time.Time

	mu       sync.Mutex
	digester digester
	round    int
	set      map[digest]int // of site and machine → the round in which a machine was seen last
	read     time.Time      // when all were read
}

const (
	// maxCached bounds the memory that names from outside can take.
	maxCached = 100_000
	// keepKnown is how many times longer it is believed that a machine is there: machines are registered now and then and
	// hardly ever go, and to read twenty thousand takes a while.
	keepKnown = 12
)

func newMachines(r Registry, keep time.Duration, now func() time.Time) *machines {
	return &machines{registry: r, keep: keep, now: now, digester: newDigester(), set: map[digest]int{}}
}

func (m *machines) known(ctx context.Context, site, machine string) (bool, error) {
	id := m.digester.of(site, machine)
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.set[id]
	keep := m.keep
	if ok {
		keep *= keepKnown
	}
	now := m.now()
	if !m.read.IsZero() && now.Before(m.read.Add(keep)) {
		return ok, nil
	}
	m.round++ // what an attempt that failed has seen may be gone in the next one
	err := m.registry.EachMachine(ctx, func(id registry.MachineRef) { m.set[m.digester.of(id.Site, id.Machine)] = m.round })
	if err != nil {
		return false, fmt.Errorf("which machines are registered: %w", err)
	}
	for id, round := range m.set {
		if round != m.round {
			delete(m.set, id)
		}
	}
	m.read = now
	_, ok = m.set[id]
	return ok, nil
}
