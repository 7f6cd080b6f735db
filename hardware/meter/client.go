package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/simonvetter/modbus"
)

// Line says how to reach the meters on one line.
type Line struct {
	URL     string        // tcp://host:502, rtu:///dev/ttyUSB0, rtuovertcp://host:port
	Baud    uint          // serial only; 0: 9600
	Parity  string        // serial only: none (default), even or odd
	Timeout time.Duration // for one answer; 0: 1 s
}

// Client is a Modbus line. It opens the line at the first reading, and anew after a failure, so a cable pulled and
// put back needs no restart. It is safe for concurrent use: requests go one after the other.
type Client struct {
	line Line
	make func(timeout time.Duration) (port, error)

	mu       sync.Mutex
	timeouts map[byte]time.Duration // of units that differ from the line
	ports    map[time.Duration]port // the library fixes the time-out of a line at its making
	open     port                   // nil: closed
}

// port is all that is used of the Modbus library: what is not here can't be called, and writing is not here.
type port interface {
	Open() error
	Close() error
	SetUnitId(unit uint8) error
	ReadRegisters(addr, n uint16, table modbus.RegType) ([]uint16, error)
}

// NewClient checks the settings. It does not open the line.
func NewClient(l Line) (*Client, error) {
	parity := map[string]uint{"": modbus.PARITY_NONE, "none": modbus.PARITY_NONE, "even": modbus.PARITY_EVEN, "odd": modbus.PARITY_ODD}
	p, ok := parity[l.Parity]
	if !ok {
		return nil, fmt.Errorf("meter: parity %q: use none, even or odd", l.Parity)
	}
	if l.Timeout < 0 {
		return nil, fmt.Errorf("meter: line %q: time-out %v: use a positive time", l.URL, l.Timeout)
	}
	if l.Baud == 0 {
		l.Baud = 9600
	}
	if l.Timeout == 0 {
		l.Timeout = time.Second
	}
	c := &Client{line: l, timeouts: map[byte]time.Duration{}, ports: map[time.Duration]port{}}
	c.make = func(timeout time.Duration) (port, error) {
		return modbus.NewClient(&modbus.ClientConfiguration{
			URL: l.URL, Speed: l.Baud, DataBits: 8, Parity: p, StopBits: 1, Timeout: timeout,
			Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), // what it has to say comes back as errors
		})
	}
	if _, err := c.port(l.Timeout); err != nil {
		return nil, err
	}
	return c, nil
}

// SetTimeout gives one unit a time-out of its own; 0 goes back to that of the line. Between units of different
// time-outs the line is closed and opened: a few milliseconds on a serial line, a new connection on TCP. Where that
// hurts give all meters of a line the same.
func (c *Client) SetTimeout(unit byte, timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if timeout <= 0 || timeout == c.line.Timeout {
		delete(c.timeouts, unit)
		return
	}
	c.timeouts[unit] = timeout
}

// port returns the library's client for a time-out.
func (c *Client) port(timeout time.Duration) (port, error) {
	if p, ok := c.ports[timeout]; ok {
		return p, nil
	}
	p, err := c.make(timeout)
	if err != nil {
		return nil, fmt.Errorf("meter: line %q: %w: use tcp://host:502, rtu:///dev/ttyUSB0 or rtuovertcp://host:port", c.line.URL, err)
	}
	if path, ok := strings.CutPrefix(c.line.URL, "rtu://"); ok {
		p = overSerial(p, path)
	}
	c.ports[timeout] = p
	return p, nil
}

// exceptions are answers of a meter or gateway over a line that works.
var exceptions = []error{
	modbus.ErrIllegalFunction, modbus.ErrIllegalDataAddress, modbus.ErrIllegalDataValue, modbus.ErrServerDeviceFailure,
	modbus.ErrAcknowledge, modbus.ErrServerDeviceBusy, modbus.ErrMemoryParityError, modbus.ErrGWPathUnavailable,
	modbus.ErrGWTargetFailedToRespond,
}

// broken are answers that came damaged: noise, a collision with the late answer of another meter, a wrong baud rate.
var broken = []error{
	modbus.ErrBadCRC, modbus.ErrShortFrame, modbus.ErrProtocolError, modbus.ErrBadUnitId,
}

func isAny(err error, list []error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ReadInput reads input registers of one meter (function 4). It blocks until the answer, an exception or the unit's
// time-out; ctx is looked at before the request, not during it.
func (c *Client) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return c.read(ctx, unit, addr, n, modbus.INPUT_REGISTER)
}

// ReadHolding reads holding registers of one meter (function 3), otherwise as ReadInput.
func (c *Client) ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return c.read(ctx, unit, addr, n, modbus.HOLDING_REGISTER)
}

func (c *Client) read(ctx context.Context, unit byte, addr, n uint16, table modbus.RegType) ([]uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.line.URL, err)
	}
	timeout := c.line.Timeout
	if t, ok := c.timeouts[unit]; ok {
		timeout = t
	}
	p, err := c.port(timeout)
	if err != nil {
		return nil, err
	}
	if c.open != p {
		if err := c.shut(); err != nil {
			return nil, err
		}
		if err := p.Open(); err != nil {
			return nil, fmt.Errorf("%s: open: %w", c.line.URL, err)
		}
		c.open = p
	}
	if err := p.SetUnitId(unit); err != nil {
		return nil, fmt.Errorf("%s: unit %d: %w", c.line.URL, unit, err)
	}
	regs, err := p.ReadRegisters(addr, n, table)
	if err == nil {
		return regs, nil
	}
	err = fmt.Errorf("%s: unit %d: %w", c.line.URL, unit, err)
	if isAny(err, exceptions) {
		return nil, err
	}
	// A time-out or a broken frame may leave a late answer in the line: begin afresh.
	return nil, errors.Join(err, c.shut())
}

// shut closes what is open.
func (c *Client) shut() error {
	if c.open == nil {
		return nil
	}
	p := c.open
	c.open = nil
	if err := p.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", c.line.URL, err)
	}
	return nil
}

// Close closes the line. A later reading opens it again.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut()
}

// String names the line.
func (c *Client) String() string { return c.line.URL }

var _ Registers = &Client{}
