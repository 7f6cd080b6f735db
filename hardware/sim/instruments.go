package sim

import (
	"context"
	"math"

	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/quantity"

	"periph.io/x/conn/v3/physic"
)

// meterSpec says which meter is fitted to a machine and how it is wired.
type meterSpec struct {
	profile string
	phases  float64
	step    float64 // Wh: resolution of the energy register
	feeder  float64 // Ω: resistance of the line to the machine
	first   float64 // Wh: the register at the epoch, about
	class   float64 // largest error of gain
}

var meterSpecs = map[string]meterSpec{
	Furnace:   {"sdm630", 3, 10, 0.14, 2.1e6, 0.004},
	Cutting:   {"sdm630", 3, 10, 0.30, 6.3e5, 0.004},
	Polishing: {"sdm120", 1, 10, 0.25, 4.8e5, 0.004},
	Hammering: {"sdm630", 3, 10, 0.25, 5.2e5, 0.004},
	Designing: {"pzem004t", 1, 1, 0.60, 3.1e5, 0.004},
	MainMeter: {"sdm630", 3, 10, 0.05, 4.4e6, 0.002},
}

// instrument is a simulated energy meter with the real driver that reads it.
type instrument struct {
	spec   meterSpec
	grid   *grid
	key    uint64
	gain   float64
	first  float64
	slave  *metertest.Slave
	reader *meter.Reader
	slots  slots
	values []meter.Value
}

// slots are the registers that the simulation fills. The phases are filled where the meter has them.
type slots struct {
	voltage, current, power, factor, frequency, energy metertest.Slot
	voltages, currents, powers, factors                []metertest.Slot
}

// meterUnit is the Modbus address of every simulated meter.
const meterUnit = 1

func newInstrument(g *grid, seed uint64, kind string) (*instrument, error) {
	spec := meterSpecs[kind]
	profile, err := meter.LoadProfile(spec.profile)
	if err != nil {
		return nil, err
	}
	rnd := newStream(seed, "meter "+kind)
	m := &instrument{
		spec:  spec,
		grid:  g,
		key:   rnd.next(),
		gain:  1 + rnd.between(-spec.class, spec.class),
		first: math.Floor(spec.first*rnd.between(0.6, 1.4)/spec.step) * spec.step,
		slave: metertest.NewSlave(profile, meterUnit),
	}
	m.reader, err = meter.New(m.slave, meter.Opts{Profile: profile, Unit: meterUnit, Names: []string{
		quantity.Power, quantity.Energy, quantity.Current, quantity.Voltage, quantity.PowerFactor, quantity.Frequency,
	}})
	if err != nil {
		return nil, err
	}
	for name, slot := range map[string]*metertest.Slot{
		quantity.Voltage: &m.slots.voltage, quantity.Current: &m.slots.current, quantity.Power: &m.slots.power,
		quantity.PowerFactor: &m.slots.factor, quantity.Frequency: &m.slots.frequency, quantity.Energy: &m.slots.energy,
	} {
		if *slot, err = m.slave.Slot(name); err != nil {
			return nil, err
		}
	}
	if spec.phases == 1 {
		return m, nil
	}
	for name, list := range map[string]*[]metertest.Slot{
		quantity.Voltage: &m.slots.voltages, quantity.Current: &m.slots.currents,
		quantity.Power: &m.slots.powers, quantity.PowerFactor: &m.slots.factors,
	} {
		for _, phase := range []string{"_l1", "_l2", "_l3"} {
			slot, err := m.slave.Slot(name + phase)
			if err != nil {
				return nil, err
			}
			*list = append(*list, slot)
		}
	}
	return m, nil
}

// unbalance is how the phases differ from their mean, the same for all meters.
var unbalance = [3]float64{1.004, 0.998, 0.998}

// feed puts the true electrical state at a time into the registers: with the meter's error of gain, a little noise
// that depends on the time alone, and the resolution of the energy register.
func (m *instrument) feed(at int64, watts, factor, wattHours float64) {
	volts, hertz := 0.0, 0.0
	if !m.grid.dark(at) {
		volts, hertz = m.grid.volts(at), m.grid.hertz(at)
	}
	noise := hash(m.key, uint64(at))
	var amps float64
	if watts > 0 && volts > 0 {
		amps = watts / (m.spec.phases * volts * factor)
		volts -= amps * factor * m.spec.feeder
		watts *= m.gain * (1 + 0.0015*bell(noise))
		amps = watts / (m.spec.phases * volts * factor)
	} else {
		watts, factor = 0, 0
	}
	if volts > 0 {
		volts += 0.08 * bell(mix(noise))
	}
	s := &m.slots
	s.voltage.Set(volts)
	s.current.Set(amps)
	s.power.Set(watts)
	s.factor.Set(factor)
	s.frequency.Set(hertz)
	s.energy.Set(math.Floor((m.first+wattHours*m.gain)/m.spec.step) * m.spec.step)
	for i := range s.voltages {
		s.voltages[i].Set(volts * unbalance[i])
		s.currents[i].Set(amps / unbalance[i])
		s.powers[i].Set(watts / 3)
		s.factors[i].Set(factor)
	}
}

// read asks the meter through its driver. The values hold until the next call.
func (m *instrument) read() ([]meter.Value, error) {
	var err error
	m.values, err = m.reader.Sense(context.Background(), m.values[:0])
	return m.values, err
}

// thermometer is the furnace's thermocouple: a simulated MAX31855 with the real driver that reads it.
type thermometer struct {
	chip *max31855test.Chip
	dev  *max31855.Dev
	key  uint64
}

func newThermometer(seed uint64) (*thermometer, error) {
	t := &thermometer{chip: &max31855test.Chip{}, key: hash(seed, label("thermocouple"))}
	var err error
	t.dev, err = max31855.New(t.chip, nil)
	return t, err
}

// read returns the temperature of the probe in °C. The chip sits in the gateway's box, 6 K warmer than the room.
func (t *thermometer) read(at int64, probe, room float64) (float64, error) {
	t.chip.Set(probe+0.15*bell(hash(t.key, uint64(at))), room+6)
	r, err := t.dev.Sense(context.Background())
	if err != nil {
		return 0, err
	}
	// To a hundredth: the chip's steps of 0.25 °C are coarser, and short numbers travel cheaper.
	return math.Round(float64(r.Temperature-physic.ZeroCelsius)/float64(physic.Celsius)*100) / 100, nil
}
