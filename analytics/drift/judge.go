package drift

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/learn"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Registry is what is asked of SQL; *registry.DB answers it.
type Registry interface {
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	ConfirmedThresholds(ctx context.Context, site, machine string) ([]registry.Confirmed, error)
}

// firstBack is how far back days are made of samples where the site has none yet.
const firstBack = 35

// Judge holds the newest days of a machine against those of its thresholds. present are the settings in force; false: it has no thresholds,
// or too few days to tell. keep writes the days that it had to make of samples.
func Judge(ctx context.Context, store tsdb.Store, db Registry, site registry.Site, machine string, now time.Time, keep bool) (j learn.Judgement, present registry.Settings, told bool, err error) {
	rows, err := db.SettingsAt(ctx, site.ID, machine)
	if err != nil {
		return j, present, false, fmt.Errorf("read settings: %w", err)
	}
	present = learn.InForce(rows, now.UnixMilli())
	if len(rows) == 0 || !present.HasThresholds() || present.RunAbove <= 0 || present.ValidFromMs > now.UnixMilli() {
		return j, present, false, nil
	}
	zone, err := site.Location()
	if err != nil {
		return j, present, false, err
	}
	confirmed, err := db.ConfirmedThresholds(ctx, site.ID, machine)
	if err != nil {
		return j, present, false, fmt.Errorf("read what was confirmed: %w", err)
	}
	r := reader{store: store, site: site.ID, machine: machine, settings: present, zone: zone, today: midnight(now, zone, 0), keep: keep}
	from := midnight(r.today, zone, -firstBack)
	var days []learn.Day
	i := slices.IndexFunc(confirmed, func(c registry.Confirmed) bool { return c.ValidFromMs == present.ValidFromMs })
	if i >= 0 && confirmed[i].ToMs > confirmed[i].FromMs {
		c := confirmed[i]
		reference, err := r.days(ctx, time.UnixMilli(c.FromMs), time.UnixMilli(min(c.ToMs, c.ConfirmedMs)))
		if err != nil {
			return j, present, false, err
		}
		// What was seen when confirming stands for the machine; what came after it is judged.
		after := midnight(time.UnixMilli(min(c.ToMs, c.ConfirmedMs)), zone, 0)
		if days, err = r.days(ctx, later(from, after), r.today); err != nil {
			return j, present, false, err
		}
		if j = learn.FindDrift(reference, days, present); j.Known {
			return j, present, true, nil
		}
	}
	begin := time.UnixMilli(present.ValidFromMs)
	if i >= 0 && confirmed[i].ConfirmedMs > present.ValidFromMs { // kept later, or confirmed for the past
		begin = later(begin, time.UnixMilli(confirmed[i].FromMs))
	}
	first, err := r.firstDay(ctx, begin)
	if err != nil {
		return j, present, false, err
	}
	reference, err := r.days(ctx, first, midnight(first, zone, firstBack))
	if err != nil {
		return j, present, false, err
	}
	n := learn.ReferenceDays(reference, present)
	if n == 0 {
		return j, present, false, nil
	}
	reference = reference[:n]
	after := midnight(time.UnixMilli(reference[n-1].FromMs), zone, 1)
	if days, err = r.days(ctx, later(from, after), r.today); err != nil {
		return j, present, false, err
	}
	j = learn.FindDrift(reference, days, present)
	return j, present, j.Known, nil
}

// firstDay is the first day from begin on that the store has the signal of, or that is near enough to be made of samples.
func (r reader) firstDay(ctx context.Context, begin time.Time) (time.Time, error) {
	first := later(midnight(begin, r.zone, 0), midnight(r.today, r.zone, -firstBack))
	if first.Before(begin) {
		first = midnight(begin, r.zone, 1) // the day on which the thresholds changed is neither's
	}
	err := r.store.Read(ctx, tsdb.Query{
		Measurement: tsdb.SignalDay, Site: r.site, Machine: r.machine, Fields: []string{fieldSignal},
		FromMs: begin.UnixMilli(), ToMs: r.today.UnixMilli(), Limit: 1,
	}, func(row tsdb.Row) error {
		if stored := time.UnixMilli(row.TimeMs); stored.Before(first) {
			first = stored.In(r.zone)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read the first day of the signal: %w", err)
	}
	return first, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
