package analytics

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/timeline"
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

// noting is a store that notes which fields of which measurement are written.
type noting struct {
	tsdb.Store
	fields map[string][]string
}

func (n *noting) Write(ctx context.Context, points []tsdb.Point) error {
	for _, p := range points {
		for _, f := range p.Fields {
			n.fields[p.Measurement] = append(n.fields[p.Measurement], f.Key)
		}
	}
	return n.Store.Write(ctx, points)
}

// Of a machine that goes on in its state only what changed is written; a rebuild writes everything.
func TestGoingOnWritesWhatChanged(t *testing.T) {
	memory := tsdb.NewMemory()
	store := &noting{Store: memory}
	f := &fleet{t: t, store: store, registry: &fakeRegistry{machines: []string{"m1"}, settings: []registry.Settings{settings}}, follower: &followed{}, now: time.UnixMilli(midnight)}
	f.restart()
	deliver := func(from, to int64) {
		store.fields = map[string][]string{}
		var points []tsdb.Point
		for s := from; s < to; s++ {
			points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: "m1", TimeMs: midnight + s*1000, Fields: []tsdb.Field{
				{Key: "power_w", Value: 5000.0}, {Key: "energy_wh", Value: float64(s)},
			}})
		}
		require.NoError(t, memory.Write(context.Background(), points))
		touched := registry.Touched{Site: "cfc", Machine: "m1", FromMs: points[0].TimeMs, ToMs: points[len(points)-1].TimeMs}
		require.NoError(t, f.registry.Touch(context.Background(), []registry.Touched{touched}))
		f.settle()
	}
	deliver(1, 600)
	require.Contains(t, store.fields[tsdb.State], timeline.FieldState)
	require.Contains(t, store.fields[tsdb.MachineHour], timeline.FieldOffMs)
	deliver(600, 610)
	require.Equal(t, map[string][]string{
		tsdb.State:       {timeline.FieldEndMs, timeline.FieldEnergy},
		tsdb.MachineHour: {timeline.FieldRunMs, timeline.FieldRunEnergy, timeline.FieldQuarter0, timeline.FieldParts},
	}, store.fields)
	went := dump(memory, "m1")
	f.restart()
	require.NoError(t, f.registry.Touch(context.Background(), []registry.Touched{{Site: "cfc", Machine: "m1", FromMs: midnight, ToMs: midnight}}))
	f.settle()
	require.Equal(t, dump(memory, "m1"), went)
}
