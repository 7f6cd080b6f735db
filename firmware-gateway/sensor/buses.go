package sensor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"karkhana/hardware/meter"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spireg"
	"periph.io/x/host/v3"
)

// Buses opens what sensors are connected to, by the names of the configuration. What it returns is closed by the caller
// if it can be closed (io.Closer). [Host] is the computer's own; tests give simulated chips.
type Buses interface {
	SPI(name string) (spi.Port, error)
	I2C(name string) (i2c.Bus, error)
	Pin(name string) (gpio.PinIO, error)
	// Line opens nothing yet: a line that is not there shows at the first reading.
	Line(l meter.Line) (meter.Registers, error)
}

// oneWire is where the kernel shows what is on 1-Wire: of buses that have a place of their own (OneWire() fs.FS), theirs.
func oneWire(b Buses) fs.FS {
	if own, ok := b.(interface{ OneWire() fs.FS }); ok {
		return own.OneWire()
	}
	return os.DirFS("/sys/bus/w1/devices")
}

// Host are the buses of this computer, through periph.io. Its zero value is ready and safe for concurrent use.
type Host struct {
	once sync.Once
	err  error
}

var _ Buses = &Host{}

// init loads the drivers of the computer, once and only when something is connected to it.
func (h *Host) init() error {
	h.once.Do(func() { _, h.err = host.Init() })
	if h.err != nil {
		return fmt.Errorf("buses of this computer: %w", h.err)
	}
	return nil
}

// SPI opens a port such as SPI0.0.
func (h *Host) SPI(name string) (spi.Port, error) {
	if err := h.init(); err != nil {
		return nil, err
	}
	p, err := spireg.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: is SPI switched on (raspi-config, dtparam=spi=on) and may this user use it (group spi)?", name, err)
	}
	return p, nil
}

// I2C opens a bus such as I2C1.
func (h *Host) I2C(name string) (i2c.Bus, error) {
	if err := h.init(); err != nil {
		return nil, err
	}
	b, err := i2creg.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: is I2C switched on (raspi-config, dtparam=i2c_arm=on) and may this user use it (group i2c)?", name, err)
	}
	return b, nil
}

// Pin returns a pin such as GPIO17.
func (h *Host) Pin(name string) (gpio.PinIO, error) {
	if err := h.init(); err != nil {
		return nil, err
	}
	p := gpioreg.ByName(name)
	if p == nil {
		return nil, fmt.Errorf("open %s: %w: is this a Raspberry Pi, and may this user use it (group gpio)?", name, errNoPin)
	}
	return p, nil
}

var errNoPin = errors.New("no such pin")

// Line returns a Modbus line.
func (h *Host) Line(l meter.Line) (meter.Registers, error) { return meter.NewClient(l) }
