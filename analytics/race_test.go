package analytics

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Ingest writes in several goroutines while the service builds. Every call takes its time, what is being written appears
// point by point in any order, what is being read is of different moments, anything may fail, and the service is stopped
// and started. In every other run rules change and copies of hours are used and damaged. As soon as nothing is touched any more the store holds what one fold of everything gives.
func TestIngestBesideTheService(t *testing.T) {
	const runs = 120
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { ingestBesideTheService(t, seed, seed%2 == 1) })
		})
	}
}

func ingestBesideTheService(t *testing.T, seed uint64, changing bool) {
	rng := &sharedRand{r: rand.New(rand.NewPCG(seed, 5))}
	packs := racingPacks(rng)
	slow := &slowStore{Store: tsdb.NewMemory(), rng: rng, longest: rng.pick(20, 200, 2000)}
	reg := &slowRegistry{fakeRegistry: &fakeRegistry{machines: []string{"lathe"}, settings: []registry.Settings{settings}}, rng: rng, longest: rng.pick(20, 200, 2000)}

	ctx, stop := context.WithCancel(t.Context())
	var service sync.WaitGroup
	service.Go(func() { // started again and again
		for ctx.Err() == nil {
			s, err := New(Options{Store: slow, Registry: reg})
			require.NoError(t, err)
			if changing {
				s.longMs = 0
			}
			life, end := context.WithTimeout(ctx, rng.upTo(rng.pick(5_000, 60_000)))
			require.NoError(t, s.Run(life))
			end()
		}
	})

	queue := make(chan []tsdb.Point)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for pack := range queue {
				for slow.Write(ctx, pack) != nil {
				}
				touched := registry.Touched{Site: "cfc", Machine: "lathe", FromMs: pack[0].TimeMs, ToMs: pack[len(pack)-1].TimeMs}
				for reg.Touch(ctx, []registry.Touched{touched}) != nil {
				}
			}
		})
	}
	for i, pack := range packs {
		queue <- pack
		time.Sleep(rng.upTo(2 * time.Second))
		if changing && rng.intN(10) == 0 {
			reg.change(rng.intN(3))
		}
		if changing && i%7 == 0 {
			damage(t, slow.Store, rng.intN)
		}
	}
	if changing {
		reg.change(0)
		time.Sleep(reviewEvery + 30*time.Second) // changed rules are looked for
	}
	close(queue)
	writers.Wait()
	for reg.waiting() > 0 {
		time.Sleep(time.Second)
	}
	got := dump(slow.Store, "lathe") // at once: whoever sees that nothing is touched may rely on it
	stop()
	service.Wait()
	slow.late.Wait()

	straight := newRig(t, tsdb.NewMemory(), settings)
	for _, pack := range packs {
		straight.deliver(pack...)
	}
	straight.mustBuild()
	require.Equal(t, dump(straight.store, "lathe"), got)
}

// racingPacks are a history and live samples behind it, mixed, a few out of order and twice.
func racingPacks(rng *sharedRand) [][]tsdb.Point {
	var packs [][]tsdb.Point
	history, live := hours(int64(2+rng.intN(8))), 30*hour
	for begin := 0; begin < len(history); {
		end := min(len(history), begin+1+rng.intN(400))
		packs = append(packs, history[begin:end])
		begin = end
		if rng.intN(2) == 0 {
			var pack []tsdb.Point
			for range 1 + rng.intN(5) {
				pack = append(pack, point("lathe", midnight+live, float64(rng.intN(3)*700), 1e6+float64(live/hour)))
				live += 10 * second
			}
			live += int64(rng.intN(2)) * int64(rng.intN(400)) * minute
			packs = append(packs, pack)
		}
	}
	for range rng.intN(4) {
		packs = append(packs, packs[rng.intN(len(packs))])
	}
	for range rng.intN(len(packs) + 1) {
		i := rng.intN(len(packs))
		j := min(len(packs)-1, i+rng.intN(3))
		packs[i], packs[j] = packs[j], packs[i]
	}
	return packs
}

// sharedRand is a source of chance for several goroutines.
type sharedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (s *sharedRand) intN(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

func (s *sharedRand) pick(ms ...int) time.Duration {
	return time.Duration(ms[s.intN(len(ms))]) * time.Millisecond
}

func (s *sharedRand) upTo(d time.Duration) time.Duration {
	return time.Duration(s.intN(int(d/time.Microsecond)+1)) * time.Microsecond
}

// rest waits for a while, mostly a short one, or until ctx ends.
func (s *sharedRand) rest(ctx context.Context, longest time.Duration) error {
	d := s.upTo(longest) >> s.intN(6)
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowStore takes its time; see the test.
type slowStore struct {
	tsdb.Store
	rng     *sharedRand
	longest time.Duration
	late    sync.WaitGroup
}

// lateWrite is how long a write that was given up may still be on its way.
const lateWrite = leastBackOff

// Write stores telemetry in parts, in any order and field by field, and sometimes not all. What the service writes is
// stored in its order; what it gave up may still be stored a while later.
func (s *slowStore) Write(ctx context.Context, points []tsdb.Point) error {
	if len(points) == 0 {
		return nil
	}
	parts := slices.Clone(points)
	if points[0].Measurement == tsdb.Telemetry {
		parts = parts[:0]
		for _, p := range points {
			for i := range p.Fields {
				part := p
				part.Fields = p.Fields[i : i+1]
				parts = append(parts, part)
			}
		}
		for i := range parts {
			j := i + s.rng.intN(len(parts)-i)
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	for fails := s.rng.intN(6) == 0; len(parts) > 0; {
		if err := s.rng.rest(ctx, s.longest); err != nil {
			return err
		}
		n := 1 + s.rng.intN(len(parts))
		if err := s.Store.Write(ctx, parts[:n]); err != nil {
			return err
		}
		parts = parts[n:]
		if fails && s.rng.intN(3) == 0 {
			if points[0].Measurement != tsdb.Telemetry {
				s.late.Go(func() {
					time.Sleep(s.rng.upTo(lateWrite))
					_ = s.Store.Write(context.WithoutCancel(ctx), parts)
				})
			}
			return errBroken
		}
	}
	return s.rng.rest(ctx, s.longest)
}

// Read reads stretch by stretch. In a stretch some fields are older than others.
func (s *slowStore) Read(ctx context.Context, q tsdb.Query, fn func(tsdb.Row) error) error {
	if err := s.rng.rest(ctx, s.longest); err != nil {
		return err
	}
	if q.Measurement != tsdb.Telemetry {
		return s.Store.Read(ctx, q, fn)
	}
	fails := s.rng.intN(30) == 0
	for from := q.FromMs; from < q.ToMs; {
		to := min(q.ToMs, max(from, midnight)+int64(s.rng.intN(int(20*hour)))+1)
		part := q
		part.FromMs, part.ToMs = from, to
		older := map[int64][]any{}
		err := s.Store.Read(ctx, part, func(row tsdb.Row) error {
			older[row.TimeMs] = slices.Clone(row.Values)
			return nil
		})
		if err == nil {
			err = s.rng.rest(ctx, s.longest)
		}
		if err == nil {
			err = s.Store.Read(ctx, part, func(row tsdb.Row) error { return s.mixed(row, older[row.TimeMs], fn) })
		}
		if err != nil {
			return err
		}
		if fails {
			return errBroken
		}
		if from = to; from > midnight+200*hour {
			from = q.ToMs
		}
	}
	return nil
}

// mixed gives out a row with some of its values as they were before.
func (s *slowStore) mixed(row tsdb.Row, before []any, fn func(tsdb.Row) error) error {
	values := slices.Clone(row.Values)
	some := false
	for i := range values {
		if s.rng.intN(3) == 0 {
			values[i] = nil
			if before != nil {
				values[i] = before[i]
			}
		}
		some = some || values[i] != nil
	}
	if !some {
		return nil
	}
	row.Values = values
	return fn(row)
}

// slowRegistry takes its time before and after each change, and sometimes fails before or after it.
type slowRegistry struct {
	*fakeRegistry
	rng     *sharedRand
	longest time.Duration
}

func (r *slowRegistry) do(ctx context.Context, change func() error) error {
	err := r.rng.rest(ctx, r.longest)
	if err == nil && r.rng.intN(20) == 0 {
		err = errBroken
	}
	if err == nil {
		err = change()
	}
	if err == nil {
		err = r.rng.rest(ctx, r.longest)
	}
	if err == nil && r.rng.intN(20) == 0 {
		err = errBroken
	}
	return err
}

// Touch implements Registry.
func (r *slowRegistry) Touch(ctx context.Context, touches []registry.Touched) error {
	return r.do(ctx, func() error { return r.fakeRegistry.Touch(ctx, touches) })
}

// ClaimTouched implements Registry.
func (r *slowRegistry) ClaimTouched(ctx context.Context, holder string) (claims []registry.Claim, err error) {
	err = r.do(ctx, func() (err error) {
		claims, err = r.fakeRegistry.ClaimTouched(ctx, holder)
		return err
	})
	return claims, err
}

// Reclaim implements Registry.
func (r *slowRegistry) Reclaim(ctx context.Context, holder string, c ...registry.Claim) (out []registry.Claim, err error) {
	err = r.do(ctx, func() (err error) {
		out, err = r.fakeRegistry.Reclaim(ctx, holder, c...)
		return err
	})
	return out, err
}

// ClaimsDone implements Registry.
func (r *slowRegistry) ClaimsDone(ctx context.Context, holder string, claims ...registry.Claim) error {
	return r.do(ctx, func() error { return r.fakeRegistry.ClaimsDone(ctx, holder, claims...) })
}

// SettingsAt implements Registry.
func (r *slowRegistry) SettingsAt(ctx context.Context, site, machine string) (rows []registry.Settings, err error) {
	err = r.do(ctx, func() (err error) {
		rows, err = r.fakeRegistry.SettingsAt(ctx, site, machine)
		return err
	})
	return rows, err
}
