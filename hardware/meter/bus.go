package meter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simonvetter/modbus"
)

// How long a meter that does not answer is left alone: longer after each failure, so that it costs the others little,
// and not so long that a meter which comes back with the supply is missed.
const (
	firstRest = 2 * time.Second
	mostRest  = 30 * time.Second
)

// Device is one meter on a bus.
type Device struct {
	Name    string        // for results, unique on the bus
	Opts                  // profile, order of words, unit, names
	Timeout time.Duration // for one answer; 0: that of the line
}

// Result is what one turn of one device gave.
type Result struct {
	Device   string
	At       time.Time // when the last answer came
	Values   []Value   // nil on an error; valid until the device's next turn
	Findings []Finding // from a good reading
	Err      error
	Rest     time.Duration // how long the device is left alone before its next turn; 0: not at all
}

// Bus reads the meters on one line in turn. A meter that does not answer costs the others its time-out once, and is then
// left alone for a while that doubles from 2 s to 30 s; a reading of several blocks ends at the first that fails, and no
// further block is asked for when its time-out has passed. An answer that comes damaged, as after a collision with the
// late answer of another meter, is asked for once more at once. An exception or an implausible reading costs no rest: the
// meter is there. A Bus has no goroutine and is not safe for concurrent use.
type Bus struct {
	line    Registers
	devices []*seat
	next    int // whose turn it is
}

// seat is a device with its state on the bus.
type seat struct {
	Device
	reader *Reader
	watch  Watch
	values []Value
	failed int
	rest   time.Time // no turn before
}

// timeouts is what a line can do that knows a time-out for each unit. [Client] can.
type timeouts interface {
	SetTimeout(unit byte, timeout time.Duration)
}

// NewBus plans the requests for all devices; it reads nothing. Settings that can't be are all named at once. The caller
// owns the line and must give it to nobody else.
func NewBus(line Registers, devices []Device) (*Bus, error) {
	if len(devices) == 0 {
		return nil, errors.New("meter: a bus needs devices")
	}
	b := &Bus{line: line}
	names, units := map[string]bool{}, map[byte]string{}
	var errs []error
	for _, d := range devices {
		r, err := New(line, d.Opts)
		if err != nil {
			errs = append(errs, fmt.Errorf("device %q: %w", d.Name, err))
			continue
		}
		if d.Name == "" || names[d.Name] {
			errs = append(errs, fmt.Errorf("meter: device name %q: give every device on a line a name of its own", d.Name))
		}
		if other, taken := units[d.Unit]; taken {
			errs = append(errs, fmt.Errorf("meter: devices %q and %q have the same unit %d: two meters of one address answer at once and spoil each other", other, d.Name, d.Unit))
		}
		if d.Timeout < 0 {
			errs = append(errs, fmt.Errorf("meter: device %q: time-out %v: use a positive time", d.Name, d.Timeout))
		}
		names[d.Name], units[d.Unit] = true, d.Name
		if t, ok := line.(timeouts); ok {
			t.SetTimeout(d.Unit, d.Timeout)
		}
		b.devices = append(b.devices, &seat{Device: d, reader: r})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

// Poll gives every device that is not resting one turn and reports each result as it comes. It begins with the device
// after the one that had the last turn, so that a caller who gives little time still reaches all. It returns ctx's error
// when that ends; a request under way is finished first.
func (b *Bus) Poll(ctx context.Context, report func(Result)) error {
	for range b.devices {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("meter: bus: %w", err)
		}
		s := b.devices[b.next]
		b.next = (b.next + 1) % len(b.devices)
		if time.Now().Before(s.rest) {
			continue
		}
		r := b.turn(ctx, s)
		if ctx.Err() != nil && r.Err != nil {
			return fmt.Errorf("meter: bus: %w", ctx.Err())
		}
		report(r)
	}
	return nil
}

// Run polls every period until ctx ends, and then returns nil. A round that takes longer than the period is followed
// by the next at once; rounds are not made up for. It blocks and reports from the calling goroutine.
func (b *Bus) Run(ctx context.Context, period time.Duration, report func(Result)) error {
	if period <= 0 {
		return fmt.Errorf("meter: bus: period %v: use a positive time", period)
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if b.Poll(ctx, report) != nil {
			return nil // only ctx ends a round
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (b *Bus) turn(ctx context.Context, s *seat) Result {
	values, err := b.sense(ctx, s)
	if isAny(err, broken) && ctx.Err() == nil {
		values, err = b.sense(ctx, s)
	}
	r := Result{Device: s.Name, At: time.Now(), Values: values, Err: err}
	if err == nil {
		s.values, s.failed = values, 0
		r.Findings = s.watch.Check(r.At.UnixMilli(), values)
		return r
	}
	if !absent(err) || ctx.Err() != nil {
		s.failed = 0
		return r
	}
	r.Rest = mostRest
	if s.failed < 4 { // 2, 4, 8, 16 s
		r.Rest = firstRest << s.failed
	}
	s.failed++
	s.rest = r.At.Add(r.Rest)
	return r
}

func (b *Bus) sense(ctx context.Context, s *seat) ([]Value, error) {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, time.Now().Add(s.Timeout), errSlow)
		defer cancel()
	}
	values, err := s.reader.Sense(ctx, s.values[:0])
	if err != nil && errors.Is(context.Cause(ctx), errSlow) && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", err, errSlow)
	}
	return values, err
}

// errSlow is the cause when a meter's blocks together took longer than its time-out.
var errSlow = errors.New("the meter answers, but its blocks together take longer than its time-out: give it more, or ask for fewer values")

// absent tells whether a reading failed because nobody answered, other than by an exception of the meter itself or by
// values that can't be. A slow meter counts: it would keep the others waiting at every turn.
func absent(err error) bool {
	if isAny(err, []error{modbus.ErrGWPathUnavailable, modbus.ErrGWTargetFailedToRespond}) {
		return true // a converter waited for the meter in our place
	}
	var value *valueError
	var probe *probeError
	return !errors.As(err, &value) && !errors.As(err, &probe) && !isAny(err, exceptions)
}
