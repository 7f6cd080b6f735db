package lease

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// fakeRegistry keeps members and leases in memory, by the rules of the SQL one.
type fakeRegistry struct {
	mu      sync.Mutex
	sites   []string
	members map[string]registry.Member
	leases  map[string]string
}

func newFake(sites ...string) *fakeRegistry {
	return &fakeRegistry{sites: sites, members: map[string]registry.Member{}, leases: map[string]string{}}
}

func (f *fakeRegistry) Sites(context.Context) (out []registry.Site, _ error) {
	for _, s := range f.sites {
		out = append(out, registry.Site{ID: s})
	}
	return out, nil
}

func (f *fakeRegistry) JoinAnalytics(_ context.Context, id, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[id] = registry.Member{ID: id, Name: name}
	return nil
}

func (f *fakeRegistry) Beat(_ context.Context, id string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[id]
	if ok {
		m.Beat++
		f.members[id] = m
	}
	return ok, nil
}

func (f *fakeRegistry) AnalyticsMembers(context.Context) (out []registry.Member, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		out = append(out, m)
	}
	return out, nil
}

func (f *fakeRegistry) RemoveMember(_ context.Context, m registry.Member) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members[m.ID] == m {
		delete(f.members, m.ID)
	}
	return nil
}

func (f *fakeRegistry) LeaveAnalytics(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, id)
	return nil
}

func (f *fakeRegistry) Leases(context.Context) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]string{}
	for s, h := range f.leases {
		out[s] = h
	}
	return out, nil
}

func (f *fakeRegistry) TakeSites(_ context.Context, id string, sites []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range sites {
		if _, held := f.members[f.leases[s]]; !held {
			f.leases[s] = id
		}
	}
	return nil
}

func (f *fakeRegistry) DropSites(_ context.Context, id string, sites []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range sites {
		if f.leases[s] == id {
			f.leases[s] = ""
		}
	}
	return nil
}

func held(k *Keeper, f *fakeRegistry) (n int) {
	for _, s := range f.sites {
		if k.Holds(s) {
			n++
		}
	}
	return n
}

// freezing is a registry that a stopped process does not get to.
type freezing struct {
	*fakeRegistry
	gate chan struct{} // holds a token while the process runs
}

func (f *freezing) Beat(ctx context.Context, id string) (bool, error) {
	token := <-f.gate
	defer func() { f.gate <- token }()
	return f.fakeRegistry.Beat(ctx, id)
}

func TestSitesAreSharedAndMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("s1", "s2", "s3", "s4", "s5")
		first := &freezing{fakeRegistry: f, gate: make(chan struct{}, 1)}
		first.gate <- struct{}{}
		a, err := New(Options{Registry: first, Name: "a"})
		require.NoError(t, err)
		b, err := New(Options{Registry: f, Name: "b"})
		require.NoError(t, err)
		ctxA, stopA := context.WithCancel(t.Context())
		ctxB, stopB := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.Run(ctxA) })
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 5, held(a, f))
		grant, _ := a.Grant("s1")
		wg.Go(func() { _ = b.Run(ctxB) })
		time.Sleep(3 * time.Second)
		require.Equal(t, 3, held(a, f))
		require.Equal(t, 2, held(b, f))
		require.True(t, a.Valid("s1", grant))

		<-first.gate // a stands still
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			for _, s := range f.sites {
				require.False(t, a.Holds(s) && b.Holds(s), "one holder at a time")
			}
		}
		require.Equal(t, 5, held(b, f), "within ten seconds")
		first.gate <- struct{}{} // and wakes up
		time.Sleep(3 * time.Second)
		require.False(t, a.Valid("s1", grant), "also when it should have the site again")
		require.Equal(t, 3, held(b, f))
		require.Equal(t, 2, held(a, f))

		stopB()
		time.Sleep(2 * time.Second)
		require.Equal(t, 5, held(a, f), "who leaves gives back at once")
		stopA()
		wg.Wait()
	})
}

func TestAloneTakesOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("s1")
		require.NoError(t, f.JoinAnalytics(t.Context(), "dead", "up"))
		require.NoError(t, f.TakeSites(t.Context(), "dead", []string{"s1"}))
		k, err := New(Options{Registry: f, Name: "up", Alone: true})
		require.NoError(t, err)
		require.NoError(t, k.round(t.Context()))
		require.True(t, k.Holds("s1"))
	})
}
