package sensor

import (
	"strings"

	"karkhana/firmware-gateway/config"
)

// Groups parts machines with sensors so that no two groups share a line, an I2C bus or a connection to a broker. Each
// can have a [Set] of its own, which begins and ends without the others. The order within the machines stays.
func Groups(machines []config.Machine) [][]config.Machine {
	group := make([]int, len(machines)) // machine → the first machine of its group
	first := map[string]int{}           // place → the first machine on it
	for i, m := range machines {
		group[i] = i
		for _, p := range places(m) {
			j, known := first[p]
			if !known {
				first[p] = i
				continue
			}
			a, b := min(group[i], group[j]), max(group[i], group[j])
			for k := range i + 1 {
				if group[k] == b {
					group[k] = a
				}
			}
		}
	}
	var out [][]config.Machine
	at := map[int]int{} // first machine of a group → position in out
	for i, m := range machines {
		n, known := at[group[i]]
		if !known {
			n = len(out)
			at[group[i]] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], m)
	}
	return out
}

// places are what a machine may share with others.
func places(m config.Machine) []string {
	var out []string
	for _, s := range m.Sensors {
		switch {
		case s.Meter != "" && s.Line != nil:
			out = append(out, s.Line.URL)
		case s.MQTTMeter != "":
			out = append(out, s.Broker)
		case strings.HasPrefix(s.Bus, "I2C"):
			out = append(out, s.Bus)
		}
	}
	return out
}
