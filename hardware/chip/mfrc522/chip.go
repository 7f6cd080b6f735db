package mfrc522

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Registers, table 20 on page 36 of the datasheet.
const (
	regCommand     = 0x01
	regComIrq      = 0x04
	regError       = 0x06
	regFIFOData    = 0x09
	regFIFOLevel   = 0x0A
	regControl     = 0x0C
	regBitFraming  = 0x0D
	regMode        = 0x11
	regTxMode      = 0x12
	regRxMode      = 0x13
	regTxControl   = 0x14
	regTxASK       = 0x15
	regModWidth    = 0x24
	regRFCfg       = 0x26
	regTMode       = 0x2A
	regTPrescaler  = 0x2B
	regTReloadHigh = 0x2C
	regTReloadLow  = 0x2D
	regAutoTest    = 0x36
	regVersion     = 0x37
)

// Commands, table 149 on page 70.
const (
	cmdIdle       = 0x00
	cmdMem        = 0x01
	cmdCalcCRC    = 0x03
	cmdTransceive = 0x0C
	cmdSoftReset  = 0x0F
	cmdPowerDown  = 0x10 // a bit of the command register; it also stands while the chip starts
)

const (
	antennaOff = 0x80 // as after a reset: inverted driver of the low side
	antennaOn  = 0x83
	modeCRC    = 0x3D // ModeReg after a reset but with the CRC preset 6363
	flushFIFO  = 0x80
	startSend  = 0x80

	irqReceived = 0x20
	irqIdle     = 0x10
	irqTimer    = 0x01

	errCollision = 0x08
	errOthers    = 0xD3 // writing, temperature, overflow, parity, protocol; not the CRC, which is off

	powerUp   = 5 * time.Millisecond // a card may take this long to wake in a field (ISO/IEC 14443-3, 5)
	pollEvery = 500 * time.Microsecond
	polls     = 100 // 50 ms: ten times what the chip's own timer allows a card
	starts    = 50
)

// errNoAnswer is the chip's timer running out before a card said anything.
var errNoAnswer = errors.New("no answer")

// configure resets the chip and writes its configuration.
func (d *Dev) configure(ctx context.Context) error {
	if err := d.reset(ctx); err != nil {
		return err
	}
	v, err := d.read(regVersion)
	if err != nil {
		return err
	}
	if v == 0x00 || v == 0xFF {
		return fmt.Errorf("version %02X: %w", v, ErrNoChip)
	}
	d.version = v
	for _, w := range [...][2]byte{
		{regTxMode, 0x00}, {regRxMode, 0x00}, {regModWidth, 0x26}, // 106 kBd, no CRC by the chip
		{regTMode, 0x80}, {regTPrescaler, 0xA9}, // the timer starts with the end of sending, steps of 25 µs
		{regTReloadHigh, 0x00}, {regTReloadLow, 0xC8}, // and runs 5 ms; a card answers within 0.1 ms
		{regTxASK, 0x40}, // full modulation
		{regMode, modeCRC},
		{regRFCfg, d.gain << 4},
		{regTxControl, antennaOff},
	} {
		if err := d.write(w[0], w[1]); err != nil {
			return err
		}
	}
	d.written = true
	return d.check()
}

// reset restarts the chip and waits for its oscillator.
func (d *Dev) reset(ctx context.Context) error {
	if err := d.write(regCommand, cmdSoftReset); err != nil {
		return err
	}
	for range starts {
		if err := wait(ctx, time.Millisecond); err != nil {
			return err
		}
		v, err := d.read(regCommand)
		if err != nil {
			return err
		}
		if v&cmdPowerDown == 0 {
			return nil
		}
	}
	return fmt.Errorf("reset: %w", ErrNoChip)
}

// check finds out whether the chip still has its configuration.
func (d *Dev) check() error {
	v, err := d.read(regMode)
	if err != nil {
		return err
	}
	switch v {
	case modeCRC:
		return nil
	case 0x00, 0xFF:
		err = ErrNoChip
	default:
		err = ErrReset
	}
	d.written = false
	return fmt.Errorf("mode %02X: %w", v, err)
}

// transceive sends a frame, of which the last byte has lastBits bits (0: all eight), and returns the card's answer,
// which must be of whole bytes.
func (d *Dev) transceive(ctx context.Context, frame []byte, lastBits byte) ([]byte, error) {
	for _, w := range [...][2]byte{{regCommand, cmdIdle}, {regComIrq, 0x7F}, {regFIFOLevel, flushFIFO}} {
		if err := d.write(w[0], w[1]); err != nil {
			return nil, err
		}
	}
	if err := d.write(regFIFOData, frame...); err != nil {
		return nil, err
	}
	for _, w := range [...][2]byte{{regBitFraming, lastBits}, {regCommand, cmdTransceive}, {regBitFraming, startSend | lastBits}} {
		if err := d.write(w[0], w[1]); err != nil {
			return nil, err
		}
	}
	irq, err := d.poll(ctx, regComIrq, func(v byte) bool { return v&(irqReceived|irqIdle|irqTimer) != 0 })
	if err != nil {
		return nil, err
	}
	if irq&(irqReceived|irqIdle) == 0 {
		return nil, errNoAnswer
	}
	return d.answer()
}

// answer reads what the chip received.
func (d *Dev) answer() ([]byte, error) {
	flags, err := d.read(regError)
	if err != nil {
		return nil, err
	}
	n, err := d.read(regFIFOLevel)
	if err != nil {
		return nil, err
	}
	control, err := d.read(regControl)
	if err != nil {
		return nil, err
	}
	switch {
	case flags == 0xFF && n == 0xFF && control == 0xFF:
		d.written = false
		return nil, fmt.Errorf("all registers read FF: %w", ErrNoChip)
	case flags&errCollision != 0:
		return nil, ErrTwoCards
	case flags&errOthers != 0:
		return nil, fmt.Errorf("error flags %02X: %w", flags, ErrUnclear)
	case n == 0 || n > 64 || control&7 != 0:
		return nil, fmt.Errorf("%d bytes, last one of %d bits: %w", n, control&7, ErrUnclear)
	}
	return d.fifo(int(n))
}

// poll reads a register until done says so.
func (d *Dev) poll(ctx context.Context, reg byte, done func(byte) bool) (byte, error) {
	for range polls {
		v, err := d.read(reg)
		if err != nil {
			return 0, err
		}
		if done(v) {
			return v, nil
		}
		if err := wait(ctx, pollEvery); err != nil {
			return 0, err
		}
	}
	d.written = false
	return 0, fmt.Errorf("the chip does not finish: %w", ErrReset)
}

// selfTest runs the digital self-test, steps 1 to 7 of section 16.1.1.
func (d *Dev) selfTest(ctx context.Context, n int) ([]byte, error) {
	d.written = false // it leaves the chip in another state; the next Sense configures it
	if err := d.reset(ctx); err != nil {
		return nil, err
	}
	for _, w := range [...][]byte{
		{regFIFOLevel, flushFIFO},
		append([]byte{regFIFOData}, make([]byte, 25)...), {regCommand, cmdMem}, // clears the internal buffer
		{regAutoTest, 0x09}, {regFIFOData, 0x00}, {regCommand, cmdCalcCRC},
	} {
		if err := d.write(w[0], w[1:]...); err != nil {
			return nil, err
		}
	}
	if _, err := d.poll(ctx, regFIFOLevel, func(v byte) bool { return int(v) >= n }); err != nil {
		return nil, err
	}
	if err := d.write(regCommand, cmdIdle); err != nil {
		return nil, err
	}
	got, err := d.fifo(n)
	if err != nil {
		return nil, err
	}
	return got, d.write(regAutoTest, 0x40)
}

// write sends bytes to a register. The address stands in bits 6 to 1 (section 8.1.2.3).
func (d *Dev) write(reg byte, values ...byte) error {
	if err := d.c.Tx(append([]byte{reg << 1}, values...), nil); err != nil {
		return fmt.Errorf("write register %02X: %w", reg, err)
	}
	return nil
}

// read reads a register: bit 7 of the address stands for reading.
func (d *Dev) read(reg byte) (byte, error) {
	var r [2]byte
	if err := d.c.Tx([]byte{0x80 | reg<<1, 0}, r[:]); err != nil {
		return 0, fmt.Errorf("read register %02X: %w", reg, err)
	}
	return r[1], nil
}

// fifo reads n bytes: the address is sent for each of them, then a zero (section 8.1.2.1).
func (d *Dev) fifo(n int) ([]byte, error) {
	w, r := make([]byte, n+1), make([]byte, n+1)
	for i := range n {
		w[i] = 0x80 | regFIFOData<<1
	}
	if err := d.c.Tx(w, r); err != nil {
		return nil, fmt.Errorf("read the buffer: %w", err)
	}
	return r[1:], nil
}
