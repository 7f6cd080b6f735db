package lis3dh

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Registers, datasheet table 20 (section 7).
const (
	regWhoAmI   byte = 0x0F
	regCtrl1    byte = 0x20
	regCtrl2    byte = 0x21
	regCtrl4    byte = 0x23
	regCtrl5    byte = 0x24
	regOutXL    byte = 0x28
	regFIFOCtrl byte = 0x2E
	regFIFOSrc  byte = 0x2F
)

// Bits and values, datasheet section 8.
const (
	whoAmI         byte = 0x33
	ctrl1AllAxes   byte = 0x07
	ctrl2NoFilter  byte = 0x00 // the high-pass filter would take the low frequencies of velocity away
	ctrl4BDU       byte = 0x80
	ctrl4HighRes   byte = 0x08
	ctrl5FIFO      byte = 0x40
	fifoBypass     byte = 0x00
	fifoStream     byte = 0x80
	srcOverrun     byte = 0x40
	srcEmpty       byte = 0x20
	srcStoredCount byte = 0x1F
)

const (
	maxFrequency = 10 * physic.MegaHertz // table 6
	fifoDepth    = 32
	watermark    = 16
	settle       = 16 // turn-on takes 7 samples in high resolution, 1 in normal mode (section 3.2.1)
	sampleBytes  = 6
	lowAddress   = uint16(0x18)
	highAddress  = uint16(0x19)
	// Bandwidths as parts of the rate, section 3.2.1.
	bandHighRes = 1.0 / 9
	bandNormal  = 1.0 / 2
)

// rates holds the codes of CTRL_REG1 (section 8.8).
var rates = map[physic.Frequency]byte{
	100 * physic.Hertz: 0x50, 200 * physic.Hertz: 0x60, 400 * physic.Hertz: 0x70, 1344 * physic.Hertz: 0x90,
}

// ranges holds the code of CTRL_REG4 and mg per digit of the 12-bit scale (table 4; the 10-bit scale is four times
// as coarse, left-justified in the same word). At 16 g the step is not in proportion.
var ranges = map[int]struct {
	code       byte
	mgPerDigit float64
}{2: {0x00, 1}, 4: {0x10, 2}, 8: {0x20, 4}, 16: {0x30, 12}}

// Opts are the settings of the chip. A zero field stands for that of DefaultOpts.
type Opts struct {
	// Rate is the nominal sample rate: 100, 200, 400 or 1344 Hz.
	Rate physic.Frequency
	// RangeG is 2, 4, 8 or 16 g. The step grows with it: 4 mg at 2 g, 48 mg at 16 g in normal mode.
	RangeG int
	// HighResolution takes 12 bits and a ninth of the rate as band instead of 10 bits and half of the rate.
	HighResolution bool
	// Addr is the I2C address, 0x18 or 0x19.
	Addr uint16
	// Frequency of the SPI clock, at most 10 MHz. Long wires want less.
	Frequency physic.Frequency
	// Clock measures the rate. nil: the computer's.
	Clock accel.Clock
}

// DefaultOpts suit a chip on a short cable.
var DefaultOpts = Opts{Rate: 1344 * physic.Hertz, RangeG: 4, Addr: lowAddress, Frequency: maxFrequency}

// Dev is a LIS3DH. It is not safe for concurrent use.
type Dev struct {
	regs  accel.Registers
	name  string
	clock accel.Clock
	spec  accel.Spec
	ctrl1 byte
	ctrl4 byte
	buf   [fifoDepth * sampleBytes]byte
}

// NewSPI finds the chip on the port and sets it up. nil stands for DefaultOpts. The caller owns the port.
func NewSPI(p spi.Port, opts *Opts) (*Dev, error) {
	o := withDefaults(opts)
	if o.Frequency < 0 || o.Frequency > maxFrequency {
		return nil, fmt.Errorf("lis3dh: clock of %s: give 0 to %s", o.Frequency, maxFrequency)
	}
	c, err := p.Connect(o.Frequency, spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("lis3dh: connect %s: %w", p, err)
	}
	// An address has bit 7 for reading and bit 6 for moving on (section 6.2).
	return open(accel.Registers{Conn: c, SPI: true, ReadBits: 0x80, MultiBits: 0x40}, fmt.Sprintf("lis3dh{%s}", c), o)
}

// NewI2C finds the chip on the bus and sets it up. nil stands for DefaultOpts. The caller owns the bus and its speed.
func NewI2C(b i2c.Bus, opts *Opts) (*Dev, error) {
	o := withDefaults(opts)
	if o.Addr != lowAddress && o.Addr != highAddress {
		return nil, fmt.Errorf("lis3dh: address 0x%02X: give 0x18, or 0x19 with SA0 high", o.Addr)
	}
	c := &i2c.Dev{Bus: b, Addr: o.Addr}
	// On I2C bit 7 is for moving on (section 6.1.1).
	return open(accel.Registers{Conn: c, MultiBits: 0x80}, fmt.Sprintf("lis3dh{%s}", c), o)
}

func withDefaults(opts *Opts) Opts {
	o := DefaultOpts
	if opts != nil {
		o = *opts
	}
	if o.Rate == 0 {
		o.Rate = DefaultOpts.Rate
	}
	if o.RangeG == 0 {
		o.RangeG = DefaultOpts.RangeG
	}
	if o.Addr == 0 {
		o.Addr = DefaultOpts.Addr
	}
	if o.Frequency == 0 {
		o.Frequency = DefaultOpts.Frequency
	}
	if o.Clock == nil {
		o.Clock = accel.SystemClock{}
	}
	return o
}

func open(regs accel.Registers, name string, o Opts) (*Dev, error) {
	rate, ok := rates[o.Rate]
	if !ok {
		return nil, fmt.Errorf("%s: rate of %s: give 100, 200, 400 or 1344 Hz", name, o.Rate)
	}
	scale, ok := ranges[o.RangeG]
	if !ok {
		return nil, fmt.Errorf("%s: range of %d g: give 2, 4, 8 or 16", name, o.RangeG)
	}
	d := &Dev{
		regs: regs, name: name, clock: o.Clock, ctrl1: rate | ctrl1AllAxes, ctrl4: ctrl4BDU | scale.code,
		spec: accel.Spec{
			NominalHz: float64(o.Rate) / float64(physic.Hertz), Depth: fifoDepth, Watermark: watermark, Settle: settle,
			Scale: scale.mgPerDigit / 1000 * accel.Gravity, BandRatio: bandNormal,
			// The digits go on beyond the range, the sensing element does not.
			Limit: int16(float64(o.RangeG) * 1000 / scale.mgPerDigit),
		},
	}
	if o.HighResolution {
		d.ctrl4 |= ctrl4HighRes
		d.spec.BandRatio = bandHighRes
	}
	if err := (source{d}).Start(); err != nil {
		return nil, d.wrap(err)
	}
	return d, nil
}

// Capture reads a window of n samples through the FIFO. It blocks for n/rate; ctx ends it early. The chip is set up
// anew at each window, so that one that lost its supply comes back by itself. Errors: those of package accel, of the
// bus and of ctx; the window is zero then.
func (d *Dev) Capture(ctx context.Context, n int) (accel.Window, error) {
	w, err := accel.Capture(ctx, source{d}, d.spec, d.clock, n)
	if err != nil {
		return accel.Window{}, d.wrap(err)
	}
	return w, nil
}

// MinSamples is the smallest window that Capture takes.
func (d *Dev) MinSamples() int { return d.spec.MinSamples() }

// Halt powers the chip down. The next Capture wakes it.
func (d *Dev) Halt() error {
	if err := d.regs.Write(regCtrl1, 0); err != nil {
		return d.wrap(fmt.Errorf("halt: %w", err))
	}
	return nil
}

// String names the chip and its port.
func (d *Dev) String() string { return d.name }

func (d *Dev) wrap(err error) error { return fmt.Errorf("%s: %w", d.name, err) }

// source is the FIFO of the chip.
type source struct{ d *Dev }

// Start configures the chip. Going through bypass empties the FIFO (section 5.1.1).
func (s source) Start() error {
	r := &s.d.regs
	if err := r.CheckID(regWhoAmI, whoAmI); err != nil {
		return err
	}
	for _, set := range [...][2]byte{
		{regCtrl1, s.d.ctrl1}, {regCtrl2, ctrl2NoFilter}, {regCtrl4, s.d.ctrl4}, {regCtrl5, ctrl5FIFO},
		{regFIFOCtrl, fifoBypass}, {regFIFOCtrl, fifoStream | watermark},
	} {
		if err := r.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// Level reads FIFO_SRC_REG (section 8.26). Its overrun bit stands for a full FIFO as well as for one that has lost
// samples (AN3308, section 9.1): both count as a loss, since the next sample is one.
func (s source) Level() (int, bool, error) {
	src, err := s.d.regs.Byte(regFIFOSrc)
	if err != nil {
		return 0, false, err
	}
	stored := int(src & srcStoredCount)
	switch {
	case src&srcOverrun != 0 && src&srcEmpty != 0, src&srcEmpty != 0 && stored != 0:
		return 0, false, fmt.Errorf("FIFO_SRC_REG 0x%02X: %w", src, accel.ErrNoChip)
	case src&srcOverrun != 0:
		return fifoDepth, true, nil
	}
	return stored, false, nil
}

// Read takes the samples out in one transfer: behind OUT_Z_H the address goes back to OUT_X_L (AN3308, section 9.4).
func (s source) Read(dst []accel.Raw) error {
	b := s.d.buf[:len(dst)*sampleBytes]
	if err := s.d.regs.Read(regOutXL, b); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = Decode([sampleBytes]byte(b[i*sampleBytes:]))
	}
	return nil
}

// Check reads the identity and the range: a chip that was reset within the window has lost it.
func (s source) Check() error {
	if err := s.d.regs.CheckID(regWhoAmI, whoAmI); err != nil {
		return err
	}
	ctrl4, err := s.d.regs.Byte(regCtrl4)
	if err != nil {
		return err
	}
	if ctrl4 != s.d.ctrl4 {
		return fmt.Errorf("CTRL_REG4 0x%02X instead of 0x%02X: %w", ctrl4, s.d.ctrl4, accel.ErrConfig)
	}
	return nil
}

// Decode takes OUT_X_L to OUT_Z_H apart: two's complement, left-justified in 16 bits, low byte first. The result has
// the 12-bit scale; in normal mode it goes in steps of 4.
func Decode(b [6]byte) accel.Raw {
	return accel.Raw{
		X: int16(uint16(b[0])|uint16(b[1])<<8) >> 4,
		Y: int16(uint16(b[2])|uint16(b[3])<<8) >> 4,
		Z: int16(uint16(b[4])|uint16(b[5])<<8) >> 4,
	}
}

var _ conn.Resource = &Dev{}
