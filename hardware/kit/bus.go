package kit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// BusKind is a way in which a sensor is connected.
type BusKind string

// The kinds of bus.
const (
	SPI   BusKind = "spi"
	I2C   BusKind = "i2c"
	GPIO  BusKind = "gpio"
	RS485 BusKind = "rs485"
)

// Bus is the place of a sensor at the Pi: spi0.1 (bus 0, chip select 1), i2c1, gpio27, rs485-1 (a line, and the id of
// its adapter in base.yaml). The zero Bus stands for none.
type Bus struct {
	Kind   BusKind
	Number int // of the bus, the line or the GPIO
	Select int // chip select of SPI
}

var busForm = regexp.MustCompile(`^(?:(spi)([01])\.([0-2])|(i2c)(1)|(gpio)(\d{1,2})|(rs485)-([1-9]))$`)

// ParseBus reads the form that String writes, in capitals, too. Only what a Raspberry Pi's header has is accepted.
func ParseBus(text string) (Bus, error) {
	m := busForm.FindStringSubmatch(strings.ToLower(text))
	if m == nil {
		return Bus{}, fmt.Errorf("no bus %.40q; use spi0.0, spi0.1, spi1.0 to spi1.2, i2c1, gpio4 and the like, or rs485-1", text)
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n } // digits, by the form
	switch {
	case m[1] != "":
		b := Bus{Kind: SPI, Number: number(m[2]), Select: number(m[3])}
		if b.Number == 0 && b.Select == 2 {
			return Bus{}, fmt.Errorf("no bus %q: spi0 has the chip selects 0 and 1", text)
		}
		return b, nil
	case m[4] != "":
		return Bus{Kind: I2C, Number: 1}, nil
	case m[6] != "":
		p, err := ParsePin(strings.ToLower(text))
		return Bus{Kind: GPIO, Number: int(p)}, err
	default:
		return Bus{Kind: RS485, Number: number(m[9])}, nil
	}
}

// UnmarshalText is ParseBus for files.
func (b *Bus) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBus(string(text))
	return err
}

// MarshalText writes the form that UnmarshalText reads.
func (b Bus) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the bus as in a kit file; it is also the id of a line.
func (b Bus) String() string {
	switch b.Kind {
	case SPI:
		return fmt.Sprintf("spi%d.%d", b.Number, b.Select)
	case RS485:
		return fmt.Sprintf("rs485-%d", b.Number)
	case I2C, GPIO:
		return fmt.Sprintf("%s%d", b.Kind, b.Number)
	}
	return ""
}

// Periph is the name under which periph.io knows the bus: SPI0.1, I2C1, GPIO27. A line has none: its device is the
// adapter's serial port.
func (b Bus) Periph() string {
	switch b.Kind {
	case SPI:
		return fmt.Sprintf("SPI%d.%d", b.Number, b.Select)
	case I2C:
		return fmt.Sprintf("I2C%d", b.Number)
	case GPIO:
		return fmt.Sprintf("GPIO%d", b.Number)
	}
	return ""
}
