package sensor

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/source"
	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
)

// slave is a meter with values.
func slave(t *testing.T, profile string, values map[string]float64) *metertest.Slave {
	t.Helper()
	p, err := meter.LoadProfile(profile)
	require.NoError(t, err)
	s := metertest.NewSlave(p, 1)
	for name, v := range values {
		require.NoError(t, s.Set(name, v))
	}
	return s
}

func single(power float64) map[string]float64 {
	return map[string]float64{"voltage": 231, "current": 5, "power": power, "power_factor": 0.95, "frequency": 50, "energy": 1000}
}

// phases are three phases of 5 A with these powers.
func phases(p1, p2, p3 float64) map[string]float64 {
	out := map[string]float64{"frequency": 50, "energy": 1000, "power": p1 + p2 + p3}
	for i, p := range []float64{p1, p2, p3} {
		l := "_l" + string(rune('1'+i))
		out["voltage"+l], out["current"+l], out["power"+l], out["power_factor"+l] = 230, 5, p, p/1150
	}
	return out
}

func TestSelfTest(t *testing.T) {
	open, dead, good := &max31855test.Chip{}, &max31855test.Chip{}, &max31855test.Chip{}
	open.SetFault(1)
	dead.SetWord(0)
	good.Set(25, 24)
	b := &buses{
		spi: map[string]spi.Port{"SPI0.0": good, "SPI0.1": open, "SPI1.0": dead, "SPI1.1": &mfrc522test.Chip{}},
		pin: map[string]gpio.PinIO{"GPIO4": &gpiotest.Pin{N: "GPIO4", L: gpio.High}},
		line: map[string]meter.Registers{
			"tcp://good:502":     slave(t, "sdm120", single(1097)),
			"tcp://reversed:502": slave(t, "sdm120", single(-1097)),
			"tcp://no-fit:502":   slave(t, "sdm120", map[string]float64{"voltage": 2310, "frequency": 50}),
			"tcp://three:502":    slave(t, "sdm630", phases(1150, 1150, 1150)),
			"tcp://turned:502":   slave(t, "sdm630", phases(1150, -1150, 1150)),
			"tcp://swapped:502":  slave(t, "sdm630", phases(1150, -575, -575)),
		},
	}
	var machines strings.Builder
	for id, s := range map[string]string{
		"good": "{chip: max31855, bus: SPI0.0}", "open": "{chip: max31855, bus: SPI0.1}", "dead": "{chip: max31855, bus: SPI1.0}",
		"card": "{card_reader: mfrc522, bus: SPI1.1}", "mains": "{supply: GPIO4}",
		"one":      "{meter: sdm120, line: {url: \"tcp://good:502\"}, unit: 1, quantities: [power]}",
		"reversed": "{meter: sdm120, line: {url: \"tcp://reversed:502\"}, unit: 1, quantities: [energy]}",
		"no-fit":   "{meter: sdm120, line: {url: \"tcp://no-fit:502\"}, unit: 1}",
		"three":    "{meter: sdm630, line: {url: \"tcp://three:502\"}, unit: 1}",
		"turned":   "{meter: sdm630, line: {url: \"tcp://turned:502\"}, unit: 1}",
		"swapped":  "{meter: sdm630, line: {url: \"tcp://swapped:502\"}, unit: 1}",
		"missing":  "{meter: sdm630, line: {url: \"rtu:///dev/no-such-line\"}, unit: 1}",
	} {
		machines.WriteString(machine(id, s))
	}
	verdicts, err := Test(t.Context(), Options{Machines: load(t, machines.String()), Buses: b, Card: source.HashCards([]byte("salt"))}, 2*time.Second)
	require.NoError(t, err)
	want := map[string]string{
		"good": "", "card": "", "one": "", "three": "",
		"open": "the thermocouple is broken or not connected", "dead": "check power, chip select", "mains": "says that the mains is away",
		"reversed": "sits the wrong way round", "no-fit": "do not fit together", "turned": "power of l2 flows backwards",
		"swapped": "the transformers of l2 and l3 are likely swapped", "missing": "no such file",
	}
	require.Len(t, verdicts, len(want))
	for _, v := range verdicts {
		require.Equal(t, want[v.Machine] == "", v.OK, "%+v", v)
		require.Contains(t, strings.Join(v.Do, "\n"), want[v.Machine], "%+v", v)
	}
}
