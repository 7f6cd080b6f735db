package session

import (
	"karkhana/internal/registry"
)

// ClassFurnace is the class of machines whose jobs have a useful heat.
const ClassFurnace = "furnace"

// minHeatCoverage is the known share of the furnace time below which no efficiency is given, as of package energy.
const minHeatCoverage = 0.80

// Why a furnace job has no efficiency.
const (
	HeatNoWeight    = "no-weight"     // the job was not weighed
	HeatNoMetal     = "no-metal"      // metal or temperatures are not said
	HeatNoSuchMetal = "no-such-metal" // the site's file has no heats of that metal for that time
	HeatNone        = "no-heat"       // the metal ends no hotter than it began
	HeatOpen        = "open"          // the job is still on the furnace
	HeatShared      = "shared"        // another job was in the furnace at the same time
	HeatCoverage    = "low-coverage"  // less than 80 % of the furnace time is known
	HeatNoEnergy    = "no-energy"     // no energy was measured
	HeatOver        = "over-100"      // more heat than electricity: fuel, or a wrong weight, metal, temperature or time
)

// JobHeat is the useful heat of a furnace job and the efficiency by the direct method (domain page §5, "Furnace, direct
// method", after BEE): η = m·[Cp,s·(Tm − T0) + L + Cp,l·(Tp − Tm)] ÷ E of the furnace; without melting m·Cp,s·(T − T0).
// The weight counts as heated once. Stack, wall and opening losses are not parted.
type JobHeat struct {
	Metal           string        `json:"metal"`
	MetalName       registry.Name `json:"metal_name"`
	StartC          int64         `json:"start_c"`
	EndC            int64         `json:"end_c"`
	UsefulMilliWh   *int64        `json:"useful_milliwh,omitempty" doc:"Absent: weight, metal or temperatures are missing"`
	FurnaceMilliWh  int64         `json:"furnace_milliwh" doc:"Drawn by furnaces for the job"`
	EnergyEstimated bool          `json:"energy_estimated"`
	Efficiency      *float64      `json:"efficiency,omitempty" doc:"useful ÷ furnace, 0–1; absent: not defined, see why"`
	Why             string        `json:"why,omitempty" enum:"no-weight,no-metal,no-such-metal,no-heat,open,shared,low-coverage,no-energy,over-100" doc:"Why there is no efficiency"`
}

// heat works the efficiency of a job out; nil when it was on no furnace.
func (w *jobWork) heat(job registry.Job, stretches []JobStretch) *JobHeat {
	h := &JobHeat{Metal: job.Heat.Metal, StartC: job.Heat.StartC, EndC: job.Heat.EndC}
	var all JobFigures
	var open, shared bool
	var fromMs int64
	for _, s := range stretches {
		if m := w.machine(s.Machine); m == nil || m.Class != ClassFurnace {
			continue
		}
		if fromMs == 0 {
			fromMs = s.From.UnixMilli()
		}
		all.add(s.JobFigures)
		open, shared = open || s.Open, shared || s.Shared
	}
	if fromMs == 0 {
		return nil
	}
	all.cover()
	h.FurnaceMilliWh, h.EnergyEstimated = all.MilliWh, all.EnergyEstimated
	metal := w.config.Metal(h.Metal, fromMs)
	if metal != nil {
		h.MetalName = registry.Name{Hi: metal.Hi, En: metal.En}
	}
	switch {
	case job.WeightG <= 0:
		h.Why = HeatNoWeight
	case h.Metal == "":
		h.Why = HeatNoMetal
	case metal == nil:
		h.Why = HeatNoSuchMetal
	case h.EndC <= h.StartC:
		h.Why = HeatNone
	}
	if h.Why != "" {
		return h
	}
	useful := metal.UsefulMilliWh(job.WeightG, h.StartC, h.EndC)
	h.UsefulMilliWh = &useful
	switch {
	case open:
		h.Why = HeatOpen
	case shared:
		h.Why = HeatShared
	case all.Coverage == nil || *all.Coverage < minHeatCoverage:
		h.Why = HeatCoverage
	case all.MilliWh <= 0:
		h.Why = HeatNoEnergy
	case useful > all.MilliWh:
		h.Why = HeatOver
	default:
		v := float64(useful) / float64(all.MilliWh)
		h.Efficiency = &v
	}
	return h
}
