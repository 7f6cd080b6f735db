package kit

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/config"
)

// Change is what one machine has otherwise than the kit of its class. Only what is given changes. It can stand in
// another file, for example in a gateway's, as a part of its machine.
type Change struct {
	Sensors     map[string]SensorChange `yaml:"sensors"` // by id
	Settings    SettingsChange          `yaml:"settings"`
	Sampling    SamplingChange          `yaml:"sampling"`
	Maintenance map[string]TaskChange   `yaml:"maintenance"` // by id
}

// SensorChange changes one sensor.
type SensorChange struct {
	Fitted  *bool           `yaml:"fitted"` // false: the sensor, its wires and its parts are left out
	Driver  *string         `yaml:"driver"`
	Profile *string         `yaml:"profile"` // without quantities: what the kit takes, as far as this one gives it
	Bus     *Bus            `yaml:"bus"`
	Address *uint16         `yaml:"addr" was:"address"`
	Unit    *uint8          `yaml:"unit"`
	Baud    *uint           `yaml:"baud"`
	Parity  *string         `yaml:"parity"`
	Pins    map[string]*Pin `yaml:"pins"`                   // only those given change
	Options OptionsChange   `yaml:",inline"`                // only those given change
	Gives   *[]string       `yaml:"quantities" was:"gives"` // the whole list
}

// OptionsChange changes options.
type OptionsChange struct {
	Thermocouple *string          `yaml:"thermocouple"`
	RangeG       *int             `yaml:"range_g"`
	WindowEvery  *config.Duration `yaml:"window_every"`
	ClockMHz     *float64         `yaml:"clock_mhz"`
	CTRatio      *float64         `yaml:"ct_ratio"`
	BurdenOhm    *float64         `yaml:"burden_ohm"`
	ImpPerKWh    *int             `yaml:"imp_per_kwh" was:"impulses_per_kwh"`
	ClosedHigh   *bool            `yaml:"closed_high" was:"active_high"`
	ActiveLow    *bool            `yaml:"active_low"`
	PresentHigh  *bool            `yaml:"present_high"`
	GainDB       *int             `yaml:"gain_db"`
	Timeout      *config.Duration `yaml:"timeout"`
	Words        *string          `yaml:"words"`
}

// SettingsChange changes settings.
type SettingsChange struct {
	Signal     *string          `yaml:"signal"`
	IdleAbove  *float64         `yaml:"idle_above"`
	RunAbove   *float64         `yaml:"run_above"`
	Hysteresis *float64         `yaml:"hysteresis"`
	Dwell      DwellChange      `yaml:"dwell"`
	Pulse      *config.Duration `yaml:"pulse"`
	Phases     PhasesChange     `yaml:"phases"`
	Report     *config.Duration `yaml:"report"`
	Alarms     AlarmsChange     `yaml:"alarms"`
}

// PhasesChange changes the phases of a furnace.
type PhasesChange struct {
	Rate *float64 `yaml:"rate"`
	Band *float64 `yaml:"band"`
	Cold *float64 `yaml:"cold"`
}

// DwellChange changes dwell times.
type DwellChange struct {
	Off  *config.Duration `yaml:"off"`
	Idle *config.Duration `yaml:"idle"`
	Run  *config.Duration `yaml:"run"`
}

// AlarmsChange changes limits; 0 takes a rule away.
type AlarmsChange struct {
	TemperatureMaxC *float64         `yaml:"temperature_max_c"`
	VibrationRatio  *float64         `yaml:"vibration_ratio"`
	SilentAfter     *config.Duration `yaml:"silent_after"`

	AccelerationRatio *float64 `yaml:"acceleration_ratio"`
	KurtosisRise      *float64 `yaml:"kurtosis_rise"`
}

// SamplingChange changes the sampling. The window is changed in settings.
type SamplingChange struct {
	Every *config.Duration `yaml:"every"`
	Pack  *config.Duration `yaml:"pack"`
}

// TaskChange changes a piece of maintenance. Both intervals 0 take it away.
type TaskChange struct {
	IntervalH    *float64 `yaml:"interval_h"`
	IntervalDays *int     `yaml:"interval_days"`
}

// Override reads a change strictly and applies it. k itself stays as it is. Errors name file, line and remedy.
func (k *Kit) Override(file string, data []byte) (*Kit, error) {
	var c Change
	src, err := config.Decode(file, data, &c)
	if err != nil {
		return nil, err
	}
	out, problems := k.Apply(c)
	if problems != nil {
		return nil, problems.In(src)
	}
	return out, nil
}

// Apply returns the kit with a change and checks it as a shipped one. k itself stays as it is. The paths of the problems
// are those of the change.
func (k *Kit) Apply(c Change) (*Kit, Problems) {
	base, err := LoadBase()
	if err != nil {
		return nil, Problems{{nil, err.Error()}}
	}
	out := k.clone()
	var problems Problems
	for _, id := range sortedKeys(c.Sensors) {
		i := slices.IndexFunc(out.Sensors, func(s Sensor) bool { return s.ID == id })
		if i < 0 {
			problems = append(problems, Problem{config.At("sensors", id), fmt.Sprintf("the kit %s has no sensor %q%s",
				k.Class, id, config.DidYouMean(id, sensorIDs(k.Sensors)))})
			continue
		}
		change := c.Sensors[id]
		if change.Fitted != nil && !*change.Fitted {
			out.takeOut(id)
			continue
		}
		if was := out.Sensors[i].Bus; change.Bus != nil && change.Bus.Kind != was.Kind {
			problems = append(problems, Problem{config.At("sensors", id, "bus"), fmt.Sprintf(
				"the wires of the kit %s are those of %s; a %s on %s needs a kit file of its own", k.Class, was.Kind, id, change.Bus)})
			continue
		}
		was := out.Sensors[i].Bus
		out.Sensors[i].change(change)
		out.moveLine(id, was, out.Sensors[i].Bus)
	}
	out.dropAlarms()
	set(&out.Settings, c.Settings)
	set(&out.Sampling, c.Sampling)
	out.Sampling.Report = out.Settings.Report
	for _, id := range sortedKeys(c.Maintenance) {
		i := slices.IndexFunc(out.Maintenance, func(t Task) bool { return t.ID == id })
		if i < 0 {
			problems = append(problems, Problem{config.At("maintenance", id), fmt.Sprintf("the kit %s has no task %q%s",
				k.Class, id, config.DidYouMean(id, taskIDs(k.Maintenance)))})
			continue
		}
		set(&out.Maintenance[i], c.Maintenance[id])
		if out.Maintenance[i].IntervalH == 0 && out.Maintenance[i].IntervalDays == 0 {
			out.Maintenance = slices.Delete(out.Maintenance, i, i+1)
		}
	}
	problems = append(problems, out.byID(out.check(base))...)
	if problems != nil {
		return nil, problems
	}
	return out, nil
}

// change applies a change. Options belong to a driver: with another one they begin empty.
func (s *Sensor) change(c SensorChange) {
	if c.Driver != nil && *c.Driver != s.Driver {
		s.Options = Options{}
	}
	if c.Pins != nil && s.Pins == nil {
		s.Pins = map[string]Pin{}
	}
	for name, p := range c.Pins {
		if p != nil {
			s.Pins[name] = *p
		}
	}
	if c.Profile != nil && c.Gives == nil {
		s.onlyGiven(*c.Profile)
	}
	set(&s.Options, c.Options)
	c.Pins = nil
	set(s, c)
}

// onlyGiven leaves out what another meter does not give. Whether the rest suffices is checked as ever.
func (s *Sensor) onlyGiven(profile string) {
	p, err := meter.LoadProfile(profile)
	if err != nil {
		return // which is told when the kit is checked
	}
	s.Gives = slices.DeleteFunc(s.Gives, func(q string) bool { _, ok := p.Row(q); return !ok })
}

// set assigns every field of change that is given to the field of the same name. into points to a struct; the fields of
// change are pointers, or structs of the same kind.
func set(into, change any) {
	to, from := reflect.ValueOf(into).Elem(), reflect.ValueOf(change)
	for i := range from.NumField() {
		f, t := from.Field(i), to.FieldByName(from.Type().Field(i).Name)
		switch {
		case !t.IsValid(): // Fitted
		case f.Kind() == reflect.Pointer && !f.IsNil():
			t.Set(f.Elem())
		case f.Kind() == reflect.Struct:
			set(t.Addr().Interface(), f.Interface())
		}
	}
}

// takeOut removes a sensor, its wires, its parts, and the things that only its wires reached.
func (k *Kit) takeOut(id string) {
	reached := func() map[string]bool {
		out := map[string]bool{}
		for _, w := range k.Wiring {
			for _, end := range []string{w.From, w.To} {
				thing, _, _ := strings.Cut(end, ".")
				out[thing] = true
			}
		}
		return out
	}
	before := reached()
	k.Sensors = slices.DeleteFunc(k.Sensors, func(s Sensor) bool { return s.ID == id })
	gone := map[string]bool{id: true}
	for len(gone) > 0 {
		k.Wiring = slices.DeleteFunc(k.Wiring, func(w Wire) bool {
			from, terminal, _ := strings.Cut(w.From, ".")
			to, _, _ := strings.Cut(w.To, ".")
			owner, _, owned := strings.Cut(terminal, ".")
			return gone[from] || gone[to] || owned && from == piID && gone[owner]
		})
		k.Parts = slices.DeleteFunc(k.Parts, func(p Part) bool { return gone[p.For] })
		after := reached()
		gone = map[string]bool{}
		// A thing goes when no wire reaches it any more, or none but supplies of the Pi.
		k.Things = slices.DeleteFunc(k.Things, func(t Thing) bool {
			if before[t.ID] && (!after[t.ID] || k.onlySupplied(t.ID)) {
				gone[t.ID] = true
				return true
			}
			return false
		})
	}
}

// dropAlarms takes away the rules whose sensor is left out.
func (k *Kit) dropAlarms() {
	given := map[string]bool{}
	for _, s := range k.Sensors {
		for _, q := range s.Gives {
			given[q] = true
		}
	}
	if !given["temperature"] {
		k.Settings.Alarms.TemperatureMaxC = 0
	}
	if !given["vibration"] {
		k.Settings.Alarms.VibrationRatio = 0
	}
}

// onlySupplied tells whether all wires of a thing are supplies of the Pi.
func (k *Kit) onlySupplied(id string) bool {
	for _, w := range k.Wiring {
		from, terminal, _ := strings.Cut(w.From, ".")
		to, _, _ := strings.Cut(w.To, ".")
		if from != id && to != id {
			continue
		}
		if _, supply := supplies[terminal]; from != piID || !supply {
			return false
		}
	}
	return true
}

func (k *Kit) clone() *Kit {
	out := *k
	out.Sensors = slices.Clone(k.Sensors)
	for i := range out.Sensors {
		out.Sensors[i].Pins = maps.Clone(k.Sensors[i].Pins)
		out.Sensors[i].Gives = slices.Clone(k.Sensors[i].Gives)
	}
	out.Things, out.Wiring, out.Parts = slices.Clone(k.Things), slices.Clone(k.Wiring), slices.Clone(k.Parts)
	out.Maintenance = slices.Clone(k.Maintenance)
	return &out
}

// byID turns positions in paths into ids, as they stand in a change.
func (k *Kit) byID(problems Problems) Problems {
	for i, p := range problems {
		if len(p.Path) < 2 {
			continue
		}
		n, ok := p.Path[1].(int)
		if !ok {
			continue
		}
		path := slices.Clone(p.Path)
		switch p.Path[0] {
		case "sensors":
			path[1] = k.Sensors[n].ID
		case "maintenance":
			path[1] = k.Maintenance[n].ID
		}
		problems[i].Path = path
	}
	return problems
}

func sensorIDs(s []Sensor) []string {
	out := make([]string, len(s))
	for i := range s {
		out[i] = s[i].ID
	}
	return out
}

func taskIDs(t []Task) []string {
	out := make([]string, len(t))
	for i := range t {
		out[i] = t[i].ID
	}
	return out
}
