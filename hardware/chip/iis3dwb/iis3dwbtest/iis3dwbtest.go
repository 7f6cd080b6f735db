// Package iis3dwbtest has a simulated IIS3DWB with its FIFO, on SPI.
package iis3dwbtest

import (
	"fmt"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Chip is an IIS3DWB. Fill in Clock, RateHz and Signal; the rest is for breaking it. Use it from one goroutine.
type Chip struct {
	Clock  *acceltest.Clock
	RateHz float64                  // the true rate of this part
	Signal func(i int) accel.Raw    // counts, by sample
	Each   func(count int) error    // called before each transaction; an error is the bus's
	Wrong  func(reg byte, r []byte) // changes what is read

	fifo  acceltest.FIFO
	regs  [128]byte
	count int
	tag   byte
}

// Reset is a loss of supply: the registers fall back.
func (c *Chip) Reset() {
	c.regs = [128]byte{}
	c.fifo.Reset(false)
}

// Register returns what was written.
func (c *Chip) Register(reg byte) byte { return c.regs[reg] }

// SPI returns the chip on an SPI port.
func (c *Chip) SPI() spi.Port {
	return &acceltest.Port{Name: "SPIsim", Max: 10 * physic.MegaHertz, Mode: spi.Mode3, Transfer: func(w, r []byte) error {
		if len(w) == 0 || len(w) > 4096 || len(r) != 0 && len(r) != len(w) {
			return fmt.Errorf("iis3dwbtest: %d bytes out, %d in", len(w), len(r))
		}
		c.count++
		if c.Each != nil {
			if err := c.Each(c.count); err != nil {
				return err
			}
		}
		c.Clock.Pass(20*time.Microsecond + time.Duration(len(w))*800*time.Nanosecond)
		reg := w[0] & 0x7F
		if w[0]&0x80 == 0 {
			c.write(reg, w[1])
			return nil
		}
		c.read(reg, r[1:])
		if c.Wrong != nil {
			c.Wrong(reg, r[1:])
		}
		return nil
	}}
}

func (c *Chip) write(reg, v byte) {
	c.regs[reg] = v
	if reg == 0x0A || reg == 0x10 {
		c.fifo.Clock, c.fifo.RateHz, c.fifo.Depth, c.fifo.Signal = c.Clock, c.RateHz, 512, c.Signal
		c.fifo.Reset(c.regs[0x0A]&7 == 6 && c.regs[0x10]>>5 == 5 && c.regs[0x09]&15 == 10)
	}
}

func (c *Chip) read(reg byte, r []byte) {
	switch reg {
	case 0x0F:
		r[0] = 0x7B
	case 0x3A:
		n := c.fifo.Level()
		r[0], r[1] = byte(n), byte(n>>8)
		if c.fifo.Overrun() {
			r[1] |= 0x48
		}
		c.fifo.ClearOverrun()
	case 0x78:
		for ; len(r) >= 7; r = r[7:] {
			v := c.fifo.Pop()
			c.tag = (c.tag + 1) & 3
			r[0] = 2<<3 | c.tag<<1
			for i, a := range [...]int16{v.X, v.Y, v.Z} {
				r[1+2*i], r[2+2*i] = byte(a), byte(uint16(a)>>8)
			}
		}
	default:
		r[0] = c.regs[reg]
	}
}
