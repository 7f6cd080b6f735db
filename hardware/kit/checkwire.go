package kit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"karkhana/internal/config"
)

// wiring checks every wire, and that every sensor has the wires that its bus needs.
func (c *checker) wiring(h, there Hardware) {
	connections, err := h.Connections(there)
	if problems, ok := errors.AsType[Problems](err); ok {
		c.problems = append(c.problems, problems...)
		return // with wires missing the rest would only confuse
	}
	mains := map[string]bool{}
	for _, s := range append(h.all(), there.all()...) {
		mains[s.ID] = s.Mains
	}
	low := map[string]bool{piID: true} // what hangs on the Pi without a barrier
	for _, s := range h.Sensors {
		low[s.ID] = s.Bus.Kind == SPI || s.Bus.Kind == I2C
	}
	drivers := map[string]bool{}
	for _, s := range h.Sensors {
		drivers[s.ID] = true
	}
	seen := map[string]bool{}
	for i, x := range connections {
		at := config.At("wiring", i)
		w := h.Wiring[i]
		if w.Cable == "" {
			c.bad(at, "a wire needs its cable, for example %q", "0.25 mm² flexible")
		}
		if key := w.From + "→" + w.To; seen[key] {
			c.bad(at, "the wire from %s to %s is given twice", w.From, w.To)
		} else {
			seen[key] = true
		}
		a, b := x.From.Thing, x.To.Thing
		switch {
		case w.Mains && (low[a] || low[b]):
			c.bad(at, "a mains wire must never end at %s: it is at the voltage of the Pi", pick(low[a], a, b))
		case !w.Mains && (mains[a] && !drivers[a] || mains[b] && !drivers[b]):
			c.bad(at, "%s carries mains; mark the wire mains: true", pick(mains[a] && !drivers[a], a, b))
		case w.Mains && !mains[a] && !mains[b]:
			c.bad(at, "a mains wire between %s and %s, and neither is marked mains", a, b)
		}
	}
	for i, s := range h.Sensors {
		if missing := s.missingWires(connections); len(missing) > 0 {
			c.bad(config.At("sensors", i), "%s on %s lacks the wire %s", s.ID, s.Bus, strings.Join(missing, ", "))
		}
	}
}

// missingWires are the ends at the Pi (or on the line) that a sensor needs and no wire has.
func (s Sensor) missingWires(connections []Connection) []string {
	var need []string
	switch s.Bus.Kind {
	case SPI:
		need = []string{"sclk", "miso", "cs"}
		if !drivers[s.Driver].readOnly {
			need = append(need, "mosi")
		}
	case I2C:
		need = []string{"sda", "scl"}
	case GPIO:
		need = []string{"signal"}
	case RS485:
		n := 0
		for _, x := range connections {
			if !x.Mains && (x.From.Thing == s.ID || x.To.Thing == s.ID) {
				n++
			}
		}
		if n < 2 {
			return []string{fmt.Sprintf("pair from %s", s.Bus)}
		}
		return nil
	}
	need = append(need, sortedKeys(s.Pins)...)
	need = append(need, "gnd")
	var missing []string
	for _, n := range need {
		want := End{}
		if e, err := piEnd(n, s.ID, []Sensor{s}); err == nil {
			want = e
		}
		if !slices.ContainsFunc(connections, func(x Connection) bool {
			return x.From.Thing == piID && x.From.Pin == want.Pin && (x.To.Thing == s.ID || s.Pins[n] != 0)
		}) {
			missing = append(missing, "pi."+n)
		}
	}
	return missing
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
