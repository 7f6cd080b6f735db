package adxl345_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/adxl345"
	"karkhana/hardware/chip/adxl345/adxl345test"

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

func (x *traffic) write(reg, v byte) { *x = append(*x, traffic{{reg: reg, write: []byte{v}}}...) }
func (x *traffic) read(reg byte, b ...byte) {
	*x = append(*x, traffic{{reg: reg, read: b}}...)
}
func (x *traffic) set(reg, v byte) { x.write(reg, v); x.read(reg, v) }

func (x *traffic) start(rate, format byte) {
	x.read(0x00, 0xE5)
	x.set(0x2D, 0x00)
	x.set(0x2E, 0x00)
	x.set(0x2C, rate)
	x.set(0x31, format)
	x.set(0x38, 0x00)
	x.set(0x38, 0x90)
	x.set(0x2D, 0x08)
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
		p.Ops = append(p.Ops, i2ctest.IO{Addr: addr, W: append([]byte{t.reg}, t.write...), R: t.read})
	}
	return p
}

// window is the traffic of the smallest window: 8 samples to settle and 128 samples, 17 a burst. Sample i is −i, 2i, 256.
func window(rate, format byte) traffic {
	var x traffic
	x.start(rate, format)
	x.start(rate, format)
	for i := range 136 {
		if i%17 == 0 {
			x.read(0x39, 17)
			x.read(0x30, 0x02) // watermark
		}
		b := binary.LittleEndian.AppendUint16(nil, uint16(-i))
		b = binary.LittleEndian.AppendUint16(b, uint16(2*i))
		x.read(0x32, binary.LittleEndian.AppendUint16(b, 256)...)
	}
	x.read(0x00, 0xE5)
	x.read(0x31, format)
	x.write(0x2D, 0)
	x.write(0x2D, 0)
	return x
}

func checkWindow(t *testing.T, dev *adxl345.Dev, rate float64) {
	t.Helper()
	w, err := dev.Capture(t.Context(), dev.MinSamples())
	require.NoError(t, err)
	require.Len(t, w.X, 128)
	for i := range w.X {
		n := float64(i + 8)
		require.InDelta(t, -n*9.80665/256, w.X[i], 1e-12)
		require.InDelta(t, 2*n*9.80665/256, w.Y[i], 1e-12)
		require.InDelta(t, 9.80665, w.Z[i], 1e-12, "256 counts are 1 g")
	}
	require.InEpsilon(t, rate, w.RateHz, 1e-6)
	require.InEpsilon(t, rate/2, w.BandHz, 1e-6)
	require.Zero(t, w.Overruns)
	require.False(t, w.Saturated)
	require.NoError(t, dev.Halt())
	require.NoError(t, dev.Halt(), "again does no harm")
}

func TestPlaybackSPI(t *testing.T) {
	bus := window(0x0F, 0x0B).spi()
	dev, err := adxl345.NewSPI(bus, &adxl345.Opts{Clock: &acceltest.Clock{}})
	require.NoError(t, err)
	require.Equal(t, "adxl345{playback}", dev.String())
	checkWindow(t, dev, 3200)
	require.NoError(t, bus.Close())
}

func TestPlaybackI2C(t *testing.T) {
	bus := window(0x0C, 0x09).i2c(0x1D)
	dev, err := adxl345.NewI2C(bus, &adxl345.Opts{Addr: 0x1D, Rate: 400 * physic.Hertz, RangeG: 4, Clock: &acceltest.Clock{}})
	require.NoError(t, err)
	require.Equal(t, "adxl345{playback(29)}", dev.String())
	checkWindow(t, dev, 400)
	require.NoError(t, bus.Close())
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		i2c  bool
		opts adxl345.Opts
		text string
	}{
		{"fast clock", false, adxl345.Opts{Frequency: 6 * physic.MegaHertz}, "give 0 to 5MHz"},
		{"slow clock", false, adxl345.Opts{Frequency: physic.MegaHertz}, "give at least 2MHz"},
		{"odd rate", false, adxl345.Opts{Rate: 3000 * physic.Hertz}, "give 100, 200, 400, 800, 1600 or 3200 Hz"},
		{"odd range", false, adxl345.Opts{RangeG: 3}, "give 2, 4, 8 or 16"},
		{"rate too fast for I2C", true, adxl345.Opts{Rate: 1600 * physic.Hertz}, "use SPI"},
		{"address", true, adxl345.Opts{Addr: 0x54}, "give 0x53"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if c.i2c {
				_, err = adxl345.NewI2C(&i2ctest.Playback{DontPanic: true}, &c.opts)
			} else {
				_, err = adxl345.NewSPI(&spitest.Playback{Playback: conntest.Playback{DontPanic: true}}, &c.opts)
			}
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "adxl345")
		})
	}
	_, err := adxl345.NewSPI(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "adxl345: connect")
}

func newChip() *adxl345test.Chip {
	return &adxl345test.Chip{Clock: &acceltest.Clock{}, RateHz: 3121, Signal: acceltest.Sine(512, 50, 3121, 256)}
}

func TestLongCaptures(t *testing.T) {
	chip := newChip()
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	for range 3 {
		w, err := dev.Capture(t.Context(), 8192)
		require.NoError(t, err)
		require.InEpsilon(t, 3121, w.RateHz, 2e-4)
		require.Zero(t, w.Overruns)
		require.Len(t, w.Z, 8192)
		chip.Clock.Pass(7 * time.Second) // the FIFO overflows between windows, which does no harm
	}
	require.NoError(t, dev.Halt())
	require.Zero(t, chip.Register(0x2D), "standby")
	_, err = dev.Capture(t.Context(), 1024)
	require.NoError(t, err, "awake again")
}

func TestI2CCapture(t *testing.T) {
	chip := newChip()
	chip.RateHz = 815
	chip.Byte = func(n int) time.Duration { return time.Duration(n+2) * 25 * time.Microsecond } // 400 kHz
	dev, err := adxl345.NewI2C(chip.I2C(), &adxl345.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	require.Equal(t, "adxl345{I2Csim(83)}", dev.String())
	w, err := dev.Capture(t.Context(), 2048)
	require.NoError(t, err)
	require.InEpsilon(t, 815, w.RateHz, 5e-4)
	require.Zero(t, w.Overruns)
}

func TestSaturated(t *testing.T) {
	chip := newChip()
	chip.Signal = func(i int) accel.Raw {
		if i == 500 {
			return accel.Raw{Y: 4094} // the lowest bit is 0 at 3200 Hz
		}
		return accel.Raw{X: int16(i % 7)}
	}
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	w, err := dev.Capture(t.Context(), 1024)
	require.NoError(t, err)
	require.True(t, w.Saturated)
}

func TestOverrun(t *testing.T) {
	chip := newChip()
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	n := 0
	chip.Clock.Late = func() time.Duration {
		if n++; n == 30 {
			return 20 * time.Millisecond
		}
		return 0
	}
	w, err := dev.Capture(t.Context(), 2048)
	require.NoError(t, err)
	require.Equal(t, 1, w.Overruns)
	require.InEpsilon(t, 3121, w.RateHz, 1e-3)
}

// Each single failure of the bus, at whatever transaction, is an error that names the chip, never a window.
func TestBusErrors(t *testing.T) {
	off := errors.New("wire off")
	for at := 1; at <= 400; at++ {
		chip := newChip()
		chip.Each = func(n int) error {
			if n == at {
				return off
			}
			return nil
		}
		dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
		if err == nil {
			var w accel.Window
			if w, err = dev.Capture(t.Context(), 128); err == nil {
				require.Greater(t, at, 150, "the window has that many transactions")
				err = dev.Halt()
				if err == nil {
					break
				}
			} else {
				require.Zero(t, w)
			}
		}
		require.ErrorIs(t, err, off)
		require.ErrorContains(t, err, "adxl345{SPIsim}")
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
		{"other chip", func(reg, v byte) byte {
			if reg == 0 {
				return 0x33
			}
			return v
		}, accel.ErrNoChip},
		{"does not keep the rate", func(reg, v byte) byte {
			if reg == 0x2C {
				return 0x0A
			}
			return v
		}, accel.ErrConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			chip := newChip()
			chip.Wrong = c.wrong
			_, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A chip that loses its supply or its wire within a window gives no window, and the next window is good again.
func TestLostWithinTheWindow(t *testing.T) {
	chip := newChip()
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
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
		if reg == 0x39 {
			return 0xFF
		}
		return v
	}
	_, err = dev.Capture(t.Context(), 1024)
	require.ErrorIs(t, err, accel.ErrNoChip)
	require.ErrorContains(t, err, "FIFO_STATUS 0xFF")

	reads := 0
	chip.Wrong = func(reg, v byte) byte {
		if reg == 0x31 {
			if reads++; reads == 2 { // after the window
				return 0
			}
		}
		return v
	}
	_, err = dev.Capture(t.Context(), 1024)
	require.ErrorIs(t, err, accel.ErrConfig)
}

func TestContext(t *testing.T) {
	chip := newChip()
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dev.Capture(ctx, 1024)
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 1, 0xFF, 0xFF, 0, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 6 {
			return
		}
		r := adxl345.Decode([6]byte(b))
		back := binary.LittleEndian.AppendUint16(nil, uint16(r.X))
		back = binary.LittleEndian.AppendUint16(back, uint16(r.Y))
		back = binary.LittleEndian.AppendUint16(back, uint16(r.Z))
		require.Equal(t, b[:6], back)
	})
}

// FuzzLevel feeds any status to a capture: it ends with a window of sound numbers or an error.
func FuzzLevel(f *testing.F) {
	f.Add([]byte{17, 0, 33, 0xFF, 5})
	f.Fuzz(func(t *testing.T, status []byte) {
		chip := newChip()
		dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: chip.Clock})
		require.NoError(t, err)
		chip.Wrong = func(reg, v byte) byte {
			if (reg == 0x39 || reg == 0x30) && len(status) > 0 {
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
		require.Greater(t, w.RateHz, 2400.0)
	})
}
