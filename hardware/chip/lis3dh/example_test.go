package lis3dh_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/lis3dh"
	"karkhana/hardware/chip/lis3dh/lis3dhtest"
)

func Example() {
	clock := &acceltest.Clock{}
	chip := &lis3dhtest.Chip{Clock: clock, RateHz: 1300, Signal: acceltest.Sine(500, 25, 1300, 500)}
	// On a Raspberry Pi: port, err := spireg.Open("SPI0.0"), and no Clock.
	dev, err := lis3dh.NewSPI(chip.SPI(), &lis3dh.Opts{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := dev.Capture(context.Background(), 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d samples at %.0f Hz, %d overruns\n", len(w.X), w.RateHz, w.Overruns)
	// Output: 2048 samples at 1300 Hz, 0 overruns
}
