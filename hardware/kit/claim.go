package kit

import "fmt"

// claim is a GPIO that somebody uses.
type claim struct {
	pin    Pin
	use    string // "spi0.1 chip select", "pin reset"
	shared string // "": for one only; else the bus on which it is shared
}

// claims are the GPIOs of a sensor or thing, in a fixed order.
func (s Sensor) claims() []claim {
	var out []claim
	signals := s.Bus.signals()
	for _, name := range []string{"sclk", "mosi", "miso", "cs", "sda", "scl", "signal"} {
		l, ok := signals[name]
		if !ok {
			continue
		}
		c := claim{pin: l.pin, use: fmt.Sprintf("%s %s", s.Bus, name)}
		if l.shared {
			c.shared = fmt.Sprintf("%s%d", s.Bus.Kind, s.Bus.Number)
		}
		out = append(out, c)
	}
	for _, name := range sortedKeys(s.Pins) {
		out = append(out, claim{pin: s.Pins[name], use: "pin " + name})
	}
	return out
}

// pinTable remembers who uses which GPIO and which address.
type pinTable struct {
	pins      map[Pin]claim
	who       map[Pin]string
	addresses map[string]string // "i2c1 0x68"
}

func newPinTable() *pinTable {
	return &pinTable{pins: map[Pin]claim{}, who: map[Pin]string{}, addresses: map[string]string{}}
}

// add notes what a sensor or thing uses. Each clash is given to report with the key of the sensor that it concerns.
func (t *pinTable) add(who string, s Sensor, report func(key, text string)) {
	for _, c := range s.claims() {
		first, taken := t.pins[c.pin]
		if !taken {
			t.pins[c.pin], t.who[c.pin] = c, who
			continue
		}
		if c.shared != "" && c.shared == first.shared {
			continue
		}
		key := "bus"
		if len(c.use) > 4 && c.use[:4] == "pin " {
			key = "pins"
		}
		report(key, fmt.Sprintf("%s: header pin %d (GPIO%d, %s) is taken by %s (%s); move one of them%s",
			who, c.pin.Header(), c.pin, c.use, t.who[c.pin], first.use, t.free(s.Bus, key)))
	}
	if s.Bus.Kind == I2C && s.Driver != "" {
		at := fmt.Sprintf("%s 0x%02x", s.Bus, s.I2CAddress())
		if other, taken := t.addresses[at]; taken {
			report("addr", fmt.Sprintf("%s: address 0x%02x on %s is taken by %s; set the address on one of the boards and give it here",
				who, s.I2CAddress(), s.Bus, other))
		}
		t.addresses[at] = who
	}
}

// free names what could be taken instead, as far as the table is filled.
func (t *pinTable) free(b Bus, key string) string {
	if key == "bus" && b.Kind == SPI {
		for _, alt := range []Bus{{SPI, 0, 0}, {SPI, 0, 1}, {SPI, 1, 0}, {SPI, 1, 1}, {SPI, 1, 2}} {
			if _, taken := t.pins[alt.signals()["cs"].pin]; !taken && alt.Number == b.Number {
				return ", " + alt.String() + " is free"
			}
		}
		return fmt.Sprintf("; no chip select of spi%d is free", b.Number)
	}
	for p := Pin(4); p <= 27; p++ {
		if _, taken := t.pins[p]; !taken && !reserved(p) {
			return ", " + p.String() + " is free"
		}
	}
	return ""
}

// reserved tells the pins that belong to a bus or to the console, used or not.
func reserved(p Pin) bool {
	return p <= 3 || p >= 7 && p <= 11 || p >= 14 && p <= 21
}

// I2CAddress is the address on I2C: what was given, or the chip's usual one.
func (s Sensor) I2CAddress() uint16 {
	if d := drivers[s.Driver]; s.Address == 0 && len(d.addresses) > 0 {
		return d.addresses[0]
	}
	return s.Address
}
