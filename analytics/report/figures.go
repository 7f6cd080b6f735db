package report

import (
	"slices"

	"karkhana/analytics/gap"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
)

// Figures are times, energy and indicators of a period of one machine, or sums over several.
type Figures struct {
	PastMs    int64 `json:"past_ms" doc:"What has passed of the period: run + idle + off + unknown"`
	RunMs     int64 `json:"run_ms"`
	IdleMs    int64 `json:"idle_ms"`
	OffMs     int64 `json:"off_ms"`
	UnknownMs int64 `json:"unknown_ms"`

	EnergyMilliWh   int64 `json:"energy_milliwh" doc:"In all states"`
	IdleMilliWh     int64 `json:"idle_milliwh"`
	EnergyEstimated bool  `json:"energy_estimated"`

	EnergyFlags []string `json:"energy_flags" nullable:"false" doc:"What is to be known of the energy; see docs/energy.md"`

	PBTMs      int64 `json:"pbt_ms" doc:"Planned busy time"`
	KnownMs    int64 `json:"known_ms" doc:"Known part of the planned busy time"`
	APTMs      int64 `json:"apt_ms" doc:"Run within the planned busy time"`
	AUBTMs     int64 `json:"aubt_ms" doc:"Within it: time in sessions and run without one"`
	OutsideMs  int64 `json:"outside_run_ms" doc:"Run outside of the planned busy time"`
	CapacityMs int64 `json:"capacity_ms" doc:"What the schemes' hours a year come to for what has passed"`

	Coverage     *float64 `json:"coverage,omitempty" doc:"known ÷ PBT"`
	Availability *float64 `json:"availability,omitempty" doc:"APT ÷ PBT"`
	Allocation   *float64 `json:"allocation_efficiency,omitempty" doc:"AUBT ÷ PBT"`
	Utilization  *float64 `json:"utilization_efficiency,omitempty" doc:"APT ÷ AUBT"`
	Capacity     *float64 `json:"capacity_ratio,omitempty" doc:"run ÷ what the schemes' hours come to"`

	Unknown []UnknownCause `json:"unknown" nullable:"false" doc:"The unknown time by cause, as far as the gap ledger tells"`
}

// UnknownCause is unknown time of one cause; CauseUntold is what the gap ledger does not hold.
type UnknownCause struct {
	Cause string `json:"cause" enum:"supply,gateway,sensor,link,unknown,untold"`
	Ms    int64  `json:"ms"`
}

// CauseUntold is unknown time that the gap ledger does not hold: before the first sample, or not worked out yet.
const CauseUntold = "untold"

// causes are all of them in the order of tables.
var causes = []string{gap.CauseSupply, gap.CauseGateway, gap.CauseSensor, gap.CauseLink, gap.CauseUnknown, CauseUntold}

// figuresOf takes over the figures of a period.
func figuresOf(k *utilisation.KPI) Figures {
	return Figures{
		PastMs: k.PastMs(), RunMs: k.RunMs, IdleMs: k.IdleMs, OffMs: k.OffMs, UnknownMs: k.UnknownMs,
		EnergyMilliWh: k.OffMilliWh + k.IdleMilliWh + k.RunMilliWh + k.UnknownMilliWh, IdleMilliWh: k.IdleMilliWh, EnergyEstimated: k.EnergyEstimated, EnergyFlags: (k.EnergyFlags &^ timeline.EnergySplit).Codes(),
		PBTMs: k.PBTMs, KnownMs: k.Planned.KnownMs(), APTMs: k.APTMs(), AUBTMs: k.AUBTMs, OutsideMs: k.OutsideRunMs, CapacityMs: k.CapacityMs,
		Coverage: k.Coverage, Availability: k.Availability, Allocation: k.AllocationEfficiency, Utilization: k.UtilizationEfficiency,
		Capacity: k.CapacityRatio, Unknown: []UnknownCause{},
	}
}

// add counts another machine or period in. Ratios are left as they are: see close.
func (f *Figures) add(g Figures) {
	f.PastMs += g.PastMs
	f.RunMs += g.RunMs
	f.IdleMs += g.IdleMs
	f.OffMs += g.OffMs
	f.UnknownMs += g.UnknownMs
	f.EnergyMilliWh += g.EnergyMilliWh
	f.IdleMilliWh += g.IdleMilliWh
	f.EnergyEstimated = f.EnergyEstimated || g.EnergyEstimated
	f.EnergyFlags = timeline.JoinCodes(f.EnergyFlags, g.EnergyFlags)
	f.PBTMs += g.PBTMs
	f.KnownMs += g.KnownMs
	f.APTMs += g.APTMs
	f.AUBTMs += g.AUBTMs
	f.OutsideMs += g.OutsideMs
	f.CapacityMs += g.CapacityMs
	for _, c := range g.Unknown {
		f.addUnknown(c)
	}
}

func (f *Figures) addUnknown(c UnknownCause) {
	i := slices.IndexFunc(f.Unknown, func(is UnknownCause) bool { return is.Cause == c.Cause })
	if i < 0 {
		f.Unknown = append(f.Unknown, c)
		return
	}
	f.Unknown[i].Ms += c.Ms
}

// silent reports whether nothing was heard at all: energy is then not known, which is not zero.
func (f *Figures) silent() bool { return f.RunMs+f.IdleMs+f.OffMs == 0 && f.EnergyMilliWh == 0 }

// energy and idleEnergy are cells of kWh.
func (f *Figures) energy() cell {
	if f.silent() {
		return cell{"–", ""}
	}
	return kWh(f.EnergyMilliWh, f.EnergyEstimated)
}

func (f *Figures) idleEnergy() cell {
	if f.silent() {
		return cell{"–", ""}
	}
	return kWh(f.IdleMilliWh, f.EnergyEstimated)
}

// close makes the ratios of a sum: the sums divided, not a mean of ratios.
func (f *Figures) close(minCoverage float64) {
	f.Coverage = ratio(f.KnownMs, f.PBTMs)
	if f.Coverage == nil || *f.Coverage < minCoverage {
		return
	}
	f.Availability = ratio(f.APTMs, f.PBTMs)
	f.Allocation = ratio(f.AUBTMs, f.PBTMs)
	f.Utilization = ratio(f.APTMs, f.AUBTMs)
	f.Capacity = ratio(f.RunMs, f.CapacityMs)
}

// unknownOf is the unknown time of one cause.
func (f *Figures) unknownOf(cause string) int64 {
	for _, c := range f.Unknown {
		if c.Cause == cause {
			return c.Ms
		}
	}
	return 0
}

// explain fills in Unknown from gaps of one machine: those within [fromMs, toMs). What is not in the ledger is untold.
func (f *Figures) explain(gaps []gap.Gap, fromMs, toMs int64) {
	rest := f.UnknownMs
	for _, cause := range causes[:len(causes)-1] {
		var ms int64
		for _, g := range gaps {
			if g.Cause != cause || g.FilledMs != 0 {
				continue
			}
			end := g.ToMs
			if end == 0 {
				end = toMs
			}
			ms += max(0, min(end, toMs)-max(g.FromMs, fromMs))
		}
		if ms = min(ms, rest); ms > 0 {
			f.Unknown = append(f.Unknown, UnknownCause{cause, ms})
			rest -= ms
		}
	}
	if rest > 0 {
		f.Unknown = append(f.Unknown, UnknownCause{CauseUntold, rest})
	}
}

const hourMs = int64(3600_000)

// ratio returns a ÷ b, nil when b is 0.
func ratio(a, b int64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b)
	return &v
}

// halfUp returns a ÷ b rounded half up; both are not negative.
func halfUp(a, b int64) int64 { return (2*a + b) / (2 * b) }
