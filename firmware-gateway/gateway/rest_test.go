package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/watchdog"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

type tapped struct{}

func (tapped) Sense(context.Context, time.Time) ([]wire.Sample, error) { return nil, nil }
func (tapped) Close() error                                            { return nil }
func (tapped) Rest(at time.Time) []wire.Sample {
	return []wire.Sample{{TimeMs: at.UnixMilli(), Quantity: quantity.Card, Text: "x"}}
}

// A card that is tapped just before a stop or a reload gets through everything that stands between reader and sampler.
func TestLastTapIsNotLost(t *testing.T) {
	g := &Gateway{board: watchdog.NewBoard()}
	seen, forget := g.observed(config.Machine{ID: "m"}, g.board.Watch("m", time.Second), tapped{})
	defer forget()
	r, ok := seen.(sampler.Rester)
	require.True(t, ok)
	require.Equal(t, tapped{}.Rest(time.UnixMilli(5)), r.Rest(time.UnixMilli(5)))
}
