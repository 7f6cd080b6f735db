package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// fakeRegistry is a registry of one site in memory.
type fakeRegistry struct {
	mu       sync.Mutex
	machines []string
	settings []registry.Settings
	touched  map[string]registry.Touched
	version  int64
	pouring  bool // there is always a newer touch when a stretch is done
	fail     error
}

func (r *fakeRegistry) Sites(context.Context) ([]registry.Site, error) {
	return []registry.Site{{ID: "cfc", Zone: "Asia/Kolkata"}}, nil
}

func (r *fakeRegistry) Site(_ context.Context, id string) (registry.Site, error) {
	return registry.Site{ID: id, Zone: "Asia/Kolkata"}, nil
}

func (r *fakeRegistry) Machines(_ context.Context, site string) ([]registry.Machine, error) {
	var out []registry.Machine
	for _, id := range r.machines {
		out = append(out, registry.Machine{Site: site, ID: id})
	}
	return out, nil
}

func (r *fakeRegistry) SettingsAt(context.Context, string, string) ([]registry.Settings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.settings), r.fail
}

func (r *fakeRegistry) Touch(_ context.Context, touches []registry.Touched) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.touched == nil {
		r.touched = map[string]registry.Touched{}
	}
	for _, t := range touches {
		if old, ok := r.touched[t.Machine]; ok {
			t.FromMs, t.ToMs = min(t.FromMs, old.FromMs), max(t.ToMs, old.ToMs)
		}
		r.version++
		t.Version = r.version
		r.touched[t.Machine] = t
	}
	return nil
}

func (r *fakeRegistry) TouchedRows(context.Context) ([]registry.Touched, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []registry.Touched
	for _, t := range r.touched {
		out = append(out, t)
	}
	return out, nil
}

func (r *fakeRegistry) TouchedDone(_ context.Context, t registry.Touched) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.touched[t.Machine].Version == t.Version && !r.pouring {
		delete(r.touched, t.Machine)
	}
	return nil
}

var errBroken = errors.New("the store is broken")

// breaking is a store whose writes fail after a countdown, having stored part of the batch.
type breaking struct {
	tsdb.Store
	countdown int          // writes that still work; negative: never break
	given     []tsdb.Point // of the write that broke
}

func (b *breaking) Write(ctx context.Context, points []tsdb.Point) error {
	if b.countdown == 0 {
		b.countdown, b.given = -1, slices.Clone(points)
		if err := b.Store.Write(ctx, points[:len(points)/2]); err != nil {
			return err
		}
		return errBroken
	}
	b.countdown--
	return b.Store.Write(ctx, points)
}

// dump writes everything derived of a machine as text, void pieces left out.
func dump(s tsdb.Store, machine string) string {
	var b strings.Builder
	for _, q := range []struct {
		measurement string
		fields      []string
	}{
		{tsdb.State, []string{"state", "end_ms", "energy_milliwh", "energy_estimated", "open", "cause"}},
		{tsdb.MachineHour, []string{
			"off_ms", "idle_ms", "run_ms", "unknown_ms", "off_milliwh", "idle_milliwh", "run_milliwh", "unknown_milliwh",
			"estimated", "checkpoint",
		}},
	} {
		err := s.Read(context.Background(), tsdb.Query{
			Measurement: q.measurement, Site: "cfc", Machine: machine, Fields: q.fields, ToMs: farMs,
		}, func(row tsdb.Row) error {
			if row.Values[0] != "void" {
				fmt.Fprintln(&b, q.measurement, row.TimeMs, row.Values)
			}
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	return b.String()
}
