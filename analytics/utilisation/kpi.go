package utilisation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// MinCoverage is the known share of a period below which its figures are not given.
const MinCoverage = 0.80

// Registry is what is asked of SQL; *registry.DB answers it.
type Registry interface {
	Site(ctx context.Context, id string) (registry.Site, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]registry.Session, error)
}

// Deps are the two stores the figures come from.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
}

// KPI is one period of one machine. The four times add up to the period, or to what has passed of it. Nil: not defined,
// or hidden for want of coverage (Coverage itself is nil only when nothing of the period has passed).
type KPI struct {
	FromMs, ToMs                                        int64
	OffMs, IdleMs, RunMs, UnknownMs                     int64
	OffMilliWh, IdleMilliWh, RunMilliWh, UnknownMilliWh int64
	EnergyEstimated                                     bool
	EnergyFlags                                         timeline.EnergyFlags

	Coverage              *float64 // known ÷ period so far
	Availability          *float64 // APT ÷ PBT
	UtilizationEfficiency *float64 // APT ÷ AUBT
	AllocationEfficiency  *float64 // AUBT ÷ PBT
}

// KPIs returns the periods (hour, day or month of the site, see ByHour) of [fromMs, toMs), ascending; the range is widened
// to whole hours of the site, and the first and last period may be parts. Periods that have not begun at nowMs are
// left out. The present ends with the newest sample as long as that is no older than the machine's gap limit.
func KPIs(ctx context.Context, d Deps, site, machine string, fromMs, toMs int64, by string, nowMs int64) ([]KPI, error) {
	s, err := d.Registry.Site(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("figures of %s/%s: %w", site, machine, err)
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("figures of %s/%s: zone of the site: %w", site, machine, err)
	}
	if fromMs >= toMs {
		return nil, nil
	}
	out, err := periods(fromMs, toMs, by, zone)
	if err != nil {
		return nil, err
	}
	presentMs, limit, err := present(ctx, d, site, machine, nowMs)
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(k KPI) bool { return k.FromMs >= presentMs })
	if len(out) == 0 {
		return nil, nil
	}
	from, to := out[0].FromMs, out[len(out)-1].ToMs
	hours, err := timeline.ReadHours(ctx, d.Store, site, machine, from, to)
	if err != nil {
		return nil, err
	}
	busy, err := busyTime(ctx, d, site, machine, out, presentMs, limit)
	if err != nil {
		return nil, err
	}
	for i := range out {
		k := &out[i]
		for len(hours) > 0 && hours[0].StartMs < k.ToMs {
			k.add(hours[0])
			hours = hours[1:]
		}
		total := min(k.ToMs, presentMs) - k.FromMs
		k.UnknownMs = total - k.OffMs - k.IdleMs - k.RunMs
		k.figures(total, busy.of(*k))
	}
	return out, nil
}

// present returns where the present ends, and the gap limit in force there.
func present(ctx context.Context, d Deps, site, machine string, nowMs int64) (presentMs, limit int64, err error) {
	settings, err := d.Registry.SettingsAt(ctx, site, machine)
	if err != nil {
		return 0, 0, fmt.Errorf("figures of %s/%s: %w", site, machine, err)
	}
	limit = registry.Settings{}.GapLimitMs()
	for i, s := range settings {
		if i == 0 || s.ValidFromMs <= nowMs {
			limit = s.GapLimitMs()
		}
	}
	newest, found, err := timeline.Newest(ctx, d.Store, site, machine)
	if err != nil {
		return 0, 0, err
	}
	if found && nowMs-newest.EndMs <= limit {
		return newest.EndMs, limit, nil
	}
	return nowMs, limit, nil
}

// add counts an hour in. Its unknown time is not taken over: all that is not known is unknown.
func (k *KPI) add(h timeline.Hour) {
	k.OffMs += h.OffMs
	k.IdleMs += h.IdleMs
	k.RunMs += h.RunMs
	k.OffMilliWh += h.OffMilliWh
	k.IdleMilliWh += h.IdleMilliWh
	k.RunMilliWh += h.RunMilliWh
	k.UnknownMilliWh += h.UnknownMilliWh
	k.EnergyEstimated = k.EnergyEstimated || h.Estimated
	k.EnergyFlags |= h.Flags
}

// figures sets coverage and, where it suffices, the figures. pbt is the planned busy time, busyOutside the session time
// without run: AUBT = APT + busyOutside.
func (k *KPI) figures(pbt, busyOutside int64) {
	known := k.OffMs + k.IdleMs + k.RunMs
	k.Coverage = ratio(known, pbt)
	if k.Coverage == nil || *k.Coverage < MinCoverage {
		return
	}
	apt, aubt := k.RunMs, k.RunMs+busyOutside
	k.Availability = ratio(apt, pbt)
	k.UtilizationEfficiency = ratio(apt, aubt)
	k.AllocationEfficiency = ratio(aubt, pbt)
}

// ratio returns a ÷ b, nil when b is 0.
func ratio(a, b int64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b)
	return &v
}
