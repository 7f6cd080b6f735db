package analytics

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// fleet is a service of several machines without its loop: it looks at the list when the test says so, each time a minute
// later.
type fleet struct {
	t        require.TestingT
	store    tsdb.Store
	registry *fakeRegistry
	service  *Service
	follower Follower
	now      time.Time
}

func (f *fleet) restart() {
	var err error
	f.service, err = New(Options{Store: f.store, Registry: f.registry, Followers: []Follower{f.follower}, Now: func() time.Time { return f.now }})
	require.NoError(f.t, err)
}

// tick does what Run does each second, whatever can be done together so.
func (f *fleet) tick() {
	ctx := context.Background()
	f.now = f.now.Add(time.Minute)
	due, err := f.service.due(ctx)
	require.NoError(f.t, err)
	goOn, near, alone := sorted(due)
	for _, d := range alone {
		f.service.work(ctx, d)
	}
	if len(near) > 0 {
		f.service.workTogether(ctx, near, f.service.rebuildTogether)
	}
	if len(goOn) > 0 {
		f.service.workTogether(ctx, goOn, func(ctx context.Context, ds []duty) ([]*built, error) { return f.service.batch(ctx, ds, len(goOn)) })
	}
}

func (f *fleet) settle() {
	for range 30 {
		if f.registry.waiting() == 0 {
			return
		}
		f.tick()
	}
	require.Fail(f.t, "machines are still on the list")
}

// Machines that are built together, with gaps, late and repeated packs, failures and kills between any two steps, end as one
// fold of each machine's samples does, byte for byte.
func TestTogetherGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := &breaking{Store: tsdb.NewMemory(), countdown: -1}
		f := &fleet{t: t, store: store, registry: &fakeRegistry{settings: []registry.Settings{settings}}, follower: &followed{}, now: time.UnixMilli(midnight)}
		var packs, again [][]tsdb.Point
		straight := map[string][]tsdb.Point{}
		for i := range rapid.IntRange(2, 5).Draw(t, "machines") {
			id := fmt.Sprint("m", i)
			f.registry.machines = append(f.registry.machines, id)
			for _, p := range aDayOf(t, id, 8) {
				packs = append(packs, p)
				straight[id] = append(straight[id], p...)
				if rapid.IntRange(0, 5).Draw(t, "sent twice") == 0 {
					again = append(again, p)
				}
			}
		}
		f.restart()
		if rapid.Bool().Draw(t, "shuffled") {
			packs = rapid.Permutation(packs).Draw(t, "order")
		}
		for _, p := range append(packs, again...) {
			require.NoError(t, store.Store.Write(context.Background(), p))
			touched := registry.Touched{Site: "cfc", Machine: p[0].Machine, FromMs: p[0].TimeMs, ToMs: p[len(p)-1].TimeMs}
			require.NoError(t, f.registry.Touch(context.Background(), []registry.Touched{touched}))
			switch rapid.IntRange(0, 7).Draw(t, "then") {
			case 0, 1, 2:
				f.tick()
			case 3:
				f.settle()
			case 4:
				f.restart()
			case 5:
				store.countdown = rapid.IntRange(0, 4).Draw(t, "writes before it breaks")
				f.tick()
				store.countdown = -1
				if rapid.Bool().Draw(t, "killed") {
					f.restart()
				}
			}
		}
		f.settle()
		for id, points := range straight {
			alone := newRig(t, tsdb.NewMemory(), settings)
			alone.deliver(points...)
			alone.mustBuild()
			require.Equal(t, dump(alone.store, id), dump(store, id), id)
		}
	})
}
