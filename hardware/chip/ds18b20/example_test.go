package ds18b20_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"karkhana/hardware/chip/ds18b20"
)

func Example() {
	// On a Raspberry Pi: os.DirFS("/sys/bus/w1/devices").
	devices := fstest.MapFS{"28-0316a2794cff/w1_slave": {Data: []byte("50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n")}}
	dev, err := ds18b20.New(devices, "28-0316a2794cff", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = dev.Sense(context.Background())
	fmt.Println(err)
	// Output: ds18b20{28-0316a2794cff}: 85 °C as after power-up: the chip loses its supply while it measures
}
