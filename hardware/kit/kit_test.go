package kit_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"karkhana/hardware/kit"
	"karkhana/hardware/meter"
	"karkhana/internal/config/configtest"

	"github.com/stretchr/testify/require"
)

// Every shipped kit loads, and each can be alone on a gateway.
func TestShippedKits(t *testing.T) {
	require.Equal(t, []string{"cutting", "designing", "furnace", "hammering", "kiln", "main-meter", "polishing"}, kit.Classes())
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		require.NoError(t, err)
		require.Equal(t, class, k.Class)
		require.Positive(t, k.Settings.Alarms.SilentAfter, class)
		require.NotEmpty(t, k.Maintenance, class)
		require.Equal(t, k.Settings.Report, k.Sampling.Report)
		g, err := kit.Combine(kit.Placed{Machine: "m", Kit: k})
		require.NoError(t, err)
		require.Len(t, g.Lines, 1)
		require.Equal(t, uint(9600), g.Lines[0].Baud)
	}
	_, err := kit.Load("furnce")
	require.ErrorContains(t, err, `did you mean "furnace"?`)
}

// The wires of the furnace's probe end at the pins of SPI 0 and chip select 0.
func TestWiresEndAtThePinsOfTheBus(t *testing.T) {
	require.Equal(t, map[string]int{"VIN": 1, "SCK": 23, "SDI": 19, "SDO": 21, "CS": 24, "GND": 6}, pins(t, load(t, "furnace"), "probe"))
	require.Equal(t, map[string]int{"3.3V": 1, "SCK": 40, "MOSI": 38, "MISO": 35, "SDA": 12, "RST": 15, "GND": 6}, pins(t, load(t, "furnace"), "reader"))
	require.Equal(t, map[string]int{"VCC": 1, "IN": 16, "GND": 6}, pins(t, load(t, "furnace"), "beeper"))
}

func TestHeader(t *testing.T) {
	seen := map[int]bool{}
	for p := kit.Pin(2); p <= 27; p++ {
		n := p.Header()
		require.False(t, seen[n] || n < 1 || n > 40, "gpio%d at pin %d", p, n)
		seen[n] = true
	}
	for _, power := range []int{1, 2, 4, 6, 9, 14, 17, 20, 25, 27, 28, 30, 34, 39} {
		require.False(t, seen[power], "pin %d carries supply or the board's identification", power)
	}
}

func TestBusNames(t *testing.T) {
	for text, periph := range map[string]string{"spi0.1": "SPI0.1", "spi1.2": "SPI1.2", "i2c1": "I2C1", "gpio27": "GPIO27", "rs485-2": ""} {
		b, err := kit.ParseBus(text)
		require.NoError(t, err)
		require.Equal(t, text, b.String())
		require.Equal(t, periph, b.Periph())
	}
	for _, text := range []string{"", "spi0.2", "spi2.0", "spi1.3", "i2c0", "gpio1", "gpio28", "gpio02", "rs485", "rs485-0", "SPI0.5"} {
		_, err := kit.ParseBus(text)
		require.Error(t, err, text)
	}
}

func TestBill(t *testing.T) {
	k, err := kit.Parse("good.yaml", good(t))
	require.NoError(t, err)
	b := k.Bill()
	require.Equal(t, 3400+2*1500, b.Rupees)
	require.Equal(t, 3000, b.Lines[1].Sum)
	base, err := kit.LoadBase()
	require.NoError(t, err)
	g, err := kit.Combine(kit.Placed{Machine: "a", Kit: k})
	require.NoError(t, err)
	require.Equal(t, b.Rupees+base.Bill().Rupees, g.Bill.Rupees)
	require.Equal(t, "2026-11-22", g.Bill.Priced)
}

func TestBadKits(t *testing.T) {
	configtest.Bad(t, func(_ *testing.T, name string, data []byte) error {
		_, err := kit.Parse(name, data)
		return err
	})
}

func TestCombine(t *testing.T) {
	g, err := kit.Combine(kit.Placed{"f-1", load(t, "furnace")}, kit.Placed{"c-1", load(t, "cutting")},
		kit.Placed{"h-1", load(t, "hammering")}, kit.Placed{"main", load(t, "main-meter")})
	require.NoError(t, err)
	require.Len(t, g.Lines, 1)
	require.Len(t, g.Lines[0].Meters, 4)
	require.Equal(t, "rs485-1", g.Lines[0].ID)

	_, err = kit.Combine(kit.Placed{"f-1", load(t, "furnace")}, kit.Placed{"f-2", load(t, "furnace")})
	require.EqualError(t, err, `machines[1].sensors.meter.unit: f-2 meter: unit 1 on rs485-1 is taken by f-1 meter; set another on the meter and give it here
machines[1].sensors.probe.bus: f-2 probe: header pin 24 (GPIO8, spi0.0 cs) is taken by f-1 probe (spi0.0 cs); move one of them, spi0.1 is free
machines[1].sensors.reader.bus: f-2 reader: header pin 12 (GPIO18, spi1.0 cs) is taken by f-1 reader (spi1.0 cs); move one of them, spi1.1 is free
machines[1].sensors.reader.pins: f-2 reader: header pin 16 (GPIO23, pin beep) is taken by f-1 reader (pin beep); move one of them, gpio4 is free
machines[1].sensors.reader.pins: f-2 reader: header pin 15 (GPIO22, pin reset) is taken by f-1 reader (pin reset); move one of them, gpio4 is free`)

	second, err := load(t, "furnace").Override("f-2.yaml", []byte(`sensors:
  meter: {unit: 12}
  probe: {bus: spi0.1}
  reader: {bus: spi1.1, pins: {reset: gpio24, beep: gpio25}}`))
	require.NoError(t, err)
	g, err = kit.Combine(kit.Placed{"f-1", load(t, "furnace")}, kit.Placed{"f-2", second})
	require.NoError(t, err)
	base, err := kit.LoadBase()
	require.NoError(t, err)
	require.Equal(t, base.Bill().Rupees+2*second.Bill().Rupees, g.Bill.Rupees, "the gateway is bought once")

	fast, err := load(t, "cutting").Override("c.yaml", []byte("sensors: {meter: {baud: 19200, parity: even}}"))
	require.NoError(t, err)
	_, err = kit.Combine(kit.Placed{"f-1", load(t, "furnace")}, kit.Placed{"c-1", fast})
	require.EqualError(t, err, "machines[1].sensors.meter.baud: c-1 meter talks at 19200 baud, parity even; f-1 on rs485-1 at 9600, parity none: set them alike on the meters and here")

	_, err = kit.Combine(kit.Placed{"", load(t, "furnace")})
	require.ErrorContains(t, err, "every machine needs a name of its own")
}

// Another driver on the same kind of bus starts with its own options.
func TestOverrideDriver(t *testing.T) {
	out, err := load(t, "furnace").Override("f.yaml", []byte("sensors: {probe: {driver: max31855}}"))
	require.NoError(t, err)
	p, _ := out.Sensor("probe")
	require.Equal(t, kit.Options{}, p.Options)
	require.Equal(t, []string{"temperature"}, p.Gives)
}

// A second line has its own adapter, and the wires of what hangs on it end there.
func TestSecondLine(t *testing.T) {
	second, err := load(t, "cutting").Override("c.yaml", []byte("sensors: {meter: {bus: rs485-2, unit: 1}}"))
	require.NoError(t, err)
	g, err := kit.Combine(kit.Placed{"f-1", load(t, "furnace")}, kit.Placed{"c-1", second})
	require.NoError(t, err)
	require.Len(t, g.Lines, 2)
	base, err := kit.LoadBase()
	require.NoError(t, err)
	require.Equal(t, base.Bill().Rupees+1900, g.Base.Bill().Rupees, "another adapter")
	whole := g.Whole()
	connections, err := whole.Connections(g.Base.Hardware)
	require.NoError(t, err)
	at := map[string]int{}
	for _, c := range connections {
		if c.To.Thing == "f-1/meter" || c.To.Thing == "c-1/meter" {
			at[c.From.Thing+" "+c.To.Thing]++
		}
	}
	require.Equal(t, 3, at["rs485-1 f-1/meter"])
	require.Equal(t, 3, at["rs485-2 c-1/meter"])
}

// Five readers are more than the 3V3 pins give.
func TestCurrent(t *testing.T) {
	g, err := kit.Combine(kit.Placed{"f-1", load(t, "furnace")})
	require.NoError(t, err)
	require.Equal(t, 1+3+100+30, g.MilliAmps(), "clock, thermocouple board, reader, beeper")
	var all []kit.Placed
	for i, bus := range []string{"spi0.0", "spi0.1", "spi1.0", "spi1.1", "spi1.2"} {
		k, err := load(t, "cutting").Override("c.yaml", []byte(fmt.Sprintf("sensors: {meter: {unit: %d}, reader: {bus: %s, pins: {reset: gpio%d, beep: gpio%d}}}",
			i+1, bus, []int{4, 5, 6, 12, 13}[i], []int{22, 23, 24, 25, 27}[i])))
		require.NoError(t, err)
		all = append(all, kit.Placed{Machine: fmt.Sprint("c-", i), Kit: k})
	}
	_, err = kit.Combine(all...)
	require.EqualError(t, err, "machines[4]: all kits together may take 651 mA of the header's 3V3, which gives 500: put readers on a second gateway")
}

// Another meter gives what it has of what the kit takes.
func TestOverrideProfile(t *testing.T) {
	out, err := load(t, "furnace").Override("f.yaml", []byte("sensors: {meter: {profile: pzem004t}}"))
	require.NoError(t, err)
	m, _ := out.Sensor("meter")
	require.Equal(t, []string{"power", "energy", "current", "voltage", "power_factor", "frequency"}, m.Gives)
	_, err = load(t, "furnace").Override("f.yaml", []byte("sensors: {meter: {profile: trh}}"))
	require.ErrorContains(t, err, `signal "power": no sensor of the kit gives it`)
}

func TestOverride(t *testing.T) {
	k := load(t, "furnace")
	before := load(t, "furnace")
	out, err := k.Override("furnace-1.yaml", []byte(`sensors:
  meter: {unit: 12, profile: mfm383, words: low-first, timeout: 2s, quantities: [power, energy]}
  probe: {bus: spi0.1, thermocouple: N}
  reader: {pins: {reset: gpio12}}
settings:
  run_above: 3500
  dwell: {run: 0s}
  report: 2s
  alarms: {temperature_max_c: 0}
sampling: {pack: 30s}
maintenance:
  door: {interval_days: 180}
  elements: {interval_h: 0, interval_days: 0}
`))
	require.NoError(t, err)
	require.Equal(t, before, k, "the kit itself stays")
	m, _ := out.Sensor("meter")
	require.Equal(t, uint8(12), m.Unit)
	require.Equal(t, "low-first", m.Words)
	require.Equal(t, "rs485-1", m.Bus.String(), "what is not given stays")
	require.InDelta(t, 3500, out.Settings.RunAbove, 0)
	require.InDelta(t, 40, out.Settings.IdleAbove, 0)
	require.Zero(t, out.Settings.Dwell.Run)
	require.Equal(t, k.Settings.Dwell.Off, out.Settings.Dwell.Off)
	require.Zero(t, out.Settings.Alarms.TemperatureMaxC)
	require.Equal(t, 2*time.Second, out.Sampling.Report.Std())
	require.Equal(t, 30*time.Second, out.Sampling.Pack.Std())
	require.Len(t, out.Maintenance, len(k.Maintenance)-1)
	require.Equal(t, 26, pins(t, out, "probe")["CS"], "the wires follow the bus")
	require.Equal(t, 32, pins(t, out, "reader")["RST"])
	require.Equal(t, 16, pins(t, out, "beeper")["IN"])

	g, err := kit.Combine(kit.Placed{"f", out})
	require.NoError(t, err)
	require.Equal(t, meter.LowFirst, g.Lines[0].Meters[0].Profile.Words)
}

// A sensor that is not fitted takes its wires, its parts and what hung only on it along.
func TestNotFitted(t *testing.T) {
	k := load(t, "furnace")
	out, err := k.Override("f.yaml", []byte("sensors: {reader: {fitted: false}, probe: {fitted: false}}\nsettings: {alarms: {temperature_max_c: 0}}"))
	require.NoError(t, err)
	require.Len(t, out.Sensors, 1)
	for _, th := range out.Things {
		require.Contains(t, []string{"breaker", "machine"}, th.ID)
	}
	require.Len(t, out.Things, 2)
	require.Equal(t, 8500+1800, out.Bill().Rupees)
	_, err = k.Override("f.yaml", []byte("sensors: {meter: {fitted: false}}"))
	require.ErrorContains(t, err, `signal "power": no sensor of the kit gives it`)
}

func TestBadChanges(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":    {"sensors:\n  meter: {unti: 3}", `c.yaml:2: sensors.meter: unknown key "unti"; did you mean "unit"?`},
		"unknown sensor": {"sensors:\n  mter: {unit: 3}", `c.yaml:2: the kit furnace has no sensor "mter"; did you mean "meter"?`},
		"unknown task":   {"maintenance:\n  dor: {interval_h: 3}", `c.yaml:2: the kit furnace has no task "dor"; did you mean "door"?`},
		"taken pin":      {"settings: {run_above: 3000}\nsensors:\n  reader:\n    pins: {reset: gpio8}", "c.yaml:4: reader: header pin 24 (GPIO8, pin reset) is taken by probe (spi0.0 cs); move one of them, gpio4 is free"},
		"spi mode":       {"sensors:\n  probe: {bus: spi1.1}", "c.yaml:2: max31856 needs SPI mode 1, which spi1 of a Raspberry Pi 3 or 4 can't do; use spi0.0 or spi0.1"},
		"no such bus":    {"sensors:\n  probe: {bus: spi2.0}", `c.yaml:2: sensors.probe.bus: no bus "spi2.0"; use spi0.0, spi0.1, spi1.0 to spi1.2, i2c1, gpio4 and the like, or rs485-1`},
		"thresholds":     {"settings:\n  run_above: 10", "c.yaml:1: thresholds 40 and 10: want 0 < idle_above ≤ run_above"},
		"unit":           {"sensors:\n  meter: {unit: 248}", "c.yaml:2: unit 248: a Modbus address is 1 to 247"},
		"gives":          {"sensors:\n  meter: {profile: pzem004t, quantities: [current_l1]}", "c.yaml:2: pzem004t does not give current_l1"},
		"former name":    {"sensors:\n  meter: {gives: [power]}", `c.yaml:2: sensors.meter: unknown key "gives"; did you mean "quantities"?`},
		"former driver":  {"sensors:\n  probe: {driver: pulse}", `c.yaml:2: no driver "pulse"; did you mean "s0"?`},
		"other bus":      {"sensors:\n  probe: {bus: i2c1}", "c.yaml:2: the wires of the kit furnace are those of spi; a probe on i2c1 needs a kit file of its own"},
		"empty":          {"", "c.yaml:1: the file holds nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, "furnace").Override("c.yaml", []byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Whatever the bytes, Parse and Override answer with a kit or an error; a kit that passes can be combined and shows its
// wires.
func FuzzParse(f *testing.F) {
	f.Add(good(f), []byte("sensors: {probe: {fitted: false}}"))
	for _, class := range kit.Classes() {
		data, err := os.ReadFile("class/" + class + ".yaml")
		require.NoError(f, err)
		f.Add(data, []byte("sensors: {reader: {pins: {reset: gpio12}}}\nsettings: {run_above: 9000}"))
	}
	base, err := kit.LoadBase()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data, change []byte) {
		k, err := kit.Parse("f.yaml", data)
		if err != nil {
			return
		}
		for _, k := range []*kit.Kit{k, changed(k, change)} {
			_, err = k.Connections(base.Hardware)
			require.NoError(t, err)
			_, err = kit.Combine(kit.Placed{"m", k})
			if err != nil {
				require.ErrorContains(t, err, "on rs485-", "alone on a gateway only two meters of a line can disagree")
			}
		}
	})
}

func changed(k *kit.Kit, change []byte) *kit.Kit {
	out, err := k.Override("c.yaml", change)
	if err != nil {
		return k
	}
	return out
}

func load(t *testing.T, class string) *kit.Kit {
	t.Helper()
	k, err := kit.Load(class)
	require.NoError(t, err)
	return k
}

func good(t testing.TB) []byte {
	data, err := os.ReadFile("testdata/good.yaml")
	require.NoError(t, err)
	return data
}

// pins are the header pins of a thing's terminals.
func pins(t *testing.T, k *kit.Kit, id string) map[string]int {
	t.Helper()
	base, err := kit.LoadBase()
	require.NoError(t, err)
	connections, err := k.Connections(base.Hardware)
	require.NoError(t, err)
	out := map[string]int{}
	for _, c := range connections {
		if c.To.Thing == id && c.From.Pin > 0 {
			out[c.To.Terminal] = c.From.Pin
		}
	}
	return out
}
