// Package kit says what is bolted to a machine of each class: sensors with their drivers and places, and the settings
// by which its samples are judged at first. A kit is data: one YAML file in class/ per machine class.
//
// The block `settings` has the keys of a machine's settings in a site file and can be copied there. It is a
// suggestion for a machine of the usual size; the site's own machine decides, and the thresholds belong between its
// own off, idle and run powers with a margin to each.
package kit

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

//go:embed class/*.yaml
var files embed.FS

// Kit is the set of sensors for a machine class.
type Kit struct {
	Class    string   `yaml:"class"`
	Name     Name     `yaml:"name"`
	Sensors  []Sensor `yaml:"sensors"`
	Settings Settings `yaml:"settings"`
}

// Name is a text for people in both languages of the product.
type Name struct {
	Hi string `yaml:"hi"`
	En string `yaml:"en"`
}

// Sensor is one part of a kit.
type Sensor struct {
	Part    string   `yaml:"part"`    // what to buy
	Driver  string   `yaml:"driver"`  // package that reads it; empty: not read by a driver yet
	Profile string   `yaml:"profile"` // of the driver meter
	Place   string   `yaml:"place"`   // where it goes
	Gives   []string `yaml:"gives"`   // wire quantities
}

// Settings judge the samples of a machine at first. Powers are in the unit of the signal.
type Settings struct {
	Signal     string          `yaml:"signal"`     // quantity that shows the state
	IdleAbove  float64         `yaml:"idle_above"` // at or above: idle
	RunAbove   float64         `yaml:"run_above"`  // at or above: run
	Hysteresis float64         `yaml:"hysteresis"` // leave a state at threshold × (1 − hysteresis)
	Dwell      Dwell           `yaml:"dwell"`
	Report     config.Duration `yaml:"report"` // window that suits the signal
	Alarms     Alarms          `yaml:"alarms"`
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
}

// Classes lists the machine classes that have a kit, sorted.
func Classes() []string {
	entries, err := files.ReadDir("class")
	if err != nil {
		panic("kit: embedded kits: " + err.Error()) // can't be: they are part of the program
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return out
}

// Load returns the kit of a machine class.
func Load(class string) (*Kit, error) {
	if !slices.Contains(Classes(), class) {
		return nil, fmt.Errorf("kit: no kit for class %q%s", class, config.DidYouMean(class, Classes()))
	}
	file := path.Join("class", class+".yaml")
	data, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("kit: %w", err)
	}
	return Parse(file, data)
}

// Parse reads a kit strictly. Errors name file (only a name here), line and remedy.
func Parse(file string, data []byte) (*Kit, error) {
	k := &Kit{}
	src, err := config.Decode(file, data, k)
	if err != nil {
		return nil, err
	}
	var errs []error
	bad := func(at config.Path, format string, args ...any) { errs = append(errs, src.Errorf(at, format, args...)) }
	if k.Class == "" || k.Name.Hi == "" || k.Name.En == "" {
		bad(config.At("class"), "a kit needs a class and its name in hi and en")
	}
	if len(k.Sensors) == 0 {
		bad(config.At("sensors"), "a kit needs sensors")
	}
	given := map[string]bool{}
	for i, s := range k.Sensors {
		if s.Part == "" || s.Place == "" || len(s.Gives) == 0 {
			bad(config.At("sensors", i), "a sensor needs part, place and gives")
		}
		for _, q := range s.Gives {
			if _, ok := quantity.Get(q); !ok {
				bad(config.At("sensors", i, "gives"), "unknown quantity %q%s", q, config.DidYouMean(q, quantities()))
			}
			given[q] = true
		}
	}
	s := k.Settings
	base := strings.TrimSuffix(strings.TrimSuffix(s.Signal, "_max"), "_min")
	if !given[base] {
		bad(config.At("settings", "signal"), "signal %q: no sensor of the kit gives it", s.Signal)
	}
	if !(s.IdleAbove > 0 && s.IdleAbove <= s.RunAbove) {
		bad(config.At("settings", "idle_above"), "thresholds %v and %v: want 0 < idle_above ≤ run_above", s.IdleAbove, s.RunAbove)
	}
	if !(s.Hysteresis >= 0 && s.Hysteresis < 1) {
		bad(config.At("settings", "hysteresis"), "hysteresis %v: give a part of 1, usually 0.1", s.Hysteresis)
	}
	if s.Report <= 0 {
		bad(config.At("settings", "report"), "report: give the window, for example 1s")
	}
	if err := config.Join(errs...); err != nil {
		return nil, err
	}
	return k, nil
}

func quantities() []string {
	var out []string
	for _, q := range quantity.All() {
		out = append(out, q.Name)
	}
	return out
}
