package meter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"karkhana/internal/quantity"
)

// What an Indian low-voltage supply can look like. A reading in the wrong order of words, of the wrong registers or in
// the wrong unit fails at least one of these.
const (
	leastHz, mostHz       = 45, 55
	leastVolt, mostVolt   = 150, 300
	mostFactor            = 1.001 // a float32 that means 1
	factorCheckAmpere     = 0.5   // below this the product of voltage, current and factor is mostly noise
	factorTolerance       = 0.15
	factorToleranceSlackW = 5
)

// Probe finds the order of words of a meter by reading what a supply tells about itself: frequency, voltage, current,
// power factor, power. Exactly one order must give a plausible picture, else the error says what was seen in both. It
// needs voltage on at least one phase. It reads once and writes nothing. Formula: V·I·PF agrees with P to 15 % where
// more than 0.5 A flow.
func Probe(ctx context.Context, bus Registers, p *Profile, unit byte) (Words, error) {
	blocks := plan(p, func(r Row) bool { return probed(r.Name) })
	raw := make([][]uint16, len(blocks))
	for i := range blocks {
		regs, err := fetch(ctx, bus, p, unit, &blocks[i])
		if err != nil {
			return "", fmt.Errorf("probe of the order of words: %w", err)
		}
		raw[i] = append([]uint16(nil), regs...)
	}
	try := func(w Words) error {
		seen := map[string]float64{}
		for i, b := range blocks {
			for _, row := range b.rows {
				v, err := row.decode(w, raw[i][row.Address-b.addr:])
				if err != nil {
					return err
				}
				seen[row.Name] = v
			}
		}
		return Plausible(seen)
	}
	high, low := try(HighFirst), try(LowFirst)
	switch {
	case high == nil && low != nil:
		return HighFirst, nil
	case low == nil && high != nil:
		return LowFirst, nil
	case high == nil:
		return "", &probeError{"both orders are plausible: set words to high-first or low-first as the meter's menu shows"}
	}
	return "", &probeError{fmt.Sprintf("no order is plausible: %s: %v; %s: %v; is the supply on, and the profile that of this meter?",
		HighFirst, high, LowFirst, low)}
}

// probeError says that a meter answered, but its order of words can't be told.
type probeError struct{ text string }

// Error says what was seen and what to do.
func (e *probeError) Error() string { return "probe of the order of words: " + e.text }

// probed tells which rows a probe looks at.
func probed(name string) bool {
	if i := strings.LastIndex(name, "_l"); i > 0 {
		name = name[:i]
	}
	switch name {
	case quantity.Voltage, quantity.Current, quantity.Power, quantity.PowerFactor, quantity.Frequency:
		return true
	}
	return false
}

// Plausible tells whether values by name can be those of a live low-voltage supply: nil, or an error that names the
// first that can't. Where a meter has phases they are judged, else the whole; a phase without voltage (exactly 0) is let
// pass if another one has some. A missing value is not judged, but without any voltage nothing is plausible.
func Plausible(seen map[string]float64) error {
	if f, ok := seen[quantity.Frequency]; ok && !(f >= leastHz && f <= mostHz) {
		return fmt.Errorf("frequency %.4g Hz is outside %d … %d", f, leastHz, mostHz)
	}
	suffixes := []string{"_l1", "_l2", "_l3"}
	if _, ok := seen[quantity.Voltage+"_l1"]; !ok {
		suffixes = []string{""}
	}
	live := false
	for _, s := range suffixes {
		volts, ok := seen[quantity.Voltage+s]
		if !ok {
			continue
		}
		if volts != 0 {
			live = true
			if !(volts >= leastVolt && volts <= mostVolt) {
				return fmt.Errorf("voltage%s %.4g V is outside %d … %d", s, volts, leastVolt, mostVolt)
			}
		}
		factor, hasFactor := seen[quantity.PowerFactor+s]
		if hasFactor && !(math.Abs(factor) <= mostFactor) {
			return fmt.Errorf("power_factor%s %.4g is outside −1 … 1", s, factor)
		}
		amps, hasAmps := seen[quantity.Current+s]
		watts, hasWatts := seen[quantity.Power+s]
		if hasFactor && hasAmps && hasWatts && math.Abs(amps) > factorCheckAmpere {
			// The sign stands in power, in the factor, in both or in none: sizes are compared.
			want := volts * math.Abs(amps*factor)
			if !(math.Abs(math.Abs(watts)-want) <= factorTolerance*want+factorToleranceSlackW) {
				return fmt.Errorf("power%s %.4g W does not go with %.4g V × %.4g A × %.3g", s, watts, volts, amps, factor)
			}
		}
	}
	if !live {
		return errors.New("no phase has voltage")
	}
	return nil
}
