package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTouch(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		rows := func() []Touched {
			got, err := d.TouchedRows(ctx)
			require.NoError(t, err)
			return got
		}
		require.NoError(t, d.Touch(ctx, nil))
		require.Empty(t, rows())

		require.NoError(t, d.Touch(ctx, []Touched{
			{Site: "s", Machine: "b", FromMs: 10, ToMs: 20},
			{Site: "s", Machine: "a", FromMs: 10, ToMs: 20},
			{Site: "s", Machine: "a", FromMs: 5, ToMs: 15}, // twice in one call
		}))
		require.Equal(t, []Touched{{"s", "a", 5, 20, 1}, {"s", "b", 10, 20, 1}}, rows())
		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s", Machine: "a", FromMs: 30, ToMs: 40}}))
		require.Equal(t, Touched{"s", "a", 5, 40, 2}, rows()[0])

		claims := func() []Claim {
			got, err := d.ClaimTouched(ctx, "")
			require.NoError(t, err)
			slices.SortFunc(got, func(a, b Claim) int { return strings.Compare(a.Machine, b.Machine) })
			return got
		}
		a, b := Claim{"s", "a", 5, 40, 40, 2, 0}, Claim{"s", "b", 10, 20, 20, 1, 0}
		require.Equal(t, []Claim{a, b}, claims())
		require.Len(t, rows(), 2, "what is being built is on the list")
		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s", Machine: "a", FromMs: 30, ToMs: 50}}))
		require.Equal(t, Touched{"s", "a", 5, 50, 3}, rows()[0])
		a.NewestMs = 50
		require.Equal(t, []Claim{a, b}, claims(), "touched again meanwhile: that waits")
		require.NoError(t, d.ClaimsDone(ctx, "", a, b))
		require.Equal(t, []Touched{{"s", "a", 30, 50, 3}}, rows())

		again := Claim{"s", "a", 30, 50, 50, 3, 0}
		require.Equal(t, []Claim{again}, claims())
		require.NoError(t, d.ClaimsDone(ctx, "", a))
		require.Equal(t, []Claim{again}, claims(), "a late Done of an old claim clears nothing")
		require.NoError(t, d.ClaimsDone(ctx, ""))
		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s", Machine: "a", FromMs: 20, ToMs: 60}}))
		got, err := d.Reclaim(ctx, "", a, Claim{Site: "s", Machine: "b", Version: 1})
		require.NoError(t, err)
		require.Empty(t, got, "claims of before")
		got, err = d.Reclaim(ctx, "", a, again)
		require.NoError(t, err)
		again = Claim{"s", "a", 20, 60, 60, 4, 0}
		require.Equal(t, []Claim{again}, got, "what was touched since is taken along")
		again.OwedMs = 15
		require.NoError(t, d.ClaimsDone(ctx, "", again))
		require.Empty(t, rows())
		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s", Machine: "a", FromMs: 70, ToMs: 80}}))
		require.Equal(t, Touched{"s", "a", 70, 80, 5}, rows()[0], "begins anew, its version goes on")

		owed, err := d.OwedRows(ctx, "")
		require.NoError(t, err)
		require.Len(t, owed, 1)
		require.EqualValues(t, 15, owed[0].OwedMs)
		owed = claims()
		require.Equal(t, []Claim{{"s", "a", 70, 80, 80, 5, 15}}, owed)
		owed[0].OwedMs = 16
		require.NoError(t, d.OwedDone(ctx, "", owed...))
		require.EqualValues(t, 15, claims()[0].OwedMs, "more is owed than was followed")
		owed[0].OwedMs = 15
		require.NoError(t, d.OwedDone(ctx, "", owed...))
		require.Zero(t, claims()[0].OwedMs)
		owed, err = d.OwedRows(ctx, "")
		require.NoError(t, err)
		require.Empty(t, owed)
	})
}

func TestTouchThousands(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		const machines = 5000 - 3 // no multiple of anything
		touches := make([]Touched, machines)
		for i := range touches {
			touches[i] = Touched{Site: fmt.Sprintf("s-%d", i/20), Machine: fmt.Sprintf("m-%d", i), FromMs: int64(i), ToMs: int64(i + 1)}
		}
		rand.Shuffle(len(touches), func(i, j int) { touches[i], touches[j] = touches[j], touches[i] })
		require.NoError(t, d.Touch(t.Context(), touches))
		start := time.Now()
		require.NoError(t, d.Touch(t.Context(), touches))
		t.Logf("%d rows in %s", machines, time.Since(start))
		rows, err := d.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Len(t, rows, machines)
		for _, r := range rows {
			require.Equal(t, r.FromMs+1, r.ToMs)
			require.EqualValues(t, 1, r.Version, "nobody looked between the two")
		}
		start = time.Now()
		claims, err := d.ClaimTouched(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, claims, machines)
		require.NoError(t, d.ClaimsDone(t.Context(), "", claims...))
		t.Logf("%d rows claimed and done in %s", machines, time.Since(start))
		rows, err = d.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// TestNoTouchIsLost lets writers touch while workers claim and clear: whatever was touched last must have been seen by
// a worker that read it at that version or later.
func TestNoTouchIsLost(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		const machines, writers, rounds = 5, 3, 40
		var written, built [machines]atomic.Int64 // newest ToMs touched and built
		raise := func(a *atomic.Int64, v int64) {
			for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
			}
		}
		var clock atomic.Int64
		touching, stop := context.WithCancel(t.Context())
		var workers errgroup.Group
		build := func() error {
			rows, err := d.ClaimTouched(t.Context(), "")
			if err != nil {
				return err
			}
			for _, r := range rows {
				var m int
				if _, err := fmt.Sscanf(r.Machine, "m-%d", &m); err != nil {
					return err
				}
				raise(&built[m], r.ToMs)
				if err := d.ClaimsDone(t.Context(), "", r); err != nil {
					return err
				}
			}
			return nil
		}
		for range 2 {
			workers.Go(func() error {
				for touching.Err() == nil {
					if err := build(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var touchers errgroup.Group
		for range writers {
			touchers.Go(func() error {
				for range rounds {
					var touches []Touched
					for m := range machines {
						to := clock.Add(1)
						touches = append(touches, Touched{Site: "s", Machine: fmt.Sprintf("m-%d", m), FromMs: to, ToMs: to})
					}
					rand.Shuffle(len(touches), func(i, j int) { touches[i], touches[j] = touches[j], touches[i] })
					if err := d.Touch(t.Context(), touches); err != nil {
						return err
					}
					for i := range touches {
						var m int
						_, _ = fmt.Sscanf(touches[i].Machine, "m-%d", &m)
						raise(&written[m], touches[i].ToMs)
					}
				}
				return nil
			})
		}
		require.NoError(t, touchers.Wait())
		stop()
		require.NoError(t, workers.Wait())
		require.NoError(t, build())
		rows, err := d.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Empty(t, rows)
		for m := range machines {
			require.Equal(t, written[m].Load(), built[m].Load(), "machine %d", m)
		}
	})
}
