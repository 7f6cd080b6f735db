package sensor

import (
	"context"
	"errors"
	"slices"

	"karkhana/firmware-gateway/feature"
	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ctclamp"
	"karkhana/hardware/chip/ds18b20"
	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31856"
	"karkhana/hardware/chip/mfrc522"
	"karkhana/hardware/chip/s0"
	"karkhana/hardware/chip/supply"
	"karkhana/internal/wire"
)

// Causes of faults, as they travel behind fault: in a quality.
const (
	CauseBus      = "bus"       // the bus can't be opened or gives an error
	CauseNoChip   = "no-chip"   // nothing answers on the bus
	CauseOpen     = "open"      // the thermocouple is broken or not connected
	CauseNoAnswer = "no-answer" // a meter does not answer
	CauseRefused  = "refused"   // a meter answers with an exception, or with values that can't be
	CauseSilent   = "silent"    // an MQTT meter has not sent anything for long
)

// causes says what is sent of a driver's error; the first that fits.
var causes = []struct {
	err   error
	cause string
}{
	{max31855.ErrOpen, CauseOpen},
	{max31856.FaultOpen, CauseOpen},
	{max31855.ErrShortGND, "short-gnd"},
	{max31855.ErrShortVCC, "short-vcc"},
	{max31856.FaultVoltage, "voltage"},
	{max31856.FaultRange, "range"},
	{max31856.FaultColdJunctionRange, "cold-junction"},
	{max31856.FaultColdJunctionHigh, "cold-junction"},
	{max31856.FaultColdJunctionLow, "cold-junction"},
	{max31856.FaultHigh, "range"},
	{max31856.FaultLow, "range"},
	{max31856.ErrImplausible, "implausible"},
	{max31855.ErrNoChip, CauseNoChip},
	{max31856.ErrNoChip, CauseNoChip},
	{ads1115.ErrNoChip, CauseNoChip},
	{accel.ErrNoChip, CauseNoChip},
	{mfrc522.ErrNoChip, CauseNoChip},
	{ds18b20.ErrNoChip, CauseNoChip},
	{ds18b20.ErrShort, "short-gnd"},
	{ds18b20.ErrCRC, "disturbed"},
	{ds18b20.ErrPowerOn, "reset"},
	{ds18b20.ErrRange, "implausible"},
	{ds18b20.ErrFormat, CauseBus},
	{max31856.ErrReset, "reset"},
	{ads1115.ErrReset, "reset"},
	{mfrc522.ErrReset, "reset"},
	{max31856.ErrNotReady, "not-ready"},
	{ads1115.ErrNotReady, "not-ready"},
	{ctclamp.ErrBias, "bias"},
	{ctclamp.ErrSlow, "slow"},
	{accel.ErrStall, "stall"},
	{accel.ErrRate, "rate"},
	{accel.ErrSlow, "slow"},
	{accel.ErrConfig, "config"},
	{feature.ErrFlat, "flat"},
	{feature.ErrShort, "window"},
	{feature.ErrValue, "implausible"},
	{feature.ErrRate, "rate"},
	{feature.ErrCheck, "implausible"},
	{supply.ErrUnsettled, "unsettled"},
	{s0.ErrStuck, "stuck"},
	{s0.ErrNotRunning, "not-ready"},
	{context.DeadlineExceeded, "timeout"},
}

// causeOf returns what is sent of an error.
func causeOf(err error) string {
	var known *causedError
	if errors.As(err, &known) {
		return known.cause
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.cause
		}
	}
	return CauseBus
}

// faults are samples that say that there is no value, without a time.
func faults(quantities []string, cause string) []wire.Sample {
	out := make([]wire.Sample, len(quantities))
	for i, q := range quantities {
		out[i] = wire.Sample{Quantity: q, Quality: wire.Fault + cause}
	}
	return out
}

// Causes lists every cause that a fault can have, for whoever has words for them.
func Causes() []string {
	out := []string{CauseBus, CauseNoAnswer, CauseRefused, CauseSilent}
	for _, c := range causes {
		if !slices.Contains(out, c.cause) {
			out = append(out, c.cause)
		}
	}
	return out
}
