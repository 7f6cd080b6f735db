package kit

import (
	"fmt"

	"karkhana/hardware/meter"
	"karkhana/internal/config"
)

// Placed is the kit of one machine.
type Placed struct {
	Machine string
	Kit     *Kit
}

// Gateway is what hangs on one gateway.
type Gateway struct {
	Base     *Base // with an adapter for each line
	Machines []Placed
	Lines    []Line // in the order of their first meter
	Bill     Bill   // base once, then each machine
}

// Line is one RS-485 line with its settings, which all on it share.
type Line struct {
	ID     string // rs485-1, also the id of its adapter
	Baud   uint
	Parity string
	Meters []Meter
}

// Meter is one device on a line.
type Meter struct {
	Machine string
	Sensor  Sensor
	Profile *meter.Profile
}

// Combine puts the kits of several machines on one gateway. It returns Problems, each with a path that begins with
// "machines" and the position, when a pin, a chip select, an I2C address or a Modbus unit is used twice or the meters of
// a line do not talk at the same speed.
func Combine(machines ...Placed) (*Gateway, error) {
	base, err := LoadBase()
	if err != nil {
		return nil, err
	}
	base = base.withLines(hardwares(machines)...)
	g := &Gateway{Base: base, Machines: machines}
	g.Bill.add("", base.Hardware)
	var problems Problems
	bad := func(at config.Path, format string, args ...any) {
		problems = append(problems, Problem{at, fmt.Sprintf(format, args...)})
	}
	pins := newPinTable()
	for _, s := range base.all() {
		pins.add("the gateway's "+s.ID, s, func(string, string) {})
	}
	units := map[string]string{}
	names := map[string]bool{}
	for i, m := range machines {
		at := config.At("machines", i)
		if m.Machine == "" || names[m.Machine] {
			bad(at, "machine %q: every machine needs a name of its own", m.Machine)
		}
		names[m.Machine] = true
		for _, s := range m.Kit.all() {
			who := m.Machine + " " + s.ID
			kind := "sensors"
			if s.Driver == "" {
				kind = "things"
			}
			pins.add(who, s, func(key, text string) { bad(at.Then(kind, s.ID, key), "%s", text) })
			if s.Driver != "meter" {
				continue
			}
			key := fmt.Sprintf("%s %d", s.Bus, s.Unit)
			if other, taken := units[key]; taken {
				bad(at.Then(kind, s.ID, "unit"), "%s: unit %d on %s is taken by %s; set another on the meter and give it here", who, s.Unit, s.Bus, other)
			} else {
				units[key] = who
			}
			if text := g.join(m.Machine, s); text != "" {
				bad(at.Then(kind, s.ID, "baud"), "%s", text)
			}
		}
		g.Bill.add(m.Machine, m.Kit.Hardware)
	}
	if ma := g.MilliAmps(); ma > MostMilliAmps {
		bad(config.At("machines", len(machines)-1), "all kits together may take %d mA of the header's 3V3, which gives %d: put readers on a second gateway", ma, MostMilliAmps)
	}
	if problems != nil {
		return nil, problems
	}
	return g, nil
}

// join puts a meter on its line; the text says why it can't talk there.
func (g *Gateway) join(machine string, s Sensor) string {
	p, err := meter.LoadProfile(s.Profile)
	if err != nil {
		return err.Error()
	}
	if s.Words != "" {
		p = p.In(meter.Words(s.Words))
	}
	baud, parity := s.Baud, s.Parity
	if baud == 0 {
		baud = p.Baud
	}
	if parity == "" {
		parity = p.Parity
	}
	m := Meter{Machine: machine, Sensor: s, Profile: p}
	for i := range g.Lines {
		l := &g.Lines[i]
		if l.ID != s.Bus.String() {
			continue
		}
		if l.Baud != baud || l.Parity != parity {
			return fmt.Sprintf("%s %s talks at %d baud, parity %s; %s on %s at %d, parity %s: set them alike on the meters and here",
				machine, s.ID, baud, parity, l.Meters[0].Machine, l.ID, l.Baud, l.Parity)
		}
		l.Meters = append(l.Meters, m)
		return ""
	}
	g.Lines = append(g.Lines, Line{ID: s.Bus.String(), Baud: baud, Parity: parity, Meters: []Meter{m}})
	return ""
}
