package command

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
)

// meterConfig is a configuration of one meter on a line, and that meter.
func meterConfig(t *testing.T, every string) (config, url string, slave *metertest.Slave) {
	t.Helper()
	p, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	slave = metertest.NewSlave(p, 1)
	for name, v := range map[string]float64{"voltage": 231, "current": 5, "power": 1100, "power_factor": 0.95, "frequency": 50, "energy": 123_456} {
		require.NoError(t, slave.Set(name, v))
	}
	line, err := metertest.OpenLine(slave, secondMeter(t, p))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	d := t.TempDir()
	url = "rtu://" + line.Path()
	config = filepath.Join(d, "gateway.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(d, "key"), []byte("k"), 0o600))
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "site: s\ngateway: g\nbroker: mqtt://h:1\nkey_file: key\nmachines:\n  - id: lathe-1\n    source: sensors\n    every: %s\n    sensors:\n      - {meter: sdm120, line: {url: \"%s\"}, unit: 1, quantities: [power, energy]}\n", every, url), 0o600))
	return config, url, slave
}

func TestWatchOnce(t *testing.T) {
	config, _, slave := meterConfig(t, "100ms")
	var out bytes.Buffer
	w := Watch{file: file{Path: config}, Once: true}
	require.NoError(t, w.Run(&Env{Context: t.Context(), Stdout: &out}))
	require.Regexp(t, `MACHINE +QUANTITY +VALUE +QUALITY +AGE\nlathe-1 +power +1100 W +good +\S+\nlathe-1 +energy +123\.456 kWh +good`, out.String())
	slave.Fail(errors.New("off"))
	out.Reset()
	require.NoError(t, w.Run(&Env{Context: t.Context(), Stdout: &out}))
	require.Regexp(t, `lathe-1 +power +- +fault:`, out.String())
}

func TestSelftestCommand(t *testing.T) {
	config, _, slave := meterConfig(t, "100ms")
	var out, progress bytes.Buffer
	s := Selftest{file: file{Path: config}, For: 2 * time.Second}
	require.NoError(t, s.Run(&Env{Context: t.Context(), Stdout: &out, Stderr: &progress}))
	require.Contains(t, out.String(), "ok     lathe-1: sdm120 unit 1 at rtu://")
	require.Contains(t, out.String(), "all 1 sensors are well")
	require.Contains(t, progress.String(), "testing 1 sensors for 2s")
	require.NoError(t, slave.Set("power", -1100))
	out.Reset()
	require.ErrorIs(t, s.Run(&Env{Context: t.Context(), Stdout: &out, Stderr: &progress}), sensor.ErrFaults)
	require.Contains(t, out.String(), "FAULT  lathe-1")
	require.Contains(t, out.String(), "turn it round")
}

func TestScanLine(t *testing.T) {
	_, url, _ := meterConfig(t, "100ms")
	var out, progress bytes.Buffer
	s := Scan{Line: []string{url}, Baud: []uint{9600}, Parity: []string{"none"}, Units: 1}
	require.Error(t, s.Run(&Env{Context: t.Context(), Stdout: &out, Stderr: &progress, Buses: noChips{&sensor.Host{}}}), "buses that are not there are told")
	require.Contains(t, out.String(), "sdm120 (231 V, 1100 W)")
	require.Contains(t, out.String(), "unit 1, 9600 baud, parity none")
}

// noChips has Modbus lines only.
type noChips struct{ *sensor.Host }

func (noChips) SPI(string) (spi.Port, error) { return nil, fs.ErrNotExist }

func (noChips) I2C(string) (i2c.Bus, error) { return nil, fs.ErrNotExist }
