package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	url    string
	client *modbus.ModbusClient

	mu   sync.Mutex
	open bool
}

// NewClient checks the settings. It does not open the line.
func NewClient(l Line) (*Client, error) {
	parity := map[string]uint{"": modbus.PARITY_NONE, "none": modbus.PARITY_NONE, "even": modbus.PARITY_EVEN, "odd": modbus.PARITY_ODD}
	p, ok := parity[l.Parity]
	if !ok {
		return nil, fmt.Errorf("meter: parity %q: use none, even or odd", l.Parity)
	}
	if l.Baud == 0 {
		l.Baud = 9600
	}
	if l.Timeout == 0 {
		l.Timeout = time.Second
	}
	c, err := modbus.NewClient(&modbus.ClientConfiguration{
		URL: l.URL, Speed: l.Baud, DataBits: 8, Parity: p, StopBits: 1, Timeout: l.Timeout,
		Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), // what it has to say comes back as errors
	})
	if err != nil {
		return nil, fmt.Errorf("meter: line %q: %w: use tcp://host:502, rtu:///dev/ttyUSB0 or rtuovertcp://host:port", l.URL, err)
	}
	return &Client{url: l.URL, client: c}, nil
}

// exceptions are answers of a meter or gateway over a line that works.
var exceptions = []error{
	modbus.ErrIllegalFunction, modbus.ErrIllegalDataAddress, modbus.ErrIllegalDataValue, modbus.ErrServerDeviceFailure,
	modbus.ErrAcknowledge, modbus.ErrServerDeviceBusy, modbus.ErrMemoryParityError, modbus.ErrGWPathUnavailable,
	modbus.ErrGWTargetFailedToRespond,
}

// ReadInput reads input registers of one meter (function 4). It blocks until the answer, an exception or the line's
// time-out; ctx is looked at before the request, not during it.
func (c *Client) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.url, err)
	}
	if !c.open {
		if err := c.client.Open(); err != nil {
			return nil, fmt.Errorf("%s: open: %w", c.url, err)
		}
		c.open = true
	}
	if err := c.client.SetUnitId(unit); err != nil {
		return nil, fmt.Errorf("%s: unit %d: %w", c.url, unit, err)
	}
	regs, err := c.client.ReadRegisters(addr, n, modbus.INPUT_REGISTER)
	if err == nil {
		return regs, nil
	}
	err = fmt.Errorf("%s: unit %d: %w", c.url, unit, err)
	for _, e := range exceptions {
		if errors.Is(err, e) {
			return nil, err
		}
	}
	// A time-out or a broken frame may leave a late answer in the line: begin afresh.
	c.open = false
	return nil, errors.Join(err, c.client.Close())
}

// Close closes the line. A later reading opens it again.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return nil
	}
	c.open = false
	if err := c.client.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", c.url, err)
	}
	return nil
}

// String names the line.
func (c *Client) String() string { return c.url }

var _ Registers = &Client{}
