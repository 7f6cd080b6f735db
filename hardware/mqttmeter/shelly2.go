package mqttmeter

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// component is the key of a measuring component of a status: em1data:1 belongs to em1:1.
var component = regexp.MustCompile(`^(switch|cover|light|pm1|em1|em)(data)?:([0-9]{1,3})$`)

// shelly2 reads notifications (…/events/rpc), the status of a component (…/status/switch:0), and a whole status or the
// answer to a request for it.
func shelly2(r *Reading, topic string, payload []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(payload, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if raw, ok := m["method"]; ok {
		var method string
		if err := json.Unmarshal(raw, &method); err != nil {
			return fmt.Errorf("%w: method: %w", ErrDamaged, err)
		}
		if method != "NotifyStatus" && method != "NotifyFullStatus" {
			return fmt.Errorf("%w: %.40q is not a status", ErrOther, method)
		}
		return shellyStatus(r, m["params"])
	}
	if raw, ok := m["result"]; ok {
		return shellyStatus(r, raw)
	}
	if key := topic[strings.LastIndexByte(topic, '/')+1:]; component.MatchString(key) {
		return shellyComponent(r, key, payload)
	}
	return shellyStatus(r, payload)
}

// shellyStatus reads an object that has components by their keys.
func shellyStatus(r *Reading, payload json.RawMessage) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(payload, &m); err != nil {
		return fmt.Errorf("%w: status: %w", ErrDamaged, err)
	}
	r.TimeMs = shellyTime(m)
	keys := make([]string, 0, len(m))
	for key := range m {
		if component.MatchString(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := shellyComponent(r, key, m[key]); err != nil {
			return err
		}
	}
	return nil
}

// shellyTime is the time of a notification (ts) or of a whole status (sys.unixtime), seconds since 1970. Before the
// device knows the time ts counts from its start.
func shellyTime(m map[string]json.RawMessage) int64 {
	var sys struct {
		Unixtime json.RawMessage `json:"unixtime"`
	}
	if raw, ok := m["sys"]; ok && json.Unmarshal(raw, &sys) != nil {
		return 0
	}
	for _, raw := range []json.RawMessage{m["ts"], sys.Unixtime} {
		if raw == nil {
			continue
		}
		if s, ok, err := number(raw); err == nil && ok && s*1000 >= float64(wire.MinTimeMs) && s < 1e11 {
			return int64(math.Round(s * 1000))
		}
	}
	return 0
}

// shellyValues are the measured fields of all components, phases a, b, c as l1, l2, l3.
type shellyValues struct {
	Apower   numbers `json:"apower"`    // switch, cover, light, pm1
	ActPower numbers `json:"act_power"` // em1
	Voltage  numbers `json:"voltage"`
	Current  numbers `json:"current"`
	Factor   numbers `json:"pf"`
	Freq     numbers `json:"freq"`
	Errors   any     `json:"errors"`

	Aenergy    shellyCounter `json:"aenergy"`
	RetAenergy shellyCounter `json:"ret_aenergy"`
	TotalEM1   numbers       `json:"total_act_energy"`
	ReturnEM1  numbers       `json:"total_act_ret_energy"`
	TotalEM    numbers       `json:"total_act"`
	ReturnEM   numbers       `json:"total_act_ret"`

	Whole    numbers `json:"total_act_power"`
	Apparent numbers `json:"total_aprt_power"`
	VoltageA numbers `json:"a_voltage"`
	VoltageB numbers `json:"b_voltage"`
	VoltageC numbers `json:"c_voltage"`
	CurrentA numbers `json:"a_current"`
	CurrentB numbers `json:"b_current"`
	CurrentC numbers `json:"c_current"`
	PowerA   numbers `json:"a_act_power"`
	PowerB   numbers `json:"b_act_power"`
	PowerC   numbers `json:"c_act_power"`
	FactorA  numbers `json:"a_pf"`
	FactorB  numbers `json:"b_pf"`
	FactorC  numbers `json:"c_pf"`
	FreqA    numbers `json:"a_freq"`
	ErrorsA  any     `json:"a_errors"`
	ErrorsB  any     `json:"b_errors"`
	ErrorsC  any     `json:"c_errors"`
}

type shellyCounter struct {
	Total numbers `json:"total"` // Wh
}

func shellyComponent(r *Reading, key string, payload json.RawMessage) error {
	var v shellyValues
	if err := json.Unmarshal(payload, &v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, key, err)
	}
	c := r.channel(strings.Replace(key, "data:", ":", 1))
	// The counters stand in the device's memory: they are good when its measuring is not.
	for _, x := range []struct {
		name string
		from []numbers
	}{
		{quantity.Energy, []numbers{v.Aenergy.Total, v.TotalEM1, v.TotalEM}},
		{meter.EnergyExport, []numbers{v.RetAenergy.Total, v.ReturnEM1, v.ReturnEM}},
	} {
		for _, n := range x.from {
			if n.some() {
				c.add(x.name, math.Round(n.sum()*1000)/1000)
			}
		}
	}
	volts := numbers{list: slices.Concat(v.Voltage.list, v.VoltageA.list, v.VoltageB.list, v.VoltageC.list)}
	if volts.allZero() {
		c.refuse(quantity.Voltage, noData)
		return nil
	}
	v.electrical(c)
	return nil
}

func (v *shellyValues) electrical(c *Channel) {
	bad := faults(v.Errors, v.ErrorsA, v.ErrorsB, v.ErrorsC) // a bad phase spoils the whole
	take := func(name string, from numbers, bad map[string]bool) {
		base, _, _ := strings.Cut(name, "_l")
		switch {
		case !from.some():
		case bad["power_meter_failure"]:
			c.refuse(name, "the device says its power meter has failed")
		case bad[base]:
			c.refuse(name, "the device says the value is out of its range")
		default:
			c.add(name, from.sum())
		}
	}
	take(quantity.Power, v.Apower, bad)
	take(quantity.Power, v.ActPower, bad)
	take(quantity.Power, v.Whole, bad)
	take(quantity.Voltage, v.Voltage, bad)
	take(quantity.Current, v.Current, bad)
	take(quantity.PowerFactor, v.Factor, bad)
	take(quantity.Frequency, v.Freq, bad)
	take(quantity.Frequency, v.FreqA, faults(v.ErrorsA))
	good := map[string]*numbers{quantity.Voltage: {}, quantity.Current: {}}
	for i, p := range []struct {
		volts, amps, watts, factor numbers
		errs                       any
	}{
		{v.VoltageA, v.CurrentA, v.PowerA, v.FactorA, v.ErrorsA},
		{v.VoltageB, v.CurrentB, v.PowerB, v.FactorB, v.ErrorsB},
		{v.VoltageC, v.CurrentC, v.PowerC, v.FactorC, v.ErrorsC},
	} {
		bad, suffix := faults(p.errs), fmt.Sprintf("_l%d", i+1)
		take(quantity.Voltage+suffix, p.volts, bad)
		take(quantity.Current+suffix, p.amps, bad)
		take(quantity.Power+suffix, p.watts, bad)
		take(quantity.PowerFactor+suffix, p.factor, bad)
		if len(bad) == 0 {
			good[quantity.Voltage].list = append(good[quantity.Voltage].list, p.volts.list...)
			good[quantity.Current].list = append(good[quantity.Current].list, p.amps.list...)
		}
	}
	for name, n := range good {
		if len(n.list) == 3 { // a notification may hold one phase only
			c.add(name, math.Round(n.mean()*1000)/1000)
		}
	}
	if v.Whole.some() && v.Apparent.sum() > 0 {
		c.add(quantity.PowerFactor, math.Round(v.Whole.sum()/v.Apparent.sum()*1000)/1000)
	}
}

// faults names what a device reports as failed: power_meter_failure, or the quantities that are out of range. Other
// errors (overheated, phases in the wrong order) leave the values good.
func faults(errs ...any) map[string]bool {
	var all []any
	for _, e := range errs {
		list, _ := e.([]any)
		all = append(all, list...)
	}
	var out map[string]bool
	for _, e := range all {
		text, _ := e.(string)
		what, outside := strings.CutPrefix(text, "out_of_range:")
		if !outside && text != "power_meter_failure" {
			continue
		}
		if name, ok := map[string]string{
			"act_power": quantity.Power, "total_act_power": quantity.Power, "apower": quantity.Power, "pf": quantity.PowerFactor, "freq": quantity.Frequency,
		}[what]; ok {
			what = name
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[what] = true
	}
	return out
}
