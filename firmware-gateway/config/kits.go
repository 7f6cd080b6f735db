package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"karkhana/hardware/kit"
	"karkhana/internal/config"
)

// firstLine is the line that needs no entry in ports: a gateway with one adapter.
const (
	firstLine     = "rs485-1"
	firstLinePort = "/dev/ttyUSB0"
)

// kits gives every machine with a kit the sensors of that kit, and checks what hangs on the gateway together. What is
// expanded is checked as what is written: there is one mechanism.
func (c *checker) kits(g *Gateway) {
	c.ports(g)
	before := len(c.errs)
	var placed []kit.Placed
	var at []config.Path // of the machine of each
	for i := range g.Machines {
		m := &g.Machines[i]
		p := config.At("machines", i)
		switch {
		case m.Kit == "" && m.Change != nil:
			c.fault(p.Then("change"), "change is what a machine has otherwise than its kit: give the kit, or write the sensors under sensors")
		case m.Kit != "":
			if k := c.kit(p, m); k != nil {
				placed, at = append(placed, kit.Placed{Machine: m.ID, Kit: k}), append(at, p)
			}
		}
	}
	if len(placed) == 0 || len(c.errs) > before {
		return
	}
	all := slices.Clone(placed)
	for i, m := range g.Machines {
		if k := written(m); len(k.Sensors) > 0 {
			all, at = append(all, kit.Placed{Machine: m.ID + " sensors", Kit: k}), append(at, config.At("machines", i))
		}
	}
	hangs, err := kit.Combine(all...)
	if problems, ok := errors.AsType[kit.Problems](err); ok {
		told := map[int]bool{}
		for _, p := range problems {
			i := p.Path[1].(int)
			c.problem(at[i], kit.Problem{Path: p.Path[2:], Text: p.Text})
			if i >= len(placed) || told[i] {
				continue
			}
			told[i] = true
			others := slices.Delete(slices.Clone(all), i, i+1)
			change, ok := kit.Room(placed[i].Kit, others...)
			if !ok { // the others may be at odds among themselves
				change, ok = kit.Room(placed[i].Kit, placed[:i]...)
			}
			if ok && len(change.Sensors) > 0 {
				c.fault(at[i].Then("kit"), "%s fits beside the others with change: %s", placed[i].Machine, flow(change.Sensors))
			}
		}
		return
	}
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	hangs.Machines = placed // what is written one by one has no wires and no parts
	g.Hangs = hangs
	for i := range placed {
		m := &g.Machines[at[i][1].(int)]
		for _, s := range placed[i].Kit.Sensors {
			if x, ok := c.expand(at[i], g, hangs, s); ok {
				m.expanded = append(m.expanded, x)
			}
		}
	}
}

// flow writes changes as they stand in a file.
func flow(changes map[string]kit.SensorChange) string {
	var sensors []string
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		c := changes[id]
		var keys []string
		if c.Unit != nil {
			keys = append(keys, fmt.Sprintf("unit: %d", *c.Unit))
		}
		if c.Bus != nil {
			keys = append(keys, fmt.Sprintf("bus: %s", *c.Bus))
		}
		if c.Address != nil {
			keys = append(keys, fmt.Sprintf("addr: 0x%02x", *c.Address))
		}
		var pins []string
		for _, name := range slices.Sorted(maps.Keys(c.Pins)) {
			pins = append(pins, fmt.Sprintf("%s: %s", name, c.Pins[name]))
		}
		if pins != nil {
			keys = append(keys, "pins: {"+strings.Join(pins, ", ")+"}")
		}
		sensors = append(sensors, id+": {"+strings.Join(keys, ", ")+"}")
	}
	return "{" + strings.Join(sensors, ", ") + "}"
}

// kit loads the kit of a machine with its changes, and takes over how it is sampled; nil when something is wrong.
func (c *checker) kit(at config.Path, m *Machine) *kit.Kit {
	if m.Source != "" && m.Source != SourceSensors {
		c.fault(at.Then("source"), "a machine with a kit has sensors: take source: %s out, or the kit", m.Source)
		m.Source = SourceSensors
		return nil
	}
	m.Source = SourceSensors
	k, err := kit.Load(m.Kit)
	if err != nil {
		c.fault(at.Then("kit"), "%v", err)
		return nil
	}
	k, problems := k.Apply(kit.Change{Sensors: m.Change})
	for _, p := range problems {
		c.problem(at, p)
	}
	if problems != nil {
		return nil
	}
	for _, d := range []struct{ to, from *config.Duration }{{&m.Every, &k.Sampling.Every}, {&m.Report, &k.Sampling.Report}, {&m.Pack, &k.Sampling.Pack}} {
		if *d.to == 0 {
			*d.to = *d.from
		}
	}
	return k
}

// problem tells a problem of a kit at the place in the file that a person can change.
func (c *checker) problem(at config.Path, p kit.Problem) {
	place := at.Then("kit")
	if len(p.Path) > 1 && p.Path[0] == "sensors" {
		id := fmt.Sprint(p.Path[1])
		if i, err := strconv.Atoi(id); err == nil { // written one by one
			place = at.Then("sensors", i)
		} else {
			place = c.changed(at, id, p.Path[2:]...)
		}
	}
	c.fault(place, "%s", p.Text)
}

// changed is where the file says something of a sensor of a machine's kit: the change, or the kit.
func (c *checker) changed(at config.Path, id string, key ...any) config.Path {
	change := at.Then("change", id)
	if !c.src.Has(change...) {
		return at.Then("kit")
	}
	return change.Then(key...)
}

// ports checks what the buses of the kits are called on this computer.
func (c *checker) ports(g *Gateway) {
	for _, name := range slices.Sorted(maps.Keys(g.Ports)) {
		at, port := config.At("ports", name), g.Ports[name]
		b, err := kit.ParseBus(name)
		if err != nil || b.Kind == kit.GPIO {
			c.fault(at, "ports: no bus %q of a kit; use rs485-1 and the like, spi0.0, spi1.1 or i2c1", name)
			continue
		}
		if b.Kind == kit.RS485 {
			if u, err := url.Parse(lineURL(port)); err != nil || u.Scheme == "" || !strings.Contains(port, "/") {
				c.fault(at, "port %q of %s: write a serial port such as /dev/ttyUSB0, or tcp://host:502", port, name)
			}
			continue
		}
		if bus, spi := busName(port); bus == "" || spi != (b.Kind == kit.SPI) {
			c.fault(at, "port %q of %s: write %s or the like", port, name, b.Periph())
		}
	}
}

// lineURL is the address of a line behind a port: a serial device, or a URL already.
func lineURL(port string) string {
	if strings.HasPrefix(port, "/") {
		return "rtu://" + port
	}
	return port
}

// Port is what a bus of the kits is called on this computer: a line's URL, or the name of periph.io. ok is false when
// only the file could say, and does not.
func (g *Gateway) Port(b kit.Bus) (port string, ok bool) {
	port, ok = g.Ports[b.String()]
	switch {
	case ok && b.Kind == kit.RS485:
		return lineURL(port), true
	case ok:
		name, _ := busName(port)
		return name, name != ""
	case b.Kind == kit.RS485:
		return lineURL(firstLinePort), b.String() == firstLine
	}
	return b.Periph(), true
}

// expand makes a sensor of the configuration of a sensor of a kit; false: it is none that a gateway reads, or its port is missing.
func (c *checker) expand(at config.Path, g *Gateway, hangs *kit.Gateway, s kit.Sensor) (Sensor, bool) {
	port, ok := g.Port(s.Bus)
	if !ok {
		c.fault(c.changed(at, s.ID, "bus"), "the kit's %s is on %s, and ports does not say what that is here: ports: {%s: /dev/ttyUSB1}", s.ID, s.Bus, s.Bus)
		return Sensor{}, false
	}
	o := s.Options
	x := Sensor{
		Bus: port, Addr: s.Address, ClockMHz: o.ClockMHz, Quantities: slices.Clone(s.Gives), KitID: s.ID,
		Thermocouple: o.Thermocouple, CTRatio: o.CTRatio, BurdenOhm: o.BurdenOhm, RangeG: o.RangeG, WindowEvery: o.WindowEvery,
	}
	switch s.Driver {
	case "meter":
		l := &Line{URL: port}
		for _, line := range hangs.Lines {
			if line.ID == s.Bus.String() && strings.HasPrefix(port, "rtu://") {
				l.Baud, l.Parity = line.Baud, line.Parity
			}
		}
		x.Meter, x.Line, x.Bus, x.Unit, x.Words, x.Timeout = s.Profile, l, "", s.Unit, o.Words, o.Timeout
	case "mfrc522":
		x.CardReader, x.GainDB, x.ActiveLow = s.Driver, o.GainDB, o.ActiveLow
		for name, pin := range map[string]*string{"reset": &x.Reset, "beep": &x.Beep, "led_ok": &x.LEDOK, "led_no": &x.LEDNo} {
			if p, ok := s.Pins[name]; ok {
				*pin = kit.Bus{Kind: kit.GPIO, Number: int(p)}.Periph()
			}
		}
	case "supply":
		x.Supply, x.Bus, x.PresentHigh = port, "", o.PresentHigh
	case "s0":
		x.S0, x.Bus, x.ImpPerKWh, x.ClosedHigh = port, "", o.ImpPerKWh, o.ClosedHigh
	case "ds3231":
		return Sensor{}, false // the computer's own clock
	default:
		x.Chip = s.Driver
	}
	return x, true
}

// written are the sensors of a machine that are written one by one, as far as they take pins or addresses of the Pi: so
// that a kit beside them is told. The ids are their positions.
func written(m Machine) *kit.Kit {
	k := &kit.Kit{}
	clamps := map[string]bool{} // several share an ADC
	for i, s := range m.Sensors {
		x := kit.Sensor{Thing: kit.Thing{ID: strconv.Itoa(i)}, Driver: s.Chip, Address: s.Addr}
		place := s.Bus
		switch {
		case s.Supply != "":
			x.Driver, place = "supply", s.Supply
		case s.S0 != "":
			x.Driver, place = "s0", s.S0
		case s.CardReader != "":
			x.Driver = s.CardReader
		}
		if name, _ := busName(place); name != "" {
			place = name
		}
		b, err := kit.ParseBus(place)
		if err != nil || b.Kind == kit.RS485 { // wrong, which is told elsewhere, or not at the header
			continue
		}
		x.Bus = b
		x.Pins = map[string]kit.Pin{}
		for name, pin := range map[string]string{"reset": s.Reset, "beep": s.Beep, "led_ok": s.LEDOK, "led_no": s.LEDNo} {
			if p, err := kit.ParsePin(pin); err == nil {
				x.Pins[name] = p
			}
		}
		if at := fmt.Sprint(b, x.I2CAddress()); s.Chip == "ctclamp" {
			if clamps[at] {
				continue
			}
			clamps[at] = true
		}
		k.Sensors = append(k.Sensors, x)
	}
	return k
}
