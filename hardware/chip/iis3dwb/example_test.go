package iis3dwb_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/iis3dwb"
	"karkhana/hardware/chip/iis3dwb/iis3dwbtest"
)

func Example() {
	clock := &acceltest.Clock{}
	chip := &iis3dwbtest.Chip{Clock: clock, RateHz: 26400, Signal: acceltest.Sine(500, 25, 26400, 500)}
	// On a Raspberry Pi: port, err := spireg.Open("SPI0.0"), and no Clock.
	dev, err := iis3dwb.NewSPI(chip.SPI(), &iis3dwb.Opts{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := dev.Capture(context.Background(), 32768)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d samples at %.0f Hz, %d overruns\n", len(w.X), w.RateHz, w.Overruns)
	// Output: 32768 samples at 26400 Hz, 0 overruns
}
