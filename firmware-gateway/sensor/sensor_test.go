package sensor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/source"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ads1115/ads1115test"
	"karkhana/hardware/chip/adxl345/adxl345test"
	"karkhana/hardware/chip/ctclamp"
	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/wire"
)

// buses are simulated chips by the name of their bus.
type buses struct {
	mu   sync.Mutex
	spi  map[string]spi.Port
	i2c  map[string]i2c.Bus
	pin  map[string]gpio.PinIO
	line map[string]meter.Registers
}

func (b *buses) SPI(name string) (spi.Port, error) { return get(b, b.spi, name) }

func (b *buses) I2C(name string) (i2c.Bus, error) { return get(b, b.i2c, name) }

func (b *buses) Pin(name string) (gpio.PinIO, error) { return get(b, b.pin, name) }

func (b *buses) Line(l meter.Line) (meter.Registers, error) {
	if r, ok := b.line[l.URL]; ok {
		return r, nil
	}
	return meter.NewClient(l)
}

func get[T any](b *buses, m map[string]T, name string) (T, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := m[name]
	if !ok {
		return x, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return x, nil
}

// load reads machines as they stand in a gateway's configuration.
func load(t *testing.T, machines string) []config.Machine {
	t.Helper()
	d := t.TempDir()
	for name, text := range map[string]string{"key": "k", "site.salt": "salt", "gateway.yaml": "site: s\ngateway: g\nbroker: mqtt://h:1\nkey_file: key\ncard_salt_file: site.salt\nmachines:\n" + machines} {
		require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(text), 0o600))
	}
	g, err := config.Load(filepath.Join(d, "gateway.yaml"))
	require.NoError(t, err)
	return g.Machines
}

func machine(id string, sensors ...string) string {
	return "  - id: " + id + "\n    source: sensors\n    every: 50ms\n    sensors:\n      - " + strings.Join(sensors, "\n      - ") + "\n"
}

// start runs a set until the test ends.
func start(t *testing.T, o Options) *Set {
	t.Helper()
	o.Card = source.HashCards([]byte("salt"))
	s, err := New(o)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		require.NoError(t, s.Close())
	})
	return s
}

// sense reads a machine once.
func sense(t *testing.T, src *Source) map[string]wire.Sample {
	t.Helper()
	samples, err := src.Sense(t.Context(), time.Now())
	require.NoError(t, err)
	out := map[string]wire.Sample{}
	for i, s := range samples {
		require.True(t, i == 0 || samples[i-1].TimeMs <= s.TimeMs, "in the order of time")
		require.True(t, wire.ValidQuality(s.Quality), s.Quality)
		out[s.Quantity] = s
	}
	return out
}

// until reads a machine until it gives a sample that fits.
func until(t *testing.T, src *Source, quantity string, fits func(wire.Sample) bool) (got wire.Sample) {
	t.Helper()
	require.Eventually(t, func() bool {
		s, ok := sense(t, src)[quantity]
		got = s
		return ok && fits(s)
	}, time.Minute, 10*time.Millisecond, quantity)
	return got
}

func fault(cause string) func(wire.Sample) bool {
	return func(s wire.Sample) bool { return s.Quality == wire.Fault+cause }
}

func near(v, tolerance float64) func(wire.Sample) bool {
	return func(s wire.Sample) bool { return !s.IsFault() && math.Abs(s.Number-v) <= tolerance }
}

func TestThermocouple(t *testing.T) {
	chip := &max31855test.Chip{}
	chip.Set(850, 30)
	b := &buses{spi: map[string]spi.Port{"SPI0.0": chip}}
	s := start(t, Options{Machines: load(t, machine("furnace-1", "{chip: max31855, bus: SPI0.0}")), Buses: b})
	src := s.Source("furnace-1")
	require.InDelta(t, 850, sense(t, src)["temperature"].Number, 0.5)
	chip.SetFault(1)
	got := sense(t, src)["temperature"]
	require.Equal(t, "fault:open", got.Quality)
	require.Zero(t, got.Number)
	chip.SetWord(0)
	require.Equal(t, "fault:no-chip", sense(t, src)["temperature"].Quality)
	for range reopenAfter + 1 {
		require.Equal(t, "fault:no-chip", sense(t, src)["temperature"].Quality, "opened again and still dead")
	}
	chip.Set(900, 30)
	require.InDelta(t, 900, sense(t, src)["temperature"].Number, 0.5)
	st := s.States()[0]
	require.NoError(t, st.Err)
	require.Equal(t, 2, st.Good)
}

// What is not there harms nothing else.
func TestMissingBus(t *testing.T) {
	chip := &max31855test.Chip{}
	chip.Set(100, 20)
	b := &buses{spi: map[string]spi.Port{"SPI0.0": chip}}
	s := start(t, Options{Buses: b, Machines: load(t, machine("a", "{chip: max31855, bus: SPI0.0}", "{chip: ctclamp, bus: I2C1}", "{supply: GPIO4}", "{s0: GPIO5, imp_per_kwh: 1000}")+machine("b", "{chip: adxl345, bus: SPI1.0}")+machine("c", "{card_reader: mfrc522, bus: SPI0.1}"))})
	src := s.Source("a")
	got := sense(t, src)
	require.InDelta(t, 100, got["temperature"].Number, 0.5)
	for _, q := range []string{"current", "supply", "pulses", "energy", "power"} {
		require.Equal(t, "fault:bus", got[q].Quality, q)
	}
	until(t, s.Source("b"), "kurtosis", fault(CauseBus))
	until(t, s.Source("c"), "card", fault(CauseBus))
}

// adcOf converts two clamps, a sample each 1.5 ms of its own time: the computer's timers are too coarse in a test.
type adcOf struct{ at time.Time }

func (a *adcOf) String() string { return "adc" }

func (a *adcOf) Sense(_ context.Context, ch ads1115.Channel) (ads1115.Reading, error) {
	a.at = a.at.Add(1500 * time.Microsecond)
	amps := 10.0
	if ch.Input == ads1115.Input2Minus3 {
		amps = 150
	}
	v := amps * math.Sqrt2 * math.Sin(2*math.Pi*50*a.at.Sub(time.Time{}).Seconds()) * 22 / 2000
	return ads1115.Reading{Voltage: physic.ElectricPotential(max(-1.65, min(1.65, v)) * float64(physic.Volt)), At: a.at}, nil
}

// Two clamps share one chip; an overloaded one says so.
func TestClamps(t *testing.T) {
	b := &buses{i2c: map[string]i2c.Bus{"I2C1": &ads1115test.Chip{}}}
	s, err := New(Options{Buses: b, Machines: load(t, machine("lathe-1", "{chip: ctclamp, bus: I2C1, quantity: current_l1, volts: 230, power_factor: 0.8}", "{chip: ctclamp, bus: I2C1, input: A2-A3, quantity: current_l2}"))})
	require.NoError(t, err)
	_, err = s.openADC(b.i2c["I2C1"], 0x48)
	require.NoError(t, err)
	opened := 0
	s.openADC = func(i2c.Bus, uint16) (ctclamp.ADC, error) { opened++; return &adcOf{}, nil }
	src := s.Source("lathe-1")
	got := sense(t, src)
	require.Equal(t, 1, opened)
	require.InDelta(t, 10, got["current_l1"].Number, 0.2)
	require.Empty(t, got["current_l1"].Quality)
	require.Equal(t, saturated, got["current_l2"].Quality)
	require.InDelta(t, 1840, got["power_l1"].Number, 40)
	require.Equal(t, estimated, got["power_l1"].Quality)
	require.NoError(t, s.Close())
}

func TestVibration(t *testing.T) {
	clock := &acceltest.Clock{}
	chip := &adxl345test.Chip{Clock: clock, RateHz: 3250, Signal: acceltest.Sine(256, 25, 3250, 256)}
	b := &buses{spi: map[string]spi.Port{"SPI0.1": chip.SPI()}}
	s := start(t, Options{Buses: b, Clock: clock, Machines: load(t, machine("fan-1", "{chip: adxl345, bus: SPI0.1, quantities: [vibration, kurtosis]}"))})
	src := s.Source("fan-1")
	v := until(t, src, "vibration", func(s wire.Sample) bool { return !s.IsFault() })
	require.InDelta(t, 9.80665/(2*math.Pi*25)/math.Sqrt2, v.Number, 0.002, "1 g at 25 Hz")
	require.Empty(t, sense(t, src), "one window each ten seconds, told once")
}

func TestCards(t *testing.T) {
	chip := &mfrc522test.Chip{}
	b := &buses{spi: map[string]spi.Port{"SPI1.0": chip}}
	s := start(t, Options{Buses: b, Machines: load(t, machine("furnace-1", "{card_reader: mfrc522, bus: SPI1.0}"))})
	src := s.Source("furnace-1")
	uid := []byte{0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6}
	chip.Place(uid)
	tap := until(t, src, "card", func(wire.Sample) bool { return true })
	require.Equal(t, wire.CardHash([]byte("salt"), "04A1B2C3D4E5F6"), tap.Text)
	require.NotContains(t, tap.Text, "A1B2")
	require.Never(t, func() bool { return len(sense(t, src)) > 0 }, 600*time.Millisecond, 50*time.Millisecond, "a card that stays is one tap")
	other := []byte{0xDE, 0xAD, 0xBE, 0xEF}
	chip.Place(other)
	require.NotEqual(t, tap.Text, until(t, src, "card", func(wire.Sample) bool { return true }).Text, "takeover")
	chip.Place()
	require.Never(t, func() bool { return len(sense(t, src)) > 0 }, cardAway+2*time.Second, 50*time.Millisecond)
	chip.Place(other)
	until(t, src, "card", func(s wire.Sample) bool { return s.Text != tap.Text })
}

func TestPins(t *testing.T) {
	mains := &gpiotest.Pin{N: "GPIO17"}
	b := &buses{pin: map[string]gpio.PinIO{"GPIO17": mains, "GPIO22": &gpiotest.Pin{N: "GPIO22", EdgesChan: make(chan gpio.Level)}}}
	s := start(t, Options{Buses: b, Machines: load(t, machine("a", "{supply: GPIO17}", "{s0: GPIO22, imp_per_kwh: 1000, quantities: [pulses]}"))})
	src := s.Source("a")
	sense(t, src) // opening sets the pull
	require.NoError(t, mains.Out(gpio.Low))
	until(t, src, "supply", func(s wire.Sample) bool { return s.Bool })
	require.NoError(t, mains.Out(gpio.High))
	until(t, src, "supply", func(s wire.Sample) bool { return !s.Bool && !s.IsFault() })
	until(t, src, "pulses", near(0, 0))
}

// A real line with a good meter, one that is not there and one that is turned round.
func TestMetersOnALine(t *testing.T) {
	profile, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	good, turned := metertest.NewSlave(profile, 1), metertest.NewSlave(profile, 3)
	for _, m := range []*metertest.Slave{good, turned} {
		for name, v := range map[string]float64{"voltage": 231, "current": 5, "power": 1100, "power_factor": 0.95, "frequency": 50, "energy": 123_456} {
			require.NoError(t, m.Set(name, v))
		}
	}
	require.NoError(t, turned.Set("power", -1100))
	line, err := metertest.OpenLine(good, turned)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	at := fmt.Sprintf("line: {url: \"rtu://%s\"}", line.Path())
	s := start(t, Options{Buses: &buses{}, Machines: load(t,
		machine("a", "{meter: sdm120, "+at+", unit: 1}")+machine("b", "{meter: sdm120, "+at+", unit: 2, timeout: 100ms}")+machine("c", "{meter: sdm120, "+at+", unit: 3, quantities: [power, energy]}"))})
	a, b, c := s.Source("a"), s.Source("b"), s.Source("c")
	until(t, a, "power", near(1100, 0.1))
	until(t, a, "energy", near(123_456, 1))
	until(t, b, "power", fault(CauseNoAnswer))
	p := until(t, c, "power", func(s wire.Sample) bool { return s.Quality == estimated })
	require.InDelta(t, -1100, p.Number, 0.1)
	require.NotContains(t, sense(t, c), "voltage", "was not asked for")
	st := s.States()[2]
	require.Equal(t, meter.FindingReversed, st.Findings[0].Kind)
	require.NoError(t, good.Set("energy", 5))
	require.Eventually(t, func() bool { return len(s.States()[0].Findings) == 1 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, meter.FindingReset, s.States()[0].Findings[0].Kind)
	require.NoError(t, good.Set("energy", math.NaN()))
	until(t, a, "energy", fault(CauseRefused))
	_, writes := line.Requests()
	require.Zero(t, writes)
}
