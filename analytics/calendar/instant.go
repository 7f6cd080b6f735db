package calendar

import "time"

// instant is the first moment at which the local clock shows, or has passed, so many minutes after the midnight of a
// day. So later local times never come earlier: an hour that is skipped in spring has no length, one that comes twice in
// autumn is all of it in the shift that goes on over it.
func (r *Rules) instant(y int, m time.Month, d int, minutes int64) int64 {
	wall := time.Date(y, m, d, 0, int(minutes), 0, 0, time.UTC) // what the clock shows, as if in UTC
	const day = 24 * time.Hour
	best, found := time.Time{}, false
	for _, near := range []time.Time{wall.Add(-day), wall.Add(day)} { // before and after a change of the clock
		_, offset := near.In(r.zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, is := t.In(r.zone).Zone(); is == offset && (!found || t.Before(best)) {
			best, found = t, true
		}
	}
	if found {
		return best.UnixMilli()
	}
	// The clock skips that time: the moment at which it is set forward.
	_, before := wall.Add(-day).In(r.zone).Zone()
	start, _ := wall.Add(-time.Duration(before) * time.Second).In(r.zone).ZoneBounds()
	return start.UnixMilli()
}
