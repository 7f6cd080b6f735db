package api

import (
	"context"
	"net/http"
	"time"
)

const day = 24 * time.Hour

// Span is the asked stretch of time, half-open.
type Span struct {
	From time.Time `query:"from" required:"true" doc:"Begin (RFC 3339, for example 2026-11-01T00:00:00+05:30)" example:"2026-11-01T00:00:00+05:30"`
	To   time.Time `query:"to" required:"true" doc:"End, not included (RFC 3339)" example:"2026-11-02T00:00:00+05:30"`
}

// check returns the span in Unix milliseconds, or a 400 that says what is wrong with it.
func (s Span) check(longest time.Duration) (fromMs, toMs int64, err error) {
	switch {
	case !s.From.Before(s.To):
		return 0, 0, problem(http.StatusBadRequest, "from (%s) must lie before to (%s)", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
	case s.To.Sub(s.From) > longest:
		return 0, 0, problem(http.StatusBadRequest, "from–to spans %.0f days, at most %.0f are given at once: ask in smaller pieces",
			s.To.Sub(s.From).Hours()/24, longest.Hours()/24)
	case s.From.Year() < 2000 || s.To.Year() > 2200:
		return 0, 0, problem(http.StatusBadRequest, "from and to must lie in the years 2000 to 2200; got %s and %s: is the year mistyped?",
			s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
	}
	return s.From.UnixMilli(), s.To.UnixMilli(), nil
}

// at is a stored time as the API shows it.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// atOrNil is at for times where 0 stands for "not yet".
func atOrNil(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := at(ms)
	return &t
}

// seconds shows a duration of milliseconds.
func seconds(ms int64) float64 { return float64(ms) / 1000 }

// wattHours shows an energy of milliwatt-hours: at most three decimals, so the integer can be had back.
func wattHours(milli int64) float64 { return float64(milli) / 1000 }

// zone loads a site's time zone. Sites are checked when they are applied, so a failure means a broken host.
func zone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, problem(http.StatusInternalServerError, "the site's time zone %q can't be loaded: install tzdata or mend the site file", name)
	}
	return loc, nil
}

// zone is the time zone of a site that may be asked for.
func (a *API) zone(ctx context.Context, site string) (*time.Location, error) {
	s, err := a.site(ctx, site)
	if err != nil {
		return nil, err
	}
	return zone(s.Zone)
}

// midnight is the start of the local day that holds ms.
func midnight(ms int64, loc *time.Location) int64 {
	t := time.UnixMilli(ms).In(loc)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, loc).UnixMilli()
}
