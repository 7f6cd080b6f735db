// Package lis3dhtest has a simulated LIS3DH with its FIFO, on SPI and on I2C.
package lis3dhtest

import (
	"fmt"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Chip is a LIS3DH. Fill in Clock, RateHz and Signal; the rest is for breaking it. Use it from one goroutine.
type Chip struct {
	Clock  *acceltest.Clock
	RateHz float64                // the true rate of this part
	Signal func(i int) accel.Raw  // 12-bit digits, by sample
	Each   func(count int) error  // called before each transaction; an error is the bus's
	Wrong  func(reg, v byte) byte // changes what is read

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
	return &acceltest.Port{Name: "SPIsim", Max: 10 * physic.MegaHertz, Mode: spi.Mode3, Transfer: func(w, r []byte) error {
		if len(w) == 0 || len(r) != 0 && len(r) != len(w) {
			return fmt.Errorf("lis3dhtest: %d bytes out, %d in", len(w), len(r))
		}
		if w[0]&0x80 == 0 {
			return c.transfer(w[0]&0x3F, w[1:], nil)
		}
		if multi := w[0]&0x40 != 0; multi != (len(r) > 2) {
			return fmt.Errorf("lis3dhtest: multi-byte bit is %v for %d bytes", multi, len(r)-1)
		}
		return c.transfer(w[0]&0x3F, nil, r[1:])
	}}
}

// I2C returns the chip on an I2C bus at 0x18.
func (c *Chip) I2C() i2c.Bus { return bus{c} }

type bus struct{ c *Chip }

func (bus) String() string                  { return "I2Csim" }
func (bus) SetSpeed(physic.Frequency) error { return nil }
func (b bus) Tx(addr uint16, w, r []byte) error {
	if addr != 0x18 || len(w) == 0 {
		return fmt.Errorf("lis3dhtest: nobody answers at 0x%02X", addr)
	}
	if multi := w[0]&0x80 != 0; multi != (len(r) > 1) {
		return fmt.Errorf("lis3dhtest: multi-byte bit is %v for %d bytes", multi, len(r))
	}
	return b.c.transfer(w[0]&0x7F, w[1:], r)
}

func (c *Chip) transfer(reg byte, w, r []byte) error {
	c.count++
	if c.Each != nil {
		if err := c.Each(c.count); err != nil {
			return err
		}
	}
	c.Clock.Pass(20*time.Microsecond + time.Duration(len(w)+len(r)+1)*time.Microsecond)
	for _, v := range w {
		c.regs[reg] = v
		if reg == 0x2E || reg == 0x20 {
			c.fifo.Clock, c.fifo.RateHz, c.fifo.Depth, c.fifo.Signal = c.Clock, c.RateHz, 32, c.Signal
			c.fifo.Reset(c.regs[0x2E]>>6 == 2 && c.regs[0x24]&0x40 != 0 && c.regs[0x20]>>4 != 0)
		}
	}
	c.read(reg, r)
	if c.Wrong != nil {
		for i := range r {
			r[i] = c.Wrong(reg, r[i])
		}
	}
	return nil
}

func (c *Chip) read(reg byte, r []byte) {
	switch {
	case len(r) == 0:
	case reg == 0x28:
		mask := uint16(0xFFC0) // 10 bits
		if c.regs[0x23]&0x08 != 0 {
			mask = 0xFFF0
		}
		for ; len(r) >= 6; r = r[6:] {
			v := c.fifo.Pop()
			for i, a := range [...]int16{v.X, v.Y, v.Z} {
				u := uint16(a) << 4 & mask
				r[2*i], r[2*i+1] = byte(u), byte(u>>8)
			}
		}
		c.fifo.ClearOverrun()
	case reg == 0x0F:
		r[0] = 0x33
	case reg == 0x2F:
		switch n := c.fifo.Level(); {
		case n == 0:
			r[0] = 0x20
		case n >= 32:
			r[0] = 0xC0 | 31
		default:
			r[0] = byte(n)
		}
	default:
		r[0] = c.regs[reg&63]
	}
}
