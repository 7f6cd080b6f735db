package timeline

import "slices"

// EnergyFlags says what is to be known of an energy figure beside its size: where it comes from and what the meter did.
// 0: read from a register that went on plainly. The bits are stored; their meaning never changes.
type EnergyFlags int64

// The flags.
const (
	EnergyIntegrated   EnergyFlags = 1 << iota // power over time: no register, or one that was silent or not believed
	EnergyInterpolated                         // cut by time alone: a register reading covers a gap
	EnergyReset                                // the register began again at zero: what it held between is lost
	EnergyWrap                                 // the register passed its highest number
	EnergySwap                                 // the register jumped to where no machine could have brought it: another meter
	EnergyReversed                             // negative power, or a register that counts back: a current clamp is the wrong way round
	EnergyDisagree                             // register and power differ by more than a quarter over the hour: the register counts
	EnergyMeter                                // the gateway marked the reading itself as not plainly good
	EnergySplit                                // the hour is right, its quarter hours are cut by time alone
)

// estimating are the flags that make a figure an estimate. A reversed clamp and a disagreement are told, but the figure
// is the register's; a split hurts quarter hours only.
const estimating = EnergyIntegrated | EnergyInterpolated | EnergyReset | EnergyWrap | EnergySwap | EnergyMeter

// energyCodes are the names of the flags, from the lowest bit up.
var energyCodes = [...]string{"integrated", "interpolated", "reset", "wrap", "swap", "reversed", "disagree", "meter", "split"}

// Estimated reports whether the energy is in part not read from a register that went on plainly.
func (f EnergyFlags) Estimated() bool { return f&estimating != 0 }

// Codes are the names of the flags as the API shows them; never nil.
func (f EnergyFlags) Codes() []string {
	out := []string{}
	for i, code := range energyCodes {
		if f>>i&1 == 1 {
			out = append(out, code)
		}
	}
	return out
}

// JoinCodes puts the names of flags of two figures together, in the order of Codes; never nil.
func JoinCodes(a, b []string) []string {
	out := []string{}
	for _, code := range energyCodes {
		if slices.Contains(a, code) || slices.Contains(b, code) {
			out = append(out, code)
		}
	}
	return out
}
