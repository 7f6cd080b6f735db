package iis3dwb

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Registers, datasheet section 8.
const (
	regFIFOCtrl1   byte = 0x07
	regFIFOCtrl2   byte = 0x08
	regFIFOCtrl3   byte = 0x09
	regFIFOCtrl4   byte = 0x0A
	regWhoAmI      byte = 0x0F
	regCtrl1XL     byte = 0x10
	regCtrl3C      byte = 0x12
	regCtrl5C      byte = 0x14
	regCtrl6C      byte = 0x15
	regCtrl8XL     byte = 0x17
	regFIFOStatus1 byte = 0x3A
	regFIFOData    byte = 0x78 // FIFO_DATA_OUT_TAG
)

// Bits and values, datasheet section 9.
const (
	whoAmI        byte = 0x7B
	xlEnable      byte = 0xA0 // XL_EN = 101
	bduAndStep    byte = 0x44 // BDU, IF_INC
	batchXL       byte = 0x0A // BDR_XL: each sample goes to the FIFO
	fifoBypass    byte = 0x00
	fifoStream    byte = 0x06 // continuous mode
	statusOverrun byte = 0x40
	statusLatched byte = 0x08 // an overrun since the last reading of FIFO_STATUS2
	statusHigh    byte = 0x03 // upper bits of the level
	tagXL         byte = 0x02
)

const (
	maxFrequency = 10 * physic.MegaHertz // table 6
	minFrequency = 4 * physic.MegaHertz  // 26.7 kHz × 7 bytes are 1.5 Mbit/s; the rest is for coming late
	nominalHz    = 80000.0 / 3           // 26.667 kHz
	fifoDepth    = 512
	watermark    = 128
	burst        = 256                // 1792 bytes, well within the 4096 of a Linux SPI transfer
	settle       = 300                // turn-on takes 10 ms (table 3)
	wordBytes    = 7                  // tag and three axes
	bandRatio    = 6300.0 / nominalHz // −3 dB (section 4.4)
	limit        = int16(32760)       // the last steps below the end of the range
)

// ranges holds the code of CTRL1_XL and mg per digit (table 3). The codes are not in order.
var ranges = map[int]struct {
	code       byte
	mgPerDigit float64
}{2: {0x00, 0.061}, 4: {0x08, 0.122}, 8: {0x0C, 0.244}, 16: {0x04, 0.488}}

// Opts are the settings of the chip. A zero field stands for that of DefaultOpts.
type Opts struct {
	// RangeG is 2, 4, 8 or 16 g.
	RangeG int
	// Frequency of the SPI clock, 4 to 10 MHz.
	Frequency physic.Frequency
	// Clock measures the rate. nil: the computer's.
	Clock accel.Clock
}

// DefaultOpts suit a chip on a short cable.
var DefaultOpts = Opts{RangeG: 16, Frequency: maxFrequency}

// Dev is an IIS3DWB. It is not safe for concurrent use.
type Dev struct {
	regs  accel.Registers
	name  string
	clock accel.Clock
	spec  accel.Spec
	ctrl1 byte
	buf   [burst * wordBytes]byte
}

// NewSPI finds the chip on the port and sets it up. nil stands for DefaultOpts. The caller owns the port.
func NewSPI(p spi.Port, opts *Opts) (*Dev, error) {
	o := DefaultOpts
	if opts != nil {
		o = *opts
	}
	if o.RangeG == 0 {
		o.RangeG = DefaultOpts.RangeG
	}
	if o.Frequency == 0 {
		o.Frequency = DefaultOpts.Frequency
	}
	if o.Clock == nil {
		o.Clock = accel.SystemClock{}
	}
	if o.Frequency < minFrequency || o.Frequency > maxFrequency {
		return nil, fmt.Errorf("iis3dwb: clock of %s: give %s to %s", o.Frequency, minFrequency, maxFrequency)
	}
	scale, ok := ranges[o.RangeG]
	if !ok {
		return nil, fmt.Errorf("iis3dwb: range of %d g: give 2, 4, 8 or 16", o.RangeG)
	}
	c, err := p.Connect(o.Frequency, spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("iis3dwb: connect %s: %w", p, err)
	}
	d := &Dev{
		regs: accel.Registers{Conn: c, SPI: true, ReadBits: 0x80}, name: fmt.Sprintf("iis3dwb{%s}", c),
		clock: o.Clock, ctrl1: xlEnable | scale.code,
		spec: accel.Spec{
			NominalHz: nominalHz, Depth: fifoDepth, Watermark: watermark, Settle: settle,
			Scale: scale.mgPerDigit / 1000 * accel.Gravity, Limit: limit, BandRatio: bandRatio,
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

// Halt powers the chip down. The next Capture wakes it.
func (d *Dev) Halt() error {
	if err := d.regs.Write(regCtrl1XL, 0); err != nil {
		return d.wrap(fmt.Errorf("halt: %w", err))
	}
	return nil
}

// String names the chip and its port.
func (d *Dev) String() string { return d.name }

func (d *Dev) wrap(err error) error { return fmt.Errorf("%s: %w", d.name, err) }

// source is the FIFO of the chip.
type source struct{ d *Dev }

// Start configures the chip: three axes, no filter besides the one against aliasing, self-test off, and only
// acceleration in the FIFO. Going through bypass empties the FIFO.
func (s source) Start() error {
	r := &s.d.regs
	if err := r.CheckID(regWhoAmI, whoAmI); err != nil {
		return err
	}
	for _, set := range [...][2]byte{
		{regCtrl3C, bduAndStep}, {regCtrl5C, 0}, {regCtrl6C, 0}, {regCtrl8XL, 0}, {regCtrl1XL, s.d.ctrl1},
		{regFIFOCtrl1, watermark}, {regFIFOCtrl2, 0}, {regFIFOCtrl3, batchXL},
		{regFIFOCtrl4, fifoBypass}, {regFIFOCtrl4, fifoStream},
	} {
		if err := r.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// Level reads FIFO_STATUS1 and 2: the number of words and both overrun bits.
func (s source) Level() (int, bool, error) {
	b := s.d.buf[:2]
	if err := s.d.regs.Read(regFIFOStatus1, b); err != nil {
		return 0, false, err
	}
	return int(b[0]) | int(b[1]&statusHigh)<<8, b[1]&(statusOverrun|statusLatched) != 0, nil
}

// Read takes the words out in few long transfers: behind FIFO_DATA_OUT_Z_H the address goes back to the tag.
func (s source) Read(dst []accel.Raw) error {
	for len(dst) > 0 {
		n := min(len(dst), burst)
		b := s.d.buf[:n*wordBytes]
		if err := s.d.regs.Read(regFIFOData, b); err != nil {
			return err
		}
		for i := range n {
			r, err := Decode([wordBytes]byte(b[i*wordBytes:]))
			if err != nil {
				return fmt.Errorf("FIFO word %d of %d: %w", i, n, err)
			}
			dst[i] = r
		}
		dst = dst[n:]
	}
	return nil
}

// Check reads the identity and the range: a chip that was reset within the window has lost it.
func (s source) Check() error {
	if err := s.d.regs.CheckID(regWhoAmI, whoAmI); err != nil {
		return err
	}
	ctrl1, err := s.d.regs.Byte(regCtrl1XL)
	if err != nil {
		return err
	}
	if ctrl1 != s.d.ctrl1 {
		return fmt.Errorf("CTRL1_XL 0x%02X instead of 0x%02X: %w", ctrl1, s.d.ctrl1, accel.ErrConfig)
	}
	return nil
}

// Decode takes a word of the FIFO apart: the tag of the sensor in the upper five bits of the first byte, then three
// axes, two's complement, low byte first. It refuses a word that is not of the accelerometer.
func Decode(b [7]byte) (accel.Raw, error) {
	if tag := b[0] >> 3; tag != tagXL {
		return accel.Raw{}, fmt.Errorf("tag 0x%02X is not of the accelerometer: %w", tag, accel.ErrNoChip)
	}
	return accel.Raw{
		X: int16(uint16(b[1]) | uint16(b[2])<<8),
		Y: int16(uint16(b[3]) | uint16(b[4])<<8),
		Z: int16(uint16(b[5]) | uint16(b[6])<<8),
	}, nil
}

var _ conn.Resource = &Dev{}
