package ads1115_test

import (
	"context"
	"fmt"

	"periph.io/x/conn/v3/i2c/i2ctest"

	"karkhana/hardware/chip/ads1115"
)

func Example() {
	// On a Raspberry Pi: i2creg.Open("1"). Here the bus is a recording of one conversion.
	bus := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{
		{Addr: 0x48, W: []byte{0x01, 0x01, 0xE3}},                  // New lets the chip rest,
		{Addr: 0x48, W: []byte{0x01}, R: []byte{0x81, 0xE3}},       // and it does.
		{Addr: 0x48, W: []byte{0x01, 0xC3, 0xE3}},                  // Sense starts a conversion of A0 in ±4.096 V,
		{Addr: 0x48, W: []byte{0x01}, R: []byte{0xC3, 0xE3}},       // which is over:
		{Addr: 0x48, W: []byte{0x00}, R: []byte{13200 >> 8, 0x90}}, // code 13200.
	}}
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
