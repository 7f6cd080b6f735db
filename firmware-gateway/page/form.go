package page

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/kit"
	"karkhana/hardware/meter"
	strict "karkhana/internal/config"
)

// form is what can be chosen of a machine with a kit.
type form struct {
	Sensors []*sensorForm
	Ports   []*field
	class   string // that the machine has in the file
	change  map[string]kit.SensorChange
}

// sensorForm is one sensor of the kit.
type sensorForm struct {
	ID, Name, Place string
	Mains           bool
	Fitted          bool
	Fields          []*field
	Error           string
}

// field is one value that can be chosen.
type field struct {
	Name    string // in the form
	Label   string
	Value   string
	Options []option // a list to choose from
	Number  bool
	List    []string // suggestions
	Error   string

	key    string // in the change of a sensor
	plain  string // the kit's, which is not written; of a port: as the file has it
	number bool   // written as a number
}

// choice is a value that installers set on site.
type choice struct {
	key     string
	of      func(kit.Sensor) bool
	get     func(kit.Sensor) string
	options func(kit.Sensor) []string // nil: typed
	number  bool
}

var choices = []choice{
	{"bus", func(s kit.Sensor) bool {
		return s.Bus.Kind == kit.RS485 || s.Bus.Kind == kit.SPI || s.Bus.Kind == kit.GPIO
	},
		func(s kit.Sensor) string { return s.Bus.String() }, buses, false},
	{"addr", func(s kit.Sensor) bool { return s.Bus.Kind == kit.I2C }, func(s kit.Sensor) string { return fmt.Sprintf("0x%02x", s.I2CAddress()) }, nil, true},
	{"profile", isMeter, func(s kit.Sensor) string { return s.Profile }, func(kit.Sensor) []string { return meter.Profiles() }, false},
	{"unit", isMeter, func(s kit.Sensor) string { return strconv.Itoa(int(s.Unit)) }, nil, true},
	{"baud", isMeter, func(s kit.Sensor) string { baud, _ := speed(s); return strconv.Itoa(int(baud)) }, nil, true},
	{"parity", isMeter, func(s kit.Sensor) string { _, parity := speed(s); return parity }, func(kit.Sensor) []string { return []string{"none", "even", "odd"} }, false},
	{"ct_ratio", func(s kit.Sensor) bool { return s.CTRatio > 0 }, func(s kit.Sensor) string { return strconv.FormatFloat(s.CTRatio, 'f', -1, 64) }, nil, true},
	{"imp_per_kwh", func(s kit.Sensor) bool { return s.ImpPerKWh > 0 }, func(s kit.Sensor) string { return strconv.Itoa(s.ImpPerKWh) }, nil, true},
	{"thermocouple", func(s kit.Sensor) bool { return s.Thermocouple != "" }, func(s kit.Sensor) string { return s.Thermocouple },
		func(kit.Sensor) []string { return []string{"K", "N", "R", "S"} }, false},
}

func isMeter(s kit.Sensor) bool { return s.Driver == "meter" }

// speed is how a meter talks: as set, or as it comes from the factory.
func speed(s kit.Sensor) (baud uint, parity string) {
	p, err := meter.LoadProfile(s.Profile)
	if err != nil { // the shipped ones are tested
		return s.Baud, s.Parity
	}
	return cmp.Or(s.Baud, p.Baud), cmp.Or(s.Parity, p.Parity)
}

// buses are the places of a kind at the Pi.
func buses(s kit.Sensor) []string {
	switch s.Bus.Kind {
	case kit.SPI:
		return []string{"spi0.0", "spi0.1", "spi1.0", "spi1.1", "spi1.2"}
	case kit.GPIO:
		var out []string
		for n := 2; n <= 27; n++ {
			out = append(out, fmt.Sprintf("gpio%d", n))
		}
		return out
	}
	return []string{"rs485-1", "rs485-2", "rs485-3", "rs485-4"}
}

// newForm makes the form of a machine as the file has it, with what was entered on top (nil: nothing).
func newForm(t texts, lang string, g *config.Gateway, m config.Machine, k *kit.Kit, entered url.Values) form {
	f := form{class: m.Kit}
	now := k
	if m.Kit == k.Class {
		f.change = m.Change
		if changed, problems := k.Apply(kit.Change{Sensors: m.Change}); problems == nil {
			now = changed
		}
	}
	value := func(name, otherwise string) string {
		if v, ok := entered[name]; ok {
			return strings.TrimSpace(v[0])
		}
		return otherwise
	}
	var lines []string
	for _, plain := range k.Sensors {
		s, fitted := now.Sensor(plain.ID)
		if !fitted {
			s = plain
		}
		x := &sensorForm{ID: plain.ID, Name: in(lang, plain.Name), Place: in(lang, plain.Place), Mains: plain.Mains, Fitted: fitted}
		if entered != nil {
			x.Fitted = entered.Get(plain.ID+".fitted") != ""
		}
		for _, c := range choices {
			if !c.of(plain) {
				continue
			}
			y := &field{Name: plain.ID + "." + c.key, Label: t.T("field." + c.key), key: c.key, plain: c.get(plain), number: c.number}
			y.Value = value(y.Name, c.get(s))
			y.Number = c.number && c.key != "addr"
			if c.options != nil {
				for _, o := range c.options(plain) {
					y.Options = append(y.Options, option{o, o, o == y.Value})
				}
			}
			if c.number {
				if _, err := number(y.Value); err != nil {
					y.Error = t.T("field.number")
				}
			}
			if c.key == "bus" && plain.Bus.Kind == kit.RS485 && x.Fitted && !slices.Contains(lines, y.Value) {
				lines = append(lines, y.Value)
			}
			x.Fields = append(x.Fields, y)
		}
		f.Sensors = append(f.Sensors, x)
	}
	for _, line := range lines {
		was := g.Ports[line]
		if b, err := kit.ParseBus(line); err == nil && was == "" {
			if port, ok := g.Port(b); ok {
				was = strings.TrimPrefix(port, "rtu://")
			}
		}
		f.Ports = append(f.Ports, &field{Name: "port." + line, Label: t.T("field.port", "n", line), Value: value("port."+line, was), key: line, plain: was, List: serialPorts()})
	}
	return f
}

// number reads a number as the file has it.
func number(s string) (any, error) {
	if n, err := strconv.ParseInt(s, 0, 32); err == nil {
		return int(n), nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("number: %w", err)
	}
	return n, nil
}

// wrong tells whether something can't be what it should be.
func (f *form) wrong() bool {
	for _, s := range f.Sensors {
		if s.Fitted && slices.ContainsFunc(s.Fields, func(x *field) bool { return x.Error != "" }) {
			return true
		}
	}
	return false
}

// edits are what the file must say. What is as in the kit is not written.
func (f *form) edits(id, class string) []config.Edit {
	at := strict.At("machines", id)
	out := []config.Edit{{Path: at.Then("kit"), Value: class}}
	if f.class != class {
		out = append(out, config.Edit{Path: at.Then("change")})
	}
	for _, s := range f.Sensors {
		change := at.Then("change", s.ID)
		if !s.Fitted {
			out = append(out, config.Edit{Path: change}, config.Edit{Path: change.Then("fitted"), Value: false})
			continue
		}
		var said []config.Edit
		for _, x := range s.Fields {
			e := config.Edit{Path: change.Then(x.key)}
			if x.Value != x.plain {
				if e.Value = x.Value; x.number {
					e.Value, _ = number(x.Value) // was looked at before
				}
				said = append(said, e)
			} else if _, there := f.change[s.ID]; there {
				said = append(said, e)
			}
		}
		if c, there := f.change[s.ID]; there && c.Fitted != nil {
			said = append(said, config.Edit{Path: change.Then("fitted")})
		}
		out = append(out, said...)
	}
	for _, x := range f.Ports {
		if x.Value != x.plain && x.Value != "" {
			out = append(out, config.Edit{Path: strict.At("ports", x.key), Value: x.Value})
		}
	}
	return out
}

// place puts what is wrong with the file as it would be at the fields that it is about, and returns what is about none.
func (f *form) place(file, id, class string, err error) (rest []string) {
	lines := f.lines(file, id, class)
	for _, e := range flatten(err) {
		var fault *strict.Fault
		text := e.Error()
		if errors.As(e, &fault) {
			text = place.ReplaceAllString(fault.Text, "") // the page says where
			if x := f.best(lines, fault); x != nil {
				*x = joined(*x, text)
				continue
			}
		}
		rest = append(rest, text)
	}
	return rest
}

// place is where in the file a fault is, in front of some texts.
var place = regexp.MustCompile(`^machines\[\d+\][^ ]*: `)

// best finds where a fault is shown: the field in its line, or else the sensor and value that it names.
func (f *form) best(lines map[string]int, fault *strict.Fault) *string {
	var at *string
	most := 0
	words := strings.FieldsFunc(fault.Text, func(r rune) bool { return strings.ContainsRune(" .:,;\"[]{}()'", r) })
	try := func(x *string, line int, named ...string) {
		score := 0
		if line > 0 && line == fault.Line {
			score += 2
		}
		for _, n := range named {
			if slices.Contains(words, n) {
				score++
			}
		}
		if score > most && score >= 2 {
			at, most = x, score
		}
	}
	for _, s := range f.Sensors {
		if !s.Fitted {
			continue
		}
		try(&s.Error, lines[s.ID], s.ID)
		for _, x := range s.Fields {
			try(&x.Error, lines[x.Name], s.ID, x.key)
		}
	}
	for _, x := range f.Ports {
		try(&x.Error, lines[x.Name], x.key, "port", "ports")
	}
	return at
}

// lines are where the changed file would have each field.
func (f *form) lines(file, id, class string) map[string]int {
	out := map[string]int{}
	old, err := strict.Read(file)
	if err != nil {
		return out
	}
	text, err := config.Rewrite(old, f.edits(id, class)...)
	if err != nil {
		return out
	}
	g := config.Default()
	src, err := strict.Decode(file, text, &g)
	if err != nil {
		return out
	}
	i := slices.IndexFunc(g.Machines, func(m config.Machine) bool { return m.ID == id })
	if i < 0 {
		return out
	}
	note := func(name string, path strict.Path) {
		if src.Has(path...) {
			out[name] = src.Line(path...)
		}
	}
	for _, s := range f.Sensors {
		change := strict.At("machines", i, "change", s.ID)
		note(s.ID, change)
		for _, x := range s.Fields {
			note(x.Name, change.Then(x.key))
		}
	}
	for _, x := range f.Ports {
		note(x.Name, strict.At("ports", x.key))
	}
	return out
}

// flatten returns the errors that one consists of.
func flatten(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "\n" + b
}
