package utilisation

import (
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// The reasons why a figure is not given; Text has words for each.
const (
	WhyNoPlannedTime = "no-planned-time" // PBT is 0: closed, or not begun
	WhyLowCoverage   = "low-coverage"    // too little of the planned time is known
	WhyNotUsed       = "not-used"        // nobody held the machine and it did not run
	WhyNoFailures    = "no-failures"     // FE is 0
	WhyNoTime        = "no-time"         // nothing of the period has passed
	WhyMeter         = "meter"           // a main meter has no states
)

// Reasons lists them.
var Reasons = []string{WhyNoPlannedTime, WhyLowCoverage, WhyNotUsed, WhyNoFailures, WhyNoTime, WhyMeter}

// figures makes the figures of the counted times. A figure is the quotient of two counted times and nothing else.
func (k *KPI) figures(states bool) {
	k.Why = map[string]string{}
	hide := ""
	known := ratio(k.Planned.KnownMs(), k.PBTMs)
	switch {
	case !states:
		hide = WhyMeter
	case known == nil: // closed: what is known of the whole time decides about the capacity ratio
		if all := ratio(k.OffMs+k.IdleMs+k.RunMs, k.PastMs()); all != nil && *all < k.MinCoverage {
			hide = WhyLowCoverage
		}
	case *known < k.MinCoverage:
		hide = WhyLowCoverage
	}
	give := func(name string, into **float64, a, b int64, undefined string) {
		switch {
		case b == 0 && hide != WhyMeter:
			k.Why[name] = undefined
		case hide != "":
			k.Why[name] = hide
		default:
			*into = ratio(a, b)
		}
	}
	if k.Coverage = known; known == nil {
		k.Why[FigureCoverage] = WhyNoPlannedTime
	}
	used := WhyNotUsed
	switch {
	case k.PBTMs == 0:
		used = WhyNoPlannedTime
	case hide == WhyLowCoverage: // nobody knows whether it was used
		used = WhyLowCoverage
	}
	give(FigureAvailability, &k.Availability, k.APTMs(), k.PBTMs, WhyNoPlannedTime)
	give(FigureUtilization, &k.UtilizationEfficiency, k.APTMs(), k.AUBTMs, used)
	give(FigureAllocation, &k.AllocationEfficiency, k.AUBTMs, k.PBTMs, WhyNoPlannedTime)
	give(FigureCapacity, &k.CapacityRatio, k.RunMs, k.CapacityMs, WhyNoTime)
	give(FigureMTBF, &k.MTBFMs, k.AUBTMs, k.Failures, WhyNoFailures)
	if hide == WhyLowCoverage {
		hide = "" // repairs are written down, not measured
	}
	give(FigureMTTR, &k.MTTRMs, k.RepairMs, k.Failures, WhyNoFailures)
}

// ratio returns a ÷ b, nil when b is 0.
func ratio(a, b int64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b)
	return &v
}

// weigh sets what the figures are held against: the schemes' hours for the time from the begin to pastMs, year by year
// and rule by rule, and the coverage asked for.
func (g *gathered) weigh(k *KPI, pastMs int64) {
	k.MinCoverage = g.ruleAt(k.FromMs).MinCoverage
	k.CapacityPerYearH = g.ruleAt(max(k.FromMs, pastMs-1)).HoursPerYear
	for from := k.FromMs; from < pastMs; {
		year := time.UnixMilli(from).In(g.zone).Year()
		begin := time.Date(year, 1, 1, 0, 0, 0, 0, g.zone).UnixMilli()
		end := time.Date(year+1, 1, 1, 0, 0, 0, 0, g.zone).UnixMilli()
		to := min(end, pastMs)
		for _, r := range g.rules {
			if r.ValidFromMs > from {
				to = min(to, r.ValidFromMs)
			}
		}
		k.CapacityMs += cut(g.ruleAt(from).HoursPerYear*timeline.HourMs, from-begin, to-begin, end-begin)
		from = to
	}
}

func (g *gathered) ruleAt(ms int64) registry.KPIRule {
	out := registry.DefaultKPIRule
	for _, r := range g.rules {
		if r.ValidFromMs <= ms {
			out = r
		}
	}
	return out
}
