package max31855

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Opts are the settings of the chip.
type Opts struct {
	// Frequency of the SPI clock. 0: the chip's limit of 5 MHz. Long wires want less.
	Frequency physic.Frequency
}

// DefaultOpts suit a chip beside the computer.
var DefaultOpts = Opts{Frequency: maxFrequency}

// maxFrequency is fSCL on page 3 of the datasheet.
const maxFrequency = 5 * physic.MegaHertz

// Errors of Sense. Use errors.Is; the text says what to look at.
var (
	ErrNoChip   = errors.New("no chip answers: check power, chip select and the data line")
	ErrOpen     = errors.New("fault open: the thermocouple is broken or not connected")
	ErrShortGND = errors.New("fault short to ground: a thermocouple lead touches earth; use an ungrounded probe")
	ErrShortVCC = errors.New("fault short to VCC: a thermocouple lead touches the supply")
)

// Reading is one conversion.
type Reading struct {
	Temperature  physic.Temperature // of the hot end, corrected for a K type
	Raw          physic.Temperature // as the chip computes it, in steps of 0.25 °C
	ColdJunction physic.Temperature // of the chip, in steps of 0.0625 °C
}

// Dev is a MAX31855. It is not safe for concurrent use.
type Dev struct {
	c    spi.Conn
	name string
	buf  [4]byte
}

// New connects to a chip on the port. It reads nothing: a chip that does not answer shows at the first Sense.
// opts nil stands for DefaultOpts. The caller owns the port.
func New(p spi.Port, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	f := opts.Frequency
	if f == 0 {
		f = maxFrequency
	}
	if f < 0 || f > maxFrequency {
		return nil, fmt.Errorf("max31855: clock of %s: give 0 to %s", f, maxFrequency)
	}
	c, err := p.Connect(f, spi.Mode0, 8)
	if err != nil {
		return nil, fmt.Errorf("max31855: connect %s: %w", p, err)
	}
	return &Dev{c: c, name: fmt.Sprintf("max31855{%s}", c)}, nil
}

// Sense reads the last conversion. It does not wait for a new one. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	if err := d.c.Tx(nil, d.buf[:]); err != nil {
		return Reading{}, fmt.Errorf("%s: read: %w", d.name, err)
	}
	r, err := Decode(binary.BigEndian.Uint32(d.buf[:]))
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return r, nil
}

// Halt does nothing: the chip has no sleep. It satisfies conn.Resource.
func (d *Dev) Halt() error { return nil }

// String names the chip and its port.
func (d *Dev) String() string { return d.name }

// Bits of the word, table 2 on page 10 of the datasheet.
const (
	bitFault    = 1 << 16
	bitShortVCC = 1 << 2
	bitShortGND = 1 << 1
	bitOpen     = 1 << 0
	bitsZero    = 1<<17 | 1<<3 // always read as zero
)

// Decode takes a word of the chip apart. It refuses words that no chip sends and words with a fault bit.
func Decode(word uint32) (Reading, error) {
	if word == 0 || word == 0xFFFFFFFF || word&bitsZero != 0 {
		return Reading{}, fmt.Errorf("word %08X: %w", word, ErrNoChip)
	}
	if word&(bitFault|bitOpen|bitShortGND|bitShortVCC) != 0 {
		return Reading{}, fmt.Errorf("word %08X: %w", word, faults(word))
	}
	hot := float64(int32(word)>>18) * 0.25        // D31–D18, signed 14 bits, table 4
	cold := float64(int32(word)<<16>>20) * 0.0625 // D15–D4, signed 12 bits, table 5
	return Reading{
		Temperature:  temperature(LinearizeK(hot, cold)),
		Raw:          temperature(hot),
		ColdJunction: temperature(cold),
	}, nil
}

// faults turns the fault bits into errors. A fault bit without a cause, or the other way round, is no chip's word.
func faults(word uint32) error {
	var err error
	for _, f := range [...]struct {
		bit   uint32
		cause error
	}{{bitOpen, ErrOpen}, {bitShortGND, ErrShortGND}, {bitShortVCC, ErrShortVCC}} {
		switch {
		case word&f.bit == 0:
		case err == nil:
			err = f.cause
		default:
			err = fmt.Errorf("%w; %w", err, f.cause)
		}
	}
	if err == nil || word&bitFault == 0 {
		return fmt.Errorf("fault bits disagree: %w", ErrNoChip)
	}
	return err
}

// temperature turns °C into periph's nanokelvin.
func temperature(c float64) physic.Temperature {
	return physic.Temperature(c*float64(physic.Celsius)) + physic.ZeroCelsius
}

var _ conn.Resource = &Dev{}
