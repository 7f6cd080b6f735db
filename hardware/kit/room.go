package kit

import "slices"

// Room says what a kit must have otherwise to fit on a gateway beside other machines: free Modbus units, chip selects,
// addresses and pins in place of those that are taken. What is free stays as in the kit. ok is false when there is no
// room.
func Room(k *Kit, others ...Placed) (c Change, ok bool) {
	base, err := LoadBase()
	if err != nil {
		return c, false
	}
	taken := newPinTable()
	quiet := func(string, string) {}
	for _, s := range base.all() {
		taken.add("", s, quiet)
	}
	units := map[string]map[uint8]bool{}
	unit := func(s Sensor) bool { // takes the unit
		line := s.Bus.String()
		if units[line] == nil {
			units[line] = map[uint8]bool{}
		}
		was := units[line][s.Unit]
		units[line][s.Unit] = true
		return !was
	}
	for _, o := range others {
		for _, s := range o.Kit.all() {
			taken.add("", s, quiet)
			if s.Driver == "meter" {
				unit(s)
			}
		}
	}
	c.Sensors = map[string]SensorChange{}
	var moves []int
	for i, s := range k.Sensors { // what fits stays, so that nothing else moves onto it
		fits := true
		if s.Driver == "meter" {
			fits = unit(s)
		} else {
			taken.probe(s, func() { fits = false })
		}
		if !fits {
			moves = append(moves, i)
		}
	}
	for _, i := range moves {
		change, ok := taken.move(k.Sensors[i], unit)
		if !ok {
			return c, false
		}
		c.Sensors[k.Sensors[i].ID] = change
	}
	moved, problems := k.Apply(c)
	if problems != nil {
		return c, false
	}
	_, err = Combine(append(slices.Clone(others), Placed{Machine: "the new one", Kit: moved})...)
	return c, err == nil // else the current, or the speed of a line
}

// probe adds a sensor when nothing of it is taken, and calls clash when something is.
func (t *pinTable) probe(s Sensor, clash func()) {
	clear := true
	before := newPinTable()
	for p, c := range t.pins {
		before.pins[p] = c
	}
	for a, who := range t.addresses {
		before.addresses[a] = who
	}
	t.add(s.ID, s, func(string, string) { clear = false })
	if !clear {
		t.pins, t.addresses = before.pins, before.addresses
		clash()
	}
}

// move finds another place for a sensor and takes it.
func (t *pinTable) move(s Sensor, unit func(Sensor) bool) (c SensorChange, ok bool) {
	if s.Driver == "meter" {
		for n := uint8(1); n <= 247; n++ {
			if s.Unit = n; unit(s) {
				return SensorChange{Unit: &n}, true
			}
		}
		return c, false
	}
	places := []Sensor{s}
	switch s.Bus.Kind {
	case SPI:
		for _, b := range []Bus{{SPI, 0, 0}, {SPI, 0, 1}, {SPI, 1, 0}, {SPI, 1, 1}, {SPI, 1, 2}} {
			if b.Number == 0 || slices.Contains(drivers[s.Driver].modes, 0) {
				x := s
				x.Bus = b
				places = append(places, x)
			}
		}
		slices.SortStableFunc(places[1:], func(a, b Sensor) int { // the same bus first
			return abs(a.Bus.Number-s.Bus.Number) - abs(b.Bus.Number-s.Bus.Number)
		})
	case I2C:
		for _, a := range drivers[s.Driver].addresses {
			x := s
			x.Address = a
			places = append(places, x)
		}
	case GPIO:
		for p := Pin(4); p <= 27; p++ {
			if !reserved(p) {
				x := s
				x.Bus.Number = int(p)
				places = append(places, x)
			}
		}
	case RS485:
	}
	for _, x := range places {
		x.Pins = t.freePins(x)
		fits := x.Pins != nil || len(s.Pins) == 0
		if fits {
			t.probe(x, func() { fits = false })
		}
		if fits {
			return s.to(x), true
		}
	}
	return c, false
}

// freePins gives the pins of a sensor free ones where they are taken; nil when there are too few.
func (t *pinTable) freePins(s Sensor) map[string]Pin {
	if len(s.Pins) == 0 {
		return nil
	}
	out, used := map[string]Pin{}, map[Pin]bool{}
	for name, p := range s.Pins {
		if _, taken := t.pins[p]; !taken {
			out[name], used[p] = p, true
		}
	}
	for _, name := range sortedKeys(s.Pins) {
		for p := Pin(4); p <= 27 && out[name] == 0; p++ {
			if _, taken := t.pins[p]; !taken && !reserved(p) && !used[p] {
				out[name], used[p] = p, true
			}
		}
		if out[name] == 0 {
			return nil
		}
	}
	return out
}

// to is the change that makes x of s.
func (s Sensor) to(x Sensor) (c SensorChange) {
	if x.Bus != s.Bus {
		c.Bus = &x.Bus
	}
	if x.Address != s.Address {
		c.Address = &x.Address
	}
	for name, p := range x.Pins {
		if p != s.Pins[name] {
			if c.Pins == nil {
				c.Pins = map[string]*Pin{}
			}
			c.Pins[name] = &p
		}
	}
	return c
}

func abs(n int) int { return max(n, -n) }
