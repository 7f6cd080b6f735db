package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// The gateway as it is shipped reads two meters on a serial line, of which one is not there, and brings the values of
// the other to the server, with a fault in place of those that can't be read.
func TestSensorsToServer(t *testing.T) {
	profile, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	slave := metertest.NewSlave(profile, 7)
	values := map[string]float64{"voltage": 231.5, "current": 5.25, "power": 1170, "power_factor": 0.9625, "frequency": 50.125, "energy": 123_456}
	for name, v := range values {
		require.NoError(t, slave.Set(name, v))
	}
	line, err := metertest.OpenLine(slave)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	sensors := func(id string, unit int) string {
		return fmt.Sprintf("  - id: %s\n    source: sensors\n    every: 200ms\n    pack: 500ms\n    sensors:\n      - {meter: sdm120, line: {url: \"rtu://%s\"}, unit: %d, timeout: 200ms}\n", id, line.Path(), unit)
	}
	dir := configure(t, b.URL(), sensors("furnace-1", 7)+sensors("lathe-1", 8))
	start(t, build(t), dir)
	has := func(machine string, fits func(wire.Sample) bool) func() bool {
		return func() bool { return slices.ContainsFunc(server.Samples(machine), fits) }
	}
	require.Eventually(t, has("furnace-1", func(s wire.Sample) bool { return s.Quantity == "energy" }), 30*time.Second, 20*time.Millisecond)
	got := map[string]float64{}
	for _, s := range server.Samples("furnace-1") {
		require.Empty(t, s.Quality)
		require.WithinDuration(t, time.Now(), time.UnixMilli(s.TimeMs), time.Minute)
		got[s.Quantity] = s.Number
	}
	for name, v := range values {
		require.InDelta(t, v, got[name], 0.001, name)
	}
	require.NotContains(t, got, "energy_export")
	require.Eventually(t, has("lathe-1", func(s wire.Sample) bool { return s.Quantity == "energy" && s.Quality == "fault:no-answer" }), 30*time.Second, 20*time.Millisecond)
	for _, s := range server.Samples("lathe-1") {
		require.Equal(t, "fault:no-answer", s.Quality, "never a value of a meter that is not there")
	}
	require.NoError(t, slave.Set("power", 2340))
	require.Eventually(t, has("furnace-1", func(s wire.Sample) bool { return s.Quantity == "power" && s.Number == 2340 }), 30*time.Second, 20*time.Millisecond)
	_, writes := line.Requests()
	require.Zero(t, writes, "nothing is ever written to a meter")
}
