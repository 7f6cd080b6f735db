package sensor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
)

func TestGroups(t *testing.T) {
	line := func(url string) config.Sensor { return config.Sensor{Meter: "sdm120", Line: &config.Line{URL: url}} }
	chip := func(bus string) config.Sensor { return config.Sensor{Chip: "adxl345", Bus: bus} }
	machine := func(id string, s ...config.Sensor) config.Machine { return config.Machine{ID: id, Sensors: s} }
	ids := func(groups [][]config.Machine) (out [][]string) {
		for _, g := range groups {
			var names []string
			for _, m := range g {
				names = append(names, m.ID)
			}
			out = append(out, names)
		}
		return out
	}
	require.Nil(t, ids(Groups(nil)))
	require.Equal(t, [][]string{{"a", "c", "e", "f"}, {"b"}, {"d"}}, ids(Groups([]config.Machine{
		machine("a", line("rtu:///dev/ttyUSB0")),
		machine("b", line("rtu:///dev/ttyUSB1"), chip("SPI0.0")),
		machine("c", chip("I2C1")),
		machine("d", chip("SPI0.1"), config.Sensor{Supply: "GPIO17"}),
		machine("e", chip("I2C1"), config.Sensor{MQTTMeter: "tasmota", Broker: "mqtt://x:1"}),
		machine("f", config.Sensor{MQTTMeter: "tasmota", Broker: "mqtt://x:1"}, line("rtu:///dev/ttyUSB0")),
	})))
}
