// Package adxl345test has a simulated ADXL345 with its FIFO, on SPI and on I2C.
package adxl345test

import (
	"fmt"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Chip is an ADXL345. Fill in Clock, RateHz and Signal; the rest is for breaking it. Use it from one goroutine.
type Chip struct {
	Clock  *acceltest.Clock
	RateHz float64                   // the true rate of this part
	Signal func(i int) accel.Raw     // counts, by sample
	Each   func(count int) error     // called before each transaction; an error is the bus's
	Wrong  func(reg, v byte) byte    // changes what is read
	Byte   func(n int) time.Duration // time that a transaction of n bytes takes; nil: 1.6 µs a byte and 20 µs

	fifo  acceltest.FIFO
	regs  [64]byte
	count int
}

// Reset is a loss of supply: the registers fall back.
func (c *Chip) Reset() {
	c.regs = [64]byte{}
	c.fifo.Reset(false)
}

// Register returns what was written.
func (c *Chip) Register(reg byte) byte { return c.regs[reg] }

// SPI returns the chip on an SPI port.
func (c *Chip) SPI() spi.Port {
	return &acceltest.Port{Name: "SPIsim", Max: 5 * physic.MegaHertz, Mode: spi.Mode3, Transfer: func(w, r []byte) error {
		if len(w) == 0 || len(r) != 0 && len(r) != len(w) {
			return fmt.Errorf("adxl345test: %d bytes out, %d in", len(w), len(r))
		}
		if w[0]&0x80 == 0 {
			return c.transfer(w[0]&0x3F, w[1:], nil)
		}
		if multi := w[0]&0x40 != 0; multi != (len(r) > 2) {
			return fmt.Errorf("adxl345test: multi-byte bit is %v for %d bytes", multi, len(r)-1)
		}
		return c.transfer(w[0]&0x3F, nil, r[1:])
	}}
}

// I2C returns the chip on an I2C bus at 0x53.
func (c *Chip) I2C() i2c.Bus { return bus{c} }

type bus struct{ c *Chip }

func (bus) String() string                  { return "I2Csim" }
func (bus) SetSpeed(physic.Frequency) error { return nil }
func (b bus) Tx(addr uint16, w, r []byte) error {
	if addr != 0x53 || len(w) == 0 {
		return fmt.Errorf("adxl345test: nobody answers at 0x%02X", addr)
	}
	return b.c.transfer(w[0], w[1:], r)
}

func (c *Chip) transfer(reg byte, w, r []byte) error {
	c.count++
	if c.Each != nil {
		if err := c.Each(c.count); err != nil {
			return err
		}
	}
	if c.Byte != nil {
		c.Clock.Pass(c.Byte(len(w) + len(r) + 1))
	} else {
		c.Clock.Pass(20*time.Microsecond + time.Duration(len(w)+len(r)+1)*1600*time.Nanosecond)
	}
	for _, v := range w {
		c.write(reg, v)
		reg++
	}
	c.read(reg, r)
	if c.Wrong != nil {
		for i := range r {
			r[i] = c.Wrong(reg+byte(i), r[i])
		}
	}
	return nil
}

func (c *Chip) write(reg, v byte) {
	c.regs[reg] = v
	if reg == 0x38 || reg == 0x2D {
		c.fifo.Clock, c.fifo.RateHz, c.fifo.Depth, c.fifo.Signal = c.Clock, c.RateHz, 32, c.Signal
		c.fifo.Reset(c.regs[0x38]>>6 == 2 && c.regs[0x2D]&8 != 0)
	}
}

func (c *Chip) read(reg byte, r []byte) {
	if reg == 0x32 && len(r) == 6 {
		v := c.fifo.Pop()
		c.fifo.ClearOverrun()
		copy(r, []byte{byte(v.X), byte(uint16(v.X) >> 8), byte(v.Y), byte(uint16(v.Y) >> 8), byte(v.Z), byte(uint16(v.Z) >> 8)})
		return
	}
	for i := range r {
		switch a := reg + byte(i); a {
		case 0x00:
			r[i] = 0xE5
		case 0x30:
			r[i] = 0
			if c.fifo.Overrun() {
				r[i] = 1
			}
		case 0x39:
			r[i] = byte(c.fifo.Level())
		default:
			r[i] = c.regs[a&63]
		}
	}
}
