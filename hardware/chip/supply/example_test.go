package supply_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/supply"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

func Example() {
	pin := &gpiotest.Pin{N: "GPIO27"} // on a Raspberry Pi: gpioreg.ByName("GPIO27")
	dev, err := supply.New(pin, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = pin.Out(gpio.Low) // the opto-coupler conducts
	r, err := dev.Sense(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("mains present:", r.Present)
	// Output: mains present: true
}
