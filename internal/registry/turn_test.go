package registry

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTurn(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		round := func(nowMs int64) (taken int64) { // three processes ask at the same moment
			var n atomic.Int64
			var all errgroup.Group
			for range 3 {
				all.Go(func() error {
					mine, err := d.TakeTurn(t.Context(), "lists", nowMs, 5000)
					if mine {
						n.Add(1)
					}
					return err
				})
			}
			require.NoError(t, all.Wait())
			return n.Load()
		}
		require.EqualValues(t, 1, round(100_000), "the first turn")
		require.EqualValues(t, 0, round(104_999))
		require.EqualValues(t, 1, round(105_000))
		require.EqualValues(t, 0, round(103_000), "another clock, a little behind")
		require.EqualValues(t, 1, round(50_000), "the turn was taken by a clock far ahead")
		require.EqualValues(t, 0, round(51_000))
		mine, err := d.TakeTurn(t.Context(), "another", 51_000, 5000)
		require.NoError(t, err)
		require.True(t, mine)
	})
}
