package kit

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"karkhana/hardware/meter"
	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// checker gathers what is wrong.
type checker struct{ problems Problems }

func (c *checker) bad(at config.Path, format string, args ...any) {
	c.problems = append(c.problems, Problem{at, fmt.Sprintf(format, args...)})
}

func (c *checker) faults(src *config.Source) error {
	if c.problems == nil {
		return nil
	}
	return c.problems.In(src)
}

// check holds a whole kit against the rules; nil when nothing is wrong.
func (k *Kit) check(base *Base) Problems {
	var c checker
	if k.Class == "" {
		c.bad(config.At("class"), "a kit needs its class")
	}
	c.name(config.At("name"), k.Name)
	if len(k.Sensors) == 0 {
		c.bad(config.At("sensors"), "a kit needs sensors")
	}
	c.hardware(k.Hardware, base.withLines(k.Hardware).Hardware)
	c.settings(k)
	c.sampling(k.Sampling, k.Settings)
	c.tasks(k.Maintenance)
	return c.problems
}

func (c *checker) name(at config.Path, n Name) {
	if n.Hi == "" || n.En == "" {
		c.bad(at, "give the text in both languages: {hi: …, en: …}")
	}
}

var wordForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// hardware checks what is bought and connected, beside what is there already.
func (c *checker) hardware(h, there Hardware) {
	seen := map[string]bool{}
	for _, s := range there.all() {
		seen[s.ID] = true
	}
	id := func(at config.Path, id string) {
		switch {
		case !wordForm.MatchString(id):
			c.bad(at.Then("id"), "id %q: use lower-case letters, digits and hyphens", id)
		case seen[id]:
			c.bad(at.Then("id"), "id %q is given twice", id)
		}
		seen[id] = true
	}
	pins := newPinTable()
	for _, s := range there.all() {
		pins.add(s.ID, s, func(string, string) {})
	}
	for i, s := range h.Sensors {
		at := config.At("sensors", i)
		id(at, s.ID)
		c.name(at.Then("name"), s.Name)
		c.name(at.Then("place"), s.Place)
		c.sensor(at, s)
		pins.add(s.ID, s, func(key, text string) { c.bad(at.Then(key), "%s", text) })
	}
	for i, t := range h.Things {
		at := config.At("things", i)
		id(at, t.ID)
		c.name(at.Then("name"), t.Name)
		pins.add(t.ID, Sensor{Thing: t}, func(key, text string) { c.bad(at.Then(key), "%s", text) })
	}
	units := map[string]string{}
	for i, s := range h.Sensors {
		if s.Driver != "meter" {
			continue
		}
		at := fmt.Sprintf("%s %d", s.Bus, s.Unit)
		if other, taken := units[at]; taken {
			c.bad(config.At("sensors", i, "unit"), "%s: unit %d on %s is taken by %s", s.ID, s.Unit, s.Bus, other)
		}
		units[at] = s.ID
	}
	c.wiring(h, there)
	c.parts(h)
}

func (c *checker) sensor(at config.Path, s Sensor) {
	d, ok := drivers[s.Driver]
	if !ok {
		c.bad(at.Then("driver"), "no driver %q%s", s.Driver, didYouMean(s.Driver))
		return
	}
	switch {
	case !slices.Contains(d.buses, s.Bus.Kind):
		c.bad(at.Then("bus"), "%s is connected to %s; give its bus", s.Driver, join(d.buses))
	case s.Bus.Kind == SPI && s.Bus.Number == 1 && !slices.Contains(d.modes, 0):
		c.bad(at.Then("bus"), "%s needs SPI mode %v, which spi1 of a Raspberry Pi 3 or 4 can't do; use spi0.0 or spi0.1", s.Driver, d.modes[0])
	}
	if s.Address != 0 && (s.Bus.Kind != I2C || !slices.Contains(d.addresses, s.Address)) {
		c.bad(at.Then("addr"), "%s has no address 0x%02x on %s%s", s.Driver, s.Address, s.Bus, hexes(d.addresses))
	}
	for _, p := range sortedKeys(s.Pins) {
		if !slices.Contains(d.pins, p) {
			c.bad(at.Then("pins", p), "%s has no pin %q%s", s.Driver, p, config.DidYouMean(p, d.pins))
		}
	}
	c.options(at, s, d)
	given := d.gives
	if s.Driver == "meter" {
		given = c.meter(at, s)
	} else if s.Profile != "" || s.Unit != 0 || s.Baud != 0 || s.Parity != "" {
		c.bad(at, "profile, unit, baud and parity belong to the driver meter, not to %s", s.Driver)
	}
	if given == nil {
		return
	}
	if len(given) > 0 && len(s.Gives) == 0 {
		c.bad(at, "%s: say what is taken: quantities: [%s]", s.ID, strings.Join(given, ", "))
	}
	for _, q := range s.Gives {
		if _, known := quantity.Get(q); !known {
			c.bad(at.Then("quantities"), "unknown quantity %q%s", q, config.DidYouMean(q, quantities()))
		} else if !slices.Contains(given, q) {
			c.bad(at.Then("quantities"), "%s does not give %s", cmp.Or(s.Profile, s.Driver), q)
		}
	}
}

// meter checks what belongs to a Modbus device and returns what its profile gives; nil when it is not known.
func (c *checker) meter(at config.Path, s Sensor) []string {
	if s.Unit < 1 || s.Unit > 247 {
		c.bad(at.Then("unit"), "unit %d: a Modbus address is 1 to 247", s.Unit)
	}
	if s.Parity != "" && !slices.Contains([]string{"none", "even", "odd"}, s.Parity) {
		c.bad(at.Then("parity"), "parity %q: use none, even or odd", s.Parity)
	}
	if s.Baud != 0 && !slices.Contains(bauds, s.Baud) {
		c.bad(at.Then("baud"), "baud %d: use one of %v", s.Baud, bauds)
	}
	p, err := meter.LoadProfile(s.Profile)
	if err != nil {
		c.bad(at.Then("profile"), "%v", err)
		return nil
	}
	var out []string
	for _, r := range p.Rows {
		if _, wire := quantity.Get(r.Name); wire {
			out = append(out, r.Name)
		}
	}
	return out
}

var bauds = []uint{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}

func (c *checker) options(at config.Path, s Sensor, d driver) {
	o := s.Options
	given := map[string]bool{
		"thermocouple": o.Thermocouple != "", "range_g": o.RangeG != 0, "window_every": o.WindowEvery != 0, "clock_mhz": o.ClockMHz != 0,
		"ct_ratio": o.CTRatio != 0, "burden_ohm": o.BurdenOhm != 0, "imp_per_kwh": o.ImpPerKWh != 0,
		"closed_high": o.ClosedHigh, "present_high": o.PresentHigh, "active_low": o.ActiveLow, "gain_db": o.GainDB != 0, "timeout": o.Timeout != 0, "words": o.Words != "",
	}
	for _, name := range sortedKeys(given) {
		if given[name] && !slices.Contains(d.options, name) {
			c.bad(at.Then(name), "%s has no option %s", s.Driver, name)
		}
	}
	if o.Thermocouple != "" && !slices.Contains([]string{"K", "N", "R", "S"}, o.Thermocouple) {
		c.bad(at.Then("thermocouple"), "thermocouple %q: use K, N, R or S", o.Thermocouple)
	}
	if o.RangeG != 0 && !slices.Contains([]int{2, 4, 8, 16}, o.RangeG) {
		c.bad(at.Then("range_g"), "range_g %d: use 2, 4, 8 or 16", o.RangeG)
	}
	if o.GainDB != 0 && !slices.Contains([]int{18, 23, 33, 38, 43, 48}, o.GainDB) {
		c.bad(at.Then("gain_db"), "gain_db %d: use 18, 23, 33, 38, 43 or 48", o.GainDB)
	}
	if o.Words != "" && o.Words != string(meter.HighFirst) && o.Words != string(meter.LowFirst) {
		c.bad(at.Then("words"), "words %q: use %s or %s", o.Words, meter.HighFirst, meter.LowFirst)
	}
	numbers := map[string]float64{"clock_mhz": o.ClockMHz, "ct_ratio": o.CTRatio, "burden_ohm": o.BurdenOhm, "imp_per_kwh": float64(o.ImpPerKWh)}
	for _, name := range sortedKeys(numbers) {
		if numbers[name] < 0 {
			c.bad(at.Then(name), "%s is %v; it can't be negative", name, numbers[name])
		}
	}
	if s.Driver == "s0" && o.ImpPerKWh == 0 {
		c.bad(at, "s0 needs imp_per_kwh as printed on the meter")
	}
	if s.Driver == "ctclamp" && (o.CTRatio == 0 || o.BurdenOhm == 0) {
		c.bad(at, "ctclamp needs ct_ratio: 2000, burden_ohm: 22 or what its clamp and board have")
	}
}

func (c *checker) parts(h Hardware) {
	if len(h.Parts) > 0 || h.Priced != "" {
		if _, err := time.Parse(time.DateOnly, h.Priced); err != nil {
			c.bad(config.At("priced"), "priced %q: give the day of the prices as 2026-11-22", h.Priced)
		}
	}
	for i, p := range h.Parts {
		at := config.At("parts", i)
		if p.Part == "" || p.Quantity < 1 || p.Quantity > 1000 || p.Rupees < 1 || p.Rupees > 10_000_000 {
			c.bad(at, "a part needs its name, a quantity from 1 to 1000 and its price in rupees, 1 to 10000000")
		}
		if p.For != "" && !slices.ContainsFunc(h.all(), func(s Sensor) bool { return s.ID == p.For }) {
			c.bad(at.Then("for"), "part for %q: there is no such sensor or thing%s", p.For, config.DidYouMean(p.For, ids(h.all())))
		}
	}
}

func (c *checker) settings(k *Kit) {
	s := k.Settings
	given := map[string]bool{}
	for _, sensor := range k.Sensors {
		for _, q := range sensor.Gives {
			given[q] = true
		}
	}
	at := config.At("settings")
	if base := strings.TrimSuffix(strings.TrimSuffix(s.Signal, "_max"), "_min"); !given[base] {
		c.bad(at.Then("signal"), "signal %q: no sensor of the kit gives it", s.Signal)
	}
	if !(s.IdleAbove > 0 && s.IdleAbove <= s.RunAbove) {
		c.bad(at.Then("idle_above"), "thresholds %v and %v: want 0 < idle_above ≤ run_above", s.IdleAbove, s.RunAbove)
	}
	if !(s.Hysteresis >= 0 && s.Hysteresis < 1) {
		c.bad(at.Then("hysteresis"), "hysteresis %v: give a part of 1, usually 0.1", s.Hysteresis)
	}
	if s.Report <= 0 || s.Report.Std() > 24*time.Hour {
		c.bad(at.Then("report"), "report: give the window, for example 1s")
	}
	for _, l := range []struct {
		key, quantity string
		value         float64
	}{
		{"temperature_max_c", quantity.Temperature, s.Alarms.TemperatureMaxC},
		{"vibration_ratio", quantity.Vibration, s.Alarms.VibrationRatio},
		{"acceleration_ratio", quantity.Accel, s.Alarms.AccelerationRatio},
		{"kurtosis_rise", quantity.Kurtosis, s.Alarms.KurtosisRise},
	} {
		switch {
		case l.value < 0:
			c.bad(at.Then("alarms", l.key), "%s is %v; it can't be negative", l.key, l.value)
		case l.value > 0 && !given[l.quantity]:
			c.bad(at.Then("alarms", l.key), "%s: no sensor of the kit gives %s", l.key, l.quantity)
		}
	}
}

func (c *checker) sampling(s Sampling, st Settings) {
	at := config.At("sampling")
	switch {
	case s.Every <= 0 || s.Pack <= 0:
		c.bad(at, "sampling needs every and pack, for example {every: 1s, pack: 5s}")
	case s.Report != st.Report:
		c.bad(at.Then("report"), "report is %v here and %v in settings; they are the same window, give it in settings only", s.Report, st.Report)
	case st.Report <= 0: // said already
	case s.Report < s.Every:
		c.bad(at, "a report of %v is shorter than the distance of readings, %v", s.Report, s.Every)
	case s.Pack < s.Report:
		c.bad(at.Then("pack"), "a pack of %v holds no report of %v", s.Pack, s.Report)
	}
}

func (c *checker) tasks(tasks []Task) {
	seen := map[string]bool{}
	for i, t := range tasks {
		at := config.At("maintenance", i)
		switch {
		case !wordForm.MatchString(t.ID):
			c.bad(at.Then("id"), "id %q: use lower-case letters, digits and hyphens", t.ID)
		case seen[t.ID]:
			c.bad(at.Then("id"), "id %q is given twice", t.ID)
		}
		seen[t.ID] = true
		c.name(at.Then("name"), t.Name)
		c.name(at.Then("do"), t.Do)
		if t.IntervalH < 0 || t.IntervalDays < 0 || t.IntervalH == 0 && t.IntervalDays == 0 {
			c.bad(at, "%s: give interval_h (run-hours), interval_days or both, above 0", t.ID)
		}
	}
}

func quantities() []string {
	var out []string
	for _, q := range quantity.All() {
		out = append(out, q.Name)
	}
	return out
}

func join(kinds []BusKind) string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return strings.Join(out, " or ")
}

func hexes(addresses []uint16) string {
	if len(addresses) == 0 {
		return ""
	}
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = fmt.Sprintf("0x%02x", a)
	}
	return "; it has " + strings.Join(out, ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
