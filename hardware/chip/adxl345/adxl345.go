package adxl345

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Registers, datasheet table 19 (page 23).
const (
	regDevID      byte = 0x00
	regBWRate     byte = 0x2C
	regPowerCtl   byte = 0x2D
	regIntEnable  byte = 0x2E
	regIntSource  byte = 0x30
	regDataFormat byte = 0x31
	regDataX0     byte = 0x32
	regFIFOCtl    byte = 0x38
	regFIFOStatus byte = 0x39
)

// Bits and values, pages 24 to 28.
const (
	devID          byte = 0xE5
	powerMeasure   byte = 0x08
	intOverrun     byte = 0x01
	formatFullRes  byte = 0x08
	fifoBypass     byte = 0x00
	fifoStream     byte = 0x80
	entriesMask    byte = 0x3F
	reservedStatus byte = 0x40 // always zero
)

const (
	maxFrequency = 5 * physic.MegaHertz // page 15
	fastSPI      = 2 * physic.MegaHertz // from 1600 Hz on, page 15
	maxI2CRate   = 800 * physic.Hertz   // at 400 kHz, page 18
	fifoDepth    = 32
	watermark    = 16
	settle       = 8          // turn-on takes 1.1 ms and one sample (page 4, note to "turn-on time")
	perG         = 256        // counts per g in full resolution (table 1, page 3)
	sampleBytes  = 6          // DATAX0 to DATAZ1
	bandRatio    = 0.5        // bandwidth is half the rate (table 7, page 14)
	limitSlack   = int16(2)   // at 3200 and 1600 Hz the lowest bit is always 0 (page 16)
	highAddress  = uint16(29) // 0x1D
	lowAddress   = uint16(83) // 0x53
)

// rates is table 7 on page 14: the codes of BW_RATE.
var rates = map[physic.Frequency]byte{
	100 * physic.Hertz: 0x0A, 200 * physic.Hertz: 0x0B, 400 * physic.Hertz: 0x0C,
	800 * physic.Hertz: 0x0D, 1600 * physic.Hertz: 0x0E, 3200 * physic.Hertz: 0x0F,
}

// ranges is table 21 on page 27.
var ranges = map[int]byte{2: 0, 4: 1, 8: 2, 16: 3}

// Opts are the settings of the chip. A zero field stands for that of DefaultOpts.
type Opts struct {
	// Rate is the nominal sample rate: 100, 200, 400, 800, 1600 or 3200 Hz. 0: 3200 Hz on SPI, 800 Hz on I2C.
	Rate physic.Frequency
	// RangeG is 2, 4, 8 or 16 g. A smaller range resolves no more, it only saturates sooner.
	RangeG int
	// Addr is the I2C address, 0x53 or 0x1D.
	Addr uint16
	// Frequency of the SPI clock, at most 5 MHz. Long wires want less, 1600 and 3200 Hz at least 2 MHz.
	Frequency physic.Frequency
	// Clock measures the rate. nil: the computer's.
	Clock accel.Clock
}

// DefaultOpts suit a chip on a short cable.
var DefaultOpts = Opts{RangeG: 16, Addr: lowAddress, Frequency: maxFrequency}

// Dev is an ADXL345. It is not safe for concurrent use.
type Dev struct {
	regs   accel.Registers
	name   string
	clock  accel.Clock
	spec   accel.Spec
	rate   byte
	format byte
	buf    [sampleBytes]byte
}

// NewSPI finds the chip on the port and sets it up. nil stands for DefaultOpts. The caller owns the port.
func NewSPI(p spi.Port, opts *Opts) (*Dev, error) {
	o := withDefaults(opts, 3200*physic.Hertz)
	switch {
	case o.Frequency < 0 || o.Frequency > maxFrequency:
		return nil, fmt.Errorf("adxl345: clock of %s: give 0 to %s", o.Frequency, maxFrequency)
	case o.Rate >= 1600*physic.Hertz && o.Frequency < fastSPI:
		return nil, fmt.Errorf("adxl345: clock of %s is too slow for %s: give at least %s", o.Frequency, o.Rate, fastSPI)
	}
	c, err := p.Connect(o.Frequency, spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("adxl345: connect %s: %w", p, err)
	}
	// An address has bit 7 for reading and bit 6 for more than one byte (page 15).
	return open(accel.Registers{Conn: c, SPI: true, ReadBits: 0x80, MultiBits: 0x40}, fmt.Sprintf("adxl345{%s}", c), o)
}

// NewI2C finds the chip on the bus and sets it up. nil stands for DefaultOpts. The caller owns the bus and its speed.
func NewI2C(b i2c.Bus, opts *Opts) (*Dev, error) {
	o := withDefaults(opts, maxI2CRate)
	switch {
	case o.Addr != lowAddress && o.Addr != highAddress:
		return nil, fmt.Errorf("adxl345: address 0x%02X: give 0x53, or 0x1D with ALT ADDRESS high", o.Addr)
	case o.Rate > maxI2CRate:
		return nil, fmt.Errorf("adxl345: %s is too fast for I2C: give at most %s or use SPI", o.Rate, maxI2CRate)
	}
	c := &i2c.Dev{Bus: b, Addr: o.Addr}
	return open(accel.Registers{Conn: c}, fmt.Sprintf("adxl345{%s}", c), o)
}

func withDefaults(opts *Opts, rate physic.Frequency) Opts {
	o := DefaultOpts
	if opts != nil {
		o = *opts
	}
	if o.Rate == 0 {
		o.Rate = rate
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
		return nil, fmt.Errorf("%s: rate of %s: give 100, 200, 400, 800, 1600 or 3200 Hz", name, o.Rate)
	}
	code, ok := ranges[o.RangeG]
	if !ok {
		return nil, fmt.Errorf("%s: range of %d g: give 2, 4, 8 or 16", name, o.RangeG)
	}
	d := &Dev{
		regs: regs, name: name, clock: o.Clock, rate: rate, format: formatFullRes | code,
		spec: accel.Spec{
			NominalHz: float64(o.Rate) / float64(physic.Hertz), Depth: fifoDepth, Watermark: watermark, Settle: settle,
			Scale: accel.Gravity / perG, Limit: int16(o.RangeG*perG) - limitSlack, BandRatio: bandRatio,
		},
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

// Halt puts the chip into standby. The next Capture wakes it.
func (d *Dev) Halt() error {
	if err := d.regs.Write(regPowerCtl, 0); err != nil {
		return d.wrap(fmt.Errorf("halt: %w", err))
	}
	return nil
}

// String names the chip and its port.
func (d *Dev) String() string { return d.name }

func (d *Dev) wrap(err error) error { return fmt.Errorf("%s: %w", d.name, err) }

// source is the FIFO of the chip.
type source struct{ d *Dev }

// Start follows the datasheet's advice to configure in standby and to enable measurement last (page 25). Going
// through bypass empties the FIFO (page 28).
func (s source) Start() error {
	r := &s.d.regs
	if err := r.CheckID(regDevID, devID); err != nil {
		return err
	}
	for _, set := range [...][2]byte{
		{regPowerCtl, 0}, {regIntEnable, 0}, {regBWRate, s.d.rate}, {regDataFormat, s.d.format},
		{regFIFOCtl, fifoBypass}, {regFIFOCtl, fifoStream | watermark}, {regPowerCtl, powerMeasure},
	} {
		if err := r.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// Level reads the number of entries, then the overrun bit, which reading data clears (page 26). The bit is valid
// whether or not its interrupt is enabled.
func (s source) Level() (int, bool, error) {
	status, err := s.d.regs.Byte(regFIFOStatus)
	if err != nil {
		return 0, false, err
	}
	if n := int(status & entriesMask); status&reservedStatus != 0 || n > fifoDepth {
		return 0, false, fmt.Errorf("FIFO_STATUS 0x%02X: %w", status, accel.ErrNoChip)
	}
	source, err := s.d.regs.Byte(regIntSource)
	if err != nil {
		return 0, false, err
	}
	return int(status & entriesMask), source&intOverrun != 0, nil
}

// Read takes the samples out one by one: each read of DATAX0 to DATAZ1 moves the FIFO on (page 21). The 5 µs that the
// chip wants between two of them pass on any bus below 5 MHz within the address byte and the driver call.
func (s source) Read(dst []accel.Raw) error {
	for i := range dst {
		if err := s.d.regs.Read(regDataX0, s.d.buf[:]); err != nil {
			return err
		}
		dst[i] = Decode(s.d.buf)
	}
	return nil
}

// Check reads the identity and the format: a chip that was reset within the window has lost its range.
func (s source) Check() error {
	if err := s.d.regs.CheckID(regDevID, devID); err != nil {
		return err
	}
	format, err := s.d.regs.Byte(regDataFormat)
	if err != nil {
		return err
	}
	if format != s.d.format {
		return fmt.Errorf("DATA_FORMAT 0x%02X instead of 0x%02X: %w", format, s.d.format, accel.ErrConfig)
	}
	return nil
}

// Decode takes DATAX0 to DATAZ1 apart: two's complement, right-justified, low byte first (page 27).
func Decode(b [6]byte) accel.Raw {
	return accel.Raw{
		X: int16(uint16(b[0]) | uint16(b[1])<<8),
		Y: int16(uint16(b[2]) | uint16(b[3])<<8),
		Z: int16(uint16(b[4]) | uint16(b[5])<<8),
	}
}

var _ conn.Resource = &Dev{}
