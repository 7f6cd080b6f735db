package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"karkhana/internal/config"
)

func (c *sensorChecker) spi(at config.Path, s *Sensor) {
	bus, isSPI := busName(s.Bus)
	if !isSPI {
		c.fault(at.Then("bus"), "bus %q: write SPI0.0, SPI0.1, SPI1.0 or /dev/spidev0.0", s.Bus)
		return
	}
	s.Bus = bus
	c.use(at.Then("bus"), bus)
}

func (c *sensorChecker) i2c(at config.Path, s *Sensor, bus string, known chip) {
	s.Bus = bus
	if s.Addr == 0 {
		s.Addr = known.addresses[0]
	}
	if !slices.Contains(known.addresses, s.Addr) {
		var texts []string
		for _, a := range known.addresses {
			texts = append(texts, fmt.Sprintf("0x%02x", a))
		}
		c.fault(at.Then("addr"), "addr 0x%02x: a %s has %s", s.Addr, s.Chip, strings.Join(texts, ", "))
		return
	}
	place := fmt.Sprintf("%s address 0x%02x", bus, s.Addr)
	if s.Chip == "ctclamp" { // several clamps share an ADC
		if s.Input == "" {
			s.Input = Inputs[0]
		}
		if !slices.Contains(Inputs, s.Input) {
			c.fault(at.Then("input"), "input %q%s", s.Input, config.DidYouMean(s.Input, Inputs))
			return
		}
		place += " input " + s.Input
	}
	c.use(at.Then("addr"), place)
}

var pinForm = regexp.MustCompile(`^(?i:gpio)([0-9]|1[0-9]|2[0-7])$`)

func (c *sensorChecker) pin(at config.Path, name *string) {
	m := pinForm.FindStringSubmatch(*name)
	if m == nil {
		c.fault(at, "pin %q: write GPIO0 to GPIO27, by the number of the GPIO and not of the header", *name)
		return
	}
	*name = "GPIO" + m[1]
	c.use(at, *name)
}

// use notes a place, which only one sensor may have.
func (c *sensorChecker) use(at config.Path, place string) {
	if line, twice := c.used[place]; twice {
		c.fault(at, "%s is used twice, first in line %d", place, line)
		return
	}
	c.used[place] = c.src.Line(at...)
}

var (
	spiForm = regexp.MustCompile(`^(?i:/dev/spidev|spi)([0-9])\.([0-9])$`)
	i2cForm = regexp.MustCompile(`^(?i:/dev/i2c-|i2c-?)([0-9]{1,2})$`)
)

// busName returns the name of a bus as periph.io knows it, "" when there is no such form.
func busName(text string) (name string, isSPI bool) {
	if m := spiForm.FindStringSubmatch(text); m != nil {
		return "SPI" + m[1] + "." + m[2], true
	}
	if m := i2cForm.FindStringSubmatch(text); m != nil {
		return "I2C" + m[1], false
	}
	return "", false
}

func forms(known chip) string {
	switch {
	case known.spi && known.addresses != nil:
		return "SPI0.0 (/dev/spidev0.0) or I2C1 (/dev/i2c-1)"
	case known.spi:
		return "SPI0.0 (/dev/spidev0.0) or the like"
	}
	return "I2C1 (/dev/i2c-1)"
}
