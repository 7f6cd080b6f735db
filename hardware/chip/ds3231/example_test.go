package ds3231_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"karkhana/hardware/chip/ds3231"
)

func Example() {
	bus := playback(read(noon), read(noon)) // on a Raspberry Pi: i2creg.Open("1")
	dev, err := ds3231.New(bus, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := dev.Sense(context.Background())
	switch {
	case errors.Is(err, ds3231.ErrTimeInvalid):
		fmt.Println("ask the network for the time, then Set")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(r.Time.Format(time.DateTime), r.Temperature)
	}
	// Output: 2026-11-22 12:34:56 25.250°C
}
