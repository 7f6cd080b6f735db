package kit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"karkhana/internal/config"
)

// Wire joins two terminals. An end is <id>.<terminal> as printed on the part. At the Pi it is pi.<signal>: a signal of
// the bus of the thing at the other end (sclk, mosi, miso, cs; sda, scl; signal), a pin of that thing (pi.reset) or of
// another one (pi.reader.beep), a supply (3v3, 5v, gnd) or usb.
type Wire struct {
	From   string `yaml:"from"` // the end nearer to the Pi, or to the supply
	To     string `yaml:"to"`
	Colour string `yaml:"colour"` // see Colours
	Cable  string `yaml:"cable"`  // kind and size
	Mains  bool   `yaml:"mains"`  // laid by a licensed electrician, supply off
	Note   Name   `yaml:"note"`
}

// Colour is the colour of a wire.
type Colour struct {
	Name Name
	Hex  []string // one, or two for a striped wire
}

var colours = map[string]Colour{
	"red":          {Name{"लाल", "red"}, []string{"#d81e1e"}},
	"yellow":       {Name{"पीला", "yellow"}, []string{"#f5c400"}},
	"blue":         {Name{"नीला", "blue"}, []string{"#1560d4"}},
	"black":        {Name{"काला", "black"}, []string{"#1a1a1a"}},
	"green":        {Name{"हरा", "green"}, []string{"#1d9a3b"}},
	"green-yellow": {Name{"हरा-पीला", "green-yellow"}, []string{"#1d9a3b", "#f5c400"}},
	"white":        {Name{"सफ़ेद", "white"}, []string{"#ffffff"}},
	"orange":       {Name{"नारंगी", "orange"}, []string{"#f57c00"}},
	"violet":       {Name{"बैंगनी", "violet"}, []string{"#7b3fb5"}},
	"brown":        {Name{"भूरा", "brown"}, []string{"#7a4a21"}},
	"grey":         {Name{"स्लेटी", "grey"}, []string{"#8a8f98"}},
}

// Colours lists the names of the colours, sorted.
func Colours() []string { return slices.Sorted(maps.Keys(colours)) }

// End is one end of a connection.
type End struct {
	Thing    string // id
	Terminal string // as printed; at the Pi what the pin is: "GPIO8 CE0", "3V3"
	Pin      int    // of the Pi's header; 0: none
	Strip    bool   // the supply comes from the terminal strip, which Pin feeds
	Shared   bool   // other sensors of the bus hang on the same pin
}

// Connection is a wire with its pins looked up.
type Connection struct {
	From, To End
	Colour   Colour
	Cable    string
	Mains    bool
	Note     Name
}

// piID is the id of the Pi in base.yaml.
const piID = "pi"

// Connections are the wires of the hardware; other is whose things the wires may end at besides its own.
func (h Hardware) Connections(other Hardware) ([]Connection, error) {
	var out []Connection
	var problems Problems
	for i, w := range h.Wiring {
		c, err := h.connect(w, other)
		if err != nil {
			problems = append(problems, Problem{config.At("wiring", i), err.Error()})
			continue
		}
		out = append(out, c)
	}
	if problems != nil {
		return out, problems
	}
	return out, nil
}

func (h Hardware) connect(w Wire, other Hardware) (Connection, error) {
	c := Connection{Cable: w.Cable, Mains: w.Mains, Note: w.Note}
	var ok bool
	if c.Colour, ok = colours[w.Colour]; !ok {
		return c, fmt.Errorf("colour %q%s", w.Colour, config.DidYouMean(w.Colour, Colours()))
	}
	from, fromTerminal, _ := strings.Cut(w.From, ".")
	to, toTerminal, _ := strings.Cut(w.To, ".")
	all := append(h.all(), other.all()...)
	for _, e := range []struct{ id, terminal string }{{from, fromTerminal}, {to, toTerminal}} {
		if !slices.ContainsFunc(all, func(s Sensor) bool { return s.ID == e.id }) {
			return c, fmt.Errorf("wire to %q: there is no such sensor or thing%s", e.id, config.DidYouMean(e.id, ids(all)))
		}
		if e.terminal == "" {
			return c, fmt.Errorf("wire to %q names no terminal; write %s.<terminal>", e.id, e.id)
		}
	}
	switch {
	case from == to:
		return c, fmt.Errorf("wire from %s to itself", from)
	case to == piID:
		return c, fmt.Errorf("wire to the Pi: write the Pi's end as from")
	}
	c.To = End{Thing: to, Terminal: toTerminal}
	c.From = End{Thing: from, Terminal: fromTerminal}
	if from == piID {
		end, err := piEnd(fromTerminal, to, all)
		if err != nil {
			return c, err
		}
		c.From = end
	}
	return c, nil
}

// piEnd looks up what a terminal of the Pi is, seen from the thing of id.
func piEnd(terminal, id string, all []Sensor) (End, error) {
	end := End{Thing: piID}
	if terminal == "usb" {
		end.Terminal = "USB"
		return end, nil
	}
	if s, ok := supplies[terminal]; ok {
		end.Terminal, end.Pin, end.Strip = s.Label, s.Header, true
		return end, nil
	}
	if owner, name, ok := strings.Cut(terminal, "."); ok {
		id, terminal = owner, name
	}
	i := slices.IndexFunc(all, func(s Sensor) bool { return s.ID == id })
	if i < 0 {
		return end, fmt.Errorf("pi.%s.%s: there is no %q%s", id, terminal, id, config.DidYouMean(id, ids(all)))
	}
	s := all[i]
	signals := s.Bus.signals()
	if l, ok := signals[terminal]; ok {
		end.Terminal, end.Pin, end.Shared = s.Bus.label(terminal, l.pin), l.pin.Header(), l.shared
		return end, nil
	}
	if p, ok := s.Pins[terminal]; ok {
		end.Terminal, end.Pin = fmt.Sprintf("GPIO%d", p), p.Header()
		return end, nil
	}
	known := append(slices.Sorted(maps.Keys(signals)), slices.Sorted(maps.Keys(s.Pins))...)
	known = append(known, "3v3", "5v", "gnd", "usb")
	return end, fmt.Errorf("pi.%s: %s has no such signal or pin%s", terminal, id, config.DidYouMean(terminal, known))
}

// label is what a pin is on a bus: GPIO8 CE0.
func (b Bus) label(signal string, p Pin) string {
	switch {
	case b.Kind == GPIO:
		return fmt.Sprintf("GPIO%d", p)
	case signal == "cs":
		return fmt.Sprintf("GPIO%d CE%d", p, b.Select)
	}
	return fmt.Sprintf("GPIO%d %s", p, strings.ToUpper(signal))
}

// all are sensors and things in one list; things are sensors without a driver there.
func (h Hardware) all() []Sensor {
	out := slices.Clone(h.Sensors)
	for _, t := range h.Things {
		out = append(out, Sensor{Thing: t})
	}
	return out
}

func ids(all []Sensor) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.ID
	}
	return out
}
