package mqttmeter

import (
	"fmt"
	"strconv"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
)

// shelly1 reads one topic per value: shellies/ID/emeter/N/VALUE and shellies/ID/relay/N/VALUE. The energy of a relay
// is in watt-minutes and begins at zero when the device starts; that of an emeter, beside total, is a part of a period
// and not used.
func shelly1(r *Reading, topic string, payload []byte) error {
	parts := strings.Split(topic, "/")
	if len(parts) < 3 {
		return fmt.Errorf("%w: not a topic of a measured value", ErrOther)
	}
	group, id, what := parts[len(parts)-3], parts[len(parts)-2], parts[len(parts)-1]
	if n, err := strconv.ParseUint(id, 10, 8); err != nil || strconv.FormatUint(n, 10) != id {
		return fmt.Errorf("%w: not a topic of a measured value", ErrOther)
	}
	name, divide := "", 1.0
	switch group + " " + what {
	case "emeter power", "relay power":
		name = quantity.Power
	case "emeter voltage":
		name = quantity.Voltage
	case "emeter current":
		name = quantity.Current
	case "emeter pf":
		name = quantity.PowerFactor
	case "emeter reactive_power":
		name = meter.ReactivePower
	case "emeter total":
		name = quantity.Energy
	case "emeter total_returned":
		name = meter.EnergyExport
	case "relay energy":
		name, divide = quantity.Energy, 60
	default:
		return fmt.Errorf("%w: %s of %s is not used", ErrOther, what, group)
	}
	v, ok, err := number(payload)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case !ok:
		return fmt.Errorf("%w: %s is null", ErrRefused, name)
	case name == quantity.Voltage && v == 0:
		return fmt.Errorf("%w: %s", ErrRefused, noData)
	}
	r.channel(group+":"+id).add(name, v/divide)
	return nil
}
