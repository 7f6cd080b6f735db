package sim_test

import (
	"fmt"
	"time"

	"karkhana/hardware/sim"
)

func Example() {
	epoch := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)
	workshop, err := sim.New(sim.Options{Seed: 7, Epoch: epoch})
	if err != nil {
		fmt.Println(err)
		return
	}
	furnace, err := workshop.Machine(sim.Furnace)
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := furnace.Sense(epoch.Add(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range samples {
		if s.Text == "" { // not a card
			fmt.Println(s.Quantity)
		}
	}
	// Output:
	// voltage
	// current
	// power
	// power_factor
	// frequency
	// energy
	// temperature
	// setpoint
}
