package ctclamp_test

import (
	"context"
	"fmt"
	"time"

	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ctclamp"

	"periph.io/x/conn/v3/physic"
)

// adc is a clamp's wave of 12 A, a sample each 1.5 ms.
type adc struct{ at time.Time }

func (a *adc) String() string { return "adc" }

func (a *adc) Sense(context.Context, ads1115.Channel) (ads1115.Reading, error) {
	a.at = a.at.Add(1500 * time.Microsecond)
	v := sine(12, 50, 0)(a.at.Sub(time.Time{}).Seconds()) * 22 / 2000
	return ads1115.Reading{Voltage: physic.ElectricPotential(v * float64(physic.Volt)), At: a.at}, nil
}

func Example() {
	// On a Raspberry Pi: i2creg.Open("1"), SetSpeed(400 * physic.KiloHertz) and ads1115.New in place of &adc{}.
	clamp, err := ctclamp.New(&adc{}, &ctclamp.Opts{Ratio: 2000, Burden: 22 * physic.Ohm})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := clamp.Sense(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f A, saturated: %t\n", ampere(r.Current), r.Saturated)
	// Output: 12.1 A, saturated: false
}
