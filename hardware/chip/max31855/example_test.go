package max31855_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31855/max31855test"
)

func Example() {
	port := &max31855test.Chip{} // on a Raspberry Pi: spireg.Open("SPI0.0")
	port.Set(850, 30)
	dev, err := max31855.New(port, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := dev.Sense(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f °C, the chip itself %s\n", r.Temperature.Celsius(), r.ColdJunction.String())
	// Output: 850 °C, the chip itself 30°C
}
