package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/hardware/kit"
)

const kitted = head + "card_salt_file: site.salt\n"

// Every kit that is shipped becomes a configuration that loads, and promises what the kit promises.
func TestEveryKitExpands(t *testing.T) {
	for _, class := range kit.Classes() {
		g, err := Load(dir(t, kitted+"machines:\n  - {id: m, kit: "+class+"}\n"))
		require.NoError(t, err, class)
		k, err := kit.Load(class)
		require.NoError(t, err)
		m := g.Machines[0]
		require.Equal(t, SourceSensors, m.Source)
		require.Equal(t, k.Sampling.Every, m.Every)
		require.Equal(t, k.Sampling.Report, m.Report)
		require.Equal(t, k.Sampling.Pack, m.Pack)
		require.Len(t, m.Sensors, len(k.Sensors))
		for i, s := range k.Sensors {
			require.Equal(t, s.ID, m.Sensors[i].KitID)
			require.ElementsMatch(t, s.Gives, m.Sensors[i].Quantities, "%s %s", class, s.ID)
		}
		require.Len(t, g.Hangs.Machines, 1)
	}
}

func TestKits(t *testing.T) {
	g, err := Load(dir(t, kitted+`ports: {rs485-1: "tcp://192.168.1.20:502", i2c1: /dev/i2c-3}
machines:
  - {id: furnace-1, kit: furnace, every: 2s}
  - id: saw-1
    kit: cutting
    change:
      meter: {unit: 12, profile: mfm383, words: low-first, timeout: 2s, quantities: [power, energy]}
      reader: {fitted: false}
    sensors:
      - {supply: GPIO26, present_high: true}
      - {chip: adxl345, bus: I2C1}
  - {id: main-1, kit: main-meter, change: {sense: {present_high: true, bus: GPIO4}}}
`))
	require.NoError(t, err)
	f, saw, main := g.Machines[0].Sensors, g.Machines[1].Sensors, g.Machines[2].Sensors
	require.Equal(t, 2*time.Second, g.Machines[0].Every.Std(), "what the machine says comes before the kit")
	require.Equal(t, "sdm630 unit 1 at tcp://192.168.1.20:502", f[0].Name())
	require.Equal(t, Line{URL: "tcp://192.168.1.20:502"}, *f[0].Line)
	require.Equal(t, "max31856 at SPI0.0", f[1].Name())
	require.Equal(t, "K", f[1].Thermocouple)
	require.Equal(t, "mfrc522 at SPI1.0", f[2].Name())
	require.Equal(t, "GPIO22", f[2].Reset)
	require.Len(t, saw, 3)
	require.Equal(t, "mfm383 unit 12 at tcp://192.168.1.20:502", saw[0].Name())
	require.Equal(t, []string{"power", "energy"}, saw[0].Quantities)
	require.Equal(t, "low-first", saw[0].Words)
	require.Equal(t, 2*time.Second, saw[0].Timeout.Std())
	require.Equal(t, "supply at GPIO26", saw[1].Name())
	require.Equal(t, "adxl345 at I2C1 0x53", saw[2].Name(), "written one by one: the computer's own name")
	require.True(t, main[1].PresentHigh)
	require.Equal(t, "GPIO4", main[1].Supply)
	require.Len(t, g.Hangs.Lines, 1)
	require.Len(t, g.Hangs.Lines[0].Meters, 3)
}

func TestBadKitsAndPorts(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown kit":       {"machines:\n  - id: a\n    kit: furnce\n", []string{`gateway.yaml:8: unknown kit "furnce"; did you mean "furnace"?`}},
		"unknown sensor":    {"machines:\n  - id: a\n    kit: furnace\n    change:\n      mter: {unit: 3}\n", []string{`gateway.yaml:10: the kit furnace has no sensor "mter"; did you mean "meter"?`}},
		"unknown key":       {"machines:\n  - id: a\n    kit: furnace\n    change:\n      meter: {unti: 3}\n", []string{`gateway.yaml:10: machines[0].change.meter: unknown key "unti"; did you mean "unit"?`}},
		"former key":        {"machines:\n  - id: a\n    source: sensors\n    sensors:\n      - {s0: GPIO5, impulses_per_kwh: 1000}\n", []string{`gateway.yaml:10:`, `unknown key "impulses_per_kwh"; did you mean "imp_per_kwh"?`}},
		"former name":       {"machines:\n  - id: a\n    source: sensors\n    sensors:\n      - {pulse: GPIO5}\n", []string{`unknown key "pulse"; did you mean "s0"?`}},
		"port missing":      {"machines:\n  - id: a\n    kit: furnace\n    change:\n      meter: {bus: rs485-2}\n", []string{"gateway.yaml:10: the kit's meter is on rs485-2, and ports does not say what that is here: ports: {rs485-2: /dev/ttyUSB1}"}},
		"unit twice":        {"machines:\n  - {id: a, kit: cutting}\n  - id: b\n    kit: hammering\n    change:\n      meter: {unit: 2}\n", []string{"gateway.yaml:11: b meter: unit 2 on rs485-1 is taken by a meter; set another on the meter and give it here"}},
		"unit of a sensor":  {"machines:\n  - {id: a, kit: cutting}\n  - id: b\n    source: sensors\n    sensors:\n      - {meter: sdm120, line: {url: \"rtu:///dev/ttyUSB0\"}, unit: 2}\n", []string{"gateway.yaml:11: unit 2 of rtu:///dev/ttyUSB0 is used twice, first in line 7"}},
		"pin twice":         {"machines:\n  - {id: a, kit: cutting}\n  - id: b\n    source: sensors\n    sensors:\n      - {supply: GPIO25}\n", []string{"gateway.yaml:11: b sensors 0: header pin 22 (GPIO25, gpio25 signal) is taken by a reader (pin beep)"}},
		"chip select's pin": {"machines:\n  - {id: a, kit: cutting}\n  - id: b\n    source: sensors\n    sensors:\n      - {supply: GPIO17}\n", []string{"gateway.yaml:11:", "(GPIO17, gpio17 signal) is taken by a reader (spi1.1 cs)"}},
		"clock's address":   {"machines:\n  - {id: a, kit: cutting, change: {reader: {pins: {reset: gpio2}}}}\n", []string{"gateway.yaml:7: reader: header pin 3 (GPIO2, pin reset) is taken by rtc"}},
		"two of a kit":      {"machines:\n  - {id: a, kit: cutting}\n  - {id: b, kit: cutting}\n", []string{"gateway.yaml:8: b meter: unit 2", "gateway.yaml:8: b reader: header pin 11", "gateway.yaml:8: b fits beside the others with change: {meter: {unit: 1}, reader: {bus: spi1.0, pins: {beep: gpio4, reset: gpio5}}}"}},
		"change without":    {"machines:\n  - id: a\n    source: sensors\n    change:\n      meter: {unit: 3}\n    sensors: [{supply: GPIO4}]\n", []string{"gateway.yaml:9: change is what a machine has otherwise than its kit"}},
		"source and kit":    {"machines:\n  - id: a\n    kit: cutting\n    source: sim\n", []string{"gateway.yaml:9: a machine with a kit has sensors: take source: sim out"}},
		"sim and kit":       {"machines:\n  - id: a\n    kit: cutting\n    sim: {seed: 1}\n", []string{"gateway.yaml:9: sim is given but the source is sensors"}},
		"neither":           {"machines:\n  - id: a\n", []string{`gateway.yaml:7: machine "a" has neither kit nor source`, "furnace"}},
		"quantity twice":    {"machines:\n  - id: a\n    kit: furnace\n    sensors:\n      - {chip: max31855, bus: SPI0.1}\n", []string{"gateway.yaml:10: temperature is given by two sensors", "line 8"}},
		"profile":           {"machines:\n  - id: a\n    kit: furnace\n    change: {meter: {profile: pzem004t, quantities: [current_l1]}}\n", []string{"gateway.yaml:9: pzem004t does not give current_l1"}},
		"no salt":           {"", nil},
		"port of a line":    {"ports:\n  rs485-1: ttyUSB0\nmachines:\n  - {id: a, kit: cutting}\n", []string{`gateway.yaml:7: port "ttyUSB0" of rs485-1: write a serial port such as /dev/ttyUSB0`}},
		"port of a chip":    {"ports:\n  spi0.0: I2C1\nmachines:\n  - {id: a, kit: cutting}\n", []string{`gateway.yaml:7: port "I2C1" of spi0.0: write SPI0.0 or the like`}},
		"no such bus":       {"ports:\n  rs458-1: /dev/ttyUSB0\nmachines:\n  - {id: a, kit: cutting}\n", []string{`gateway.yaml:7: ports: no bus "rs458-1" of a kit`}},
	} {
		t.Run(name, func(t *testing.T) {
			yaml := kitted + c.yaml
			if name == "no salt" {
				yaml, c.want = head+"machines:\n  - id: a\n    kit: cutting\n", []string{"gateway.yaml:7: a card reader needs card_salt_file"}
			}
			_, err := Load(dir(t, yaml))
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.LessOrEqual(t, strings.Count(err.Error(), "\n"), 4, "no flood: %v", err)
		})
	}
}
