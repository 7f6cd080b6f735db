package accel

import (
	"context"
	"time"
)

// Clock is what a capture measures the rate with and waits on.
type Clock interface {
	// Now must be monotonic.
	Now() time.Time
	// Wait blocks for d or until ctx ends, whose error it then returns.
	Wait(ctx context.Context, d time.Duration) error
}

// SystemClock is the computer's monotonic clock.
type SystemClock struct{}

// Now returns the time.
func (SystemClock) Now() time.Time { return time.Now() }

// Wait sleeps.
func (SystemClock) Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
