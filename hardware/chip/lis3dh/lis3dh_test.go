package lis3dh_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/lis3dh"
	"karkhana/hardware/chip/lis3dh/lis3dhtest"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi/spitest"
)

// traffic is register accesses, to be played back on either bus.
type traffic []struct {
	reg   byte
	write []byte
	read  []byte
}

func (x *traffic) write(reg, v byte)        { *x = append(*x, traffic{{reg: reg, write: []byte{v}}}...) }
func (x *traffic) read(reg byte, b ...byte) { *x = append(*x, traffic{{reg: reg, read: b}}...) }
func (x *traffic) set(reg, v byte)          { x.write(reg, v); x.read(reg, v) }

func (x *traffic) start(ctrl1, ctrl4 byte) {
	x.read(0x0F, 0x33)
	x.set(0x20, ctrl1)
	x.set(0x21, 0)
	x.set(0x23, ctrl4)
	x.set(0x24, 0x40)
	x.set(0x2E, 0x00)
	x.set(0x2E, 0x90)
}

func (x traffic) spi() *spitest.Playback {
	p := &spitest.Playback{Playback: conntest.Playback{DontPanic: true}}
	for _, t := range x {
		if t.write != nil {
			p.Ops = append(p.Ops, conntest.IO{W: append([]byte{t.reg}, t.write...)})
			continue
		}
		a := t.reg | 0x80
		if len(t.read) > 1 {
			a |= 0x40
		}
		p.Ops = append(p.Ops, conntest.IO{W: append([]byte{a}, make([]byte, len(t.read))...), R: append([]byte{0}, t.read...)})
	}
	return p
}

func (x traffic) i2c(addr uint16) *i2ctest.Playback {
	p := &i2ctest.Playback{DontPanic: true}
	for _, t := range x {
		a := t.reg
		if len(t.read) > 1 {
			a |= 0x80
		}
		p.Ops = append(p.Ops, i2ctest.IO{Addr: addr, W: append([]byte{a}, t.write...), R: t.read})
	}
	return p
}

// window is the traffic of the smallest window: 16 samples to settle and 128 samples, 18 a burst. Sample i is −4i, 8i
// and 1000 digits of the 12-bit scale.
func window(ctrl1, ctrl4 byte) traffic {
	var x traffic
	x.start(ctrl1, ctrl4)
	x.start(ctrl1, ctrl4)
	for i := 0; i < 144; i += 18 {
		x.read(0x2F, 0x80|18)
		var b []byte
		for k := i; k < i+18; k++ {
			b = binary.LittleEndian.AppendUint16(b, uint16(-4*k<<4))
			b = binary.LittleEndian.AppendUint16(b, uint16(8*k<<4))
			b = binary.LittleEndian.AppendUint16(b, 1000<<4)
		}
		x.read(0x28, b...)
	}
	x.read(0x0F, 0x33)
	x.read(0x23, ctrl4)
	x.write(0x20, 0)
	x.write(0x20, 0)
	return x
}

func checkWindow(t *testing.T, dev *lis3dh.Dev, rate, band, mg float64) {
	t.Helper()
	w, err := dev.Capture(t.Context(), dev.MinSamples())
	require.NoError(t, err)
	require.Len(t, w.X, 128)
	for i := range w.X {
		n := float64(i + 16)
		require.InDelta(t, -4*n*mg*9.80665e-3, w.X[i], 1e-12)
		require.InDelta(t, 8*n*mg*9.80665e-3, w.Y[i], 1e-12)
		require.InDelta(t, mg*9.80665, w.Z[i], 1e-12)
	}
	require.InEpsilon(t, rate, w.RateHz, 1e-6)
	require.InEpsilon(t, band, w.BandHz, 1e-6)
	require.Zero(t, w.Overruns)
	require.False(t, w.Saturated)
	require.NoError(t, dev.Halt())
	require.NoError(t, dev.Halt(), "again does no harm")
}

// The driver waits for 17 samples and the chip has 18: its rate is 18/17 of the nominal one.
func TestPlaybackSPI(t *testing.T) {
	bus := window(0x97, 0x90).spi()
	dev, err := lis3dh.NewSPI(bus, &lis3dh.Opts{Clock: &acceltest.Clock{}})
	require.NoError(t, err)
	require.Equal(t, "lis3dh{playback}", dev.String())
	checkWindow(t, dev, 1344.0*18/17, 672.0*18/17, 2)
	require.NoError(t, bus.Close())
}

func TestPlaybackI2C(t *testing.T) {
	bus := window(0x77, 0x88).i2c(0x19)
	dev, err := lis3dh.NewI2C(bus, &lis3dh.Opts{
		Addr: 0x19, Rate: 400 * physic.Hertz, RangeG: 2, HighResolution: true, Clock: &acceltest.Clock{},
	})
	require.NoError(t, err)
	require.Equal(t, "lis3dh{playback(25)}", dev.String())
	checkWindow(t, dev, 400.0*18/17, 400.0*18/17/9, 1)
	require.NoError(t, bus.Close())
}

func TestOptions(t *testing.T) {
	spiPort := func() *spitest.Playback { return &spitest.Playback{Playback: conntest.Playback{DontPanic: true}} }
	_, err := lis3dh.NewSPI(spiPort(), &lis3dh.Opts{Frequency: 11 * physic.MegaHertz})
	require.ErrorContains(t, err, "give 0 to 10MHz")
	_, err = lis3dh.NewSPI(spiPort(), &lis3dh.Opts{Rate: 5376 * physic.Hertz})
	require.ErrorContains(t, err, "give 100, 200, 400 or 1344 Hz")
	_, err = lis3dh.NewSPI(spiPort(), &lis3dh.Opts{RangeG: 6})
	require.ErrorContains(t, err, "give 2, 4, 8 or 16")
	_, err = lis3dh.NewI2C(&i2ctest.Playback{DontPanic: true}, &lis3dh.Opts{Addr: 0x53})
	require.ErrorContains(t, err, "give 0x18")
	_, err = lis3dh.NewSPI(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "lis3dh: connect")
}

func newChip() *lis3dhtest.Chip {
	return &lis3dhtest.Chip{Clock: &acceltest.Clock{}, RateHz: 1291, Signal: acceltest.Sine(300, 50, 1291, 500)}
}

func TestLongCaptures(t *testing.T) {
	chip := newChip()
	dev, err := lis3dh.NewI2C(chip.I2C(), &lis3dh.Opts{Clock: chip.Clock, HighResolution: true})
	require.NoError(t, err)
	require.Equal(t, "lis3dh{I2Csim(24)}", dev.String())
	for range 3 {
		w, err := dev.Capture(t.Context(), 4096)
		require.NoError(t, err)
		require.InEpsilon(t, 1291, w.RateHz, 2e-4)
		require.Zero(t, w.Overruns)
		chip.Clock.Pass(7 * time.Second) // the FIFO overflows between windows, which does no harm
	}
	require.NoError(t, dev.Halt())
	require.Zero(t, chip.Register(0x20), "powered down")
	_, err = dev.Capture(t.Context(), 1024)
	require.NoError(t, err, "awake again")
}

// The step at 16 g is 12 mg of the 12-bit scale, so that the range ends at 1333 digits and not at 2047.
func TestSaturated(t *testing.T) {
	for _, c := range []struct {
		digits int16
		want   bool
	}{{1336, true}, {-1336, true}, {1328, false}, {-1328, false}} {
		chip := newChip()
		chip.Signal = func(i int) accel.Raw {
			if i == 200 {
				return accel.Raw{Y: c.digits}
			}
			return accel.Raw{X: int16(i%7) * 4}
		}
		dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock, RangeG: 16})
		require.NoError(t, err)
		w, err := dev.Capture(t.Context(), 1024)
		require.NoError(t, err)
		require.Equal(t, c.want, w.Saturated, c.digits)
	}
}

func TestOverrun(t *testing.T) {
	chip := newChip()
	dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	n := 0
	chip.Clock.Late = func() time.Duration {
		if n++; n == 30 {
			return 40 * time.Millisecond
		}
		return 0
	}
	w, err := dev.Capture(t.Context(), 2048)
	require.NoError(t, err)
	require.Equal(t, 1, w.Overruns)
	require.InEpsilon(t, 1291, w.RateHz, 1e-3)
}

// Each single failure of the bus, at whatever transaction, is an error that names the chip, never a window.
func TestBusErrors(t *testing.T) {
	off := errors.New("wire off")
	for at := 1; at <= 100; at++ {
		chip := newChip()
		chip.Each = func(n int) error {
			if n == at {
				return off
			}
			return nil
		}
		dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock})
		if err == nil {
			var w accel.Window
			if w, err = dev.Capture(t.Context(), 128); err == nil {
				require.Greater(t, at, 40, "the window has that many transactions")
				if err = dev.Halt(); err == nil {
					break
				}
			} else {
				require.Zero(t, w)
			}
		}
		require.ErrorIs(t, err, off)
		require.ErrorContains(t, err, "lis3dh{SPIsim}")
	}
}

func TestWrongChip(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(reg, v byte) byte
		want  error
	}{
		{"data line low", func(_, _ byte) byte { return 0 }, accel.ErrNoChip},
		{"data line high", func(_, _ byte) byte { return 0xFF }, accel.ErrNoChip},
		{"does not keep the range", func(reg, v byte) byte {
			if reg == 0x23 {
				return 0
			}
			return v
		}, accel.ErrConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			chip := newChip()
			chip.Wrong = c.wrong
			_, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock})
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestLostWithinTheWindow(t *testing.T) {
	chip := newChip()
	dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	waits := 0
	chip.Clock.Late = func() time.Duration {
		if waits++; waits == 20 {
			chip.Reset()
		}
		return 0
	}
	_, err = dev.Capture(t.Context(), 1024)
	require.ErrorIs(t, err, accel.ErrStall)
	_, err = dev.Capture(t.Context(), 1024)
	require.NoError(t, err)

	chip.Wrong = func(reg, v byte) byte {
		if reg == 0x2F {
			return 0xFF
		}
		return v
	}
	_, err = dev.Capture(t.Context(), 1024)
	require.ErrorContains(t, err, "FIFO_SRC_REG 0xFF")

	reads := 0
	chip.Wrong = func(reg, v byte) byte {
		if reg == 0x23 {
			if reads++; reads == 2 { // after the window
				return 0
			}
		}
		return v
	}
	_, err = dev.Capture(t.Context(), 1024)
	require.ErrorIs(t, err, accel.ErrConfig)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dev.Capture(ctx, 1024)
	require.ErrorIs(t, err, context.Canceled)
}

// ST's example: 350 mg at ±2 g in high resolution is E0h 15h (application note, section 4.2.3).
func TestDecode(t *testing.T) {
	r := lis3dh.Decode([6]byte{0xE0, 0x15, 0x20, 0xEA, 0x00, 0x80})
	require.Equal(t, accel.Raw{X: 350, Y: -350, Z: -2048}, r)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0xE0, 0x15, 0, 0x40, 0, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 6 {
			return
		}
		r := lis3dh.Decode([6]byte(b))
		for i, v := range [...]int16{r.X, r.Y, r.Z} {
			require.Equal(t, binary.LittleEndian.Uint16(b[2*i:])&0xFFF0, uint16(v)<<4)
			require.LessOrEqual(t, v, int16(2047))
			require.GreaterOrEqual(t, v, int16(-2048))
		}
	})
}

// FuzzLevel feeds any status to a capture: it ends with a window of sound numbers or an error.
func FuzzLevel(f *testing.F) {
	f.Add([]byte{17, 0x20, 33, 0xFF, 5})
	f.Fuzz(func(t *testing.T, status []byte) {
		chip := newChip()
		dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: chip.Clock})
		require.NoError(t, err)
		chip.Wrong = func(reg, v byte) byte {
			if reg == 0x2F && len(status) > 0 {
				v, status = status[0], status[1:]
			}
			return v
		}
		w, err := dev.Capture(t.Context(), 128)
		if err != nil {
			require.Zero(t, w)
			return
		}
		require.Len(t, w.X, 128)
		require.Greater(t, w.RateHz, 1000.0)
	})
}
