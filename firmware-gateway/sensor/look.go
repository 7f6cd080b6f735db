package sensor

import (
	"fmt"
	"strings"
	"time"

	"karkhana/hardware/meter"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Use is a place on a bus that a set reads.
type Use struct {
	Bus     string // I2C1, SPI0.0, OneWire, or the URL of a line
	At      string // address (0x48), unit (unit 3) or id (28-…); "-" on SPI
	Machine string
	Sensor  string // what it is
}

// OneWire is the bus of 1-Wire devices, of which a computer has one for all.
const OneWire = "1-Wire"

// Uses lists what the set reads on buses where something can be looked for, in the order of the configuration.
func (s *Set) Uses() []Use {
	var out []Use
	for _, m := range s.items {
		u := Use{Bus: m.Bus, Machine: m.machine}
		switch {
		case m.Meter != "":
			u.Bus, u.At, u.Sensor = m.Line.URL, fmt.Sprintf("unit %d", m.Unit), m.Meter
		case m.ID != "":
			u.Bus, u.At, u.Sensor = OneWire, m.ID, m.Chip
		case strings.HasPrefix(m.Bus, "SPI"):
			u.At, u.Sensor = "-", m.Chip+m.CardReader
		case m.Bus != "":
			u.At, u.Sensor = fmt.Sprintf("0x%02x", m.Addr), m.Chip
		default:
			continue
		}
		out = append(out, u)
	}
	return out
}

// Look returns buses for looking around while sets run: what they read is not touched, lines are asked in the gaps between
// their readings, and the rest is open. b are the sets' buses; nil: the computer's.
func Look(b Buses, sets []*Set) Buses {
	if b == nil {
		b = &Host{}
	}
	l := look{Buses: b, sets: sets, ports: map[string]bool{}, addresses: map[string]map[uint16]bool{}}
	for _, s := range sets {
		for _, m := range s.items {
			if m.Bus == "" {
				continue
			}
			l.ports[m.Bus] = true
			if l.addresses[m.Bus] == nil {
				l.addresses[m.Bus] = map[uint16]bool{}
			}
			l.addresses[m.Bus][m.Addr] = true
		}
	}
	return l
}

type look struct {
	Buses
	sets      []*Set
	ports     map[string]bool
	addresses map[string]map[uint16]bool
}

// SPI opens a port that no set reads.
func (l look) SPI(name string) (spi.Port, error) {
	if l.ports[name] {
		return nil, fmt.Errorf("%s: %w", name, ErrInUse)
	}
	return l.Buses.SPI(name)
}

// I2C opens a bus whose addresses that a set reads answer nothing.
func (l look) I2C(name string) (i2c.Bus, error) {
	b, err := l.Buses.I2C(name)
	if err != nil {
		return nil, err
	}
	return gentle{Bus: b, taken: l.addresses[name]}, nil
}

// Pin opens nothing: a pin can't be looked at.
func (l look) Pin(name string) (gpio.PinIO, error) { return nil, fmt.Errorf("%s: %w", name, ErrInUse) }

// Line returns a line in the gaps between a set's readings, or one of its own.
func (l look) Line(o meter.Line) (meter.Registers, error) {
	for _, s := range l.sets {
		if own := s.at(o.URL); own != nil {
			return guest{own}, nil
		}
	}
	return l.Buses.Line(o)
}

// gentle is a bus that is shared with the set's readings: it leaves chips alone whose registers a question would move,
// and lets others go first.
type gentle struct {
	i2c.Bus
	taken map[uint16]bool
}

// Tx asks an address that the set does not read.
func (g gentle) Tx(addr uint16, w, r []byte) error {
	if g.taken[addr] {
		return ErrInUse
	}
	time.Sleep(time.Millisecond)
	return g.Bus.Tx(addr, w, r)
}

// SetSpeed leaves the speed as it is.
func (g gentle) SetSpeed(physic.Frequency) error { return nil }

// Close closes the bus.
func (g gentle) Close() error { return closing(g.Bus)() }
