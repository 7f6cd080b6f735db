package sensor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/feature"
	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/adxl345"
	"karkhana/hardware/chip/ctclamp"
	"karkhana/hardware/chip/ds18b20"
	"karkhana/hardware/chip/iis3dwb"
	"karkhana/hardware/chip/lis3dh"
	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31856"
	"karkhana/hardware/chip/supply"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Qualities of the wire contract.
const (
	estimated = "estimated"
	saturated = "saturated"
)

// chip returns how a chip is opened.
func (s *Set) chip(c config.Sensor) func() (device, error) {
	switch c.Chip {
	case "max31855":
		return s.onSPI(c, func(p spi.Port) (device, error) {
			d, err := max31855.New(p, &max31855.Opts{Frequency: clock(c)})
			return thermocouple(func(ctx context.Context) (physic.Temperature, error) {
				r, err := d.Sense(ctx)
				return r.Temperature, err
			}), err
		})
	case "max31856":
		return s.onSPI(c, func(p spi.Port) (device, error) {
			average := c.Average
			if average == 0 {
				average = max31856.DefaultOpts.Average
			}
			d, err := max31856.New(p, &max31856.Opts{Type: max31856.Type(c.Thermocouple), Average: average, Frequency: clock(c)})
			return thermocouple(func(ctx context.Context) (physic.Temperature, error) {
				r, err := d.Sense(ctx)
				return r.Temperature, err
			}), err
		})
	case "ctclamp":
		return func() (device, error) { return s.clamp(c) }
	case "ds18b20":
		return func() (device, error) {
			d, err := ds18b20.New(oneWire(s.buses), c.ID, nil)
			return thermocouple(func(ctx context.Context) (physic.Temperature, error) {
				r, err := d.Sense(ctx)
				return r.Temperature, err
			}), err
		}
	}
	if strings.HasPrefix(c.Bus, "SPI") {
		return s.onSPI(c, func(p spi.Port) (device, error) { return s.accelSPI(c, p) })
	}
	return func() (device, error) {
		b, err := s.i2c(c.Bus)
		if err != nil {
			return device{}, err
		}
		return s.accelI2C(c, b)
	}
}

// onSPI opens a port for a chip. A chip that is not there gives the port back, since a port can be connected once only.
func (s *Set) onSPI(c config.Sensor, connect func(spi.Port) (device, error)) func() (device, error) {
	return func() (device, error) {
		p, err := s.buses.SPI(c.Bus)
		if err != nil {
			return device{}, err
		}
		shut := closing(p)
		d, err := connect(p)
		if err != nil {
			return device{}, errors.Join(err, shut())
		}
		inner := d.close
		d.close = func() error {
			if inner == nil {
				return shut()
			}
			return errors.Join(inner(), shut())
		}
		return d, nil
	}
}

func clock(c config.Sensor) physic.Frequency {
	return physic.Frequency(c.ClockMHz * float64(physic.MegaHertz))
}

func thermocouple(sense func(context.Context) (physic.Temperature, error)) device {
	return device{sense: func(ctx context.Context) ([]wire.Sample, error) {
		t, err := sense(ctx)
		if err != nil {
			return nil, err
		}
		return []wire.Sample{{Quantity: quantity.Temperature, Number: round(t.Celsius(), 1000)}}, nil
	}}
}

// round cuts what no sensor resolves.
func round(v, steps float64) float64 { return math.Round(v*steps) / steps }

// clamp opens a current clamp. Clamps of one ADC share its driver, which lets conversions queue.
func (s *Set) clamp(c config.Sensor) (device, error) {
	adc, err := s.adc(c.Bus, c.Addr)
	if err != nil {
		return device{}, err
	}
	// The order of config.Inputs is that of the chip's field.
	order := []ads1115.Input{ads1115.Input0Minus1, ads1115.Input0Minus3, ads1115.Input1Minus3, ads1115.Input2Minus3, ads1115.Input0, ads1115.Input1, ads1115.Input2, ads1115.Input3}
	ch := ads1115.Channel{Input: order[slices.Index(config.Inputs, c.Input)], Range: ads1115.Range2048mV}
	if ch.Input.Single() {
		ch.Range = ads1115.Range4096mV
	}
	d, err := ctclamp.New(adc, &ctclamp.Opts{
		Channel: ch, Ratio: c.CTRatio, Burden: physic.ElectricResistance(c.BurdenOhm * float64(physic.Ohm)),
		Noise: physic.ElectricCurrent(c.NoiseA * float64(physic.Ampere)),
	})
	if err != nil {
		return device{}, err
	}
	name := c.Quantity
	if name == "" {
		name = quantity.Current
	}
	return device{sense: func(ctx context.Context) ([]wire.Sample, error) {
		select {
		case <-adc.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r, err := d.Sense(ctx)
		adc.turn <- struct{}{}
		if err != nil {
			return nil, err
		}
		amps := float64(r.Current) / float64(physic.Ampere)
		current := wire.Sample{Quantity: name, Number: round(amps, 1e4)}
		power := wire.Sample{Quantity: strings.Replace(name, quantity.Current, quantity.Power, 1), Number: round(amps*c.Volts*c.PowerFactor, 10), Quality: estimated}
		if r.Saturated {
			current.Quality, power.Quality = saturated, saturated
		}
		return []wire.Sample{current, power}, nil
	}}, nil
}

// capturer is an accelerometer.
type capturer interface {
	Capture(ctx context.Context, n int) (accel.Window, error)
	Halt() error
}

func (s *Set) accelSPI(c config.Sensor, p spi.Port) (device, error) {
	switch c.Chip {
	case "adxl345":
		d, err := adxl345.NewSPI(p, &adxl345.Opts{RangeG: c.RangeG, Frequency: clock(c), Clock: s.clock})
		return windows(c, d, err)
	case "lis3dh":
		d, err := lis3dh.NewSPI(p, &lis3dh.Opts{RangeG: c.RangeG, Frequency: clock(c), Clock: s.clock})
		return windows(c, d, err)
	case "iis3dwb":
		d, err := iis3dwb.NewSPI(p, &iis3dwb.Opts{RangeG: c.RangeG, Frequency: clock(c), Clock: s.clock})
		return windows(c, d, err)
	}
	return device{}, fmt.Errorf("no driver for %s on SPI", c.Chip)
}

func (s *Set) accelI2C(c config.Sensor, b i2c.Bus) (device, error) {
	switch c.Chip {
	case "adxl345":
		d, err := adxl345.NewI2C(b, &adxl345.Opts{RangeG: c.RangeG, Addr: c.Addr, Clock: s.clock})
		return windows(c, d, err)
	case "lis3dh":
		d, err := lis3dh.NewI2C(b, &lis3dh.Opts{RangeG: c.RangeG, Addr: c.Addr, Clock: s.clock})
		return windows(c, d, err)
	}
	return device{}, fmt.Errorf("no driver for %s on I2C", c.Chip)
}

// windows makes features of a window each time it is read.
func windows(c config.Sensor, d capturer, err error) (device, error) {
	if err != nil {
		return device{}, err
	}
	analyser := &feature.Analyser{}
	return device{
		close: d.Halt,
		sense: func(ctx context.Context) ([]wire.Sample, error) {
			w, err := d.Capture(ctx, c.Samples)
			if err != nil {
				return nil, err
			}
			f, err := analyser.Analyse(w)
			if err != nil {
				return nil, err
			}
			return f.Samples(nil), nil
		},
	}, nil
}

// mains opens a sense of the mains.
func (s *Set) mains(c config.Sensor) (device, error) {
	p, err := s.buses.Pin(c.Supply)
	if err != nil {
		return device{}, err
	}
	d, err := supply.New(p, &supply.Opts{PresentHigh: c.PresentHigh})
	if err != nil {
		return device{}, err
	}
	return device{close: d.Halt, sense: func(ctx context.Context) ([]wire.Sample, error) {
		r, err := d.Sense(ctx)
		if err != nil {
			return nil, err
		}
		return []wire.Sample{{Quantity: quantity.Supply, Bool: r.Present}}, nil
	}}, nil
}
