package gateway

import (
	"context"
	"time"

	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/wire"
)

// rebased lets a simulated machine live by the wall clock, as its world's calendar wants, and stamps what it gives with
// the gateway's time.
type rebased struct {
	sampler.Source
	wall func() time.Time
}

// Sense reads the machine now.
func (r rebased) Sense(ctx context.Context, at time.Time) ([]wire.Sample, error) {
	wall := r.wall().Truncate(time.Millisecond)
	samples, err := r.Source.Sense(ctx, wall)
	for i := range samples {
		samples[i].TimeMs += at.UnixMilli() - wall.UnixMilli()
	}
	return samples, err
}
