package accel

import (
	"fmt"

	"periph.io/x/conn/v3"
)

// Registers are the byte registers of a chip on SPI or I2C.
type Registers struct {
	// Conn is a spi.Conn or an *i2c.Dev.
	Conn conn.Conn
	// SPI says that the answer to an address comes one byte later in the same transfer.
	SPI bool
	// ReadBits are set in the address of a read, MultiBits in that of a read of more than one register.
	ReadBits, MultiBits byte

	w, r []byte
}

// Read reads registers from reg on. How the address moves on is the chip's affair.
func (g *Registers) Read(reg byte, dst []byte) error {
	a := reg | g.ReadBits
	if len(dst) > 1 {
		a |= g.MultiBits
	}
	if !g.SPI {
		g.w = append(g.w[:0], a)
		if err := g.Conn.Tx(g.w, dst); err != nil {
			return fmt.Errorf("read 0x%02X: %w", reg, err)
		}
		return nil
	}
	n := len(dst) + 1
	if cap(g.w) < n {
		g.w = make([]byte, n)
	}
	if cap(g.r) < n {
		g.r = make([]byte, n)
	}
	g.w, g.r = g.w[:n], g.r[:n]
	clear(g.w)
	g.w[0] = a
	if err := g.Conn.Tx(g.w, g.r); err != nil {
		return fmt.Errorf("read 0x%02X: %w", reg, err)
	}
	copy(dst, g.r[1:])
	return nil
}

// Byte reads one register.
func (g *Registers) Byte(reg byte) (byte, error) {
	var b [1]byte
	err := g.Read(reg, b[:])
	return b[0], err
}

// Write writes one register.
func (g *Registers) Write(reg, value byte) error {
	g.w = append(g.w[:0], reg, value)
	if err := g.Conn.Tx(g.w, nil); err != nil {
		return fmt.Errorf("write 0x%02X: %w", reg, err)
	}
	return nil
}

// Set writes one register and reads it back: a wrong range or rate would give wrong numbers that look right.
func (g *Registers) Set(reg, value byte) error {
	if err := g.Write(reg, value); err != nil {
		return err
	}
	got, err := g.Byte(reg)
	if err != nil {
		return err
	}
	if got != value {
		return fmt.Errorf("register 0x%02X holds 0x%02X after 0x%02X was written: %w", reg, got, value, ErrConfig)
	}
	return nil
}

// CheckID reads the identity register and refuses another value than want.
func (g *Registers) CheckID(reg, want byte) error {
	id, err := g.Byte(reg)
	if err != nil {
		return err
	}
	if id != want {
		return fmt.Errorf("id 0x%02X instead of 0x%02X: %w", id, want, ErrNoChip)
	}
	return nil
}
