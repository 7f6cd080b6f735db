// Package ads1115test has a simulated ADS1115: an i2c.Bus that answers with the registers of the chip and takes the
// time that chip and bus take.
package ads1115test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"karkhana/hardware/chip/ads1115"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Chip is an ADS1115 alone on its bus at 0x48. Set the fields before use. Safe for concurrent use.
type Chip struct {
	// Signal gives the voltage at an input, or pair, at a time. nil: 0 V.
	Signal func(in ads1115.Input, at time.Time) float64
	// Clock is how fast the chip's clock runs against its nominal one, 0.9 to 1.1. 0 stands for 1.
	Clock float64
	// BusTime is what a transaction takes. 0 stands for 60 µs, as at 400 kHz.
	BusTime time.Duration
	// Fail, when not nil, is asked before each transaction and its error returned.
	Fail func() error

	mu         sync.Mutex
	config     uint16
	conversion uint16
	until      time.Time
}

// String names the bus.
func (c *Chip) String() string { return "I2Csim" }

// SetSpeed does nothing.
func (c *Chip) SetSpeed(physic.Frequency) error { return nil }

// Reset makes the chip lose its configuration, as after a loss of supply.
func (c *Chip) Reset() {
	c.mu.Lock()
	c.config, c.until = 0x0583, time.Time{}
	c.mu.Unlock()
}

// Tx writes or reads a register.
func (c *Chip) Tx(addr uint16, w, r []byte) error {
	time.Sleep(cmp.Or(c.BusTime, 60*time.Microsecond))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Fail != nil {
		if err := c.Fail(); err != nil {
			return err
		}
	}
	now := time.Now()
	switch {
	case addr != 0x48:
		return fmt.Errorf("ads1115test: nobody at %#x", addr)
	case len(w) == 3 && w[0] == 1 && len(r) == 0:
		c.config = binary.BigEndian.Uint16(w[1:]) &^ 0x8000
		if w[1]&0x80 != 0 {
			c.convert(now)
		}
	case len(w) == 1 && w[0] == 1 && len(r) == 2:
		v := c.config
		if !now.Before(c.until) {
			v |= 0x8000
		}
		binary.BigEndian.PutUint16(r, v)
	case len(w) == 1 && w[0] == 0 && len(r) == 2:
		binary.BigEndian.PutUint16(r, c.conversion)
	default:
		return fmt.Errorf("ads1115test: write % X, read %d bytes: not a transaction of the chip", w, len(r))
	}
	return nil
}

// convert averages the signal over the time of a conversion, as the chip's filter does.
func (c *Chip) convert(now time.Time) {
	takes := time.Duration(float64(ads1115.Conversion) / cmp.Or(c.Clock, 1))
	c.until = now.Add(takes)
	var sum float64
	const parts = 16
	for i := range parts {
		if c.Signal != nil {
			sum += c.Signal(ads1115.Input(c.config>>12&7), now.Add(takes*time.Duration(2*i+1)/(2*parts))) / parts
		}
	}
	full := float64(ads1115.Range(c.config>>9&7).FullScale()) / float64(physic.Volt)
	c.conversion = uint16(int16(math.Round(min(max(sum/full*32768, -32768), 32767))))
}

var _ i2c.Bus = &Chip{}
