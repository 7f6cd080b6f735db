package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"karkhana/hardware/kit"
	"karkhana/hardware/meter"
	"karkhana/hardware/mqttmeter"
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

// mqttGives is what an MQTT meter may tell.
var mqttGives = []string{quantity.Power, quantity.Energy, quantity.Voltage, quantity.Current, quantity.PowerFactor, quantity.Frequency}

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

func (c *sensorChecker) meter(at config.Path, s *Sensor) {
	profile, err := meter.LoadProfile(s.Meter)
	if err != nil {
		c.fault(at.Then("meter"), "unknown meter %q%s", s.Meter, config.DidYouMean(s.Meter, meter.Profiles()))
		return
	}
	if s.Unit < 1 || s.Unit > 247 {
		c.fault(at.Then("unit"), "unit %d: give the meter's Modbus address, 1 to 247", s.Unit)
	}
	if w := meter.Words(s.Words); w != "" && w != meter.HighFirst && w != meter.LowFirst && w != meter.ByProbe {
		c.fault(at.Then("words"), "words %q%s", s.Words, config.DidYouMean(s.Words, []string{string(meter.HighFirst), string(meter.LowFirst), string(meter.ByProbe)}))
	}
	c.line(at, s, profile)
	var can []string
	for _, r := range profile.Rows {
		if _, ok := quantity.Get(r.Name); ok {
			can = append(can, r.Name)
		}
	}
	c.choose(at, s, can)
}

// line completes the settings of a meter's line and checks that all its meters agree on them.
func (c *sensorChecker) line(at config.Path, s *Sensor, p *meter.Profile) {
	if s.Line == nil || s.Line.URL == "" {
		c.fault(at, "line is missing: give line: {url: rtu:///dev/ttyUSB0} or {url: tcp://host:502}")
		return
	}
	l := s.Line
	serial := strings.HasPrefix(l.URL, "rtu://")
	switch {
	case !serial && (l.Baud != 0 || l.Parity != ""):
		c.fault(at.Then("line"), "baud and parity belong to a serial line; a converter is set up by itself")
		return
	case serial && l.Baud == 0:
		l.Baud = p.Baud
	}
	if serial && l.Parity == "" {
		l.Parity = p.Parity
	}
	if client, err := meter.NewClient(meter.Line{URL: l.URL, Baud: l.Baud, Parity: l.Parity}); err != nil {
		c.fault(at.Then("line"), "%v", err)
		return
	} else if err := client.Close(); err != nil {
		c.fault(at.Then("line"), "%v", err)
	}
	if other, ok := c.lines[l.URL]; ok && other != *l {
		c.fault(at.Then("line"), "%s has %d baud, parity %s here and %d baud, parity %s before: all meters of a line have the same", l.URL, l.Baud, l.Parity, other.Baud, other.Parity)
		return
	}
	c.lines[l.URL] = *l
	c.use(at.Then("unit"), fmt.Sprintf("unit %d of %s", s.Unit, l.URL))
}

func (c *sensorChecker) mqtt(at config.Path, s *Sensor) {
	if !slices.Contains(mqttmeter.Kinds(), s.MQTTMeter) {
		c.fault(at.Then("mqtt_meter"), "unknown mqtt_meter %q%s", s.MQTTMeter, config.DidYouMean(s.MQTTMeter, mqttmeter.Kinds()))
		return
	}
	if s.Broker == "" {
		s.Broker = "mqtt://127.0.0.1:1883"
	}
	if u, err := url.Parse(s.Broker); err != nil || u.Host == "" {
		c.fault(at.Then("broker"), "broker %q: write it as mqtt://host:port", s.Broker)
	}
	password, err := c.src.Secret(at, "password", s.Password, s.PasswordFile)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	s.Password = password
	if mqttmeter.Topics(s.MQTTMeter, s.Device) == nil {
		c.fault(at, "device %q: give the device's topic name (Tasmota), id (shelly-gen1) or topic prefix (shelly-gen2)", s.Device)
	}
	if s.Channels == nil && s.MQTTMeter == mqttmeter.Tasmota {
		s.Channels = []string{"energy"}
	}
	if _, err := mqttmeter.NewJoint(s.Channels...); err != nil {
		c.fault(at.Then("channels"), "channels: %v", err)
	}
	for _, ch := range s.Channels {
		c.use(at, fmt.Sprintf("channel %s of %s %s at %s", ch, s.MQTTMeter, s.Device, s.Broker))
	}
	if s.SilentAfter == 0 {
		s.SilentAfter = config.Duration(10 * time.Minute)
	}
	can := slices.Clone(mqttGives)
	for i := range s.Channels {
		for _, q := range []string{quantity.Power, quantity.Voltage, quantity.Current, quantity.PowerFactor} {
			can = append(can, fmt.Sprintf("%s_l%d", q, i+1))
		}
	}
	c.choose(at, s, can)
}

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
