// Package quantity is the one list of measured things: wire name, wire unit, stored field, range.
//
// Everything that names a measured thing (drivers, wire, store, analytics, pages) takes the name from here.
// The wire units are primary SenML units (RFC 8428 §12.1, RFC 8798); the stored field carries its unit as a suffix.
// The package imports nothing of ours.
package quantity

import (
	"fmt"
	"math"
	"sort"
)

// Kind says which SenML value label a quantity uses.
type Kind uint8

// The kinds of value a quantity can have.
const (
	KindNumber Kind = iota // v
	KindText               // vs
	KindBool               // vb
)

// Canonical wire names used in code. The full list is [All].
const (
	Power       = "power"
	PowerMin    = "power_min"
	PowerMax    = "power_max"
	Energy      = "energy"
	Current     = "current"
	Voltage     = "voltage"
	PowerFactor = "power_factor"
	Frequency   = "frequency"
	Temperature = "temperature"
	Setpoint    = "setpoint"
	Humidity    = "humidity"
	Vibration   = "vibration"
	Accel       = "acceleration"
	Crest       = "crest"
	Kurtosis    = "kurtosis"
	Speed       = "speed"
	Pulses      = "pulses"
	Card        = "card"
	Supply      = "supply"
	Status      = "status"      // what a machine's controller says it does, as a text
	StatusCode  = "status_code" // the same as a number
)

// Quantity describes one measured thing.
type Quantity struct {
	Name  string  // wire name, for example "vibration"
	Unit  string  // wire unit (SenML), empty for text and bool
	Field string  // field in the measurement `telemetry`, with unit suffix, for example "vibration_mm_s"
	Scale float64 // stored value = wire value × Scale (m/s → mm/s is 1000)
	Min   float64 // smallest plausible wire value; below it the sample is refused
	Max   float64 // largest plausible wire value
	Kind  Kind
}

var table = build()

func build() map[string]Quantity {
	m := map[string]Quantity{}
	add := func(q Quantity) {
		if q.Scale == 0 {
			q.Scale = 1
		}
		m[q.Name] = q
	}
	withSuffix := func(q Quantity, suffixes ...string) {
		add(q)
		base, unit := q.Name, q.Field[len(q.Name):]
		for _, s := range suffixes {
			v := q
			v.Name, v.Field = base+s, base+s+unit
			add(v)
		}
	}
	window := []string{"_min", "_max"}
	phases := []string{"_l1", "_l2", "_l3"}

	withSuffix(Quantity{Name: Power, Unit: "W", Field: "power_w", Min: -1e7, Max: 1e7}, append(window, phases...)...)
	add(Quantity{Name: Energy, Unit: "Wh", Field: "energy_wh", Min: 0, Max: 1e13})
	withSuffix(Quantity{Name: Current, Unit: "A", Field: "current_a", Min: -1e5, Max: 1e5}, append(window, phases...)...)
	withSuffix(Quantity{Name: Voltage, Unit: "V", Field: "voltage_v", Min: 0, Max: 1e5}, phases...)
	withSuffix(Quantity{Name: PowerFactor, Unit: "/", Field: "power_factor", Min: -1.01, Max: 1.01}, phases...)
	add(Quantity{Name: Frequency, Unit: "Hz", Field: "frequency_hz", Min: 0, Max: 1000})
	withSuffix(Quantity{Name: Temperature, Unit: "Cel", Field: "temperature_c", Min: -273.15, Max: 3000}, window...)
	add(Quantity{Name: Setpoint, Unit: "Cel", Field: "setpoint_c", Min: -273.15, Max: 3000})
	add(Quantity{Name: Humidity, Unit: "%RH", Field: "humidity_rh", Min: 0, Max: 110})
	withSuffix(Quantity{Name: Vibration, Unit: "m/s", Field: "vibration_mm_s", Scale: 1000, Min: 0, Max: 10}, window...)
	withSuffix(Quantity{Name: Accel, Unit: "m/s2", Field: "acceleration_m_s2", Min: 0, Max: 1e5}, window...)
	add(Quantity{Name: Crest, Unit: "/", Field: "crest", Min: 0, Max: 1e6})
	add(Quantity{Name: Kurtosis, Unit: "/", Field: "kurtosis", Min: 0, Max: 1e6})
	add(Quantity{Name: Speed, Unit: "1/min", Field: "speed_rpm", Min: -1e6, Max: 1e6})
	add(Quantity{Name: Pulses, Unit: "count", Field: "pulses", Min: 0, Max: 1e15})
	add(Quantity{Name: Card, Field: "card", Kind: KindText})
	add(Quantity{Name: Supply, Field: "supply", Kind: KindBool})
	add(Quantity{Name: Status, Field: "status", Kind: KindText})
	add(Quantity{Name: StatusCode, Field: "status_code", Min: -1e9, Max: 1e9})
	return m
}

// Get returns the quantity with this wire name.
func Get(name string) (Quantity, bool) {
	q, ok := table[name]
	return q, ok
}

// Field returns the stored field of a wire name, or "" when the name is not in the list.
func Field(name string) string { return table[name].Field }

// All returns every quantity, sorted by name.
func All() []Quantity {
	out := make([]Quantity, 0, len(table))
	for _, q := range table {
		out = append(out, q)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// secondary lists the units accepted besides the wire unit, with their factor (RFC 8798 §3 and SI).
var secondary = map[string]map[string]float64{
	"W":     {"kW": 1e3, "mW": 1e-3},
	"Wh":    {"kWh": 1e3, "J": 1.0 / 3600},
	"A":     {"mA": 1e-3},
	"V":     {"mV": 1e-3, "kV": 1e3},
	"m/s":   {"mm/s": 1e-3}, // not a SenML unit; accepted in recordings, never sent
	"m/s2":  {"g": 9.80665},
	"Hz":    {"kHz": 1e3},
	"/":     {"%": 1e-2},
	"1/min": {"1/s": 60, "Hz": 60},
	"Cel":   {},
}

// UnitError says that a unit does not belong to a quantity.
type UnitError struct{ Quantity, Unit, Want string }

// Error names the unit that the quantity wants.
func (e *UnitError) Error() string {
	return fmt.Sprintf("unit %q does not fit %s: use %q", e.Unit, e.Quantity, e.Want)
}

// ToWire converts v given in unit to the wire unit. An empty unit stands for the wire unit.
// A unit that does not belong to the quantity gives a *UnitError.
func (q Quantity) ToWire(v float64, unit string) (float64, error) {
	if unit == "" || unit == q.Unit {
		return v, nil
	}
	if f, ok := secondary[q.Unit][unit]; ok {
		return v * f, nil
	}
	return 0, &UnitError{Quantity: q.Name, Unit: unit, Want: q.Unit}
}

// Check returns an error when v, in the wire unit, is not finite or lies outside the plausible range.
func (q Quantity) Check(v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s: %v is not a number that can be stored", q.Name, v)
	}
	if v < q.Min || v > q.Max {
		return fmt.Errorf("%s: %v %s is outside %v … %v", q.Name, v, q.Unit, q.Min, q.Max)
	}
	return nil
}
