package max31856_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/max31856"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"
)

// The configurations of the tests: open circuit test and 50 Hz filter; average of four and type K.
const (
	off        = 0x11
	oneShot    = 0x51
	continuous = 0x91
	k4         = 0x23
)

// A conversion: 25 °C at the chip and 1000 °C at the hot end, no fault.
var good = [6]byte{0x19, 0x00, 0x3E, 0x80, 0x00, 0x00}

func set(cr0, cr1 byte) conntest.IO { return conntest.IO{W: []byte{0x80, cr0, cr1}} }

// regs is a reading of all registers: thresholds and masks as the chip wakes with them.
func regs(cr0, cr1 byte, conversion [6]byte) conntest.IO {
	r := []byte{0, cr0, cr1, 0xFF, 0x7F, 0xC0, 0x7F, 0xFF, 0x80, 0x00, 0x00}
	return conntest.IO{W: make([]byte, 17), R: append(r, conversion[:]...)}
}

func all(v byte) conntest.IO {
	op := conntest.IO{W: make([]byte, 17), R: make([]byte, 17)}
	for i := range op.R {
		op.R[i] = v
	}
	return op
}

func playback(ops ...conntest.IO) *spitest.Playback {
	return &spitest.Playback{Playback: conntest.Playback{Ops: ops, DontPanic: true}}
}

func celsius(t physic.Temperature) float64 {
	return float64(t-physic.ZeroCelsius) / float64(physic.Celsius)
}

func TestOneShot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := playback(
			set(off, k4), regs(off, k4, [6]byte{}),
			set(oneShot, k4), regs(off, k4, good),
			set(oneShot, k4), regs(oneShot, k4, [6]byte{}), regs(off, k4, good), // slower than the datasheet says
			set(off, k4),
		)
		dev, err := max31856.New(bus, nil)
		require.NoError(t, err)
		require.Equal(t, "max31856{playback}", dev.String())
		for range 2 {
			start := time.Now()
			r, err := dev.Sense(t.Context())
			require.NoError(t, err)
			require.InDelta(t, 1000, celsius(r.Temperature), 1e-9)
			require.InDelta(t, 25, celsius(r.ColdJunction), 1e-9)
			require.GreaterOrEqual(t, time.Since(start), 305*time.Millisecond)
		}
		require.NoError(t, dev.Halt())
		require.NoError(t, bus.Close())
	})
}

func TestContinuous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := playback(
			set(off, 0x05), regs(off, 0x05, [6]byte{}), set(continuous, 0x05), regs(continuous, 0x05, [6]byte{}),
			regs(continuous, 0x05, good), regs(continuous, 0x05, good),
		)
		dev, err := max31856.New(bus, &max31856.Opts{Type: max31856.TypeR, Continuous: true, Frequency: physic.MegaHertz})
		require.NoError(t, err)
		start := time.Now()
		_, err = dev.Sense(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200*time.Millisecond, time.Since(start), "no value before the first conversion is over")
		_, err = dev.Sense(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200*time.Millisecond, time.Since(start))
		require.NoError(t, bus.Close())
	})
}

func TestConfigurations(t *testing.T) {
	for _, c := range []struct {
		opts max31856.Opts
		cr1  byte
	}{
		{max31856.Opts{Type: "K"}, 0x03},
		{max31856.Opts{Type: "N", Average: 1}, 0x04},
		{max31856.Opts{Type: "R", Average: 2}, 0x15},
		{max31856.Opts{Type: "S", Average: 8}, 0x36},
		{max31856.Opts{Type: "K", Average: 16}, 0x43},
	} {
		bus := playback(set(off, c.cr1), regs(off, c.cr1, [6]byte{}))
		_, err := max31856.New(bus, &c.opts)
		require.NoError(t, err)
		require.NoError(t, bus.Close())
	}
	for text, opts := range map[string]max31856.Opts{
		`type "J": give one of K, N, R, S`: {Type: "J"},
		`type ""`:                          {},
		"average of 3":                     {Type: "K", Average: 3},
		"average of -1":                    {Type: "K", Average: -1},
		"give 0 to 5MHz":                   {Type: "K", Frequency: 6 * physic.MegaHertz},
		"clock of -1":                      {Type: "K", Frequency: -physic.Hertz},
	} {
		_, err := max31856.New(playback(), &opts)
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, byte(1), byte(spi.Mode1), "the datasheet's mode 1")
}

// Tables 9 and 10 of the datasheet in their codes; they agree with 1/128 and 1/64 °C for each step.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		b       [3]byte
		celsius float64
	}{
		{[3]byte{0x64, 0x00, 0x00}, 1600},
		{[3]byte{0x3E, 0x80, 0x00}, 1000},
		{[3]byte{0x06, 0x4F, 0x00}, 100.9375},
		{[3]byte{0x01, 0x90, 0x00}, 25},
		{[3]byte{0x00, 0x01, 0x00}, 0.0625},
		{[3]byte{0x00, 0x00, 0x20}, 0.0078125},
		{[3]byte{0x00, 0x00, 0x3F}, 0.0078125}, // the low five bits are not of the value
		{[3]byte{0x00, 0x00, 0x00}, 0},
		{[3]byte{0xFF, 0xFF, 0xE0}, -0.0078125},
		{[3]byte{0xFF, 0xFF, 0x00}, -0.0625},
		{[3]byte{0xFF, 0xF0, 0x00}, -1},
		{[3]byte{0xF0, 0x60, 0x00}, -250},
	} {
		r, err := max31856.Decode([6]byte{0x19, 0, c.b[0], c.b[1], c.b[2], 0})
		require.NoError(t, err)
		require.InDelta(t, c.celsius, celsius(r.Temperature), 1e-9, "% X", c.b)
	}
	for _, c := range []struct {
		b       [2]byte
		celsius float64
	}{
		{[2]byte{0x7D, 0x00}, 125}, {[2]byte{0x40, 0x00}, 64}, {[2]byte{0x19, 0x00}, 25}, {[2]byte{0x00, 0x80}, 0.5},
		{[2]byte{0x00, 0x04}, 0.015625}, {[2]byte{0x00, 0x07}, 0.015625}, {[2]byte{0x00, 0x00}, 0}, {[2]byte{0xFF, 0xFC}, -0.015625},
		{[2]byte{0xFF, 0x80}, -0.5}, {[2]byte{0xFF, 0x00}, -1}, {[2]byte{0xE7, 0x00}, -25}, {[2]byte{0xC9, 0x00}, -55},
	} {
		r, err := max31856.Decode([6]byte{c.b[0], c.b[1], 0x01, 0x90, 0, 0})
		require.NoError(t, err)
		require.InDelta(t, c.celsius, celsius(r.ColdJunction), 1e-9, "% X", c.b)
	}
}

func TestFaults(t *testing.T) {
	for bit, c := range map[byte]struct {
		fault max31856.Fault
		text  string
	}{
		0x01: {max31856.FaultOpen, "broken or not connected"},
		0x02: {max31856.FaultVoltage, "touches the supply or the elements"},
		0x04: {max31856.FaultLow, "thermocouple below"},
		0x08: {max31856.FaultHigh, "thermocouple above"},
		0x10: {max31856.FaultColdJunctionLow, "cold junction below"},
		0x20: {max31856.FaultColdJunctionHigh, "cold junction above"},
		0x40: {max31856.FaultRange, "wrong type"},
		0x80: {max31856.FaultColdJunctionRange, "too hot or too cold"},
	} {
		synctest.Test(t, func(t *testing.T) {
			conversion := good
			conversion[5] = bit
			dev, err := max31856.New(playback(set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4), regs(off, k4, conversion)), nil)
			require.NoError(t, err)
			r, err := dev.Sense(t.Context())
			require.Zero(t, r)
			require.ErrorIs(t, err, c.fault)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "max31856{playback}")
			var got max31856.Fault
			require.ErrorAs(t, err, &got)
			require.Equal(t, c.fault, got)
		})
	}
	err := error(max31856.FaultOpen | max31856.FaultVoltage)
	require.ErrorIs(t, err, max31856.FaultVoltage)
	require.NotErrorIs(t, err, max31856.FaultRange)
	require.NotErrorIs(t, err, max31856.ErrNoChip)
	require.NotErrorIs(t, err, max31856.Fault(0))
}

// A chip that is not there, is another one, or lost its configuration never gives a value.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []conntest.IO // after New's two
		want error
	}{
		{"data line low", []conntest.IO{set(oneShot, k4), all(0x00)}, max31856.ErrNoChip},
		{"data line high", []conntest.IO{set(oneShot, k4), all(0xFF)}, max31856.ErrNoChip},
		{"supply lost", []conntest.IO{set(oneShot, k4), regs(0x00, 0x03, good)}, max31856.ErrReset},
		{"other type", []conntest.IO{set(oneShot, k4), regs(off, 0x03, good)}, max31856.ErrReset},
		{"conversion all ones", []conntest.IO{set(oneShot, k4), regs(off, k4, [6]byte{255, 255, 255, 255, 255, 255})}, max31856.ErrNoChip},
		{"cold junction too cold", []conntest.IO{set(oneShot, k4), regs(off, k4, [6]byte{0xC8, 0xFC, 1, 2, 3, 0})}, max31856.ErrNoChip},
		{"cold junction too hot", []conntest.IO{set(oneShot, k4), regs(off, k4, [6]byte{0x7D, 0x04, 1, 2, 3, 0})}, max31856.ErrNoChip},
		{"hotter than a K can be", []conntest.IO{set(oneShot, k4), regs(off, k4, [6]byte{0x19, 0, 0x64, 0, 0, 0})}, max31856.ErrImplausible},
		{"colder than a K can be", []conntest.IO{set(oneShot, k4), regs(off, k4, [6]byte{0x19, 0, 0xF0, 0, 0, 0})}, max31856.ErrImplausible},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := playback(append([]conntest.IO{set(off, k4), regs(off, k4, [6]byte{})}, c.ops...)...)
				dev, err := max31856.New(bus, nil)
				require.NoError(t, err)
				r, err := dev.Sense(t.Context())
				require.ErrorIs(t, err, c.want)
				require.Zero(t, r)
				require.NoError(t, bus.Close())
			})
		})
	}
	for _, op := range []conntest.IO{all(0), all(255), regs(0, 3, good)} {
		_, err := max31856.New(playback(set(off, k4), op), nil)
		require.Error(t, err)
	}
	synctest.Test(t, func(t *testing.T) {
		ops := []conntest.IO{set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4)}
		for range 10 {
			ops = append(ops, regs(oneShot, k4, good))
		}
		dev, err := max31856.New(playback(ops...), nil)
		require.NoError(t, err)
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, max31856.ErrNotReady)
	})
}

func TestRecoversAfterLostSupply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := playback(
			set(off, k4), regs(off, k4, [6]byte{}),
			set(oneShot, k4), regs(0, 3, good),
			set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4), regs(off, k4, good),
		)
		dev, err := max31856.New(bus, nil)
		require.NoError(t, err)
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, max31856.ErrReset)
		_, err = dev.Sense(t.Context())
		require.NoError(t, err)
		require.NoError(t, bus.Close())
	})
}

// The bus fails at each transaction in turn; then the device works again.
func TestBusErrors(t *testing.T) {
	_, err := max31856.New(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "max31856: connect")
	for _, opts := range []*max31856.Opts{nil, {Type: "K", Average: 4, Continuous: true}} {
		ops := []conntest.IO{set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4), regs(off, k4, good)}
		if opts != nil {
			ops = []conntest.IO{set(off, k4), regs(off, k4, [6]byte{}), set(continuous, k4), regs(continuous, k4, [6]byte{}), regs(continuous, k4, good)}
		}
		for n := range len(ops) {
			synctest.Test(t, func(t *testing.T) {
				dev, err := max31856.New(playback(ops[:n]...), opts)
				if err == nil {
					var r max31856.Reading
					r, err = dev.Sense(t.Context())
					require.Zero(t, r)
				}
				require.True(t, conntest.IsErr(root(err)), "%d: %v", n, err)
			})
		}
	}
	dev, err := max31856.New(playback(set(off, k4), regs(off, k4, [6]byte{})), nil)
	require.NoError(t, err)
	require.ErrorContains(t, dev.Halt(), "halt")
	_, err = dev.Sense(t.Context())
	require.ErrorContains(t, err, "write configuration")
}

func root(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range []*max31856.Opts{nil, {Type: "K", Average: 4, Continuous: true}} {
			ops := []conntest.IO{set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4), regs(oneShot, k4, good)}
			if opts != nil {
				ops = []conntest.IO{set(off, k4), regs(off, k4, [6]byte{}), set(continuous, k4), regs(continuous, k4, [6]byte{})}
			}
			dev, err := max31856.New(playback(ops...), opts)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err = dev.Sense(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = dev.Sense(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		dev, err := max31856.New(playback(set(off, k4), regs(off, k4, [6]byte{}), set(oneShot, k4), regs(oneShot, k4, good)), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 325*time.Millisecond)
		defer cancel()
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "while the chip is slow")
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(good[:])
	f.Add([]byte{255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 6 {
			return
		}
		r, err := max31856.Decode([6]byte(b))
		if err != nil {
			require.Zero(t, r)
			return
		}
		hot := int32(celsius(r.Temperature) * 128)
		cold := int16(celsius(r.ColdJunction) * 64)
		require.Equal(t, []byte{byte(cold >> 6), byte(cold<<2) | b[1]&3}, b[:2])
		require.Equal(t, []byte{byte(hot >> 11), byte(hot >> 3), byte(hot<<5) | b[4]&0x1F, 0}, b[2:6])
	})
}
