package max31856_test

import (
	"context"
	"fmt"

	"karkhana/hardware/chip/max31856"
)

func Example() {
	port := playback( // on a Raspberry Pi: spireg.Open("SPI0.0")
		set(off, 0x04), regs(off, 0x04, [6]byte{}), set(oneShot, 0x04), regs(off, 0x04, good),
	)
	dev, err := max31856.New(port, &max31856.Opts{Type: max31856.TypeN})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := dev.Sense(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f °C, the chip itself %s\n", r.Temperature.Celsius(), r.ColdJunction)
	// Output: 1000 °C, the chip itself 25°C
}
