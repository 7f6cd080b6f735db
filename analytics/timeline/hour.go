package timeline

import "time"

// HourMs is the length of an hour.
const HourMs = int64(time.Hour / time.Millisecond)

// QuarterMs is the length of a quarter hour.
const QuarterMs = HourMs / 4

// NextQuarter returns the first quarter-hour edge after ms. Every zone of today is a whole number of quarter hours from
// UTC, so the edges are the same everywhere.
func NextQuarter(ms int64) int64 { return (ms/QuarterMs + 1) * QuarterMs }

// HourFloor returns the start of the site's local hour that holds ms. Zones with a half-hour offset (Asia/Kolkata,
// UTC+5:30) have their edges at xx:30 UTC, so that the days and months of the site consist of whole hours.
func HourFloor(ms int64, zone *time.Location) int64 {
	_, offset := time.UnixMilli(ms).In(zone).Zone()
	shift := int64(offset) * 1000
	local := ms + shift
	floor := local - local%HourMs
	if local < 0 && local%HourMs != 0 {
		floor -= HourMs
	}
	return floor - shift
}

// NextHour returns the first edge of the site's local hours after ms.
func NextHour(ms int64, zone *time.Location) int64 {
	next := HourFloor(HourFloor(ms, zone)+HourMs, zone)
	if next <= ms { // the zone set its clock back by part of an hour
		return HourFloor(ms, zone) + HourMs
	}
	return next
}
