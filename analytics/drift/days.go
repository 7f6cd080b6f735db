package drift

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/learn"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// The fields of measurement signal_day; its time is the midnight of the site that begins the day.
const (
	fieldSignal    = "signal"
	fieldHistogram = "histogram"
)

// wholeMs is the known time above which a day is not read again: late data rarely adds more.
const wholeMs = 23 * 3_600_000

// againDays is for how many days back a day that is not whole is read again, for data that comes late.
const againDays = 14

// midnight is the beginning of the site's day that lies n days after the one that holds t.
func midnight(t time.Time, zone *time.Location, n int) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day()+n, 0, 0, 0, 0, zone)
}

// reader brings the daily histograms of one machine, from the store or, where they are missing there, from the samples.
type reader struct {
	store         tsdb.Store
	site, machine string
	settings      registry.Settings
	zone          *time.Location
	today         time.Time // its midnight; this day is not over
	keep          bool      // write what was made of samples
}

// days returns the known days that begin in [from, to), ascending.
func (r reader) days(ctx context.Context, from, to time.Time) ([]learn.Day, error) {
	if to.After(r.today) {
		to = r.today
	}
	signal := r.settings.Signal
	if signal == "" {
		signal = quantity.Power
	}
	stored := map[int64]*learn.Histogram{}
	err := r.store.Read(ctx, tsdb.Query{
		Measurement: tsdb.SignalDay, Site: r.site, Machine: r.machine, Fields: []string{fieldSignal, fieldHistogram},
		FromMs: from.UnixMilli(), ToMs: to.UnixMilli(),
	}, func(row tsdb.Row) error {
		of, _ := row.Values[0].(string)
		text, _ := row.Values[1].(string)
		if h, err := learn.ParseHistogram(text); err == nil && of == signal { // else it is made anew
			stored[row.TimeMs] = h
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read days of the signal: %w", err)
	}
	var out []learn.Day
	for day := midnight(from, r.zone, 0); day.Before(to); day = midnight(day, r.zone, 1) {
		if day.Before(from) {
			continue
		}
		h := stored[day.UnixMilli()]
		if late := h != nil && h.KnownMs() < wholeMs && day.After(midnight(r.today, r.zone, -againDays)); h == nil || late {
			if h, err = r.read(ctx, day, signal); err != nil {
				return nil, err
			}
		}
		if h.KnownMs() > 0 {
			out = append(out, learn.Day{FromMs: day.UnixMilli(), Histogram: h})
		}
	}
	return out, nil
}

// read makes the histogram of a day from its samples and keeps it.
func (r reader) read(ctx context.Context, day time.Time, signal string) (*learn.Histogram, error) {
	h, err := learn.ReadHistogram(ctx, r.store, r.site, r.machine, r.settings, day.UnixMilli(), midnight(day, r.zone, 1).UnixMilli())
	if err != nil || !r.keep || h.KnownMs() == 0 {
		return h, err
	}
	p := tsdb.Point{
		Measurement: tsdb.SignalDay, Site: r.site, Machine: r.machine, TimeMs: day.UnixMilli(),
		Fields: []tsdb.Field{{Key: fieldSignal, Value: signal}, {Key: fieldHistogram, Value: h.String()}},
	}
	if err := r.store.Write(ctx, []tsdb.Point{p}); err != nil {
		return nil, fmt.Errorf("write the day of the signal: %w", err)
	}
	return h, nil
}
