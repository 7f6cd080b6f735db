// Package mfrc522test has a simulated MFRC522 with cards in its field: a spi.Port that answers with the registers of
// the chip.
package mfrc522test

import (
	"fmt"
	"slices"
	"sync"

	"karkhana/hardware/chip/mfrc522"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Chip is an MFRC522 version 2.0 on its own SPI port. Its zero value has no card. Safe for concurrent use.
type Chip struct {
	// Fail, when not nil, is asked before each transaction and its error returned. Set it before use.
	Fail func() error
	// Answer, when not nil, may change what the chip received from the cards: the answer, nil for silence, and the error
	// register. Set it before use.
	Answer func(frame, answer []byte, flags byte) ([]byte, byte)
	// Version of the chip, 0 stands for 0x92.
	Version byte

	mu    sync.Mutex
	cards [][]byte
	regs  [64]byte
	fifo  []byte
	asked bool // a card has answered to the request since the field is on
	level int  // parts of the UID that were selected
}

// Registers that do something. Names as in the datasheet.
const (
	regCommand    = 0x01
	regComIrq     = 0x04
	regError      = 0x06
	regFIFOData   = 0x09
	regFIFOLevel  = 0x0A
	regBitFraming = 0x0D
	regTxControl  = 0x14
	regAutoTest   = 0x36
	regVersion    = 0x37
)

// Place puts cards with these UIDs, of 4, 7 or 10 bytes, into the field in place of all others. None: no card.
func (c *Chip) Place(uids ...[]byte) {
	c.mu.Lock()
	c.cards = uids
	c.mu.Unlock()
}

// Reset makes the chip lose its configuration, as after a loss of supply.
func (c *Chip) Reset() {
	c.mu.Lock()
	c.reset()
	c.mu.Unlock()
}

func (c *Chip) reset() {
	c.regs, c.fifo, c.asked, c.level = [64]byte{0x01: 0x20, 0x11: 0x3F, regTxControl: 0x80, regAutoTest: 0x40}, nil, false, 0
	c.regs[regVersion] = c.Version
	if c.Version == 0 {
		c.regs[regVersion] = 0x92
	}
}

// String names the port.
func (c *Chip) String() string { return "SPIsim" }

// Connect returns the connection and refuses what the chip can't do.
func (c *Chip) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f > 10*physic.MegaHertz || mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("mfrc522test: the chip wants at most 10 MHz, mode 0, 8 bits, not %s, %v, %d", f, mode, bits)
	}
	c.Reset()
	return chipConn{c}, nil
}

type chipConn struct{ c *Chip }

func (s chipConn) String() string      { return s.c.String() }
func (s chipConn) Duplex() conn.Duplex { return conn.Full }

// TxPackets is not needed by the driver.
func (s chipConn) TxPackets([]spi.Packet) error {
	return fmt.Errorf("mfrc522test: packets are not simulated")
}

// Tx writes or reads a register, or several bytes of the buffer.
func (s chipConn) Tx(w, r []byte) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Fail != nil {
		if err := c.Fail(); err != nil {
			return err
		}
	}
	if len(w) < 2 || len(r) != 0 && len(r) != len(w) || (w[0]&0x80 != 0) != (len(r) != 0) {
		return fmt.Errorf("mfrc522test: write % X, read %d bytes: not a transaction of the chip", w, len(r))
	}
	reg := w[0] >> 1 & 0x3F
	if len(r) == 0 {
		for _, v := range w[1:] {
			c.write(reg, v)
		}
		return nil
	}
	for i := range w[1:] {
		r[1+i] = c.read(w[i] >> 1 & 0x3F)
	}
	return nil
}

func (c *Chip) read(reg byte) byte {
	switch reg {
	case regFIFOLevel:
		return byte(len(c.fifo))
	case regFIFOData:
		if len(c.fifo) == 0 {
			return 0
		}
		v := c.fifo[0]
		c.fifo = c.fifo[1:]
		return v
	}
	return c.regs[reg]
}

func (c *Chip) write(reg, v byte) {
	switch reg {
	case regFIFOData:
		c.fifo = append(c.fifo, v)
		return
	case regFIFOLevel:
		c.fifo = nil
		return
	case regComIrq:
		c.regs[reg] &^= v
		return
	case regCommand:
		if v == 0x0F {
			c.reset()
			return
		}
		if v == 0x03 && c.regs[regAutoTest] == 0x09 {
			c.fifo, _ = mfrc522.SelfTestAnswer(c.regs[regVersion])
		}
	case regTxControl:
		c.asked, c.level = false, 0
	}
	c.regs[reg] = v
	if reg == regBitFraming && v&0x80 != 0 && c.regs[regCommand] == 0x0C {
		c.transceive(v & 7)
	}
}

// transceive sends what the buffer holds to the cards and puts their answer there.
func (c *Chip) transceive(lastBits byte) {
	frame := c.fifo
	answer, flags := c.ask(frame, lastBits)
	if c.Answer != nil {
		answer, flags = c.Answer(frame, answer, flags)
	}
	c.fifo, c.regs[regError] = slices.Clone(answer), flags
	c.regs[regComIrq] |= 0x40 // sent
	if answer == nil {
		c.regs[regComIrq] |= 0x01 // the timer ran out
		return
	}
	c.regs[regComIrq] |= 0x20
}

// ask is what the cards in the field answer together.
func (c *Chip) ask(frame []byte, lastBits byte) (answer []byte, flags byte) {
	if c.regs[regTxControl]&3 != 3 {
		return nil, 0
	}
	for _, uid := range c.cards {
		a := c.card(uid, frame, lastBits)
		switch {
		case a == nil:
		case answer == nil:
			answer = a
		case !slices.Equal(a, answer):
			flags |= 0x08 // collision
		}
	}
	if len(frame) == 1 && answer != nil {
		c.asked = true
	}
	if len(frame) == 9 && answer != nil {
		c.level++
	}
	return answer, flags
}

// card is what one card answers.
func (c *Chip) card(uid, frame []byte, lastBits byte) []byte {
	if len(frame) == 1 && frame[0] == 0x26 && lastBits == 7 && !c.asked {
		return []byte{0x04, 0x00}
	}
	parts := (len(uid) - 1) / 3
	if !c.asked || lastBits != 0 || c.level >= parts || len(frame) < 2 || frame[0] != byte(0x93+2*c.level) {
		return nil
	}
	part, sak := uid[3*c.level:], byte(0x08)
	if c.level < parts-1 {
		part, sak = append([]byte{0x88}, part[:3]...), 0x04
	}
	part = []byte{part[0], part[1], part[2], part[3], part[0] ^ part[1] ^ part[2] ^ part[3]}
	switch {
	case len(frame) == 2 && frame[1] == 0x20:
		return part
	case slices.Equal(frame, mfrc522.AppendCRC(append([]byte{frame[0], 0x70}, part...))):
		return mfrc522.AppendCRC([]byte{sak})
	}
	return nil
}

var _ spi.Port = &Chip{}
