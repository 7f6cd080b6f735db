// Package repeat does one thing again and again: the loop of every service that looks at something now and then.
package repeat

import (
	"context"
	"time"
)

// Every calls f at once and then each time interval (more than 0) is over, until ctx ends. Calls do not overlap: one that
// takes longer than interval delays the next.
func Every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
