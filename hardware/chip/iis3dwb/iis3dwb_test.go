package iis3dwb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/iis3dwb"
	"karkhana/hardware/chip/iis3dwb/iis3dwbtest"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi/spitest"
)

type traffic []conntest.IO

func (x *traffic) write(reg, v byte) { *x = append(*x, conntest.IO{W: []byte{reg, v}}) }
func (x *traffic) read(reg byte, b ...byte) {
	*x = append(*x, conntest.IO{W: append([]byte{reg | 0x80}, make([]byte, len(b))...), R: append([]byte{0}, b...)})
}
func (x *traffic) set(reg, v byte) { x.write(reg, v); x.read(reg, v) }

func (x *traffic) start(ctrl1 byte) {
	x.read(0x0F, 0x7B)
	x.set(0x12, 0x44)
	x.set(0x14, 0)
	x.set(0x15, 0)
	x.set(0x17, 0)
	x.set(0x10, ctrl1)
	x.set(0x07, 128)
	x.set(0x08, 0)
	x.set(0x09, 0x0A)
	x.set(0x0A, 0)
	x.set(0x0A, 6)
}

// word is a FIFO word with the running tag counter of the chip.
func word(i int, x, y, z int16) []byte {
	b := []byte{2<<3 | byte(i&3)<<1}
	for _, v := range [...]int16{x, y, z} {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

func TestPlayback(t *testing.T) {
	const per = 331 // samples a burst: read in two transfers
	var x traffic
	x.start(0xA4)
	x.start(0xA4)
	for i := 0; i < 300+1024; i += per {
		x.read(0x3A, byte(per&0xFF), 0x80|per>>8)
		var b []byte
		for k := i; k < i+per; k++ {
			b = append(b, word(k, int16(-k), int16(2*k), 2049)...)
		}
		x.read(0x78, b[:256*7]...)
		x.read(0x78, b[256*7:]...)
	}
	x.read(0x0F, 0x7B)
	x.read(0x10, 0xA4)
	x.write(0x10, 0)
	x.write(0x10, 0)
	bus := &spitest.Playback{Playback: conntest.Playback{Ops: x, DontPanic: true}}
	clock := &acceltest.Clock{}
	clock.Late = func() time.Duration { return (per - 129) * 3 * time.Second / 80000 } // so much is there at each poll
	dev, err := iis3dwb.NewSPI(bus, &iis3dwb.Opts{Clock: clock})
	require.NoError(t, err)
	require.Equal(t, "iis3dwb{playback}", dev.String())
	require.Equal(t, 1024, dev.MinSamples())
	w, err := dev.Capture(t.Context(), 1024)
	require.NoError(t, err)
	require.Len(t, w.X, 1024)
	for i := range w.X {
		n := float64(i + 300)
		require.InDelta(t, -n*0.488e-3*9.80665, w.X[i], 1e-9)
		require.InDelta(t, 2*n*0.488e-3*9.80665, w.Y[i], 1e-9)
		require.InDelta(t, 9.80585, w.Z[i], 1e-4, "1 g at 0.488 mg")
	}
	require.InEpsilon(t, 26666.7, w.RateHz, 1e-4)
	require.InEpsilon(t, 6300, w.BandHz, 1e-4)
	require.Zero(t, w.Overruns)
	require.NoError(t, dev.Halt())
	require.NoError(t, dev.Halt(), "again does no harm")
	require.NoError(t, bus.Close())
}

func TestOptions(t *testing.T) {
	bus := &spitest.Playback{Playback: conntest.Playback{DontPanic: true}}
	_, err := iis3dwb.NewSPI(bus, &iis3dwb.Opts{Frequency: physic.MegaHertz})
	require.ErrorContains(t, err, "give 4MHz to 10MHz")
	_, err = iis3dwb.NewSPI(bus, &iis3dwb.Opts{RangeG: 5})
	require.ErrorContains(t, err, "give 2, 4, 8 or 16")
	_, err = iis3dwb.NewSPI(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "iis3dwb: connect")
}

func newChip() *iis3dwbtest.Chip {
	return &iis3dwbtest.Chip{Clock: &acceltest.Clock{}, RateHz: 26111, Signal: acceltest.Sine(5000, 900, 26111, 2049)}
}

func TestLongCaptures(t *testing.T) {
	chip := newChip()
	dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock, RangeG: 8})
	require.NoError(t, err)
	for range 2 {
		w, err := dev.Capture(t.Context(), 32768)
		require.NoError(t, err)
		require.InEpsilon(t, 26111, w.RateHz, 1e-4)
		require.Zero(t, w.Overruns)
		require.Len(t, w.Z, 32768)
		chip.Clock.Pass(7 * time.Second)
	}
	require.Equal(t, byte(0xAC), chip.Register(0x10), "8 g")
	require.NoError(t, dev.Halt())
	require.Zero(t, chip.Register(0x10), "powered down")
}

func TestSaturatedAndOverrun(t *testing.T) {
	chip := newChip()
	chip.Signal = func(i int) accel.Raw {
		if i%5000 == 4000 {
			return accel.Raw{Z: -32768}
		}
		return accel.Raw{X: int16(i % 7)}
	}
	dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	n := 0
	chip.Clock.Late = func() time.Duration {
		if n++; n == 20 {
			return 50 * time.Millisecond
		}
		return 0
	}
	w, err := dev.Capture(t.Context(), 8192)
	require.NoError(t, err)
	require.True(t, w.Saturated)
	require.Equal(t, 2, w.Overruns, "a full FIFO goes on losing until its first words are out")
	require.InEpsilon(t, 26111, w.RateHz, 1e-3)
}

// Each single failure of the bus, at whatever transaction, is an error that names the chip, never a window.
func TestBusErrors(t *testing.T) {
	off := errors.New("wire off")
	for at := 1; at <= 200; at++ {
		chip := newChip()
		chip.Each = func(n int) error {
			if n == at {
				return off
			}
			return nil
		}
		dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock})
		if err == nil {
			var w accel.Window
			if w, err = dev.Capture(t.Context(), 1024); err == nil {
				require.Greater(t, at, 60, "the window has that many transactions")
				if err = dev.Halt(); err == nil {
					break
				}
			} else {
				require.Zero(t, w)
			}
		}
		require.ErrorIs(t, err, off)
		require.ErrorContains(t, err, "iis3dwb{SPIsim}")
	}
}

func TestWrongChip(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(reg byte, r []byte)
		want  error
	}{
		{"data line low", func(_ byte, r []byte) { clear(r) }, accel.ErrNoChip},
		{"other chip", func(reg byte, r []byte) {
			if reg == 0x0F {
				r[0] = 0x6B
			}
		}, accel.ErrNoChip},
		{"does not keep the range", func(reg byte, r []byte) {
			if reg == 0x10 {
				r[0] = 0xA0
			}
		}, accel.ErrConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			chip := newChip()
			chip.Wrong = c.wrong
			_, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock})
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestLostWithinTheWindow(t *testing.T) {
	chip := newChip()
	dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock})
	require.NoError(t, err)
	waits := 0
	chip.Clock.Late = func() time.Duration {
		if waits++; waits == 20 {
			chip.Reset()
		}
		return 0
	}
	_, err = dev.Capture(t.Context(), 8192)
	require.ErrorIs(t, err, accel.ErrStall)
	_, err = dev.Capture(t.Context(), 8192)
	require.NoError(t, err)

	bursts := 0
	chip.Wrong = func(reg byte, r []byte) {
		if reg == 0x78 {
			if bursts++; bursts == 10 {
				clear(r[len(r)/2:])
			}
		}
	}
	_, err = dev.Capture(t.Context(), 8192)
	require.ErrorIs(t, err, accel.ErrNoChip)
	require.ErrorContains(t, err, "tag 0x00 is not of the accelerometer")

	reads := 0
	chip.Wrong = func(reg byte, r []byte) {
		if reg == 0x10 {
			if reads++; reads == 2 { // after the window
				r[0] = 0
			}
		}
	}
	_, err = dev.Capture(t.Context(), 8192)
	require.ErrorIs(t, err, accel.ErrConfig)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dev.Capture(ctx, 8192)
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzDecode(f *testing.F) {
	f.Add(word(3, -1, 2, -32768))
	f.Add([]byte{0xFF, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 7 {
			return
		}
		r, err := iis3dwb.Decode([7]byte(b))
		if b[0]>>3 != 2 {
			require.ErrorIs(t, err, accel.ErrNoChip)
			require.Zero(t, r)
			return
		}
		require.NoError(t, err)
		require.Equal(t, b[1:7], word(0, r.X, r.Y, r.Z)[1:])
	})
}

// FuzzBus feeds any status and any words to a capture: it ends with a window of sound numbers or an error.
func FuzzBus(f *testing.F) {
	f.Add([]byte{130, 0x80, 16, 1, 2, 3, 4, 5, 6, 0xFF, 0x43})
	f.Fuzz(func(t *testing.T, noise []byte) {
		chip := newChip()
		dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: chip.Clock})
		require.NoError(t, err)
		chip.Wrong = func(reg byte, r []byte) {
			if reg == 0x3A || reg == 0x78 {
				noise = noise[copy(r, noise):]
			}
		}
		w, err := dev.Capture(t.Context(), 1024)
		if err != nil {
			require.Zero(t, w)
			return
		}
		require.Len(t, w.X, 1024)
		require.Greater(t, w.RateHz, 20000.0)
	})
}
