package gateway_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// noise is a source with much to say that can't be compressed.
type noise struct{}

func (noise) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	var out []wire.Sample
	for i := range int64(4000) {
		for _, q := range []string{quantity.Power, quantity.Current, quantity.Voltage} {
			out = append(out, wire.Sample{TimeMs: at.UnixMilli() - i, Quantity: q, Number: rand.Float64()})
		}
	}
	return out, nil
}

func (noise) Close() error { return nil }

// A full disk costs samples, and the gateway says so to everybody who asks.
func TestStatusSaysWhatAFullDiskCost(t *testing.T) {
	s := newSite(t, "mqtt://127.0.0.1:1", simulated("furnace-1", "10ms"))
	s.write("gateway.yaml", strings.Replace(s.read("gateway.yaml"), "data: data", "data: data\nspool_max_mb: 4", 1))
	c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(t, err)
	g, err := gateway.New(gateway.Options{Config: c, Source: func(config.Machine) (sampler.Source, error) { return noise{}, nil }})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	require.Eventually(t, func() bool { return g.Status().SpoolDropped > 0 }, soon, often)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, g.Stats().Spool.Dropped, g.Status().SpoolDropped)
	require.Equal(t, g.Stats().Spool.Thinned, g.Status().SpoolThinned)
}
