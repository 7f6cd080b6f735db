package mqttmeter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
)

// jointAgeMs is how old a phase's newest value may be to stand in a sum or mean. A Shelly repeats unchanged values every
// half minute.
const jointAgeMs = 90_000

// Joint makes one meter of one or several channels of a device. One channel goes through as it is. Two or three are the
// phases of one machine: each value gets its phase's name, and the whole (power and registers summed, voltage and
// current averaged) is told once every phase has told its part lately; a register may be of any age, as it stands
// still while nothing flows. It is not safe for concurrent use.
type Joint struct {
	channels []string
	last     []map[string]timed
}

type timed struct {
	ms int64
	v  float64
}

// NewJoint takes the names of the channels, in the order of phases.
func NewJoint(channels ...string) (*Joint, error) {
	if len(channels) < 1 || len(channels) > 3 {
		return nil, fmt.Errorf("mqttmeter: %d channels: a machine has one channel, or one for each of two or three phases", len(channels))
	}
	j := &Joint{channels: channels}
	for i, c := range channels {
		if c == "" || slices.Contains(channels[:i], c) {
			return nil, fmt.Errorf("mqttmeter: channel %q: %w", c, errChannels)
		}
		j.last = append(j.last, map[string]timed{})
	}
	return j, nil
}

var errChannels = errors.New("name each channel once, for example emeter:0, em1:1, em:0 or energy")

// Take returns what a reading at a time in Unix milliseconds says about the machine: nothing where it is about other
// channels.
func (j *Joint) Take(atMs int64, r Reading) (values []meter.Value, findings []meter.Finding) {
	fresh := map[string]bool{}
	for i, name := range j.channels {
		c, ok := r.Channel(name)
		if !ok {
			continue
		}
		findings = append(findings, c.Findings...)
		if len(j.channels) == 1 {
			return c.Values, findings
		}
		for _, v := range c.Values {
			j.last[i][v.Name] = timed{atMs, v.Number}
			fresh[v.Name] = true
			phase := v.Name + "_l" + strconv.Itoa(i+1)
			if _, _, wire, ok := meter.Range(phase); ok {
				values = append(values, meter.Value{Name: phase, Number: v.Number, Wire: wire})
			}
		}
	}
	for _, name := range []string{quantity.Current, quantity.Energy, meter.EnergyExport, quantity.Frequency, quantity.Power, quantity.Voltage, meter.ReactivePower, meter.ApparentPower} {
		if !fresh[name] {
			continue
		}
		if v, ok := j.whole(name, atMs); ok {
			_, _, wire, _ := meter.Range(name)
			values = append(values, meter.Value{Name: name, Number: v, Wire: wire})
		}
	}
	return values, findings
}

func (j *Joint) whole(name string, atMs int64) (float64, bool) {
	register := name == quantity.Energy || name == meter.EnergyExport
	sum := 0.0
	for _, last := range j.last {
		t, ok := last[name]
		if !ok || !register && atMs-t.ms > jointAgeMs {
			return 0, false
		}
		sum += t.v
	}
	switch name {
	case quantity.Voltage, quantity.Current, quantity.Frequency:
		sum /= float64(len(j.last))
	}
	return sum, true
}
