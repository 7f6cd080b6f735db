package kit

import (
	"embed"
	"fmt"
	"slices"

	"karkhana/internal/config"
)

//go:embed class/*.yaml base.yaml
var files embed.FS

// Kit is what belongs to one machine of a class.
type Kit struct {
	Class       string `yaml:"class"`
	Name        Name   `yaml:"name"`
	Fits        Name   `yaml:"fits"` // which machines, what tells their state
	Hardware    `yaml:",inline"`
	Settings    Settings `yaml:"settings"`
	Sampling    Sampling `yaml:"sampling"`
	Maintenance []Task   `yaml:"maintenance"`
}

// Base is what every gateway has, whatever hangs on it.
type Base struct {
	Name     Name `yaml:"name"`
	Hardware `yaml:",inline"`
}

// Hardware is what is bought and connected.
type Hardware struct {
	Sensors []Sensor `yaml:"sensors"`
	Things  []Thing  `yaml:"things"`
	Wiring  []Wire   `yaml:"wiring"`
	Priced  string   `yaml:"priced"` // day of the prices, 2026-11-22
	Parts   []Part   `yaml:"parts"`
}

// Name is a text for people in both languages of the product.
type Name struct {
	Hi string `yaml:"hi"`
	En string `yaml:"en"`
}

// Thing is a box in the picture that no driver reads.
type Thing struct {
	ID    string         `yaml:"id"` // lower-case word, unique in kit and base
	Name  Name           `yaml:"name"`
	Place Name           `yaml:"place"` // where it goes
	Pins  map[string]Pin `yaml:"pins"`  // GPIOs besides the bus, by what they do
	Mains bool           `yaml:"mains"` // carries mains: a licensed electrician connects it
	Apart bool           `yaml:"apart"` // drawn on its own; its wires to other boxes are drawn as references
}

// Sensor is a thing that a driver reads.
type Sensor struct {
	Thing   `yaml:",inline"`
	Driver  string `yaml:"driver"`  // see Drivers
	Profile string `yaml:"profile"` // register table of the driver meter
	Bus     Bus    `yaml:"bus"`
	Address uint16 `yaml:"addr" was:"address"` // I2C; 0: the chip's usual one
	Unit    uint8  `yaml:"unit"`               // Modbus address, 1 to 247
	Baud    uint   `yaml:"baud"`               // of the line; 0: the profile's
	Parity  string `yaml:"parity"`             // none, even or odd; "": the profile's
	Options `yaml:",inline"`
	Gives   []string `yaml:"quantities" was:"gives"` // on the wire
}

// Options are settings of drivers, with the words of a gateway's configuration. 0 or "" stands for the driver's default; which driver takes which is in the table
// of drivers.
type Options struct {
	Thermocouple string          `yaml:"thermocouple"`                       // K, N, R or S
	RangeG       int             `yaml:"range_g"`                            // 2, 4, 8 or 16
	WindowEvery  config.Duration `yaml:"window_every"`                       // from one window of vibration to the next
	ClockMHz     float64         `yaml:"clock_mhz"`                          // of SPI; less for longer wires
	CTRatio      float64         `yaml:"ct_ratio"`                           // primary ÷ secondary current
	BurdenOhm    float64         `yaml:"burden_ohm"`                         // across the secondary
	ImpPerKWh    int             `yaml:"imp_per_kwh" was:"impulses_per_kwh"` // of s0, as printed on the meter
	ClosedHigh   bool            `yaml:"closed_high" was:"active_high"`      // of s0: the opto-coupler gives a high level for a closed contact
	ActiveLow    bool            `yaml:"active_low"`                         // of a card reader: beeper and LEDs are on when their pin is low
	PresentHigh  bool            `yaml:"present_high"`                       // of supply: a high level says that the mains is there
	GainDB       int             `yaml:"gain_db"`                            // of a card reader: 18, 23, 33, 38, 43 or 48
	Timeout      config.Duration `yaml:"timeout"`                            // for one answer of a meter
	Words        string          `yaml:"words"`                              // high-first or low-first, when the profile leaves it open
}

// Part is a line of the bill of materials.
type Part struct {
	Part     string `yaml:"part"`
	Quantity int    `yaml:"quantity"`
	Rupees   int    `yaml:"rupees"` // for one, tax included, approximate
	For      string `yaml:"for"`    // id of the sensor it belongs to; "": whatever is fitted
}

// Settings judge the samples of a machine at first. Powers are in the unit of the signal.
type Settings struct {
	Signal     string          `yaml:"signal"`     // quantity that shows the state
	IdleAbove  float64         `yaml:"idle_above"` // at or above: idle
	RunAbove   float64         `yaml:"run_above"`  // at or above: run
	Hysteresis float64         `yaml:"hysteresis"` // leave a state at threshold × (1 − hysteresis)
	Dwell      Dwell           `yaml:"dwell"`
	Pulse      config.Duration `yaml:"pulse"`  // longest pause between two strokes of work; 0: none
	Phases     Phases          `yaml:"phases"` // of a furnace with a thermometer; left out: none
	Report     config.Duration `yaml:"report"` // window that suits the signal; also the gateway's
	Alarms     Alarms          `yaml:"alarms"`
}

// Phases says how a furnace's temperature is read, see docs/states.md.
type Phases struct {
	Rate float64 `yaml:"rate"` // °C per minute; 0: the kit has no phases
	Band float64 `yaml:"band"` // °C
	Cold float64 `yaml:"cold"` // °C
}

// Dwell is how long a new state must persist before it counts.
type Dwell struct {
	Off  config.Duration `yaml:"off"`
	Idle config.Duration `yaml:"idle"`
	Run  config.Duration `yaml:"run"`
}

// Alarms are the limits of the first rules; 0 means no rule.
type Alarms struct {
	TemperatureMaxC float64         `yaml:"temperature_max_c"`
	VibrationRatio  float64         `yaml:"vibration_ratio"`
	SilentAfter     config.Duration `yaml:"silent_after"`

	AccelerationRatio float64 `yaml:"acceleration_ratio"`
	KurtosisRise      float64 `yaml:"kurtosis_rise"`
}

// Sampling is how the gateway reads the machine, with the keys of its configuration.
type Sampling struct {
	Every  config.Duration `yaml:"every"`  // between readings
	Report config.Duration `yaml:"report"` // window that becomes one sample; left out: settings.report
	Pack   config.Duration `yaml:"pack"`   // longest time a sample waits before it is sent
}

// Task is a piece of maintenance, due by run-hours or by the calendar, whichever comes first.
type Task struct {
	ID           string  `yaml:"id"`
	Name         Name    `yaml:"name"`
	IntervalH    float64 `yaml:"interval_h"`    // run-hours; 0: by the calendar only
	IntervalDays int     `yaml:"interval_days"` // 0: by run-hours only
	Do           Name    `yaml:"do"`            // what to do
}

var classes = config.Shelf{FS: files, Folder: "class", What: "kit"}

// Classes lists the machine classes that have a kit, sorted.
func Classes() []string { return classes.Names() }

// Load returns the shipped kit of a machine class.
func Load(class string) (*Kit, error) {
	file, data, err := classes.Read(class)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// LoadBase returns what every gateway has.
func LoadBase() (*Base, error) {
	data, err := files.ReadFile("base.yaml")
	if err != nil {
		return nil, fmt.Errorf("kit: %w", err)
	}
	return parseBase("base.yaml", data)
}

func parseBase(file string, data []byte) (*Base, error) {
	b := &Base{}
	src, err := config.Decode(file, data, b)
	if err != nil {
		return nil, err
	}
	var c checker
	c.name(config.At("name"), b.Name)
	c.hardware(b.Hardware, Hardware{})
	if err := c.faults(src); err != nil {
		return nil, err
	}
	return b, nil
}

// Parse reads a kit strictly and checks it against what every gateway has. Errors name file (only a name here), line
// and remedy.
func Parse(file string, data []byte) (*Kit, error) {
	base, err := LoadBase()
	if err != nil {
		return nil, err
	}
	k := &Kit{}
	src, err := config.Decode(file, data, k)
	if err != nil {
		return nil, err
	}
	k.complete()
	if p := k.check(base); p != nil {
		return nil, p.In(src)
	}
	return k, nil
}

// complete fills in what follows from something else.
func (k *Kit) complete() {
	if k.Sampling.Report == 0 {
		k.Sampling.Report = k.Settings.Report
	}
}

// Sensor returns the sensor of an id.
func (k *Kit) Sensor(id string) (Sensor, bool) {
	i := slices.IndexFunc(k.Sensors, func(s Sensor) bool { return s.ID == id })
	if i < 0 {
		return Sensor{}, false
	}
	return k.Sensors[i], true
}
