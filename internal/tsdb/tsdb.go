// Package tsdb is the time-series store: what Karkhana asks of InfluxDB, and nothing more.
//
// It owns line protocol, the write acknowledgement and InfluxQL reading. It does not own meaning: field names come
// from package quantity (measurement telemetry) and from analytics (state, machine_hour, sample_hour).
// Implementations: Influx (InfluxDB 1.8, 2.x, 3 by URL) and Memory (tests). Both pass one suite.
package tsdb

import (
	"context"
	"errors"
)

// The measurements. Telemetry is appended by ingest; the derived ones are rebuilt by analytics: the same point
// (site, machine, time) written again replaces the former. A sample_hour is a copy of an hour's samples in one value.
const (
	Telemetry   = "telemetry"
	State       = "state"
	MachineHour = "machine_hour"
	SignalDay   = "signal_day" // package analytics/drift
	SampleHour  = "sample_hour"
)

// TimeBounded is a field of Telemetry: 1 where the sample's time is only known to lie between its neighbours.
const TimeBounded = "time_bounded"

// Point is one stored point. Its identity is measurement, site, machine and time: writing it again replaces
// the fields it names and changes nothing else.
type Point struct {
	Measurement   string
	Site, Machine string
	TimeMs        int64 // Unix milliseconds, UTC
	Fields        []Field
}

// Field is one named value: float64, int64, string or bool.
type Field struct {
	Key   string
	Value any
}

// Query asks for rows of one measurement. Rows come in ascending time unless Descending.
type Query struct {
	Measurement  string
	Site         string
	Machine      string   // empty: all machines of the site (Last only)
	Fields       []string // at least one; a row appears when at least one of them is present
	FromMs, ToMs int64    // half-open [FromMs, ToMs)
	Limit        int      // 0: no limit
	Descending   bool
}

// Row is one instant. Values[i] belongs to Query.Fields[i] and is nil when absent, else float64, int64, string or
// bool. Row and Values are reused between calls of the callback: copy what is kept.
type Row struct {
	Machine string
	TimeMs  int64
	Values  []any
}

// Number is a Row's value as float64. The second result is false when it is absent, a string or a bool.
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// Bucket is one stretch of a down-sampled series. A bucket without values is not returned.
type Bucket struct {
	FromMs         int64
	Min, Max, Mean float64
	Count          int64
}

// Store is a time-series store. All methods are safe for concurrent use and block until done or ctx ends.
type Store interface {
	// Write returns nil only after the store has acknowledged every point. A *PointsError names the points
	// that can never be stored (for example a wrong field type); the others of the batch have been stored.
	// Any other error means that nothing is known to be stored and the caller tries again.
	Write(ctx context.Context, points []Point) error
	// WriteLines is Write for points that are line protocol already. It does not keep l.
	WriteLines(ctx context.Context, l *Lines) error
	// Read streams the rows of one machine to fn, stopping at fn's first error, which it returns.
	Read(ctx context.Context, q Query, fn func(Row) error) error
	// Last returns for each machine (or the one named) the newest row in the range with the newest value of each
	// asked field; TimeMs is the newest of their times. Machines without any are absent. Rows are owned by the caller.
	Last(ctx context.Context, q Query) ([]Row, error)
	// Buckets splits [FromMs, ToMs) into stretches of stepMs and returns min, max, mean and count of one
	// numeric field, q.Fields[0], ascending.
	Buckets(ctx context.Context, q Query, stepMs int64) ([]Bucket, error)
	// Ping returns nil when the store answers.
	Ping(ctx context.Context) error
}

// PointsError names the points of a Write that the store refused for good, by index into the batch.
type PointsError struct {
	Refused map[int]string // index → the store's reason
}

// Error says how many points were refused and quotes one reason.
func (e *PointsError) Error() string {
	for _, reason := range e.Refused {
		return "store refused points for good, for example: " + reason
	}
	return "store refused points"
}

// ErrUnauthorized means that the store does not accept the token: retrying will not help until it is mended.
var ErrUnauthorized = errors.New("the time-series store refuses the token: check the token and the database or bucket name")
