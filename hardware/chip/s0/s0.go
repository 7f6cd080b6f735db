package s0

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// Opts are the settings of an input.
type Opts struct {
	// PulsesPerKWh stands on the meter: imp/kWh.
	PulsesPerKWh int
	// ClosedHigh turns the input round, for an opto-coupler that gives a high level while the contact is closed.
	ClosedHigh bool
	// Debounce is how long the contact must be open to end a pulse. 0 stands for 20 ms.
	Debounce time.Duration
	// MinPulse is the shortest pulse. 0 stands for 30 ms.
	MinPulse time.Duration
	// Now is the clock of the edges. nil stands for time.Now.
	Now func() time.Time
}

// DefaultOpts are of a meter with 1000 pulses for a kWh.
var DefaultOpts = Opts{PulsesPerKWh: 1000, Debounce: 20 * time.Millisecond, MinPulse: 30 * time.Millisecond}

const (
	maxPulsesPerKWh = 100000
	idlePoll        = 250 * time.Millisecond // how soon Run sees that its context ended
	stuckAfter      = 5 * time.Second        // the standard allows 120 ms; some meters close for half the time
)

// Errors of Sense and Run. Use errors.Is.
var (
	ErrNotRunning = errors.New("nobody counts: Run is not running")
	ErrRunning    = errors.New("Run is running already")
	ErrStuck      = errors.New("the contact is closed all the time: the wires are swapped or touch")
)

// Reading is what was counted since Run began.
type Reading struct {
	Pulses   int64
	Energy   int64         // milliwatt-hours, of the pulses, rounded down
	Rejected int64         // closures too short for a pulse
	Interval time.Duration // between the last two pulses; 0: fewer than two yet, and no power
	Power    physic.Power  // from the interval, or less when the next pulse is late
	At       time.Time     // of the last pulse's beginning; zero: none yet
}

// Dev is an input. Sense is safe to call while Run runs.
type Dev struct {
	pin  gpio.PinIn
	opts Opts
	name string

	mu      sync.Mutex
	running bool
	contact contact
}

// New checks the settings and makes the pin an input with the pull that keeps an open contact open. opts nil stands
// for DefaultOpts.
func New(pin gpio.PinIn, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	o := *opts
	if o.Debounce == 0 {
		o.Debounce = DefaultOpts.Debounce
	}
	if o.MinPulse == 0 {
		o.MinPulse = DefaultOpts.MinPulse
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.PulsesPerKWh < 1 || o.PulsesPerKWh > maxPulsesPerKWh:
		return nil, fmt.Errorf("s0: %d pulses for a kWh: give the imp/kWh printed on the meter, 1 to %d", o.PulsesPerKWh, maxPulsesPerKWh)
	case o.Debounce < 0 || o.MinPulse < 0 || o.Debounce > time.Second || o.MinPulse > time.Second:
		return nil, fmt.Errorf("s0: debounce %s, shortest pulse %s: give 1 ms to 1 s", o.Debounce, o.MinPulse)
	}
	d := &Dev{pin: pin, opts: o, name: fmt.Sprintf("s0{%s}", pin)}
	if err := d.listen(); err != nil {
		return nil, err
	}
	return d, nil
}

// listen makes the pin an input with edges.
func (d *Dev) listen() error {
	pull := gpio.PullUp
	if d.opts.ClosedHigh {
		pull = gpio.PullDown
	}
	if err := d.pin.In(pull, gpio.BothEdges); err != nil {
		return fmt.Errorf("%s: make it an input with edges: %w", d.name, err)
	}
	return nil
}

// Run counts until ctx ends and returns its error then, after at most 250 ms. The count begins at zero. A pulse that is
// under way when Run begins is not counted. One Run at a time.
func (d *Dev) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running {
		d.mu.Unlock()
		return fmt.Errorf("%s: %w", d.name, ErrRunning)
	}
	d.running = true
	d.contact = contact{debounce: d.opts.Debounce, minPulse: d.opts.MinPulse}
	d.contact.begin(d.closed(), d.opts.Now())
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.running = false
		d.mu.Unlock()
	}()
	for ctx.Err() == nil {
		d.pin.WaitForEdge(d.pause())
		d.mu.Lock()
		d.contact.see(d.closed(), d.opts.Now())
		d.mu.Unlock()
	}
	return fmt.Errorf("%s: %w", d.name, ctx.Err())
}

// pause is how long Run waits for an edge: while a pulse is ending no longer than it takes to be sure.
func (d *Dev) pause() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.contact.ending() {
		return max(time.Millisecond, d.contact.open.Add(d.opts.Debounce).Sub(d.opts.Now()))
	}
	return idlePoll
}

// closed reads the contact.
func (d *Dev) closed() bool { return bool(d.pin.Read()) == d.opts.ClosedHigh }

// Sense returns the count and the power now. It does not wait. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opts.Now()
	if !d.running {
		return Reading{}, fmt.Errorf("%s: %w", d.name, ErrNotRunning)
	}
	c := &d.contact
	if c.closedFor(now) > stuckAfter {
		return Reading{}, fmt.Errorf("%s: for %s: %w", d.name, c.closedFor(now).Round(time.Second), ErrStuck)
	}
	r := Reading{Pulses: c.pulses, Rejected: c.rejected, Interval: c.interval, At: c.last}
	r.Energy = c.pulses * 1e6 / int64(d.opts.PulsesPerKWh)
	if c.interval > 0 {
		r.Power = Power(d.opts.PulsesPerKWh, max(c.interval, now.Sub(c.last)))
	}
	return r, nil
}

// Power is the mean power over an interval between two pulses: 3.6e6/(imp·T) W.
func Power(pulsesPerKWh int, interval time.Duration) physic.Power {
	if pulsesPerKWh <= 0 || interval <= 0 {
		return 0
	}
	return physic.Power(3.6e6 / (float64(pulsesPerKWh) * interval.Seconds()) * float64(physic.Watt))
}

// Halt frees the pin of edges. End Run before.
func (d *Dev) Halt() error {
	if err := d.pin.Halt(); err != nil {
		return fmt.Errorf("%s: halt: %w", d.name, err)
	}
	return nil
}

// String names the pin.
func (d *Dev) String() string { return d.name }

var _ conn.Resource = &Dev{}
