package meter_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/lowport/lowporttest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// start serves a slave over Modbus TCP and returns its URL and the server.
func start(t *testing.T, slave *metertest.Slave) (string, *modbus.ModbusServer) {
	t.Helper()
	url := "tcp://" + lowporttest.Address(t) // the server does not tell its port
	s, err := modbus.NewServer(&modbus.ServerConfiguration{URL: url, Timeout: 10 * time.Second, Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}, slave)
	require.NoError(t, err)
	require.NoError(t, s.Start())
	return url, s
}

func TestModbusTCP(t *testing.T) {
	p := profile(t, "sdm630")
	slave := metertest.NewSlave(p, 5)
	require.NoError(t, slave.Set("power", 11840))
	require.NoError(t, slave.Set("energy", 1234560))
	url, server := start(t, slave)
	defer func() { _ = server.Stop() }()

	line, err := meter.NewClient(meter.Line{URL: url})
	require.NoError(t, err)
	defer line.Close()
	require.Equal(t, url[len("tcp://"):], line.String()[len("tcp://"):])
	r, err := meter.New(line, meter.Opts{Profile: p, Unit: 5})
	require.NoError(t, err)
	values, err := r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.InDelta(t, 11840, numbers(values)["power"], 0)
	require.InDelta(t, 1234560, numbers(values)["energy"], 0)

	// An exception keeps the line; the meter is asked again at once.
	slave.Fail(modbus.ErrServerDeviceBusy)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrServerDeviceBusy)
	slave.Fail(nil)
	_, err = r.Sense(t.Context(), nil)
	require.NoError(t, err)

	// A gateway without that meter.
	other, err := meter.New(line, meter.Opts{Profile: p, Unit: 6})
	require.NoError(t, err)
	_, err = other.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrGWTargetFailedToRespond)

	// A link that breaks and comes back.
	require.NoError(t, server.Stop())
	_, err = r.Sense(t.Context(), nil)
	require.Error(t, err)
	require.NoError(t, server.Start())
	require.Eventually(t, func() bool {
		_, err := r.Sense(t.Context(), nil)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Sense(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, slave.Writes(), "a meter is never written to")
}
