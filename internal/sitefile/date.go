package sitefile

import (
	"time"

	"karkhana/internal/config"
)

// Dates outside these years are slips of the pen.
const firstYear, lastYear = 2000, 2100

// date reads a day (its midnight in the site's zone) or a time with its offset, as Unix milliseconds.
func (r *reader) date(at config.Path, text string) int64 {
	t, err := time.ParseInLocation(time.DateOnly, text, r.zone)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		r.fault(at, "from is %.100q; give a day such as 2026-10-01, or a time such as 2026-10-01T06:00:00+05:30", text)
		return 0
	}
	if t.Year() < firstYear || t.Year() > lastYear {
		r.fault(at, "from is %s; the year must lie between %d and %d", text, firstYear, lastYear)
	}
	return t.UnixMilli()
}
