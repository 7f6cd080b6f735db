package mqttmeter

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
)

// tasmotaEnergy is the object ENERGY of a Tasmota device, also the answer to commands that set its counters. Total, Today,
// ExportActive kWh; Power W; ApparentPower VA; ReactivePower var; Voltage V; Current A; Frequency Hz. Three-phase
// devices send lists; those with SetOption129 also for Total and Today. TotalStartTime has no zone and is not used.
type tasmotaEnergy struct {
	Total, Today, ExportActive          numbers
	Power, ApparentPower, ReactivePower numbers
	Factor, Frequency, Voltage, Current numbers
}

// tasmota reads tele/…/SENSOR, the answers to Status 8 and 10, the ENERGY messages of version 5 and, from stat/…/RESULT,
// answers to commands that set the counters.
func tasmota(r *Reading, topic string, payload []byte) error {
	last := topic[strings.LastIndexByte(topic, '/')+1:]
	var energy json.RawMessage
	set := ""
	switch last {
	case "SENSOR", "STATUS8", "STATUS10":
		var m struct {
			ENERGY    json.RawMessage
			StatusSNS struct{ ENERGY json.RawMessage }
		}
		if err := json.Unmarshal(payload, &m); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if energy = m.ENERGY; energy == nil {
			energy = m.StatusSNS.ENERGY
		}
	case "ENERGY":
		energy = payload
	case "RESULT":
		var m map[string]json.RawMessage
		if err := json.Unmarshal(payload, &m); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		for _, command := range []string{"EnergyTotal", "EnergyToday", "EnergyYesterday", "EnergyReset"} {
			if m[command] != nil {
				energy, set = m[command], command
			}
		}
	}
	if energy == nil {
		return fmt.Errorf("%w: no ENERGY in it", ErrOther)
	}
	var e tasmotaEnergy
	if err := json.Unmarshal(energy, &e); err != nil {
		return fmt.Errorf("%w: ENERGY: %w", ErrDamaged, err)
	}
	if e.Voltage.allZero() {
		return fmt.Errorf("%w: %s", ErrRefused, noData)
	}
	c := r.channel("energy")
	e.registers(c)
	if set != "" {
		c.Findings = append(c.Findings, meter.Finding{
			Kind: meter.FindingReset, Name: quantity.Energy,
			Detail: fmt.Sprintf("somebody set the counter by the command %s; its total is now %.3f kWh", set, e.Total.sum()),
		})
		return nil
	}
	e.electrical(c)
	return nil
}

// registers takes the counters. Total is what was counted before today plus Today, so less than Today alone can't be:
// then one of them ran over, and nobody knows which part of the total is left.
func (e *tasmotaEnergy) registers(c *Channel) {
	if e.Total.some() {
		total, today := e.Total.sum(), e.Today.sum()
		if today > total+0.01 || math.IsNaN(today) { // both are rounded
			c.refuse(quantity.Energy, fmt.Sprintf("today alone is %.3f kWh of a total of %.3f kWh: the counter ran over", today, total))
		} else {
			c.add(quantity.Energy, fromKWh(total))
		}
	}
	if e.ExportActive.some() {
		c.add(meter.EnergyExport, fromKWh(e.ExportActive.sum()))
	}
}

func (e *tasmotaEnergy) electrical(c *Channel) {
	for _, q := range []struct {
		name string
		from numbers
		mean bool
	}{
		{quantity.Power, e.Power, false},
		{quantity.Voltage, e.Voltage, true},
		{quantity.Current, e.Current, true},
		{quantity.Frequency, e.Frequency, true},
		{meter.ApparentPower, e.ApparentPower, false},
		{meter.ReactivePower, e.ReactivePower, false},
	} {
		if !q.from.some() {
			continue
		}
		if q.mean {
			c.add(q.name, q.from.mean())
		} else {
			c.add(q.name, q.from.sum())
		}
		c.phases(q.name, q.from)
	}
	switch {
	case !e.Factor.phases && e.Factor.some():
		c.add(quantity.PowerFactor, e.Factor.sum())
	case e.Power.some() && e.ApparentPower.sum() > 0:
		c.add(quantity.PowerFactor, math.Round(e.Power.sum()/e.ApparentPower.sum()*1000)/1000)
	}
	c.phases(quantity.PowerFactor, e.Factor)
}

// phases adds the values of a list with the names of phases, where the wire has them.
func (c *Channel) phases(name string, n numbers) {
	if !n.phases {
		return
	}
	for i, v := range n.list {
		c.add(name+"_l"+strconv.Itoa(i+1), v)
	}
}
