// Package energy says what a machine and a site drew, when, for whom and what it cost: energy by state, session and tariff
// band, cost, CO2, demand, power factor, the main meter against its machines, and the baseline of ISO 50006 with its CUSUM.
//
// Everything is computed from the hours and pieces that package fold has stored (energy exact to the milliwatt-hour, quarter
// hours included) and from package electricity's dated tariffs. The sums agree to the milliwatt-hour: over states = over bands
// and untariffed energy = over sessions and no-session energy. A figure that the data does not carry is nil, never a guess;
// flags say what a figure rests on (timeline.EnergyFlags). Definitions: docs/energy.md.
package energy

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// MinCoverage is the known share of a period below which derived figures are not given, as of package utilisation.
const MinCoverage = 0.80

// The lengths of a period.
const (
	ByHour  = "hour"
	ByDay   = "day"
	ByMonth = "month"
	ByAll   = "all"
)

// Registry is what is asked of SQL; *registry.DB answers it.
type Registry interface {
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	session.Reading
	Electricity(ctx context.Context, site string) (electricity.Config, error)
}

// Deps are the two stores the figures come from.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
	Jobs     session.JobRegistry // for the weights of a baseline; nil: a baseline knows none
	Hours    *timeline.Kept      // hours that were read already; nil: none
}

// site is what is known of a site before any sample is read.
type site struct {
	Deps
	id       string
	zone     *time.Location
	machines []registry.Machine
	config   electricity.Config
	nowMs    int64
}

func open(ctx context.Context, d Deps, id string, nowMs int64) (*site, error) {
	s, err := d.Registry.Site(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("energy of %s: %w", id, err)
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("energy of %s: zone of the site: %w: mend it in the site file", id, err)
	}
	machines, err := d.Registry.Machines(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("energy of %s: %w", id, err)
	}
	config, err := d.Registry.Electricity(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("energy of %s: %w", id, err)
	}
	return &site{Deps: d, id: id, zone: zone, machines: machines, config: config, nowMs: nowMs}, nil
}

// span is a stretch of time, half-open.
type span struct{ fromMs, toMs int64 }

// periods cuts [fromMs, toMs), widened to whole hours of the site, at the edges of its hours, days or months.
func (s *site) periods(fromMs, toMs int64, by string) ([]span, error) {
	next := func(ms int64, days, months int) int64 {
		t := time.UnixMilli(ms).In(s.zone)
		if months > 0 {
			return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, s.zone).UnixMilli()
		}
		return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, s.zone).UnixMilli()
	}
	from, to := timeline.HourFloor(fromMs, s.zone), timeline.NextHour(toMs-1, s.zone)
	var out []span
	for from < to && from < s.nowMs {
		end := to
		switch by {
		case ByHour:
			end = timeline.NextHour(from, s.zone)
		case ByDay:
			end = next(from, 1, 0)
		case ByMonth:
			end = next(from, 0, 1)
		case ByAll:
		default:
			return nil, fmt.Errorf("period %q: use hour, day, month or all", by)
		}
		out = append(out, span{from, min(end, to)})
		from = end
	}
	return out, nil
}
