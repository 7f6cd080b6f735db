// Package max31855test has a simulated MAX31855: a spi.Port that answers with the words of the chip.
package max31855test

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"karkhana/hardware/chip/max31855"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Fault is the chip's fault field: 1 open, 2 short to ground, 4 short to VCC.
type Fault uint32

// Chip is a MAX31855K on its own SPI port. Its zero value is a chip at 0 °C. Safe for concurrent use.
type Chip struct {
	mu   sync.Mutex
	word uint32
}

// Set puts the hot end and the chip at these temperatures, °C. They are quantised as the chip does it.
func (c *Chip) Set(hot, cold float64) { c.SetWord(Word(max31855.ReadingK(hot, cold), cold, 0)) }

// SetFault makes the chip answer with fault bits.
func (c *Chip) SetFault(f Fault) { c.SetWord(Word(0, 25, f)) }

// SetWord makes the chip answer with any word.
func (c *Chip) SetWord(w uint32) {
	c.mu.Lock()
	c.word = w
	c.mu.Unlock()
}

// Word composes the chip's word from the reading of the thermocouple and the chip's temperature, °C.
func Word(hot, cold float64, f Fault) uint32 {
	h := int32(math.Round(min(max(hot/0.25, -8192), 8191)))
	k := int32(math.Round(min(max(cold/0.0625, -2048), 2047)))
	w := uint32(h)<<18 | uint32(k)&0xFFF<<4 | uint32(f)&7
	if f != 0 {
		w |= 1 << 16
	}
	return w
}

// String names the port.
func (c *Chip) String() string { return "SPIsim" }

// Connect returns the connection and refuses what the chip can't do.
func (c *Chip) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f > 5*physic.MegaHertz || mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("max31855test: the chip wants at most 5 MHz, mode 0, 8 bits, not %s, %v, %d", f, mode, bits)
	}
	return chipConn{c}, nil
}

type chipConn struct{ c *Chip }

func (s chipConn) String() string      { return s.c.String() }
func (s chipConn) Duplex() conn.Duplex { return conn.Half }

// Tx answers a read of four bytes.
func (s chipConn) Tx(_, r []byte) error {
	if len(r) != 4 {
		return fmt.Errorf("max31855test: %d bytes asked, the chip sends 4", len(r))
	}
	s.c.mu.Lock()
	binary.BigEndian.PutUint32(r, s.c.word)
	s.c.mu.Unlock()
	return nil
}

// TxPackets is not needed by the driver.
func (s chipConn) TxPackets([]spi.Packet) error {
	return fmt.Errorf("max31855test: packets are not simulated")
}

var _ spi.Port = &Chip{}
