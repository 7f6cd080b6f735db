package kit

import (
	"fmt"
	"strconv"
	"strings"
)

// HeaderPin is a pin of the 40-pin header that a sensor uses besides supply.
type HeaderPin struct {
	Header int
	Use    string // "cs", "reset", "signal"
}

// HeaderPins are the pins of a sensor, those of its bus first.
func (s Sensor) HeaderPins() []HeaderPin {
	var out []HeaderPin
	for _, c := range s.claims() {
		use := c.use[strings.LastIndexByte(c.use, ' ')+1:]
		out = append(out, HeaderPin{c.pin.Header(), use})
	}
	return out
}

// MostMilliAmps is what the 3V3 pins of the header give together: the switching regulator of every board since the B+
// has 1 A, of which the board itself takes up to half.
const MostMilliAmps = 500

// MilliAmps is what the sensors and things on the 3V3 pins of the header may take together, by their data sheets.
func (g *Gateway) MilliAmps() int {
	sum := 0
	for _, h := range append([]Hardware{g.Base.Hardware}, hardwares(g.Machines)...) {
		for _, s := range h.all() {
			for _, w := range h.Wiring {
				if w.From == piID+".3v3" && strings.HasPrefix(w.To, s.ID+".") {
					sum += drivers[s.Driver].milliamps()
				}
			}
		}
	}
	return sum
}

func hardwares(machines []Placed) []Hardware {
	out := make([]Hardware, len(machines))
	for i, m := range machines {
		out[i] = m.Kit.Hardware
	}
	return out
}

// milliamps is the most that a board takes of 3.3 V.
func (d driver) milliamps() int {
	if d.mA == 0 {
		return 30 // a buzzer module or the like
	}
	return d.mA
}

// Whole is the hardware of all kits of the gateway as one kit, for a picture or a table of its wires: the id of every
// sensor and thing begins with that of its machine.
func (g *Gateway) Whole() *Kit {
	out := &Kit{}
	for _, m := range g.Machines {
		k := m.Kit.clone()
		own := map[string]bool{}
		for _, s := range k.all() {
			own[s.ID] = true
		}
		name := func(id string) string {
			if own[id] {
				return m.Machine + "/" + id
			}
			return id
		}
		end := func(e string) string {
			id, terminal, _ := strings.Cut(e, ".")
			if owner, rest, ok := strings.Cut(terminal, "."); id == piID && ok && own[owner] {
				terminal = name(owner) + "." + rest
			}
			return name(id) + "." + terminal
		}
		label := func(t *Thing) {
			t.ID = name(t.ID)
			t.Name = Name{Hi: fmt.Sprintf("%s: %s", m.Machine, t.Name.Hi), En: fmt.Sprintf("%s: %s", m.Machine, t.Name.En)}
		}
		for i := range k.Sensors {
			label(&k.Sensors[i].Thing)
		}
		for i := range k.Things {
			label(&k.Things[i])
		}
		for _, w := range k.Wiring {
			w.From, w.To = end(w.From), end(w.To)
			out.Wiring = append(out.Wiring, w)
		}
		out.Sensors, out.Things = append(out.Sensors, k.Sensors...), append(out.Things, k.Things...)
	}
	return out
}

// Rupees writes whole rupees with Indian grouping: 1,23,456.
func Rupees(n int) string {
	s := strconv.Itoa(n)
	if len(s) <= 3 {
		return s
	}
	out := s[len(s)-3:]
	for s = s[:len(s)-3]; len(s) > 2; s = s[:len(s)-2] {
		out = s[len(s)-2:] + "," + out
	}
	return s + "," + out
}
