package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// fakeRegistry is a registry of one site in memory.
type fakeRegistry struct {
	mu       sync.Mutex
	machines []string
	settings []registry.Settings
	touched  map[string]registry.Touched
	claimed  map[string]registry.Claim
	owed     map[string]int64
	version  int64
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

func (r *fakeRegistry) SiteSettings(context.Context, string) (map[string][]registry.Settings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]registry.Settings{}
	for _, id := range r.machines {
		out[id] = slices.Clone(r.settings)
	}
	return out, r.fail
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

// waiting is how many machines are on the list.
func (r *fakeRegistry) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.claimed)
	for m := range r.touched {
		if _, both := r.claimed[m]; !both {
			n++
		}
	}
	return n
}

func (r *fakeRegistry) ClaimTouched(context.Context, string) ([]registry.Claim, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claimed == nil {
		r.claimed, r.owed = map[string]registry.Claim{}, map[string]int64{}
	}
	var out []registry.Claim
	for id, t := range r.touched {
		c, ok := r.claimed[id]
		if !ok {
			r.claimed[id] = registry.Claim{Site: t.Site, Machine: id, FromMs: t.FromMs, ToMs: t.ToMs, NewestMs: t.ToMs, Version: t.Version}
			delete(r.touched, id)
			continue
		}
		c.NewestMs = max(c.ToMs, t.ToMs)
		r.claimed[id] = c
	}
	for _, c := range r.claimed {
		c.OwedMs = r.owed[c.Machine]
		out = append(out, c)
	}
	return out, nil
}

func (r *fakeRegistry) Reclaim(_ context.Context, _ string, claims ...registry.Claim) (out []registry.Claim, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range claims {
		now, ok := r.claimed[c.Machine]
		if !ok || now.Version != c.Version {
			continue
		}
		if t, ok := r.touched[c.Machine]; ok {
			now.FromMs, now.ToMs, now.Version = min(now.FromMs, t.FromMs), max(now.ToMs, t.ToMs), t.Version
			delete(r.touched, c.Machine)
		}
		now.NewestMs = now.ToMs
		r.claimed[c.Machine] = now
		out = append(out, now)
	}
	return out, nil
}

func (r *fakeRegistry) OwedRows(context.Context, string) ([]registry.Claim, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []registry.Claim
	for id, ms := range r.owed {
		out = append(out, registry.Claim{Site: "cfc", Machine: id, OwedMs: ms})
	}
	return out, nil
}

func (r *fakeRegistry) OwedDone(_ context.Context, _ string, claims ...registry.Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range claims {
		if r.owed[c.Machine] >= c.OwedMs {
			delete(r.owed, c.Machine)
		}
	}
	return nil
}

func (r *fakeRegistry) ClaimsDone(_ context.Context, _ string, claims ...registry.Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range claims {
		if r.claimed[c.Machine].Version == c.Version {
			delete(r.claimed, c.Machine)
			if delete(r.owed, c.Machine); c.OwedMs != 0 {
				r.owed[c.Machine] = c.OwedMs
			}
		}
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
		{tsdb.State, []string{"state", "end_ms", "energy_milliwh", "energy_estimated", "open", "cause", "energy_flags", "phase", "door_dips"}},
		{tsdb.MachineHour, []string{
			"off_ms", "idle_ms", "run_ms", "unknown_ms", "off_milliwh", "idle_milliwh", "run_milliwh", "unknown_milliwh",
			"estimated", "checkpoint", "energy_flags", "quarter0_milliwh", "quarter1_milliwh", "quarter2_milliwh", "quarter3_milliwh", "parts",
		}},
	} {
		err := s.Read(context.Background(), tsdb.Query{
			Measurement: q.measurement, Site: "cfc", Machine: machine, Fields: q.fields, ToMs: timeline.FarMs,
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
