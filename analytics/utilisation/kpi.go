package utilisation

import (
	"context"
	"fmt"

	"karkhana/analytics/calendar"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Registry is what is asked of SQL; *registry.DB answers it.
type Registry interface {
	gap.Reading
	Site(ctx context.Context, id string) (registry.Site, error)
	Calendar(ctx context.Context, site string, fromMs, toMs int64) (registry.Calendar, error)
	Breakdowns(ctx context.Context, site, machine string, fromMs, toMs int64) ([]registry.Breakdown, error)
	session.Reading
}

// Deps are the two stores the figures come from.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
	Hours    *timeline.Kept // hours that were read already; nil: none
}

// Times are the parts of a stretch of time by state, in ms.
type Times struct{ OffMs, IdleMs, RunMs, UnknownMs int64 }

// KnownMs is all but the unknown part.
func (t Times) KnownMs() int64 { return t.OffMs + t.IdleMs + t.RunMs }

// KPI is one period of one machine. Everything is counted up to the present. Figures that are nil are not defined or
// hidden: Why tells, by the name of the figure.
type KPI struct {
	FromMs, ToMs int64
	Shift        *calendar.Turn // by shift: the shift; nil: the time between shifts

	// All of the period, in and out of the calendar. They add up to what has passed of it.
	OffMs, IdleMs, RunMs, UnknownMs                     int64
	OffMilliWh, IdleMilliWh, RunMilliWh, UnknownMilliWh int64
	EnergyEstimated                                     bool
	EnergyFlags                                         timeline.EnergyFlags

	// The calendar.
	Calendar string   // set, part (in force for some of the period only) or none (all of it counts as planned)
	KindMs   [7]int64 // by calendar.Kind; adds up to what has passed of the period
	POTMs    int64    // planned operation time
	PBTMs    int64    // planned busy time

	// Within PBT.
	Planned          Times
	PowerCutMs       int64 // the part of Planned.UnknownMs in which the mains were out
	SessionMs        int64 // somebody held the machine
	UnattributedMs   int64 // run without a session
	AUBTMs           int64 // SessionMs + UnattributedMs
	OutsideRunMs     int64 // run outside of PBT: apart, in no figure but the capacity ratio
	Failures         int64 // FE: breakdowns that began in the period
	OpenFailures     int64 // those of them that have not ended
	RepairMs         int64 // their time within PBT, to their end or the present
	CapacityMs       int64 // what the schemes' hours a year come to for what has passed of the period
	CapacityPerYearH int64 // those hours, as in force at the period's end
	MinCoverage      float64

	Coverage              *float64 // known ÷ PBT
	Availability          *float64 // APT ÷ PBT; APT is Planned.RunMs
	UtilizationEfficiency *float64 // APT ÷ AUBT
	AllocationEfficiency  *float64 // AUBT ÷ PBT
	CapacityRatio         *float64 // RunMs ÷ CapacityMs
	MTBFMs                *float64 // AUBT ÷ FE
	MTTRMs                *float64 // RepairMs ÷ FE
	Why                   map[string]string
}

// The names of the figures, as keys of Why and as fields of the API.
const (
	FigureCoverage     = "coverage"
	FigureAvailability = "availability"
	FigureUtilization  = "utilization_efficiency"
	FigureAllocation   = "allocation_efficiency"
	FigureCapacity     = "capacity_ratio"
	FigureMTBF         = "mtbf_s"
	FigureMTTR         = "mttr_s"
)

// APTMs is actual production time: state run within PBT.
func (k *KPI) APTMs() int64 { return k.Planned.RunMs }

// PastMs is what has passed of the period.
func (k *KPI) PastMs() int64 { return k.OffMs + k.IdleMs + k.RunMs + k.UnknownMs }

// MachineKPIs are the periods of one machine, ascending.
type MachineKPIs struct {
	Machine registry.Machine
	KPIs    []KPI
}

// Asked says of what figures are wanted.
type Asked struct {
	Site         string
	Machines     []string // empty: every machine of the site but main meters
	FromMs, ToMs int64
	By           string // ByHour … ByYear
	NowMs        int64
}

// SiteKPIs returns the periods (see ByHour) of [FromMs, ToMs) for machines of a site, in the order of its pages. All
// machines are read at once.
//
// The range is widened to whole hours of the site, and the first and last period may be parts. By shift, the periods
// are the shifts that begin in the range, whole, and the time between them. Periods that have not begun at NowMs are
// left out. The present ends with the newest sample as long as that is no older than the machine's gap limit.
func SiteKPIs(ctx context.Context, d Deps, q Asked) ([]MachineKPIs, error) {
	if q.FromMs >= q.ToMs {
		return nil, nil
	}
	g, err := gather(ctx, d, q)
	if err != nil {
		return nil, fmt.Errorf("figures of %s: %w", q.Site, err)
	}
	out := make([]MachineKPIs, len(g.machines))
	for i, m := range g.machines {
		out[i] = MachineKPIs{Machine: m.Machine, KPIs: m.count(g)}
	}
	return out, nil
}
