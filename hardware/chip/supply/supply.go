package supply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
)

// Opts are the settings of the sense.
type Opts struct {
	// PresentHigh: the pin is high while the mains is present (conducting). Otherwise it is low then.
	PresentHigh bool
	// Cycles of 20 ms that must agree, 1 to 50. 0 stands for 5.
	Cycles int
}

// DefaultOpts are of an opto-coupler that pulls the pin low.
var DefaultOpts = Opts{Cycles: 5}

const (
	cycle     = 20 * time.Millisecond // of 50 Hz
	look      = time.Millisecond
	looks     = int(cycle / look)
	maxCycles = 50
)

// ErrUnsettled says that the mains neither was there all the time nor missing all the time since the start.
var ErrUnsettled = errors.New("the mains comes and goes: check the sense's wires")

// Reading is the state of the mains.
type Reading struct {
	Present bool
}

// Dev is a mains sense. It is not safe for concurrent use.
type Dev struct {
	pin     gpio.PinIn
	opts    Opts
	name    string
	settled bool
	last    Reading
}

// New checks the settings and makes the pin an input, with the pull that shows a broken wire as mains absent. opts nil
// stands for DefaultOpts.
func New(pin gpio.PinIn, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	d := &Dev{pin: pin, opts: *opts, name: fmt.Sprintf("supply{%s}", pin)}
	if d.opts.Cycles == 0 {
		d.opts.Cycles = DefaultOpts.Cycles
	}
	if d.opts.Cycles < 1 || d.opts.Cycles > maxCycles {
		return nil, fmt.Errorf("supply: %d cycles: give 1 to %d", d.opts.Cycles, maxCycles)
	}
	pull := gpio.PullUp
	if d.opts.PresentHigh {
		pull = gpio.PullDown
	}
	if err := pin.In(pull, gpio.NoEdge); err != nil {
		return nil, fmt.Errorf("%s: make it an input: %w", d.name, err)
	}
	return d, nil
}

// Sense watches the pin for the cycles, 100 ms usually, and returns the settled state. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	live := 0
	for range d.opts.Cycles {
		conducts, err := d.cycle(ctx)
		if err != nil {
			return Reading{}, fmt.Errorf("%s: %w", d.name, err)
		}
		if conducts {
			live++
		}
	}
	if live == 0 || live == d.opts.Cycles {
		d.settled, d.last = true, Reading{Present: live > 0}
	}
	if !d.settled {
		return Reading{}, fmt.Errorf("%s: in %d of %d cycles: %w", d.name, live, d.opts.Cycles, ErrUnsettled)
	}
	return d.last, nil
}

// cycle tells whether the pin conducted at any moment of a cycle.
func (d *Dev) cycle(ctx context.Context) (bool, error) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	conducts := false
	for range looks {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C:
		}
		if bool(d.pin.Read()) == d.opts.PresentHigh {
			conducts = true
		}
	}
	return conducts, nil
}

// Halt frees the pin.
func (d *Dev) Halt() error {
	if err := d.pin.Halt(); err != nil {
		return fmt.Errorf("%s: halt: %w", d.name, err)
	}
	return nil
}

// String names the pin.
func (d *Dev) String() string { return d.name }

var _ conn.Resource = &Dev{}
