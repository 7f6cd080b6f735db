//go:build linux

package meter_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// rtu opens a serial line with slaves on it and a client at its other end.
func rtu(t *testing.T, timeout time.Duration, slaves ...*metertest.Slave) (*metertest.Line, *meter.Client) {
	t.Helper()
	line, err := metertest.OpenLine(slaves...)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("this system has no pseudo terminals: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	client, err := meter.NewClient(meter.Line{URL: "rtu://" + line.Path(), Baud: 115200, Timeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return line, client
}

// Every built-in profile over a serial line, words probed where they are not known.
func TestSerialLine(t *testing.T) {
	var slaves []*metertest.Slave
	for i, name := range energyMeters() {
		slaves = append(slaves, supply(t, profile(t, name).In(meter.LowFirst), byte(i+1)))
	}
	line, client := rtu(t, 30*time.Second, slaves...)
	for i, name := range energyMeters() {
		r, err := meter.New(client, meter.Opts{Profile: profile(t, name), Words: meter.LowFirst, Unit: byte(i + 1)})
		require.NoError(t, err)
		values, err := r.Sense(t.Context(), nil)
		require.NoError(t, err, name)
		require.InDelta(t, 977.5, numbers(values)["power"], 0.01, name)
		require.InDelta(t, 123456000, numbers(values)["energy"], 4, name)
	}
	r, err := meter.New(client, meter.Opts{Profile: profile(t, "em4m"), Unit: 2})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, meter.LowFirst, r.Words())
	all, writes := line.Requests()
	require.Positive(t, all)
	require.Zero(t, writes)
}

// Whatever comes over the wire in place of a good answer refuses the reading, and the next one is good again.
func TestSerialFaults(t *testing.T) {
	p := profile(t, "pzem004t")
	slave := supply(t, p, 1)
	line, client := rtu(t, time.Second, slave, supply(t, p, 2))
	r, err := meter.New(client, meter.Opts{Profile: p, Unit: 1})
	require.NoError(t, err)
	good := func(t *testing.T) {
		t.Helper()
		line.Spoil(nil)
		values, err := r.Sense(t.Context(), nil)
		require.NoError(t, err)
		require.InDelta(t, 230, numbers(values)["voltage"], 0)
		require.InDelta(t, 977.5, numbers(values)["power"], 0)
	}
	good(t)
	flip := func(i int) func(byte, []byte) []byte {
		return func(_ byte, f []byte) []byte { f[i] ^= 0x04; return f }
	}
	for _, c := range []struct {
		name  string
		spoil func(unit byte, frame []byte) []byte
		want  error
	}{
		{"wrong CRC", func(_ byte, f []byte) []byte { f[len(f)-1] ^= 0xFF; return f }, modbus.ErrBadCRC},
		{"a flipped bit in the data", flip(8), modbus.ErrBadCRC},
		{"a flipped bit in the length", flip(2), nil},
		{"a flipped bit in the unit", flip(0), modbus.ErrBadCRC},
		{"half a frame", func(_ byte, f []byte) []byte { return f[:len(f)/2] }, modbus.ErrRequestTimedOut},
		{"two bytes of a frame", func(_ byte, f []byte) []byte { return f[:2] }, modbus.ErrShortFrame},
		{"all but the last byte", func(_ byte, f []byte) []byte { return f[:len(f)-1] }, modbus.ErrRequestTimedOut},
		{"silence", func(byte, []byte) []byte { return nil }, modbus.ErrRequestTimedOut},
		{"noise before the frame", func(_ byte, f []byte) []byte { return append([]byte{0x00, 0xFF, 0x7E}, f...) }, modbus.ErrProtocolError},
		{"noise that looks like a frame", func(_ byte, f []byte) []byte { return append([]byte{1, 4, 2, 9}, f...) }, modbus.ErrBadCRC},
		{"noise only", func(byte, []byte) []byte { return []byte{0xAA, 0x55, 0xAA, 0x55, 0xAA} }, modbus.ErrProtocolError},
		{"the answer of another meter", func(_ byte, _ []byte) []byte { return metertest.Frame(2, 4, 2, 0, 1) }, modbus.ErrBadUnitId},
		{"fewer registers than asked, CRC good", func(byte, []byte) []byte { return metertest.Frame(1, 4, 2, 9, 0x2B) }, modbus.ErrProtocolError},
		{"the request echoed by the adapter", func(_ byte, f []byte) []byte { return append(metertest.Frame(1, 4, 0, 0, 0, 9), f...) }, nil},
		{"a frame and a half", func(_ byte, f []byte) []byte { return append(f, f[:9]...) }, errGood},
	} {
		t.Run(c.name, func(t *testing.T) {
			line.Spoil(func(unit byte, f []byte) []byte { return c.spoil(unit, slices.Clone(f)) })
			values, err := r.Sense(t.Context(), nil)
			switch {
			case errors.Is(c.want, errGood):
				require.NoError(t, err)
			case c.want != nil:
				require.ErrorIs(t, err, c.want)
				require.Nil(t, values)
			default:
				require.Error(t, err)
				require.Nil(t, values)
			}
			good(t)
		})
	}
	for code, want := range map[int]error{
		1: modbus.ErrIllegalFunction, 2: modbus.ErrIllegalDataAddress, 3: modbus.ErrIllegalDataValue,
		4: modbus.ErrServerDeviceFailure, 6: modbus.ErrServerDeviceBusy,
	} {
		slave.Fail(want)
		_, err := r.Sense(t.Context(), nil)
		require.ErrorIs(t, err, want, "exception %d", code)
		slave.Fail(nil)
		good(t)
	}
	t.Run("an answer after the time-out", func(t *testing.T) {
		late := make(chan struct{})
		line.Spoil(func(_ byte, f []byte) []byte { <-late; return f })
		_, err := r.Sense(t.Context(), nil)
		require.ErrorIs(t, err, modbus.ErrRequestTimedOut)
		require.NoError(t, slave.Set("voltage", 235))
		close(late) // the old answer arrives now
		line.Spoil(nil)
		require.Eventually(t, func() bool {
			values, err := r.Sense(t.Context(), nil)
			return err == nil && numbers(values)["voltage"] == 235
		}, 30*time.Second, time.Millisecond)
	})
	t.Run("every answer twice", func(t *testing.T) {
		line.Spoil(func(_ byte, f []byte) []byte { return append(slices.Clone(f), f...) })
		for volts := 230.0; volts < 235; volts++ {
			require.NoError(t, slave.Set("voltage", volts))
			values, err := r.Sense(t.Context(), nil)
			require.NoError(t, err)
			require.InDelta(t, volts, numbers(values)["voltage"], 0, "the second copy is not taken for the next answer")
		}
		line.Spoil(nil)
	})
	t.Run("bytes nobody asked for", func(t *testing.T) {
		require.NoError(t, line.Send(metertest.Frame(1, 4, 2, 9, 0x2B)))
		values, err := r.Sense(t.Context(), nil)
		require.NoError(t, err, "what lay in the line before the request is thrown away")
		require.InDelta(t, 234, numbers(values)["voltage"], 0)
	})
	_, writes := line.Requests()
	require.Zero(t, writes)
}

// errGood marks faults that do no harm.
var errGood = errors.New("no error")

// The cable is pulled.
func TestSerialLineGone(t *testing.T) {
	p := profile(t, "sdm120")
	line, client := rtu(t, 30*time.Second, supply(t, p, 1))
	r, err := meter.New(client, meter.Opts{Profile: p, Unit: 1})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, line.Close())
	for range 3 {
		_, err = r.Sense(t.Context(), nil)
		require.ErrorContains(t, err, line.Path())
	}
}

// A bus over a real line: one meter dead, one that answers late, one good. The good one is read every time.
func TestSerialBus(t *testing.T) {
	p := profile(t, "sdm120")
	line, client := rtu(t, 30*time.Second, supply(t, p, 2), supply(t, p, 3))
	const late = 60 * time.Millisecond
	line.Spoil(func(unit byte, f []byte) []byte {
		if unit == 2 {
			time.Sleep(late) // a slow meter, not a wait of the test
		}
		return f
	})
	bus, err := meter.NewBus(client, []meter.Device{
		{Name: "dead", Opts: meter.Opts{Profile: p, Unit: 1}, Timeout: 40 * time.Millisecond},
		{Name: "slow", Opts: meter.Opts{Profile: p, Unit: 2}, Timeout: 20 * time.Millisecond},
		{Name: "good", Opts: meter.Opts{Profile: p, Unit: 3}},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	good, bad := 0, map[string]int{}
	for range 20 {
		require.NoError(t, bus.Poll(ctx, func(r meter.Result) {
			if r.Device == "good" {
				require.NoError(t, r.Err)
				require.InDelta(t, 977.5, numbers(r.Values)["power"], 0.01)
				good++
				return
			}
			require.ErrorIs(t, r.Err, modbus.ErrRequestTimedOut, r.Device)
			require.NotZero(t, r.Rest)
			bad[r.Device]++
		}))
	}
	require.Equal(t, 20, good)
	require.LessOrEqual(t, bad["dead"], 4)
	require.LessOrEqual(t, bad["slow"], 4)
}
