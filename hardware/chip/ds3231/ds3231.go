package ds3231

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Opts are the settings of the chip. There are none: its address is fixed.
type Opts struct{}

// DefaultOpts are the only ones.
var DefaultOpts = Opts{}

// Errors of Sense and Set. Use errors.Is.
var (
	ErrNoChip      = errors.New("no DS3231 answers: check power and the bus")
	ErrOtherChip   = errors.New("not the registers of a DS3231: another chip has the address, or the bus is disturbed")
	ErrTimeInvalid = errors.New("the clock stood still since it was set: replace the battery and set the time")
	ErrNotSet      = errors.New("the clock does not show the time that was set: check the bus")
)

// Reading is the time and the temperature of the chip.
type Reading struct {
	Time        time.Time // UTC, whole seconds
	Temperature physic.Temperature
}

const (
	addr      = 0x68
	numRegs   = 0x13
	regStatus = 0x0F

	controlStopOnBattery = 1 << 7 // EOSC, page 13 of the datasheet
	statusStopped        = 1 << 7 // OSF, page 14
	statusAlarms         = 3      // A2F and A1F: a written 1 leaves them
)

// Dev is a DS3231. It is not safe for concurrent use.
type Dev struct {
	c    i2c.Dev
	name string
}

// New probes the chip. A clock whose time is invalid is no error here. opts nil stands for DefaultOpts. The caller owns
// the bus.
func New(b i2c.Bus, _ *Opts) (*Dev, error) {
	d := &Dev{c: i2c.Dev{Bus: b, Addr: addr}}
	d.name = fmt.Sprintf("ds3231{%s}", &d.c)
	if _, _, err := d.read(); err != nil && !errors.Is(err, ErrTimeInvalid) {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// Sense reads time and temperature. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	r, _, err := d.read()
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return r, nil
}

// Set puts the clock at t, rounded to the second, lets it run on its battery too, clears the flag of a stopped clock
// and reads the time back. It disturbs neither alarms nor the square wave.
func (d *Dev) Set(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	if err := d.set(t); err != nil {
		return fmt.Errorf("%s: set: %w", d.name, err)
	}
	return nil
}

func (d *Dev) set(t time.Time) error {
	t = t.Round(time.Second).UTC()
	digits, err := encode(t)
	if err != nil {
		return err
	}
	_, regs, err := d.read()
	if err != nil && !errors.Is(err, ErrTimeInvalid) {
		return err
	}
	if err := d.c.Tx(append([]byte{0}, digits[:]...), nil); err != nil {
		return fmt.Errorf("write time: %w", err)
	}
	control, status := regs[0x0E]&^controlStopOnBattery, regs[regStatus]&^statusStopped|statusAlarms
	if err := d.c.Tx([]byte{0x0E, control, status}, nil); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	r, _, err := d.read()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if off := r.Time.Sub(t); off < 0 || off > 2*time.Second {
		return fmt.Errorf("%s, not %s: %w", r.Time.Format(time.DateTime), t.Format(time.DateTime), ErrNotSet)
	}
	return nil
}

func (d *Dev) read() (Reading, [numRegs]byte, error) {
	var regs [numRegs]byte
	if err := d.c.Tx([]byte{0}, regs[:]); err != nil {
		return Reading{}, regs, fmt.Errorf("read: %w", err)
	}
	r, err := Decode(regs)
	return r, regs, err
}

// Halt does nothing: the clock has to run. It satisfies conn.Resource.
func (d *Dev) Halt() error { return nil }

// String names the chip and its bus.
func (d *Dev) String() string { return d.name }

var _ conn.Resource = &Dev{}
