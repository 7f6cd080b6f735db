package analytics

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Of many machines that simply go on, the followers hear by turns. A process that is killed between the fold and the followers
// leaves behind what is owed: the next one tells them, also when the machines send nothing more.
func TestFollowersAreOwedAcrossAKill(t *testing.T) {
	const machines = tellsPerSecond + 30
	ctx := context.Background()
	heard := &followed{}
	f := &fleet{t: t, store: tsdb.NewMemory(), registry: &fakeRegistry{settings: []registry.Settings{settings}}, follower: heard, now: time.UnixMilli(midnight)}
	for i := range machines {
		f.registry.machines = append(f.registry.machines, fmt.Sprint("m", i))
	}
	f.restart()
	deliver := func(ms int64) {
		var points []tsdb.Point
		var touches []registry.Touched
		for i := range machines {
			p := point(fmt.Sprint("m", i), ms, 2000, float64(ms-midnight)/1e6)
			points, touches = append(points, p), append(touches, registry.Touched{Site: "cfc", Machine: p.Machine, FromMs: ms, ToMs: ms})
		}
		require.NoError(t, f.store.Write(ctx, points))
		require.NoError(t, f.registry.Touch(ctx, touches))
	}
	everyone := func() {
		for range machines {
			f.now = f.now.Add(time.Minute)
			f.service.tell(ctx)
		}
	}
	deliver(midnight)
	f.settle()
	everyone()
	require.Empty(t, f.registry.owed)
	heard.calls = nil

	deliver(midnight + 10*second)
	f.settle()
	require.Zero(t, f.registry.waiting())
	require.Empty(t, heard.calls, "it is not yet their turn")
	require.Len(t, f.registry.owed, machines)

	f.restart() // killed
	everyone()
	require.Empty(t, heard.calls)
	require.NoError(t, f.service.recall(ctx))
	f.now = f.now.Add(time.Minute)
	f.service.tell(ctx)
	require.Len(t, heard.calls, tellsPerSecond, "a bounded number at a time")
	f.restart() // killed again
	require.NoError(t, f.service.recall(ctx))
	everyone()
	require.Empty(t, f.registry.owed)
	require.Len(t, heard.calls, machines)
	told := map[string]bool{}
	for _, c := range heard.calls {
		require.LessOrEqual(t, c.FromMs, midnight+10*second)
		told[c.Machine] = true
	}
	require.Len(t, told, machines)

	// A change of state does not wait.
	heard.calls = nil
	deliver(midnight + 20*second)
	f.settle()
	heard.calls = nil
	for ms := midnight + 30*second; ms <= midnight+100*second; ms += 10 * second {
		require.NoError(t, f.store.Write(ctx, []tsdb.Point{point("m3", ms, 0, 1)}))
	}
	require.NoError(t, f.registry.Touch(ctx, []registry.Touched{{Site: "cfc", Machine: "m3", FromMs: midnight + 30*second, ToMs: midnight + 100*second}}))
	f.settle()
	require.Len(t, heard.calls, 1)
	require.Equal(t, "m3", heard.calls[0].Machine)
}
