package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"karkhana/hardware/kit"
	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// Sensor is one entry of a machine's sensors. Exactly one of its first six keys says what it is; which other keys go with
// it stands in the table sensorKinds. After Load places are written as periph.io names them (SPI0.0, I2C1, GPIO17) and
// Quantities holds what the sensor gives.
type Sensor struct {
	Chip       string `yaml:"chip"`
	Meter      string `yaml:"meter"`
	MQTTMeter  string `yaml:"mqtt_meter"`
	CardReader string `yaml:"card_reader"`
	Supply     string `yaml:"supply"`         // pin
	S0         string `yaml:"s0" was:"pulse"` // pin

	ID         string   `yaml:"id"` // 1-Wire
	Bus        string   `yaml:"bus"`
	Addr       uint16   `yaml:"addr" was:"address"`     // I2C
	ClockMHz   float64  `yaml:"clock_mhz"`              // SPI; 0: the driver's
	Quantity   string   `yaml:"quantity"`               // name for the value of a sensor that gives only one, such as current_l2
	Quantities []string `yaml:"quantities" was:"gives"` // of those that the sensor can give

	Thermocouple string          `yaml:"thermocouple"` // max31856: K, N, R, S
	Average      int             `yaml:"average"`      // max31856
	Input        string          `yaml:"input"`        // ctclamp: A0-A1, A2-A3 or A0 … A3
	CTRatio      float64         `yaml:"ct_ratio"`
	BurdenOhm    float64         `yaml:"burden_ohm"`
	NoiseA       float64         `yaml:"noise_a"`
	Volts        float64         `yaml:"volts"`        // ctclamp: assumed for an estimated power
	PowerFactor  float64         `yaml:"power_factor"` // with volts
	RangeG       int             `yaml:"range_g"`
	Samples      int             `yaml:"samples"`      // of a window of vibration
	WindowEvery  config.Duration `yaml:"window_every"` // from one window to the next

	Line    *Line           `yaml:"line"`
	Unit    uint8           `yaml:"unit"`
	Words   string          `yaml:"words"`
	Timeout config.Duration `yaml:"timeout"`

	Broker       string          `yaml:"broker"`
	User         string          `yaml:"user"`
	Password     string          `yaml:"password"`
	PasswordFile string          `yaml:"password_file"`
	Device       string          `yaml:"device"`
	Channels     []string        `yaml:"channels"`
	SilentAfter  config.Duration `yaml:"silent_after"`

	Reset       string `yaml:"reset"`   // card reader: pin at RST
	GainDB      int    `yaml:"gain_db"` // card reader: 18, 23, 33, 38, 43 or 48; 0: 33
	Beep        string `yaml:"beep"`    // card reader: pin of a beeper; never of a relay
	LEDOK       string `yaml:"led_ok"`
	LEDNo       string `yaml:"led_no"`
	ActiveLow   bool   `yaml:"active_low"` // beeper and LEDs are on when their pin is low
	PresentHigh bool   `yaml:"present_high"`
	ImpPerKWh   int    `yaml:"imp_per_kwh" was:"impulses_per_kwh"`
	ClosedHigh  bool   `yaml:"closed_high" was:"active_high"`

	KitID string `yaml:"-"` // id in the machine's kit; "": written one by one
}

// Line is a Modbus line.
type Line struct {
	URL    string `yaml:"url"`
	Baud   uint   `yaml:"baud"`
	Parity string `yaml:"parity"`
}

// Name is how people and logs call the sensor: what it is and where.
func (s Sensor) Name() string {
	switch {
	case s.Meter != "":
		at := ""
		if s.Line != nil {
			at = s.Line.URL
		}
		return fmt.Sprintf("%s unit %d at %s", s.Meter, s.Unit, at)
	case s.MQTTMeter != "":
		return s.MQTTMeter + " " + s.Device
	case s.Supply != "":
		return "supply at " + s.Supply
	case s.S0 != "":
		return "s0 at " + s.S0
	case s.CardReader != "":
		return s.CardReader + " at " + s.Bus
	case s.ID != "":
		return s.Chip + " " + s.ID
	case s.Addr != 0:
		at := fmt.Sprintf("%s at %s 0x%02x", s.Chip, s.Bus, s.Addr)
		if s.Input != "" {
			at += " " + s.Input
		}
		return at
	}
	return s.Chip + " at " + s.Bus
}

// The keys beside the one that says what a sensor is.
var sensorKinds = map[string][]string{
	"chip":        {"bus", "addr", "clock_mhz", "quantity", "quantities"}, // and those of the chip
	"meter":       {"line", "unit", "words", "timeout", "quantities"},
	"mqtt_meter":  {"broker", "user", "password", "password_file", "device", "channels", "silent_after", "quantities"},
	"card_reader": {"bus", "clock_mhz", "reset", "gain_db", "beep", "led_ok", "led_no", "active_low"},
	"supply":      {"present_high"},
	"s0":          {"imp_per_kwh", "closed_high", "quantities"},
}

// allKeys are the keys of a sensor beside those that say what it is.
var allKeys = func() []string {
	set := map[string]bool{}
	for _, keys := range sensorKinds {
		for _, k := range keys {
			set[k] = true
		}
	}
	for _, c := range chips {
		for _, k := range c.keys {
			set[k] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}()

// sensorChecker checks the sensors of all machines, as what is used twice can lie in two machines.
type sensorChecker struct {
	*checker
	used  map[string]int  // place → line
	lines map[string]Line // by URL
}

func (c *sensorChecker) machine(at config.Path, m *Machine, salt bool) {
	if len(m.Sensors) == 0 && m.Kit == "" {
		c.fault(at.Then("sensors"), "sensors: none given for machine %q, list at least one, or choose a kit: %s", m.ID, strings.Join(kit.Classes(), ", "))
	}
	gives := map[string]int{}
	own := len(m.expanded)
	m.Sensors, m.expanded = slices.Concat(m.expanded, m.Sensors), nil
	for i := range m.Sensors {
		s := &m.Sensors[i]
		before := len(c.errs)
		p := at.Then("sensors", i-own)
		if i < own {
			p = c.changed(at, s.KitID)
			c.complete(p, s, s.kind(), salt)
		} else {
			c.sensor(p, s, salt)
		}
		if len(c.errs) > before {
			continue
		}
		for _, q := range s.Quantities {
			if line, twice := gives[q]; twice {
				c.fault(p, "%s is given by two sensors of machine %q, the other in line %d: choose with quantities, or give a phase with quantity", q, m.ID, line)
				continue
			}
			gives[q] = c.src.Line(p...)
		}
	}
}

func (c *sensorChecker) sensor(at config.Path, s *Sensor, salt bool) {
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(sensorKinds)) {
		if c.src.Has(at.Then(k)...) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) != 1 {
		c.fault(at, "a sensor has exactly one of the keys chip, meter, mqtt_meter, card_reader, supply and s0; this one has %d", len(kinds))
		return
	}
	kind := kinds[0]
	allowed := sensorKinds[kind]
	what := kind
	if kind == "chip" {
		known, ok := chips[s.Chip]
		if !ok {
			c.fault(at.Then("chip"), "unknown chip %q%s", s.Chip, config.DidYouMean(s.Chip, slices.Sorted(maps.Keys(chips))))
			return
		}
		allowed, what = slices.Concat(allowed, known.keys), s.Chip
	}
	for _, k := range allKeys {
		if c.src.Has(at.Then(k)...) && !slices.Contains(allowed, k) {
			c.fault(at.Then(k), "%s does not belong to a %s: take it out", k, what)
		}
	}
	c.complete(at, s, kind, salt)
}

// kind is the key that says what the sensor is.
func (s *Sensor) kind() string {
	switch {
	case s.Chip != "":
		return "chip"
	case s.Meter != "":
		return "meter"
	case s.MQTTMeter != "":
		return "mqtt_meter"
	case s.CardReader != "":
		return "card_reader"
	case s.Supply != "":
		return "supply"
	}
	return "s0"
}

// complete checks the values of a sensor and fills in what it leaves out.
func (c *sensorChecker) complete(at config.Path, s *Sensor, kind string, salt bool) {
	switch kind {
	case "chip":
		c.chip(at, s)
	case "meter":
		c.meter(at, s)
	case "mqtt_meter":
		c.mqtt(at, s)
	case "card_reader":
		if s.CardReader != "mfrc522" {
			c.fault(at.Then("card_reader"), "unknown card reader %q%s", s.CardReader, config.DidYouMean(s.CardReader, []string{"mfrc522"}))
		}
		c.spi(at, s)
		if s.Reset != "" {
			c.pin(at.Then("reset"), &s.Reset)
		}
		if s.GainDB != 0 && !slices.Contains([]int{18, 23, 33, 38, 43, 48}, s.GainDB) {
			c.fault(at.Then("gain_db"), "gain_db %d: use 18, 23, 33, 38, 43 or 48", s.GainDB)
		}
		for _, out := range []struct {
			key string
			pin *string
		}{{"beep", &s.Beep}, {"led_ok", &s.LEDOK}, {"led_no", &s.LEDNo}} {
			if *out.pin != "" {
				c.pin(at.Then(out.key), out.pin)
			}
		}
		if s.ActiveLow && s.Beep == "" && s.LEDOK == "" && s.LEDNo == "" {
			c.fault(at.Then("active_low"), "active_low says how beep, led_ok and led_no are wired; none of them is given")
		}
		if !salt {
			c.fault(at, "a card reader needs card_salt_file, which holds the site's salt")
		}
		s.Quantities = []string{quantity.Card}
	case "supply":
		c.pin(at.Then("supply"), &s.Supply)
		s.Quantities = []string{quantity.Supply}
	case "s0":
		c.pin(at.Then("s0"), &s.S0)
		if s.ImpPerKWh <= 0 {
			c.fault(at, "imp_per_kwh is missing: how many pulses for a kWh, as printed on the meter")
		}
		c.choose(at, s, []string{quantity.Pulses, quantity.Power, quantity.Energy})
	}
}

// choose checks the chosen quantities against what the sensor can give; none chosen is all.
func (c *sensorChecker) choose(at config.Path, s *Sensor, can []string) {
	for i, q := range s.Quantities {
		if !slices.Contains(can, q) {
			c.fault(at.Then("quantities", i), "it does not give %q%s", q, config.DidYouMean(q, can))
		}
	}
	if s.Quantities == nil {
		s.Quantities = slices.Clone(can)
	}
}
