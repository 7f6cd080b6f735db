package kit

import (
	"maps"
	"slices"

	"karkhana/internal/config"
)

// driver is what a driver needs of a sensor. The table is how a kit is checked before anything is soldered.
type driver struct {
	buses     []BusKind
	addresses []uint16 // of I2C; the first is the default
	modes     []int    // of SPI that the driver uses
	readOnly  bool     // SPI without a line to the chip
	pins      []string // that may be given besides the bus
	options   []string
	gives     []string // nil: the profile tells
	mA        int      // most that the board takes of 3.3 V, data sheet
}

var vibration = []string{"vibration", "acceleration", "crest", "kurtosis"}

// drivers are the drivers that a kit may name, by their name.
var drivers = map[string]driver{
	"meter":    {buses: []BusKind{RS485}, options: []string{"timeout", "words"}},
	"max31855": {buses: []BusKind{SPI}, mA: 2, modes: []int{0}, readOnly: true, options: []string{"clock_mhz"}, gives: []string{"temperature"}},
	"max31856": {buses: []BusKind{SPI}, mA: 3, modes: []int{1, 3}, options: []string{"thermocouple", "clock_mhz"}, gives: []string{"temperature"}},
	"ctclamp": {buses: []BusKind{I2C}, mA: 1, addresses: []uint16{0x48, 0x49, 0x4a, 0x4b}, gives: []string{"current"},
		options: []string{"ct_ratio", "burden_ohm"}},
	"adxl345": {buses: []BusKind{SPI, I2C}, mA: 1, addresses: []uint16{0x53, 0x1d}, modes: []int{3}, gives: vibration,
		options: []string{"range_g", "window_every", "clock_mhz"}},
	"lis3dh": {buses: []BusKind{SPI, I2C}, mA: 1, addresses: []uint16{0x18, 0x19}, modes: []int{3}, gives: vibration,
		options: []string{"range_g", "window_every", "clock_mhz"}},
	"iis3dwb": {buses: []BusKind{SPI}, mA: 2, modes: []int{3}, gives: vibration, options: []string{"range_g", "window_every", "clock_mhz"}},
	"mfrc522": {buses: []BusKind{SPI}, mA: 100, modes: []int{0}, pins: []string{"reset", "beep", "led_ok", "led_no"}, gives: []string{"card"},
		options: []string{"gain_db", "clock_mhz", "active_low"}},
	"ds3231": {buses: []BusKind{I2C}, mA: 1, addresses: []uint16{0x68}, gives: []string{}},
	"supply": {buses: []BusKind{GPIO}, mA: 15, options: []string{"present_high"}, gives: []string{"supply"}},
	"s0":     {buses: []BusKind{GPIO}, mA: 15, options: []string{"imp_per_kwh", "closed_high"}, gives: []string{"energy", "power", "pulses"}},
}

// didYouMean suggests a driver, also for one that had another name once.
func didYouMean(name string) string {
	if name == "pulse" {
		return `; did you mean "s0"?`
	}
	return config.DidYouMean(name, Drivers())
}

// Drivers lists the drivers that a kit may name, sorted.
func Drivers() []string { return slices.Sorted(maps.Keys(drivers)) }
