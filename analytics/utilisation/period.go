package utilisation

import (
	"fmt"
	"time"

	"karkhana/analytics/calendar"
	"karkhana/analytics/timeline"
)

// The lengths of a period.
const (
	ByHour  = "hour"
	ByShift = "shift"
	ByDay   = "day"
	ByMonth = "month"
	ByYear  = "year"
)

// periods cuts [fromMs, toMs), widened to whole local hours, at the edges of the site's hours, days, months or years.
func periods(fromMs, toMs int64, by string, zone *time.Location) ([]KPI, error) {
	date := func(ms int64, years, months, days int) int64 {
		t := time.UnixMilli(ms).In(zone)
		y, m, d := t.Date()
		switch {
		case years > 0:
			m, d = 1, 1
		case months > 0:
			d = 1
		}
		return time.Date(y+years, m+time.Month(months), d+days, 0, 0, 0, 0, zone).UnixMilli()
	}
	var next func(ms int64) int64
	switch by {
	case ByHour:
		next = func(ms int64) int64 { return timeline.NextHour(ms, zone) }
	case ByDay:
		next = func(ms int64) int64 { return date(ms, 0, 0, 1) }
	case ByMonth:
		next = func(ms int64) int64 { return date(ms, 0, 1, 0) }
	case ByYear:
		next = func(ms int64) int64 { return date(ms, 1, 0, 0) }
	default:
		return nil, fmt.Errorf("period %q: use hour, shift, day, month or year", by)
	}
	from, to := widened(fromMs, toMs, zone)
	var out []KPI
	for from < to {
		end := min(next(from), to)
		out = append(out, KPI{FromMs: from, ToMs: end})
		from = end
	}
	return out, nil
}

// widened is the range in whole local hours.
func widened(fromMs, toMs int64, zone *time.Location) (int64, int64) {
	return timeline.HourFloor(fromMs, zone), timeline.NextHour(toMs-1, zone)
}

// shifts are the shifts of a machine that begin in the range, whole, with the time between them: from the end of a shift
// under way at the begin, to the end of the range or of the last shift.
func shifts(r *calendar.Rules, machine string, fromMs, toMs int64) []KPI {
	at := fromMs
	for _, t := range r.Turns(machine, fromMs-2*24*timeline.HourMs, fromMs) { // one under way belongs to the day before
		at = max(at, t.ToMs)
	}
	var out []KPI
	between := func(end int64) {
		if at < end {
			out = append(out, KPI{FromMs: at, ToMs: end})
		}
	}
	for _, t := range r.Turns(machine, fromMs, toMs) {
		between(t.FromMs)
		out = append(out, KPI{FromMs: t.FromMs, ToMs: t.ToMs, Shift: &t})
		at = t.ToMs
	}
	between(toMs)
	return out
}
