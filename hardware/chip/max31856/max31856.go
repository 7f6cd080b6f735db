package max31856

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Opts are the settings of the chip.
type Opts struct {
	// Type of the thermocouple.
	Type Type
	// Average is how many conversions the chip averages: 1, 2, 4, 8 or 16. 0 stands for 1.
	Average int
	// Continuous lets the chip convert all the time, so that Sense need not wait. Otherwise each Sense asks for one
	// conversion and waits for it, and the chip rests in between.
	Continuous bool
	// Frequency of the SPI clock. 0: the chip's limit of 5 MHz. Long wires want less.
	Frequency physic.Frequency
}

// DefaultOpts suit a type K probe in a furnace.
var DefaultOpts = Opts{Type: TypeK, Average: 4, Frequency: maxFrequency}

// maxFrequency is fSCL on page 4 of the datasheet.
const maxFrequency = 5 * physic.MegaHertz

// Errors of New and Sense beside the chip's own faults, which are a [Fault]. Use errors.Is.
var (
	ErrNoChip      = errors.New("no chip answers: check power, chip select and the data lines")
	ErrReset       = errors.New("the chip has not the configuration that was written: it lost its supply, or is another chip")
	ErrNotReady    = errors.New("the chip did not finish its conversion: check its supply")
	ErrImplausible = errors.New("a temperature that the type of thermocouple can't have: check the data lines")
)

// Reading is one conversion.
type Reading struct {
	Temperature  physic.Temperature // of the hot end, in steps of 1/128 °C
	ColdJunction physic.Temperature // of the chip, in steps of 1/64 °C
}

// Registers, table 6 on page 18 of the datasheet.
const (
	regCR0  = 0x00
	regCR1  = 0x01
	regCJTH = 0x0A // CJTL, LTCBH, LTCBM, LTCBL and SR follow
	numRegs = 0x10
	write   = 0x80
)

// Bits of CR0, page 19.
const (
	cr0Continuous = 1 << 7
	cr0OneShot    = 1 << 6
	cr0OpenTest   = 1 << 4 // open circuit test for a probe of less than 5 kΩ
	cr0Filter50Hz = 1 << 0
)

// Longest conversion times with the 50 Hz filter and the open circuit test, pages 4, 14 and 20.
const (
	firstConversion = 185*time.Millisecond + 15*time.Millisecond
	furtherOneShot  = 40 * time.Millisecond
	pollEvery       = 10 * time.Millisecond
)

// Dev is a MAX31856. It is not safe for concurrent use.
type Dev struct {
	c        spi.Conn
	name     string
	cr0, cr1 byte
	limits   limits
	takes    time.Duration // first conversion, at most
	written  bool          // the chip has its configuration
	ready    time.Time     // continuous mode: the first conversion is over
	w, r     [1 + numRegs]byte
}

// New connects to a chip on the port, writes its configuration and reads it back. opts nil stands for DefaultOpts. The
// caller owns the port.
func New(p spi.Port, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	d := &Dev{cr0: cr0OpenTest | cr0Filter50Hz}
	lim, ok := types[opts.Type]
	if !ok {
		return nil, fmt.Errorf("max31856: thermocouple type %q: give one of K, N, R, S", opts.Type)
	}
	samples := max(1, opts.Average)
	code := slices.Index([]int{1, 2, 4, 8, 16}, samples)
	if code < 0 || opts.Average < 0 {
		return nil, fmt.Errorf("max31856: average of %d: give 1, 2, 4, 8 or 16", opts.Average)
	}
	f := opts.Frequency
	if f == 0 {
		f = maxFrequency
	}
	if f < 0 || f > maxFrequency {
		return nil, fmt.Errorf("max31856: clock of %s: give 0 to %s", f, maxFrequency)
	}
	d.limits, d.cr1 = lim, byte(code)<<4|lim.code
	d.takes = firstConversion + time.Duration(samples-1)*furtherOneShot
	if opts.Continuous {
		d.cr0 |= cr0Continuous
	}
	c, err := p.Connect(f, spi.Mode1, 8)
	if err != nil {
		return nil, fmt.Errorf("max31856: connect %s: %w", p, err)
	}
	d.c, d.name = c, fmt.Sprintf("max31856{%s}", c)
	if err := d.configure(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// Sense returns a conversion: in one-shot mode a new one, 0.2 s later or more, in continuous mode the last one. The
// chip's faults come as a [Fault]. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	r, err := d.sense(ctx)
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return r, nil
}

func (d *Dev) sense(ctx context.Context) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, err
	}
	if !d.written {
		if err := d.configure(); err != nil {
			return Reading{}, err
		}
	}
	if d.cr0&cr0Continuous != 0 {
		if err := wait(ctx, time.Until(d.ready)); err != nil {
			return Reading{}, err
		}
		if err := d.read(d.cr0); err != nil {
			return Reading{}, err
		}
	} else if err := d.oneShot(ctx); err != nil {
		return Reading{}, err
	}
	r, err := Decode([6]byte(d.r[1+regCJTH:]))
	if err != nil {
		return Reading{}, err
	}
	if r.Temperature < d.limits.min-physic.Celsius || r.Temperature > d.limits.max+physic.Celsius {
		return Reading{}, fmt.Errorf("%s: %w", r.Temperature, ErrImplausible)
	}
	return r, nil
}

// oneShot starts a conversion and waits until the chip clears the bit that started it.
func (d *Dev) oneShot(ctx context.Context) error {
	if err := d.set(d.cr0|cr0OneShot, d.cr1); err != nil {
		return err
	}
	if err := wait(ctx, d.takes); err != nil {
		return err
	}
	for range 10 {
		err := d.read(d.cr0)
		if !errors.Is(err, ErrReset) || d.r[1+regCR0] != d.cr0|cr0OneShot || d.r[1+regCR1] != d.cr1 {
			return err
		}
		d.written = true // not lost: still converting
		if err := wait(ctx, pollEvery); err != nil {
			return err
		}
	}
	return ErrNotReady
}

// configure writes the configuration with conversions off, as the filter demands (page 19), checks it and turns
// continuous conversions on.
func (d *Dev) configure() error {
	off := d.cr0 &^ cr0Continuous
	if err := d.set(off, d.cr1); err != nil {
		return err
	}
	if err := d.read(off); err != nil {
		return err
	}
	if d.cr0 != off {
		if err := d.set(d.cr0, d.cr1); err != nil {
			return err
		}
		if err := d.read(d.cr0); err != nil {
			return err
		}
		d.ready = time.Now().Add(d.takes)
	}
	d.written = true
	return nil
}

// set writes CR0 and CR1.
func (d *Dev) set(cr0, cr1 byte) error {
	if err := d.c.Tx([]byte{write | regCR0, cr0, cr1}, nil); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// read fills d.r with all registers and checks that the chip has the wanted configuration.
func (d *Dev) read(cr0 byte) error {
	if err := d.c.Tx(d.w[:], d.r[:]); err != nil {
		return fmt.Errorf("read registers: %w", err)
	}
	regs := d.r[1:]
	if constant(regs, 0x00) || constant(regs, 0xFF) {
		d.written = false
		return fmt.Errorf("all registers read %02X: %w", regs[0], ErrNoChip)
	}
	if regs[regCR0] != cr0 || regs[regCR1] != d.cr1 {
		d.written = false
		return fmt.Errorf("CR0 %02X CR1 %02X, not %02X %02X: %w", regs[regCR0], regs[regCR1], cr0, d.cr1, ErrReset)
	}
	return nil
}

// Halt stops the conversions. Sense starts them again.
func (d *Dev) Halt() error {
	d.written = false
	if err := d.set(d.cr0&^cr0Continuous, d.cr1); err != nil {
		return fmt.Errorf("%s: halt: %w", d.name, err)
	}
	return nil
}

// String names the chip and its port.
func (d *Dev) String() string { return d.name }

func constant(b []byte, v byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != v })
}

// wait blocks for t or until ctx ends.
func wait(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

var _ conn.Resource = &Dev{}
