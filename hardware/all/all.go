// Package all is the table of the drivers that an installer may name: in a kit, in gateway.yaml, in an answer of
// `scan`. A new driver is one package and one line here.
package all

import (
	"maps"
	"slices"

	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/adxl345"
	"karkhana/hardware/chip/ctclamp"
	"karkhana/hardware/chip/ds3231"
	"karkhana/hardware/chip/iis3dwb"
	"karkhana/hardware/chip/lis3dh"
	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31856"
	"karkhana/hardware/chip/mfrc522"
	"karkhana/hardware/chip/s0"
	"karkhana/hardware/chip/supply"
	"karkhana/internal/config"
	"karkhana/internal/quantity"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
)

// Info is what to know of a driver before it is used. The constructors take the driver's own default options and look
// whether the chip is there, if it can tell; one that is nil does not exist. With other options use the package itself.
type Info struct {
	Text  string   // what it is, for a list
	Gives []string // wire names of the quantities; nil: none, or by the meter's profile
	SPI   func(spi.Port) (conn.Resource, error)
	I2C   func(i2c.Bus) (conn.Resource, error)
	Pin   func(gpio.PinIn) (conn.Resource, error)
}

var vibration = []string{quantity.Vibration, quantity.Accel, quantity.Crest, quantity.Kurtosis}

// drivers has one line for each name.
var drivers = map[string]Info{
	"adxl345":  {Text: "accelerometer to 1 kHz: imbalance, looseness", Gives: vibration, SPI: on(adxl345.NewSPI), I2C: on(adxl345.NewI2C)},
	"ctclamp":  {Text: "current clamp on an ADS1115", Gives: []string{quantity.Current}, I2C: clamp},
	"ds3231":   {Text: "real-time clock", I2C: on(ds3231.New)},
	"iis3dwb":  {Text: "accelerometer to 6 kHz: bearings", Gives: vibration, SPI: on(iis3dwb.NewSPI)},
	"lis3dh":   {Text: "accelerometer, small and cheap", Gives: vibration, SPI: on(lis3dh.NewSPI), I2C: on(lis3dh.NewI2C)},
	"max31855": {Text: "thermocouple, type K by the part", Gives: []string{quantity.Temperature}, SPI: on(max31855.New)},
	"max31856": {Text: "thermocouple of type K, N, R or S", Gives: []string{quantity.Temperature}, SPI: on(max31856.New)},
	"meter":    {Text: "energy meter over Modbus, by its profile"},
	"mfrc522":  {Text: "card reader", Gives: []string{quantity.Card}, SPI: on(mfrc522.New)},
	"s0":       {Text: "S0 pulses of a meter", Gives: []string{quantity.Energy, quantity.Power, quantity.Pulses}, Pin: on(s0.New)},
	"supply":   {Text: "mains present", Gives: []string{quantity.Supply}, Pin: on(supply.New)},
}

// Names lists the drivers, sorted.
func Names() []string { return slices.Sorted(maps.Keys(drivers)) }

// Get returns a driver by its name.
func Get(name string) (Info, bool) {
	d, ok := drivers[name]
	return d, ok
}

// DidYouMean ends an error about a name that is not in the table.
func DidYouMean(name string) string { return config.DidYouMean(name, Names()) }

// on turns a driver's constructor into one of the table: default options, and no typed nil on an error.
func on[B, O any, D conn.Resource](open func(B, *O) (D, error)) func(B) (conn.Resource, error) {
	return func(bus B) (conn.Resource, error) {
		d, err := open(bus, nil)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
}

func clamp(b i2c.Bus) (conn.Resource, error) {
	adc, err := ads1115.New(b, nil)
	if err != nil {
		return nil, err
	}
	return on(ctclamp.New)(ctclamp.ADC(adc))
}
