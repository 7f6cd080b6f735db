package mfrc522

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Opts are the settings of the reader.
type Opts struct {
	// Frequency of the SPI clock, at most 10 MHz. 0 stands for 4 MHz.
	Frequency physic.Frequency
	// GainDB of the receiver: 18, 23, 33, 38, 43 or 48. 0 stands for 33. More is not always farther.
	GainDB int
	// Reset is the pin wired to RST, or nil when RST is wired to 3.3 V.
	Reset gpio.PinOut
}

// DefaultOpts suit a board on 20 cm of wire with RST at 3.3 V.
var DefaultOpts = Opts{Frequency: defaultFrequency, GainDB: 33}

const (
	maxFrequency     = 10 * physic.MegaHertz // section 8.1.2 of the datasheet
	defaultFrequency = 4 * physic.MegaHertz
)

// gains are the codes of RxGain, table 98 on page 59 of the datasheet.
var gains = map[int]byte{18: 0, 23: 1, 33: 4, 38: 5, 43: 6, 48: 7}

// Errors of New and Sense. Use errors.Is. None says what a card answered.
var (
	ErrNoCard     = errors.New("no card")
	ErrTwoCards   = errors.New("more than one card: hold only one")
	ErrUnclear    = errors.New("the card's answer is not clear: hold it still and close")
	ErrNoIdentity = errors.New("the card or phone shows another number each time: use a plain card")
	ErrNoChip     = errors.New("no MFRC522 answers: check power, RST, chip select and the data lines")
	ErrReset      = errors.New("the chip lost its configuration: check its supply")
	ErrSelfTest   = errors.New("the chip fails its self-test: replace it")
)

// Reading is a card. Printed or logged it does not show the UID.
type Reading struct {
	UID string // upper-case hex, 8 or 14 digits (20 for a card of three parts)
}

// String says how long the UID is and not what it is.
func (r Reading) String() string { return fmt.Sprintf("card with a number of %d bytes", len(r.UID)/2) }

// GoString is String, for %#v.
func (r Reading) GoString() string { return r.String() }

// LogValue is String, for slog.
func (r Reading) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Dev is a card reader. It is not safe for concurrent use.
type Dev struct {
	c       spi.Conn
	name    string
	gain    byte
	version byte
	written bool // the chip has its configuration
}

// New resets the chip, looks which one it is and configures it. opts nil stands for DefaultOpts. The caller owns the
// port.
func New(p spi.Port, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	f := opts.Frequency
	if f == 0 {
		f = defaultFrequency
	}
	if f < 0 || f > maxFrequency {
		return nil, fmt.Errorf("mfrc522: clock of %s: give 0 to %s", f, maxFrequency)
	}
	db := opts.GainDB
	if db == 0 {
		db = DefaultOpts.GainDB
	}
	gain, ok := gains[db]
	if !ok {
		return nil, fmt.Errorf("mfrc522: gain of %d dB: give 18, 23, 33, 38, 43 or 48", db)
	}
	if opts.Reset != nil {
		if err := opts.Reset.Out(gpio.High); err != nil {
			return nil, fmt.Errorf("mfrc522: pin %s to RST: %w", opts.Reset, err)
		}
	}
	c, err := p.Connect(f, spi.Mode0, 8)
	if err != nil {
		return nil, fmt.Errorf("mfrc522: connect %s: %w", p, err)
	}
	d := &Dev{c: c, gain: gain, name: fmt.Sprintf("mfrc522{%s}", c)}
	if err := d.configure(context.Background()); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// Version is what the chip says it is: 0x91 and 0x92 are MFRC522 1.0 and 2.0.
func (d *Dev) Version() byte { return d.version }

// Sense looks for a card and returns its UID, or ErrNoCard. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	uid, err := d.sense(ctx)
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return Reading{UID: fmt.Sprintf("%X", uid)}, nil
}

func (d *Dev) sense(ctx context.Context) (uid []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !d.written {
		if err := d.configure(ctx); err != nil {
			return nil, err
		}
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := d.write(regTxControl, antennaOn); err != nil {
		return nil, err
	}
	defer func() {
		if e := d.write(regTxControl, antennaOff); e != nil {
			uid, err = nil, errors.Join(err, e)
		}
	}()
	if err := wait(ctx, powerUp); err != nil {
		return nil, err
	}
	return d.selectCard(ctx)
}

// SelfTest lets the chip compute its known answer (section 16.1.1 of the datasheet) and compares it. It knows the
// answers of versions 0x91 and 0x92.
func (d *Dev) SelfTest(ctx context.Context) error {
	want, ok := SelfTestAnswer(d.version)
	if !ok {
		return fmt.Errorf("%s: version %02X: the datasheet gives no answer for this chip", d.name, d.version)
	}
	got, err := d.selfTest(ctx, len(want))
	if err != nil {
		return fmt.Errorf("%s: self-test: %w", d.name, err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: %w", d.name, ErrSelfTest)
	}
	return nil
}

// Halt switches the field off and puts the chip to sleep. Sense wakes it.
func (d *Dev) Halt() error {
	d.written = false
	if err := d.write(regCommand, cmdPowerDown); err != nil {
		return fmt.Errorf("%s: halt: %w", d.name, err)
	}
	return nil
}

// String names the chip and its port.
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
