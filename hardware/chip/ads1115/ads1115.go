package ads1115

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Opts are the settings of the chip.
type Opts struct {
	// Addr is the address on the bus, 0x48 to 0x4B. 0 stands for 0x48.
	Addr uint16
}

// DefaultOpts are of a chip with its pin ADDR at ground.
var DefaultOpts = Opts{Addr: 0x48}

// Errors of New and Sense. Use errors.Is.
var (
	ErrNoChip   = errors.New("no ADS1115 answers: check power, address and the bus")
	ErrReset    = errors.New("the chip has not the configuration that was written: it lost its supply, or is another chip")
	ErrNotReady = errors.New("the chip did not finish its conversion: check its supply")
)

// Input is an input, or a pair of which the difference is converted. Its value is the field MUX of the chip.
type Input uint8

// Inputs, table 8 on page 28 of the datasheet.
const (
	Input0Minus1 Input = iota
	Input0Minus3
	Input1Minus3
	Input2Minus3
	Input0
	Input1
	Input2
	Input3
)

// Single tells whether the input is measured against ground.
func (i Input) Single() bool { return i >= Input0 }

// String names the input as it is printed on the boards.
func (i Input) String() string {
	if i > Input3 {
		return fmt.Sprintf("Input(%d)", uint8(i))
	}
	return [...]string{"A0-A1", "A0-A3", "A1-A3", "A2-A3", "A0", "A1", "A2", "A3"}[i]
}

// Range is full scale in each direction. Its value is the field PGA of the chip.
type Range uint8

// Ranges, table 8 on page 28 of the datasheet.
const (
	Range6144mV Range = iota
	Range4096mV
	Range2048mV
	Range1024mV
	Range512mV
	Range256mV
)

// FullScale is the voltage of code 32768.
func (r Range) FullScale() physic.ElectricPotential {
	if r > Range256mV {
		return 0
	}
	return [...]physic.ElectricPotential{6144, 4096, 2048, 1024, 512, 256}[r] * physic.MilliVolt
}

// Channel is what to convert.
type Channel struct {
	Input Input
	Range Range
}

// Validate reports what the chip does not have.
func (c Channel) Validate() error {
	if c.Input > Input3 || c.Range > Range256mV {
		return fmt.Errorf("input %d, range %d: give Input0Minus1 to Input3 and Range6144mV to Range256mV", c.Input, c.Range)
	}
	return nil
}

// Reading is one conversion.
type Reading struct {
	Voltage physic.ElectricPotential
	Clipped bool      // the voltage is at or beyond the end of the range
	At      time.Time // start of the conversion, which takes 1/860 s
}

// Registers and bits of the configuration, page 27 to 29 of the datasheet.
const (
	regConversion = 0x00
	regConfig     = 0x01

	start      = 1 << 15
	singleShot = 1 << 8
	rate860    = 7 << 5
	noCompare  = 3
	idle       = singleShot | rate860 | noCompare
)

// Conversion is the time that the chip needs for a sample at its nominal rate, page 16.
const Conversion = time.Second / 860

// The chip may be ±10 % faster or slower (page 7): the first question comes before the nominal end. The computer may
// have slept over the last moment, so the chip is asked a few times in any case.
const (
	firstAsk = Conversion * 95 / 100
	giveUp   = 4 * Conversion
	asks     = 3
)

// Dev is an ADS1115. It is safe for concurrent use: conversions queue.
type Dev struct {
	c    i2c.Dev
	name string
	turn chan struct{} // holds one token while the chip is in use
}

// New probes a chip. opts nil stands for DefaultOpts. The caller owns the bus.
func New(b i2c.Bus, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	addr := opts.Addr
	if addr == 0 {
		addr = DefaultOpts.Addr
	}
	if addr < 0x48 || addr > 0x4B {
		return nil, fmt.Errorf("ads1115: address %#02x: give 0x48 to 0x4B", addr)
	}
	d := &Dev{c: i2c.Dev{Bus: b, Addr: addr}, turn: make(chan struct{}, 1)}
	d.name = fmt.Sprintf("ads1115{%s}", &d.c)
	if err := d.write(idle); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	if _, err := d.over(idle); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// Sense does one conversion and waits for it, and for its turn. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context, ch Channel) (Reading, error) {
	r, err := d.sense(ctx, ch)
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %s: %w", d.name, ch.Input, err)
	}
	return r, nil
}

func (d *Dev) sense(ctx context.Context, ch Channel) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, err
	}
	if err := ch.Validate(); err != nil {
		return Reading{}, err
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return Reading{}, ctx.Err()
	}
	config := idle | uint16(ch.Input)<<12 | uint16(ch.Range)<<9
	if err := d.write(start | config); err != nil {
		return Reading{}, err
	}
	at := time.Now()
	if err := wait(ctx, firstAsk); err != nil {
		return Reading{}, err
	}
	for n := 0; n < asks || time.Since(at) < giveUp; n++ {
		over, err := d.over(config)
		if err != nil {
			return Reading{}, err
		}
		if !over {
			continue
		}
		code, err := d.read(regConversion)
		if err != nil {
			return Reading{}, err
		}
		v, clipped := Decode(code, ch.Range)
		return Reading{Voltage: v, Clipped: clipped, At: at}, nil
	}
	return Reading{}, ErrNotReady
}

// Decode turns a code of the chip into volts: two's complement, full scale is 32768 (page 22 of the datasheet). It also
// tells whether the code stands for everything beyond the range.
func Decode(code uint16, r Range) (physic.ElectricPotential, bool) {
	c := int16(code)
	return physic.ElectricPotential(c) * r.FullScale() / (1 << 15), c == 0x7FFF || c == -0x8000
}

// over tells whether the chip rests, and checks that its configuration is the wanted one.
func (d *Dev) over(config uint16) (bool, error) {
	got, err := d.read(regConfig)
	switch {
	case err != nil:
		return false, err
	case got == 0 || got == 0xFFFF:
		return false, fmt.Errorf("configuration %04X: %w", got, ErrNoChip)
	case got&^start != config:
		return false, fmt.Errorf("configuration %04X, not %04X: %w", got&^start, config, ErrReset)
	}
	return got&start != 0, nil
}

func (d *Dev) write(config uint16) error {
	if err := d.c.Tx([]byte{regConfig, byte(config >> 8), byte(config)}, nil); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (d *Dev) read(reg byte) (uint16, error) {
	var r [2]byte
	if err := d.c.Tx([]byte{reg}, r[:]); err != nil {
		return 0, fmt.Errorf("read register %d: %w", reg, err)
	}
	return binary.BigEndian.Uint16(r[:]), nil
}

// Halt leaves the chip in power-down, where it is after each conversion anyway.
func (d *Dev) Halt() error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if err := d.write(idle); err != nil {
		return fmt.Errorf("%s: halt: %w", d.name, err)
	}
	return nil
}

// String names the chip and its bus.
func (d *Dev) String() string { return d.name }

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
