package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const sensed = head + "card_salt_file: site.salt\nmachines:\n  - id: furnace-1\n    source: sensors\n    sensors:\n"

func TestSensors(t *testing.T) {
	g, err := Load(dir(t, sensed+`      - {meter: sdm120, line: {url: "rtu:///dev/ttyUSB0"}, unit: 1}
      - {chip: max31855, bus: /dev/spidev0.0}
      - {chip: ctclamp, bus: i2c1, quantity: current_l1, volts: 230}
      - {chip: ctclamp, bus: /dev/i2c-1, input: A2-A3, quantity: current_l2}
      - {chip: adxl345, bus: SPI0.1}
      - {card_reader: mfrc522, bus: spi1.0, reset: gpio25}
      - {supply: GPIO17}
  - id: lathe-1
    source: sensors
    sensors:
      - {meter: em2m, line: {url: "rtu:///dev/ttyUSB0"}, unit: 2, words: low-first, timeout: 300ms, quantities: [power, energy]}
      - {mqtt_meter: tasmota, device: plug-3, quantities: [voltage]}
  - id: fan-1
    source: sensors
    sensors:
      - {s0: GPIO22, imp_per_kwh: 1000}
      - {chip: lis3dh, bus: I2C1, addr: 0x19, samples: 4096, window_every: 30s}
`))
	require.NoError(t, err)
	s := g.Machines[0].Sensors
	require.Equal(t, Line{URL: "rtu:///dev/ttyUSB0", Baud: 9600, Parity: "none"}, *s[0].Line, "the profile's")
	require.Contains(t, s[0].Quantities, "energy")
	require.NotContains(t, s[0].Quantities, "energy_export")
	require.Equal(t, "SPI0.0", s[1].Bus)
	require.Equal(t, []string{"current_l1", "power_l1"}, s[2].Quantities)
	require.Equal(t, []string{"current_l2"}, s[3].Quantities)
	require.Equal(t, uint16(0x48), s[2].Addr)
	require.Equal(t, 4096, s[4].Samples)
	require.Equal(t, 10*time.Second, s[4].WindowEvery.Std())
	require.Equal(t, "GPIO25", s[5].Reset)
	require.Equal(t, "sdm120 unit 1 at rtu:///dev/ttyUSB0", s[0].Name())
	require.Equal(t, "ctclamp at I2C1 0x48 A2-A3", s[3].Name())
	require.Equal(t, "mqtt://127.0.0.1:1883", g.Machines[1].Sensors[1].Broker)
	require.Equal(t, uint16(0x19), g.Machines[2].Sensors[1].Addr)
}

func TestBadSensors(t *testing.T) {
	const second = "  - id: lathe-1\n    source: sensors\n    sensors:\n"
	for name, c := range map[string]struct {
		sensors string
		want    []string
	}{
		"unknown chip":        {"{chip: max31865, bus: SPI0.0}", []string{`gateway.yaml:10: unknown chip "max31865"; did you mean "max31855"?`}},
		"unknown meter":       {"{meter: sdm102, line: {url: \"rtu:///dev/x\"}, unit: 1}", []string{`gateway.yaml:10: unknown meter "sdm102"; did you mean "sdm120"?`}},
		"unknown mqtt meter":  {"{mqtt_meter: tasmoto, device: a}", []string{`unknown mqtt_meter "tasmoto"; did you mean "tasmota"?`}},
		"unknown reader":      {"{card_reader: mfrc532, bus: SPI0.0}", []string{`unknown card reader "mfrc532"; did you mean "mfrc522"?`}},
		"unknown key":         {"{chip: max31855, buss: SPI0.0}", []string{`gateway.yaml:10: machines[0].sensors[0]: unknown key "buss"; did you mean "bus"?`}},
		"nothing":             {"{bus: SPI0.0}", []string{"exactly one of the keys chip, meter"}},
		"two things":          {"{chip: max31855, supply: GPIO4, bus: SPI0.0}", []string{"exactly one of the keys", "this one has 2"}},
		"key of another":      {"{chip: max31855, bus: SPI0.0, unit: 3}", []string{"unit does not belong to a max31855"}},
		"no bus":              {"{chip: max31855}", []string{"bus is missing: write SPI0.0"}},
		"wrong kind of bus":   {"{chip: max31855, bus: I2C1}", []string{`bus "I2C1": a max31855 is on SPI0.0`}},
		"no such form of bus": {"{chip: adxl345, bus: ttyUSB0}", []string{`bus "ttyUSB0": a adxl345 is on SPI0.0`}},
		"bad address":         {"{chip: ctclamp, bus: I2C1, addr: 0x50}", []string{"addr 0x50: a ctclamp has 0x48, 0x49, 0x4a, 0x4b"}},
		"address on SPI":      {"{chip: adxl345, bus: SPI0.0, addr: 0x53}", []string{"addr belongs to an I2C bus"}},
		"SPI twice":           {"{chip: max31855, bus: SPI0.0}\n      - {card_reader: mfrc522, bus: /dev/spidev0.0}", []string{"gateway.yaml:11: SPI0.0 is used twice, first in line 10"}},
		"address twice":       {"{chip: adxl345, bus: I2C1}\n" + second + "      - {chip: adxl345, bus: i2c-1, addr: 0x53}", []string{"gateway.yaml:14: I2C1 address 0x53 is used twice, first in line 10"}},
		"pin twice":           {"{supply: GPIO17}\n      - {s0: gpio17, imp_per_kwh: 1000}", []string{"gateway.yaml:11: GPIO17 is used twice, first in line 10"}},
		"reset pin twice":     {"{supply: GPIO17}\n      - {card_reader: mfrc522, bus: SPI0.0, reset: GPIO17}", []string{"GPIO17 is used twice"}},
		"no such pin":         {"{supply: GPIO40}", []string{`pin "GPIO40": write GPIO0 to GPIO27`}},
		"unit twice": {"{meter: sdm120, line: {url: \"rtu:///dev/x\"}, unit: 1, quantities: [power]}\n" + second + "      - {meter: sdm630, line: {url: \"rtu:///dev/x\"}, unit: 1, quantities: [energy]}",
			[]string{"unit 1 of rtu:///dev/x is used twice, first in line 10"}},
		"lines that differ": {"{meter: sdm120, line: {url: \"rtu:///dev/x\", baud: 2400}, unit: 1, quantities: [power]}\n" + second + "      - {meter: sdm120, line: {url: \"rtu:///dev/x\"}, unit: 2}",
			[]string{"rtu:///dev/x has 9600 baud, parity none here and 2400 baud, parity none before"}},
		"no line":           {"{meter: sdm120, unit: 1}", []string{"line is missing"}},
		"no unit":           {"{meter: sdm120, line: {url: \"tcp://h:502\"}}", []string{"unit 0: give the meter's Modbus address"}},
		"baud of TCP":       {"{meter: sdm120, line: {url: \"tcp://h:502\", baud: 9600}, unit: 1}", []string{"baud and parity belong to a serial line"}},
		"bad URL":           {"{meter: sdm120, line: {url: \"usb0\"}, unit: 1}", []string{"use tcp://host:502, rtu:///dev/ttyUSB0"}},
		"bad parity":        {"{meter: sdm120, line: {url: \"rtu:///dev/x\", parity: evne}, unit: 1}", []string{`parity "evne": use none, even or odd`}},
		"bad words":         {"{meter: em2m, line: {url: \"rtu:///dev/x\"}, unit: 1, words: hihg-first}", []string{`words "hihg-first"; did you mean "high-first"?`}},
		"bad quantity":      {"{meter: sdm120, line: {url: \"rtu:///dev/x\"}, unit: 1, quantities: [powre]}", []string{`it does not give "powre"; did you mean "power"?`}},
		"quantity twice":    {"{chip: max31855, bus: SPI0.0}\n      - {chip: max31856, bus: SPI0.1}", []string{"gateway.yaml:11: temperature is given by two sensors of machine", "line 10"}},
		"bad name":          {"{chip: ctclamp, bus: I2C1, quantity: current_l4}", []string{`unknown quantity "current_l4" of a clamp`}},
		"rename":            {"{chip: max31855, bus: SPI0.0, quantity: setpoint}", []string{"a max31855 gives temperature under that name only"}},
		"thermocouple":      {"{chip: max31856, bus: SPI0.0, thermocouple: J}", []string{`thermocouple "J": use K, N, R or S`}},
		"ratio":             {"{chip: ctclamp, bus: I2C1, ct_ratio: -1}", []string{"ct_ratio -1: use 1 to 100000"}},
		"range":             {"{chip: adxl345, bus: SPI0.0, range_g: 3}", []string{"range_g 3: use 2, 4, 8 or 16"}},
		"window":            {"{chip: adxl345, bus: SPI0.0, window_every: 1s}", []string{"window_every 1s is too short"}},
		"pulses":            {"{s0: GPIO5}", []string{"imp_per_kwh is missing"}},
		"shelly's channels": {"{mqtt_meter: shelly-gen2, device: x}", []string{"channels:"}},
		"mqtt device":       {"{mqtt_meter: tasmota, device: a/+/b}", []string{"device \"a/+/b\""}},
		"mqtt twice":        {"{mqtt_meter: tasmota, device: a}\n" + second + "      - {mqtt_meter: tasmota, device: a}", []string{"channel energy of tasmota a", "used twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(dir(t, sensed+"      - "+c.sensors+"\n"))
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
	_, err := Load(dir(t, strings.ReplaceAll(sensed, "card_salt_file: site.salt\n", "")+"      - {card_reader: mfrc522, bus: SPI0.0}\n"))
	require.ErrorContains(t, err, "a card reader needs card_salt_file")
	_, err = Load(dir(t, head+"machines:\n  - id: a\n    source: sensors\n"))
	require.ErrorContains(t, err, `sensors: none given for machine "a"`)
	_, err = Load(dir(t, head+"machines:\n  - id: a\n    source: replay\n    replay: {file: ahu0.csv}\n    sensors: [{supply: GPIO4}]\n"))
	require.ErrorContains(t, err, "sensors is given but the source is replay")
}
