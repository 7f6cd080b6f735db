package mqttmeter_test

import (
	"fmt"

	"karkhana/hardware/mqttmeter"
)

func ExampleParse() {
	r, err := mqttmeter.Parse(mqttmeter.ShellyGen2, "shellypro-lathe/events/rpc",
		[]byte(`{"method":"NotifyStatus","params":{"ts":1757060280.21,"em1:0":{"act_power":1250.5,"voltage":231.2}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range r.Channels {
		for _, v := range c.Values {
			fmt.Println(r.TimeMs, c.Name, v.Name, v.Number)
		}
	}
	// Output:
	// 1757060280210 em1:0 power 1250.5
	// 1757060280210 em1:0 voltage 231.2
}
