package ads1115_test

import (
	"context"
	"fmt"
	"time"

	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ads1115/ads1115test"
)

func Example() {
	bus := &ads1115test.Chip{Signal: func(ads1115.Input, time.Time) float64 { return 1.65 }} // on a Raspberry Pi: i2creg.Open("1")
	dev, err := ads1115.New(bus, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := dev.Sense(context.Background(), ads1115.Channel{Input: ads1115.Input0, Range: ads1115.Range4096mV})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Voltage)
	// Output: 1.650V
}
