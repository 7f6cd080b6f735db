package utilisation

import (
	"fmt"
	"time"

	"karkhana/analytics/timeline"
)

// The lengths of a period.
const (
	ByHour  = "hour"
	ByDay   = "day"
	ByMonth = "month"
)

// periods cuts [fromMs, toMs), widened to whole local hours, at the edges of the site's hours, days or months.
func periods(fromMs, toMs int64, by string, zone *time.Location) ([]KPI, error) {
	var next func(ms int64) int64
	switch by {
	case ByHour:
		next = func(ms int64) int64 { return timeline.NextHour(ms, zone) }
	case ByDay:
		next = func(ms int64) int64 {
			t := time.UnixMilli(ms).In(zone)
			return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone).UnixMilli()
		}
	case ByMonth:
		next = func(ms int64) int64 {
			t := time.UnixMilli(ms).In(zone)
			return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, zone).UnixMilli()
		}
	default:
		return nil, fmt.Errorf("period %q: use hour, day or month", by)
	}
	from, to := timeline.HourFloor(fromMs, zone), timeline.NextHour(toMs-1, zone)
	var out []KPI
	for from < to {
		end := min(next(from), to)
		out = append(out, KPI{FromMs: from, ToMs: end})
		from = end
	}
	return out, nil
}
