package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/ads1115/ads1115test"
	"karkhana/hardware/chip/adxl345/adxl345test"
	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
)

type buses struct {
	spi map[string]spi.Port
	i2c map[string]i2c.Bus
}

func (b buses) SPI(name string) (spi.Port, error) { return get(b.spi, name) }

func (b buses) I2C(name string) (i2c.Bus, error) { return get(b.i2c, name) }

func (b buses) Pin(string) (gpio.PinIO, error) { return nil, fs.ErrNotExist }

func (b buses) Line(l meter.Line) (meter.Registers, error) { return meter.NewClient(l) }

func get[T any](m map[string]T, name string) (T, error) {
	x, ok := m[name]
	if !ok {
		return x, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return x, nil
}

func TestI2C(t *testing.T) {
	clock := &acceltest.Clock{}
	b := buses{i2c: map[string]i2c.Bus{"I2C1": &ads1115test.Chip{}, "I2C3": (&adxl345test.Chip{Clock: clock, RateHz: 3200, Signal: acceltest.Sine(1, 1, 3200, 0)}).I2C()}}
	found, err := I2C(t.Context(), b, "I2C1")
	require.NoError(t, err)
	require.Equal(t, []Found{{Bus: "I2C1", At: "0x48", Looks: "ads1115", Use: "{chip: ctclamp, bus: I2C1, addr: 0x48}"}}, found)
	found, err = I2C(t.Context(), b, "I2C3")
	require.NoError(t, err)
	require.Equal(t, []Found{{Bus: "I2C3", At: "0x53", Looks: "adxl345", Use: "{chip: adxl345, bus: I2C3, addr: 0x53}"}}, found)
	_, err = I2C(t.Context(), b, "I2C9")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestSPI(t *testing.T) {
	broken, dead := &max31855test.Chip{}, &max31855test.Chip{}
	broken.SetFault(1)
	dead.SetWord(0)
	b := buses{spi: map[string]spi.Port{
		"SPI0.0": broken, "SPI0.1": &mfrc522test.Chip{}, "SPI1.1": dead,
		"SPI1.0": (&adxl345test.Chip{Clock: &acceltest.Clock{}, RateHz: 3200, Signal: acceltest.Sine(1, 1, 3200, 0)}).SPI(),
	}}
	for name, want := range map[string]string{"SPI0.0": "max31855", "SPI0.1": "mfrc522", "SPI1.0": "adxl345"} {
		found, err := SPI(b, name)
		require.NoError(t, err)
		require.Len(t, found, 1, name)
		require.Equal(t, want, found[0].Looks)
	}
	found, err := SPI(b, "SPI1.1")
	require.NoError(t, err)
	require.Empty(t, found, "a dead line is nothing")
}

func TestOneWire(t *testing.T) {
	devices := fstest.MapFS{
		"sys/bus/w1/devices/28-0316a2795bff/temperature": {Data: []byte("23562\n")},
		"sys/bus/w1/devices/w1_bus_master1/x":            {},
	}
	found, err := OneWire(devices, true)
	require.NoError(t, err)
	require.Equal(t, []Found{{Bus: "1-Wire", At: "28-0316a2795bff", Looks: "DS18B20 thermometer, 23.6 °C", Use: "{chip: ds18b20, id: 28-0316a2795bff}"}}, found)
	found, err = OneWire(fstest.MapFS{}, true)
	require.NoError(t, err)
	require.Empty(t, found)
	sweeper := Sweeper{Buses: buses{}, I2C: []string{}, SPI: []string{}, Root: devices, InUse: []sensor.Use{{Bus: sensor.OneWire, At: "28-0316a2795bff", Machine: "kiln-1"}}}
	r, err := sweeper.Sweep(t.Context(), Ask{Lines: []string{}})
	require.NoError(t, err)
	require.Equal(t, "kiln-1", r.Found[0].Machine)
	require.Equal(t, "DS18B20 thermometer", r.Found[0].Looks, "not read beside the gateway's readings")
}

func TestModbus(t *testing.T) {
	p, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	slave, strange := metertest.NewSlave(p, 2), metertest.NewSlave(p, 4)
	for name, v := range map[string]float64{"voltage": 231, "current": 5, "power": 1100, "power_factor": 0.95, "frequency": 50, "energy": 123_456} {
		require.NoError(t, slave.Set(name, v))
	}
	line, err := metertest.OpenLine(slave, strange)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	units := 0
	found, err := Modbus(t.Context(), buses{}, meter.Line{URL: "rtu://" + line.Path()}, 1, 4, nil, func(byte, int) { units++ })
	require.NoError(t, err)
	require.Equal(t, 4, units)
	require.Len(t, found, 2)
	require.Equal(t, "unit 2", found[0].At)
	require.Contains(t, found[0].Looks, "sdm120 (231 V, 1100 W)")
	require.Contains(t, found[0].Use, "{meter: sdm120, line: {url: ")
	require.Equal(t, "a Modbus device, no profile fits", found[1].Looks)
	_, writes := line.Requests()
	require.Zero(t, writes)
	_, err = Modbus(t.Context(), buses{}, meter.Line{URL: "rtu:///dev/no-such-line"}, 1, 200, nil, func(byte, int) { units++ })
	require.Error(t, err)
	require.Equal(t, 5, units, "a line that is not there is not asked 200 times")
}
