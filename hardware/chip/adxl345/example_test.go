package adxl345_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/adxl345"
	"karkhana/hardware/chip/adxl345/adxl345test"
)

func Example() {
	clock := &acceltest.Clock{}
	chip := &adxl345test.Chip{Clock: clock, RateHz: 3250, Signal: acceltest.Sine(256, 25, 3250, 256)}
	// On a Raspberry Pi: port, err := spireg.Open("SPI0.0"), and no Clock.
	dev, err := adxl345.NewSPI(chip.SPI(), &adxl345.Opts{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := dev.Capture(context.Background(), 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d samples at %.0f Hz, %d overruns\n", len(w.X), w.RateHz, w.Overruns)
	// Output: 4096 samples at 3250 Hz, 0 overruns
}
