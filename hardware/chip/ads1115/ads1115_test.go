package ads1115_test

import (
	"context"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ads1115/ads1115test"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
)

const vectors = "../../../../shared/data/chip-vectors/ads111x_codes.csv"

func write(hi, lo byte) i2ctest.IO { return i2ctest.IO{Addr: 0x48, W: []byte{1, hi, lo}} }
func config(hi, lo byte) i2ctest.IO {
	return i2ctest.IO{Addr: 0x48, W: []byte{1}, R: []byte{hi, lo}}
}
func conversion(hi, lo byte) i2ctest.IO {
	return i2ctest.IO{Addr: 0x48, W: []byte{0}, R: []byte{hi, lo}}
}

// start is what New does with the bus.
var start = []i2ctest.IO{write(0x01, 0xE3), config(0x81, 0xE3)}

func playback(ops ...i2ctest.IO) *i2ctest.Playback {
	return &i2ctest.Playback{Ops: append(append([]i2ctest.IO{}, start...), ops...), DontPanic: true}
}

var pair = ads1115.Channel{Input: ads1115.Input0Minus1, Range: ads1115.Range2048mV}

func TestSense(t *testing.T) {
	bus := playback(
		write(0x85, 0xE3), config(0x05, 0xE3), config(0x85, 0xE3), conversion(0x40, 0x00), // the first answer: not over yet
		write(0xC3, 0xE3), config(0xC3, 0xE3), conversion(0xFF, 0xFF),
		write(0xFB, 0xE3), config(0xFB, 0xE3), conversion(0x80, 0x00),
		write(0x01, 0xE3),
	)
	dev, err := ads1115.New(bus, nil)
	require.NoError(t, err)
	require.Equal(t, "ads1115{playback(72)}", dev.String())
	before := time.Now()
	r, err := dev.Sense(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, 1024*physic.MilliVolt, r.Voltage)
	require.False(t, r.Clipped)
	require.WithinRange(t, r.At, before, time.Now())
	r, err = dev.Sense(t.Context(), ads1115.Channel{Input: ads1115.Input0, Range: ads1115.Range4096mV})
	require.NoError(t, err)
	require.Equal(t, -125*physic.MicroVolt, r.Voltage)
	r, err = dev.Sense(t.Context(), ads1115.Channel{Input: ads1115.Input3, Range: ads1115.Range256mV})
	require.NoError(t, err)
	require.Equal(t, -256*physic.MilliVolt, r.Voltage)
	require.True(t, r.Clipped)
	require.NoError(t, dev.Halt())
	require.NoError(t, bus.Close())
}

// The ideal codes of the maker's data format table, in every range.
func TestPublishedCodes(t *testing.T) {
	f, err := os.Open(vectors)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", vectors)
	}
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 6)
	want := map[string]struct {
		steps   float64 // of full scale/2^15
		clipped bool
	}{
		"at or above +FS*(2^15-1)/2^15": {32767, true},
		"+FS/2^15":                      {1, false},
		"0":                             {0, false},
		"-FS/2^15":                      {-1, false},
		"at or below -FS":               {-32768, true},
	}
	for _, row := range rows[1:] {
		code, err := strconv.ParseUint(row[1], 16, 16)
		require.NoError(t, err)
		w, ok := want[row[0]]
		require.True(t, ok, row[0])
		for r := ads1115.Range6144mV; r <= ads1115.Range256mV; r++ {
			v, clipped := ads1115.Decode(uint16(code), r)
			require.InDelta(t, w.steps*float64(r.FullScale())/32768, float64(v), 0.5, row[0])
			require.Equal(t, w.clipped, clipped, row[0])
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []i2ctest.IO
		want error
	}{
		{"zeros", []i2ctest.IO{write(0x85, 0xE3), config(0, 0)}, ads1115.ErrNoChip},
		{"ones", []i2ctest.IO{write(0x85, 0xE3), config(0xFF, 0xFF)}, ads1115.ErrNoChip},
		{"supply lost", []i2ctest.IO{write(0x85, 0xE3), config(0x85, 0x83)}, ads1115.ErrReset},
	} {
		dev, err := ads1115.New(playback(c.ops...), nil)
		require.NoError(t, err)
		r, err := dev.Sense(t.Context(), pair)
		require.ErrorIs(t, err, c.want, c.name)
		require.ErrorContains(t, err, "ads1115{playback(72)}: A0-A1")
		require.Zero(t, r)
	}
	for want, answer := range map[error]i2ctest.IO{ads1115.ErrNoChip: config(0, 0), ads1115.ErrReset: config(0x60, 0xA0)} {
		_, err := ads1115.New(&i2ctest.Playback{Ops: []i2ctest.IO{write(0x01, 0xE3), answer}}, nil)
		require.ErrorIs(t, err, want)
	}
	synctest.Test(t, func(t *testing.T) {
		dev, err := ads1115.New(&ads1115test.Chip{Clock: 0.2}, nil)
		require.NoError(t, err)
		_, err = dev.Sense(t.Context(), pair)
		require.ErrorIs(t, err, ads1115.ErrNotReady)
	})

	dev, err := ads1115.New(playback(), nil)
	require.NoError(t, err)
	_, err = dev.Sense(t.Context(), ads1115.Channel{Input: 8})
	require.ErrorContains(t, err, "Input(8)")
	_, err = dev.Sense(t.Context(), ads1115.Channel{Range: 6})
	require.ErrorContains(t, err, "give Input0Minus1 to Input3")
	require.Zero(t, ads1115.Range(6).FullScale())
	_, err = ads1115.New(playback(), &ads1115.Opts{Addr: 0x4C})
	require.ErrorContains(t, err, "give 0x48 to 0x4B")
}

// The bus fails at each transaction in turn.
func TestBusErrors(t *testing.T) {
	ops := []i2ctest.IO{write(0x85, 0xE3), config(0x85, 0xE3), conversion(1, 2)}
	for n := range len(start) {
		_, err := ads1115.New(&i2ctest.Playback{Ops: start[:n], DontPanic: true}, &ads1115.Opts{})
		require.True(t, conntest.IsErr(root(err)), "%d: %v", n, err)
	}
	for n := range len(ops) {
		dev, err := ads1115.New(playback(ops[:n]...), nil)
		require.NoError(t, err)
		r, err := dev.Sense(t.Context(), pair)
		require.True(t, conntest.IsErr(root(err)), "%d: %v", n, err)
		require.Zero(t, r)
	}
	dev, err := ads1115.New(playback(), nil)
	require.NoError(t, err)
	require.ErrorContains(t, dev.Halt(), "halt")
}

func root(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, err := ads1115.New(&ads1115test.Chip{}, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = dev.Sense(ctx, pair)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = dev.Sense(ctx, pair)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) { // two conversions at once: the second one's time is over before its turn
		dev, err := ads1115.New(&ads1115test.Chip{}, nil)
		require.NoError(t, err)
		done := make(chan error)
		go func() {
			_, err := dev.Sense(t.Context(), pair)
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
		defer cancel()
		_, err = dev.Sense(ctx, pair)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-done)
	})
}

// The driver and the simulated chip agree for every input and however fast the chip's clock is.
func TestSimulatedChip(t *testing.T) {
	for _, clock := range []float64{0.9, 1, 1.1} {
		synctest.Test(t, func(t *testing.T) {
			chip := &ads1115test.Chip{Clock: clock, BusTime: 100 * time.Microsecond}
			chip.Signal = func(in ads1115.Input, _ time.Time) float64 { return 0.1 * float64(in) }
			dev, err := ads1115.New(chip, nil)
			require.NoError(t, err)
			for in := ads1115.Input0Minus1; in <= ads1115.Input3; in++ {
				r, err := dev.Sense(t.Context(), ads1115.Channel{Input: in, Range: ads1115.Range1024mV})
				require.NoError(t, err)
				require.InDelta(t, 0.1*float64(in), float64(r.Voltage)/float64(physic.Volt), 2e-5, in.String())
				require.Equal(t, !strings.Contains(in.String(), "-"), in.Single())
			}
			chip.Fail = func() error { chip.Fail = nil; return errors.New("bus") }
			_, err = dev.Sense(t.Context(), pair)
			require.ErrorContains(t, err, "bus")
			chip.Reset()
			_, err = dev.Sense(t.Context(), pair)
			require.NoError(t, err)
			require.Error(t, chip.Tx(0x49, nil, nil))
			require.Error(t, chip.Tx(0x48, []byte{2}, nil))
			require.NoError(t, chip.SetSpeed(0))
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint16(0x8000), uint8(2))
	f.Add(uint16(0x7FFF), uint8(9))
	f.Fuzz(func(t *testing.T, code uint16, r uint8) {
		v, _ := ads1115.Decode(code, ads1115.Range(r))
		full := ads1115.Range(r).FullScale()
		require.LessOrEqual(t, v, full)
		require.GreaterOrEqual(t, v, -full)
		if full > 0 {
			require.InDelta(t, float64(int16(code)), float64(v)/float64(full)*32768, 1e-3)
		}
	})
}
