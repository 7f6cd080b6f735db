package config

import (
	"slices"
	"strings"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// chip says what a chip needs.
type chip struct {
	spi       bool
	oneWire   bool
	addresses []uint16 // I2C; the first is the usual one
	keys      []string
	gives     []string
	samples   [2]int // of a window over SPI and I2C that lasts about a second
}

var vibration = []string{quantity.Vibration, quantity.Accel, quantity.Crest, quantity.Kurtosis}

// chips are the chips that a sensor may name.
var chips = map[string]chip{
	"max31855": {spi: true, gives: []string{quantity.Temperature}},
	"max31856": {spi: true, keys: []string{"thermocouple", "average"}, gives: []string{quantity.Temperature}},
	"ctclamp": {addresses: []uint16{0x48, 0x49, 0x4a, 0x4b}, gives: []string{quantity.Current, quantity.Power},
		keys: []string{"input", "ct_ratio", "burden_ohm", "noise_a", "volts", "power_factor"}},
	"adxl345": {spi: true, addresses: []uint16{0x53, 0x1d}, keys: []string{"range_g", "samples", "window_every"}, gives: vibration, samples: [2]int{4096, 1024}},
	"lis3dh":  {spi: true, addresses: []uint16{0x18, 0x19}, keys: []string{"range_g", "samples", "window_every"}, gives: vibration, samples: [2]int{2048, 2048}},
	"ds18b20": {oneWire: true, keys: []string{"id"}, gives: []string{quantity.Temperature}},
	"iis3dwb": {spi: true, keys: []string{"range_g", "samples", "window_every"}, gives: vibration, samples: [2]int{32768}},
}

// Inputs of a current clamp's ADC.
var Inputs = []string{"A0-A1", "A0-A3", "A1-A3", "A2-A3", "A0", "A1", "A2", "A3"}

func (c *sensorChecker) chip(at config.Path, s *Sensor) {
	known := chips[s.Chip]
	if known.oneWire {
		c.oneWire(at, s, known)
		return
	}
	bus, isSPI := busName(s.Bus)
	switch {
	case s.Bus == "":
		c.fault(at, "bus is missing: write %s", forms(known))
		return
	case bus == "" || isSPI && !known.spi || !isSPI && known.addresses == nil:
		c.fault(at.Then("bus"), "bus %q: a %s is on %s", s.Bus, s.Chip, forms(known))
		return
	case isSPI:
		if s.Addr != 0 {
			c.fault(at.Then("addr"), "addr belongs to an I2C bus; on SPI the bus names the chip select")
		}
		c.spi(at, s)
	default:
		c.i2c(at, s, bus, known)
	}
	if s.ClockMHz != 0 && (!isSPI || !(s.ClockMHz > 0 && s.ClockMHz <= 20)) {
		c.fault(at.Then("clock_mhz"), "clock_mhz %v: it is the clock of SPI, above 0 and at most 20", s.ClockMHz)
	}
	can := known.gives
	switch s.Chip {
	case "ctclamp":
		if c.clamp(at, s); s.Volts == 0 {
			can = []string{quantity.Current}
		}
	case "max31856":
		if s.Thermocouple == "" {
			s.Thermocouple = "K"
		} else if !slices.Contains([]string{"K", "N", "R", "S"}, s.Thermocouple) {
			c.fault(at.Then("thermocouple"), "thermocouple %q: use K, N, R or S", s.Thermocouple)
		}
		if s.Average != 0 && !slices.Contains([]int{1, 2, 4, 8, 16}, s.Average) {
			c.fault(at.Then("average"), "average %d: use 1, 2, 4, 8 or 16", s.Average)
		}
	}
	if known.samples[0] > 0 {
		c.vibration(at, s, known, isSPI)
	}
	if s.Quantity != "" {
		can = c.rename(at, s, can)
	}
	c.choose(at, s, can)
}

// rename gives the value of a clamp the name of its phase.
func (c *sensorChecker) rename(at config.Path, s *Sensor, can []string) []string {
	phases := []string{quantity.Current, quantity.Current + "_l1", quantity.Current + "_l2", quantity.Current + "_l3"}
	switch {
	case s.Chip != "ctclamp":
		c.fault(at.Then("quantity"), "a %s gives %s under that name only: take quantity out", s.Chip, strings.Join(can, ", "))
	case !slices.Contains(phases, s.Quantity):
		c.fault(at.Then("quantity"), "unknown quantity %q of a clamp%s", s.Quantity, config.DidYouMean(s.Quantity, phases))
	default:
		can = slices.Clone(can)
		for i, q := range can {
			can[i] = strings.Replace(s.Quantity, quantity.Current, q, 1)
		}
	}
	return can
}

func (c *sensorChecker) clamp(at config.Path, s *Sensor) {
	if s.CTRatio == 0 {
		s.CTRatio = 2000
	}
	if s.BurdenOhm == 0 {
		s.BurdenOhm = 22
	}
	if s.PowerFactor == 0 {
		s.PowerFactor = 1
	}
	for _, x := range []struct {
		key       string
		v, lo, hi float64
	}{{"ct_ratio", s.CTRatio, 1, 1e5}, {"burden_ohm", s.BurdenOhm, 0.01, 1e4}, {"noise_a", s.NoiseA, 0, 10}, {"volts", s.Volts, 0, 1000}, {"power_factor", s.PowerFactor, 0.05, 1}} {
		if !(x.v >= x.lo && x.v <= x.hi) {
			c.fault(at.Then(x.key), "%s %v: use %v to %v", x.key, x.v, x.lo, x.hi)
		}
	}
	if s.Volts == 0 && c.src.Has(at.Then("power_factor")...) {
		c.fault(at.Then("power_factor"), "power_factor is for an estimated power: give volts, too")
	}
}

func (c *sensorChecker) vibration(at config.Path, s *Sensor, known chip, isSPI bool) {
	if s.RangeG != 0 && !slices.Contains([]int{2, 4, 8, 16}, s.RangeG) {
		c.fault(at.Then("range_g"), "range_g %d: use 2, 4, 8 or 16", s.RangeG)
	}
	if s.Samples == 0 {
		if s.Samples = known.samples[1]; isSPI {
			s.Samples = known.samples[0]
		}
	} else if s.Samples < 256 || s.Samples > 1<<16 {
		c.fault(at.Then("samples"), "samples %d: use 256 to 65536, and at least a second", s.Samples)
	}
	if s.WindowEvery == 0 {
		s.WindowEvery = config.Duration(10 * time.Second)
	} else if s.WindowEvery.Std() < 2*time.Second {
		c.fault(at.Then("window_every"), "window_every %v is too short, use at least 2s", s.WindowEvery)
	}
}
