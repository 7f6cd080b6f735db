package config

import (
	"karkhana/hardware/chip/ds18b20"
	"karkhana/internal/config"
)

// oneWire checks a chip on 1-Wire, which the kernel finds by its id.
func (c *sensorChecker) oneWire(at config.Path, s *Sensor, known chip) {
	for _, key := range []string{"bus", "addr", "clock_mhz", "quantity"} {
		if c.src.Has(at.Then(key)...) {
			c.fault(at.Then(key), "%s does not belong to a %s: its id says where it is, take it out", key, s.Chip)
		}
	}
	switch err := ds18b20.CheckID(s.ID); {
	case s.ID == "":
		c.fault(at, "id is missing: write the chip's own, such as 28-0316a2794cff; scan shows it")
	case err != nil:
		c.fault(at.Then("id"), "id %v", err)
	default:
		c.use(at.Then("id"), "1-Wire device "+s.ID)
	}
	c.choose(at, s, known.gives)
}
