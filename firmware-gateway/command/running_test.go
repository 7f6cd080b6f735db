package command

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
)

// runGateway runs a gateway whose broker is not there, until the test ends.
func runGateway(t *testing.T, path string) *config.Gateway {
	t.Helper()
	c, err := config.Load(path)
	require.NoError(t, err)
	g, err := gateway.New(gateway.Options{Config: c, Buses: noChips{&sensor.Host{}}, I2C: []string{}, Socket: local.Socket("", c.Data)})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = g.Run(ctx) })
	t.Cleanup(func() { stop(); all.Wait() })
	require.Eventually(t, func() bool {
		_, err := local.Dial(ctx, local.Socket("", c.Data))
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	return c
}

// While the gateway runs the commands get their answers from it, and say the same as without it.
func TestCommandsBesideARunningGateway(t *testing.T) {
	path, url, slave := meterConfig(t, "500ms")
	c := runGateway(t, path)
	info, err := os.Stat(local.Socket("", c.Data))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm(), "others may not")

	var out, progress bytes.Buffer
	e := &Env{Context: t.Context(), Stdout: &out, Stderr: &progress}
	require.NoError(t, (&Watch{file: file{Path: path}, Once: true}).Run(e))
	require.Regexp(t, `MACHINE +QUANTITY +VALUE +QUALITY +AGE\nlathe-1 +power +1100 W +good +\S+\nlathe-1 +energy +123\.456 kWh +good`, out.String())

	out.Reset()
	require.NoError(t, (&Scan{file: file{Path: path}, Line: []string{url}, Units: 3}).Run(e))
	require.Regexp(t, `unit 1 +sdm120 +is read for lathe-1\n`, out.String())
	require.Regexp(t, `unit 3 +sdm120 \(229 V, 0 W\).* \{meter: sdm120, `, out.String())

	out.Reset()
	s := Selftest{file: file{Path: path}, For: 300 * time.Millisecond}
	require.NoError(t, s.Run(e))
	require.Contains(t, out.String(), "ok     lathe-1: sdm120 unit 1 at rtu://")
	require.Contains(t, out.String(), "voltage 231 V", "it asks the meter for what the gateway does not read")
	require.NoError(t, slave.Set("power", -1100))
	out.Reset()
	s.For = 2 * time.Second
	require.ErrorIs(t, s.Run(e), sensor.ErrFaults)
	require.Contains(t, out.String(), "turn it round")
	require.NoError(t, slave.Set("power", 1100))

	client, err := local.Dial(t.Context(), local.Socket("", c.Data))
	require.NoError(t, err)
	long, end := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for long.Err() == nil { // it may find the place taken by one of those below
			_, _ = client.Selftest(long, time.Minute)
		}
	})
	require.Eventually(t, func() bool {
		_, err := client.Selftest(t.Context(), 0)
		return err != nil && err.Error() == local.ErrBusy.Error()
	}, 10*time.Second, 10*time.Millisecond, "one at a time")
	end()
	all.Wait()
	v, err := client.View(t.Context())
	require.NoError(t, err)
	require.False(t, v.Link.Connected)
	require.NotEmpty(t, v.Link.Trouble)
	require.Equal(t, v.Config.Hash, c.Hash)
}

// Left behind by a kill, a socket is in nobody's way.
func TestDeadSocket(t *testing.T) {
	path, _, _ := meterConfig(t, "100ms")
	c, err := config.Load(path)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(c.Data, 0o750))
	l, err := local.ListenSocket(local.Socket("", c.Data))
	require.NoError(t, err)
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	var out bytes.Buffer
	require.NoError(t, (&Watch{file: file{Path: path}, Once: true}).Run(&Env{Context: t.Context(), Stdout: &out}))
	require.Contains(t, out.String(), "1100 W")
	runGateway(t, path)
}

// secondMeter answers beside the first, and is not configured.
func secondMeter(t *testing.T, p *meter.Profile) *metertest.Slave {
	t.Helper()
	s := metertest.NewSlave(p, 3)
	for name, v := range map[string]float64{"voltage": 229, "current": 0, "power": 0, "power_factor": 1, "frequency": 50, "energy": 1} {
		require.NoError(t, s.Set(name, v))
	}
	return s
}
