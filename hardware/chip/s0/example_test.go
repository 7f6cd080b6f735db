package s0_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/s0"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

func Example() {
	pin := &gpiotest.Pin{N: "GPIO17", EdgesChan: make(chan gpio.Level)} // on a Raspberry Pi: gpioreg.ByName("GPIO17")
	dev, err := s0.New(pin, &s0.Opts{PulsesPerKWh: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- dev.Run(ctx) }()
	// Each second or so:
	if r, err := dev.Sense(ctx); err == nil {
		_ = r.Pulses
	}
	cancel()
	fmt.Println(<-done)
	// Output: s0{GPIO17(0)}: context canceled
}
