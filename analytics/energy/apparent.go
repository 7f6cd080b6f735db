package energy

import (
	"context"
	"fmt"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Apparent is the apparent energy of a period and with it the power factor, kWh ÷ kVAh (not the mean of power factors). It is
// an estimate: the energy of each quarter hour over the mean power factor measured in it.
type Apparent struct {
	MilliWh  int64   // energy of the quarter hours with a power factor
	MilliVAh int64   // their apparent energy
	Covers   float64 // their share of the period's energy
}

// Mill is the power factor in thousandths.
func (a *Apparent) Mill() int64 {
	if a == nil || a.MilliVAh == 0 {
		return 0
	}
	return a.MilliWh * 1000 / a.MilliVAh
}

// A power factor below a twentieth is that of a meter at rest.
const leastFactor = 0.05

// factors are the mean power factors of a machine by quarter hour.
type factors map[int64]float64

func (s *site) factors(ctx context.Context, m registry.Machine, fromMs, toMs int64) (factors, error) {
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: s.id, Machine: m.ID, Fields: []string{quantity.Field(quantity.PowerFactor)}, FromMs: fromMs, ToMs: toMs,
	}
	buckets, err := s.Store.Buckets(ctx, q, timeline.QuarterMs)
	if err != nil {
		return nil, fmt.Errorf("power factor of %s/%s: %w", s.id, m.ID, err)
	}
	out := factors{}
	for _, b := range buckets {
		if pf := min(max(b.Mean, -b.Mean), 1); pf >= leastFactor {
			out[b.FromMs] = pf
		}
	}
	return out, nil
}

// apparent adds up a period; nil when too little of its energy has a power factor.
func (f factors) apparent(hours []timeline.Hour, p span) *Apparent {
	if len(f) == 0 {
		return nil
	}
	var a Apparent
	var all int64
	for _, h := range in(hours, p) {
		var flags timeline.EnergyFlags
		for q, milliWh := range quarters(&h, &flags) {
			all += milliWh
			if pf, ok := f[h.StartMs+int64(q)*timeline.QuarterMs]; ok {
				a.MilliWh += milliWh
				a.MilliVAh += int64(float64(milliWh) / pf)
			}
		}
	}
	if all == 0 || a.MilliVAh == 0 {
		return nil
	}
	if a.Covers = float64(a.MilliWh) / float64(all); a.Covers < MinCoverage {
		return nil
	}
	return &a
}
