package sim

import (
	"fmt"
	"math"
	"time"

	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// Machine is one instance of a simulated machine with its sensors. It is not safe for concurrent use; two instances
// are independent of each other.
type Machine struct {
	kind   string
	epoch  time.Time
	clock  *clock
	grid   *grid
	plants []*plant // one, or for the main meter all that hang on it
	meter  *instrument
	now    int64 // ms since the epoch, of the last call

	furnace     *furnace
	thermometer *thermometer
	bearing     *bearing
	key         uint64
}

// Truth is what really goes on in a machine, for tests and demonstrations.
type Truth struct {
	State        string  // off, idle or run, by the work plan and the supply; the main meter: run with supply, else off
	Group        string  // producer group whose card holds the machine, "" when none
	PowerW       float64 // true active power
	EnergyWh     float64 // true energy since the epoch
	TemperatureC float64 // furnace chamber or lathe bearing; 0 for other machines
	Wear         float64 // factor of the bearing's vibration, 1 = new; 0 for other machines
	Supply       bool    // mains present
}

func newMachine(o Options, kind string) (*Machine, error) {
	c := &clock{epoch: o.Epoch, zone: o.Zone, shifts: o.Shifts}
	g := &grid{clock: c, seed: hash(o.Seed, label("grid"))}
	m := &Machine{kind: kind, epoch: o.Epoch, clock: c, grid: g, key: hash(o.Seed, label("sensors "+kind))}
	var err error
	if m.meter, err = newInstrument(g, o.Seed, kind); err != nil {
		return nil, fmt.Errorf("sim: %s: %w", kind, err)
	}
	parts := []string{kind}
	if kind == MainMeter {
		parts = []string{Furnace, Cutting, Polishing, Hammering, Designing}
		m.plants = append(m.plants, newPlant(newBuilding(c, o.Seed), nil, g, o.Seed, "building"))
	}
	for _, k := range parts {
		m.plants = append(m.plants, m.newPart(c, g, o.Seed, k))
	}
	if kind == Furnace {
		if m.thermometer, err = newThermometer(o.Seed); err != nil {
			return nil, fmt.Errorf("sim: %s: %w", kind, err)
		}
	}
	return m, nil
}

// newPart makes the plant of a machine and keeps what has sensors of its own.
func (m *Machine) newPart(c *clock, g *grid, seed uint64, kind string) *plant {
	if kind == Furnace {
		f := newFurnace(c, g, seed)
		if m.kind == kind {
			m.furnace = f
		}
		return newPlant(f, f.crew, g, seed, kind)
	}
	a := newActivity(c, seed, kind)
	p := newPlant(&motor{activity: a, spec: motorSpecs[kind], rnd: newStream(seed, "strokes "+kind)}, a.crew, g, seed, kind)
	if m.kind == Polishing {
		p.bearing = &bearing{clock: c, celsius: c.ambient(0)}
		m.bearing = p.bearing
	}
	return p
}

// Kind returns the kind the machine was made as.
func (m *Machine) Kind() string { return m.kind }

// Meter is the machine's energy meter as a Modbus slave at address 1, its registers as of the last Sense. It can be
// the handler of a Modbus server.
func (m *Machine) Meter() *metertest.Slave { return m.meter.slave }

// Thermocouple is the furnace's MAX31855 on its SPI port, as of the last Sense; nil for other machines.
func (m *Machine) Thermocouple() *max31855test.Chip {
	if m.thermometer == nil {
		return nil
	}
	return m.thermometer.chip
}

// advance runs the machine up to a time.
func (m *Machine) advance(at time.Time) error {
	ms := at.Sub(m.epoch).Milliseconds()
	switch {
	case ms < 0:
		return fmt.Errorf("sim: %s at %s: the simulated world begins at %s", m.kind, at.Format(time.RFC3339), m.epoch.Format(time.RFC3339))
	case ms < m.now:
		return fmt.Errorf("sim: %s at %s: it stands at %s already and can't go back: make another instance",
			m.kind, at.Format(time.RFC3339Nano), m.epoch.Add(time.Duration(m.now)*time.Millisecond).Format(time.RFC3339Nano))
	}
	m.now = ms
	for _, p := range m.plants {
		p.advance(ms)
	}
	return nil
}

// Seek runs the machine up to at without reading its sensors and forgets the card taps up to and including at.
// A live instance seeks to the end of the history first. Going back is an error.
func (m *Machine) Seek(at time.Time) error {
	if err := m.advance(at); err != nil {
		return err
	}
	m.taps()
	return nil
}

// taps takes the card taps up to now. The machines behind the main meter have their own readers.
func (m *Machine) taps() []tap {
	c := m.plants[0].crew
	if c == nil {
		return nil
	}
	n := 0
	for n < len(c.taps) && c.taps[n].at <= m.now {
		n++
	}
	out := c.taps[:n]
	c.taps = c.taps[n:]
	return out
}

// load is the true electrical state now: active power in W, power factor, energy since the epoch in Wh.
func (m *Machine) load() (watts, factor, wattHours float64) {
	var milliW, energy int64
	var vars float64
	for _, p := range m.plants {
		milliW += p.seg.milliW
		energy += p.energyAt(m.now)
		if p.seg.milliW > 0 {
			vars += float64(p.seg.milliW) / 1000 * math.Sqrt(1/(p.seg.pf*p.seg.pf)-1)
		}
	}
	watts = float64(milliW) / 1000
	if watts > 0 {
		factor = watts / math.Hypot(watts, vars)
	}
	return watts, factor, float64(energy) / milliWmsPerWh
}

// Sense runs the machine up to at and reads its sensors through their drivers. All readings carry at as their time;
// card taps after the last Sense or Seek (or the epoch) up to and including at carry their own. A tap's Text is the
// card's raw UID in hex (see [Cards]): whoever sends it on must hash it. Going back is an error; the same time again
// is allowed.
func (m *Machine) Sense(at time.Time) ([]wire.Sample, error) {
	if err := m.advance(at); err != nil {
		return nil, err
	}
	watts, factor, wattHours := m.load()
	m.meter.feed(m.now, watts, factor, wattHours)
	values, err := m.meter.read()
	if err != nil {
		return nil, fmt.Errorf("sim: %s: %w", m.kind, err)
	}
	taps := m.taps()
	out := make([]wire.Sample, 0, len(values)+3+len(taps))
	for _, t := range taps {
		out = append(out, wire.Sample{TimeMs: m.epoch.UnixMilli() + t.at, Quantity: quantity.Card, Text: t.uid})
	}
	ms := m.epoch.UnixMilli() + m.now
	number := func(name string, v float64) {
		out = append(out, wire.Sample{TimeMs: ms, Quantity: name, Number: v})
	}
	for _, v := range values {
		number(v.Name, v.Number)
	}
	switch {
	case m.furnace != nil:
		t, err := m.thermometer.read(m.now, m.furnace.probe, m.furnace.room)
		if err != nil {
			return nil, fmt.Errorf("sim: %s: %w", m.kind, err)
		}
		number(quantity.Temperature, t)
		if sp := m.furnace.setpoint(); sp > 0 && m.plants[0].seg.milliW > 0 {
			number(quantity.Setpoint, sp)
		}
	case m.bearing != nil:
		number(quantity.Vibration, m.vibration())
		a, c, k := m.shape()
		number(quantity.Accel, a)
		number(quantity.Crest, c)
		number(quantity.Kurtosis, k)
		number(quantity.Temperature, math.Round(m.bearingTemperature()*20)/20)
	case m.kind == MainMeter:
		out = append(out, wire.Sample{TimeMs: ms, Quantity: quantity.Supply, Bool: !m.grid.dark(m.now)})
	}
	return out, nil
}

// vibration is the reading of the lathe's accelerometer in m/s RMS: slow and fast scatter of some percent, to a
// hundredth of a mm/s.
func (m *Machine) vibration() float64 {
	v := m.bearing.velocity(m.plants[0].seg)
	v *= 1 + 0.05*wander(m.key, m.now, 10*msSecond) + 0.02*bell(hash(m.key, uint64(m.now)))
	return math.Round(max(v, 0)*1e5) / 1e5
}

// shape is acceleration in m/s², crest factor and kurtosis as the accelerometer's window gives them, with scatter.
func (m *Machine) shape() (acceleration, crest, kurtosis float64) {
	seg, at := m.plants[0].seg, uint64(m.now)
	acceleration = m.bearing.acceleration(seg) * (1 + 0.06*wander(m.key+1, m.now, 10*msSecond) + 0.03*bell(hash(m.key+1, at)))
	kurtosis = max(m.bearing.kurtosis(seg)*(1+0.04*bell(hash(m.key+2, at))), 1.5)
	crest = (3.6 + 0.6*(kurtosis-3)) * (1 + 0.05*bell(hash(m.key+3, at)))
	return round(acceleration, 1e3), round(max(crest, 1.5), 1e2), round(kurtosis, 1e2)
}

func round(v, per float64) float64 { return math.Round(max(v, 0)*per) / per }

func (m *Machine) bearingTemperature() float64 {
	p := m.plants[0]
	return m.bearing.at(p.seg, p.start, m.now-p.start) + 0.1*bell(mix(hash(m.key, uint64(m.now))))
}

// Truth runs the machine up to at and tells what really goes on. It takes no card taps away from Sense.
func (m *Machine) Truth(at time.Time) (Truth, error) {
	if err := m.advance(at); err != nil {
		return Truth{}, err
	}
	p := m.plants[0]
	t := Truth{State: p.seg.state.String(), Group: p.holder, Supply: !m.grid.dark(m.now)}
	t.PowerW, _, t.EnergyWh = m.load()
	if m.furnace != nil {
		t.TemperatureC = m.furnace.chamber
	}
	if m.bearing != nil {
		t.TemperatureC, t.Wear = m.bearing.at(p.seg, p.start, m.now-p.start), m.bearing.factor()
	}
	return t, nil
}
