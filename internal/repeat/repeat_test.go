package repeat_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/internal/repeat"

	"github.com/stretchr/testify/require"
)

// The first call comes at once, the others at the interval, a long one delays the next, and the end is at once.
func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var at []time.Duration
		repeat.Every(ctx, time.Minute, func(context.Context) {
			at = append(at, time.Since(begin))
			switch len(at) {
			case 2:
				time.Sleep(90 * time.Second)
			case 4:
				cancel()
			}
		})
		require.Equal(t, []time.Duration{0, time.Minute, 150 * time.Second, 3 * time.Minute}, at)
		require.Equal(t, 3*time.Minute, time.Since(begin))
	})
}
