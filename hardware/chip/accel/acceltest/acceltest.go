// Package acceltest has what the simulated accelerometers share: a clock that moves when it is waited on, and a FIFO
// that fills as the clock moves.
package acceltest

import (
	"context"
	"fmt"
	"math"
	"time"

	"karkhana/hardware/chip/accel"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Clock is simulated time. Use it from one goroutine.
type Clock struct {
	now time.Time
	// Late is added to each wait: what a busy computer adds. nil: nothing.
	Late func() time.Duration
}

// Now returns the simulated time.
func (c *Clock) Now() time.Time {
	if c.now.IsZero() {
		c.now = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	}
	return c.now
}

// Wait moves the clock.
func (c *Clock) Wait(ctx context.Context, d time.Duration) error {
	if c.Late != nil {
		d += c.Late()
	}
	c.Pass(d)
	return ctx.Err()
}

// Pass moves the clock.
func (c *Clock) Pass(d time.Duration) { c.now = c.Now().Add(d) }

// FIFO makes samples at its own true rate and keeps the newest Depth of them.
type FIFO struct {
	Clock  *Clock
	RateHz float64
	Depth  int
	// Signal gives sample i after the FIFO was started, in counts.
	Signal func(i int) accel.Raw
	// Dead stops the sampling.
	Dead bool

	running bool
	start   time.Time
	popped  int // taken or lost
	lost    bool
}

// Reset empties the FIFO; running says whether it fills from now on.
func (f *FIFO) Reset(running bool) {
	f.running, f.start, f.popped, f.lost = running, f.Clock.Now(), 0, false
}

// Level returns how many samples wait. Samples too many are lost here.
func (f *FIFO) Level() int {
	if !f.running || f.Dead {
		return 0
	}
	made := int(f.Clock.Now().Sub(f.start).Seconds() * f.RateHz)
	if n := made - f.popped; n > f.Depth {
		f.popped += n - f.Depth
		f.lost = true
	}
	return made - f.popped
}

// Overrun says whether samples were lost since ClearOverrun.
func (f *FIFO) Overrun() bool { f.Level(); return f.lost }

// ClearOverrun is what reading does on most chips.
func (f *FIFO) ClearOverrun() { f.lost = false }

// Pop takes the oldest sample. An empty FIFO gives zeros.
func (f *FIFO) Pop() accel.Raw {
	if f.Level() == 0 {
		return accel.Raw{}
	}
	f.popped++
	return f.Signal(f.popped - 1)
}

// Sine is a signal of the given amplitude in counts and frequency on all axes, X in full, Y a half, Z a quarter and
// on top of it rest.
func Sine(counts, hz, rateHz float64, rest int16) func(i int) accel.Raw {
	return func(i int) accel.Raw {
		v := counts * math.Sin(2*math.Pi*hz*float64(i)/rateHz)
		return accel.Raw{X: int16(math.Round(v)), Y: int16(math.Round(v / 2)), Z: rest + int16(math.Round(v/4))}
	}
}

// Port is an SPI port with one chip, whose Transfer answers each transaction. It checks what the chip demands.
type Port struct {
	Name     string
	Max      physic.Frequency
	Mode     spi.Mode
	Transfer func(w, r []byte) error
}

// String names the port.
func (p *Port) String() string { return p.Name }

// Connect refuses what the chip can't do.
func (p *Port) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f > p.Max || mode != p.Mode || bits != 8 {
		return nil, fmt.Errorf("acceltest: the chip wants at most %s, %v, 8 bits, not %s, %v, %d", p.Max, p.Mode, f, mode, bits)
	}
	return portConn{p}, nil
}

type portConn struct{ p *Port }

func (c portConn) String() string       { return c.p.Name }
func (c portConn) Duplex() conn.Duplex  { return conn.Full }
func (c portConn) Tx(w, r []byte) error { return c.p.Transfer(w, r) }
func (c portConn) TxPackets([]spi.Packet) error {
	return fmt.Errorf("acceltest: packets are not simulated")
}

var _ spi.Port = &Port{}
