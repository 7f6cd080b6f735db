package tsdb

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// What a store accepts. Both implementations check the same before anything is sent.
const (
	maxNameBytes = 128
	// MaxTextBytes bounds one text value (the limit of InfluxDB 2).
	MaxTextBytes = 64 << 10
	// InfluxDB keeps nanoseconds in an int64, from the year 1677 to 2262; the ends stay free.
	minTimeMs = math.MinInt64/1_000_000 + 1
	maxTimeMs = math.MaxInt64/1_000_000 - 1
)

// refusal returns why a point can never be stored, or "".
func refusal(p *Point) string {
	if bad := badName("measurement", p.Measurement); bad != "" {
		return bad
	}
	if bad := badName("site", p.Site); bad != "" {
		return bad
	}
	if bad := badName("machine", p.Machine); bad != "" {
		return bad
	}
	if p.TimeMs < minTimeMs || p.TimeMs > maxTimeMs {
		return fmt.Sprintf("time %d ms is outside the years 1678 to 2261", p.TimeMs)
	}
	if len(p.Fields) == 0 {
		return "a point without fields cannot be stored"
	}
	for i := range p.Fields {
		f := &p.Fields[i]
		if bad := badName("field", f.Key); bad != "" {
			return bad
		}
		if reserved(f.Key) {
			return fmt.Sprintf("field %q: the name is taken by the point's time or tags", f.Key)
		}
		for j := range i {
			if p.Fields[j].Key == f.Key {
				return fmt.Sprintf("field %q stands twice in one point", f.Key)
			}
		}
		if bad := badValue(f); bad != "" {
			return bad
		}
	}
	return ""
}

func reserved(key string) bool { return key == "time" || key == "site" || key == "machine" }

// badName says why name cannot be used. Names are ids and field names of our own making, so the narrow set that
// needs no escaping anywhere is enough.
func badName(what, name string) string {
	if name == "" {
		return what + " is empty"
	}
	if len(name) > maxNameBytes {
		return fmt.Sprintf("%s name is longer than %d bytes", what, maxNameBytes)
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
		if !letter && (!other || i == 0 && (c == '_' || c == '-' || c == '.')) {
			return fmt.Sprintf("%s %q: use letters, digits, '_', '-' and '.', first a letter or digit", what, name)
		}
	}
	return ""
}

func badValue(f *Field) string {
	switch v := f.Value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprintf("field %q: %v cannot be stored", f.Key, v)
		}
	case string:
		switch {
		case len(v) > MaxTextBytes:
			return fmt.Sprintf("field %q: text of %d bytes is longer than %d", f.Key, len(v), MaxTextBytes)
		case !utf8.ValidString(v):
			return fmt.Sprintf("field %q: text is not UTF-8", f.Key)
		case strings.IndexByte(v, 0) >= 0:
			return fmt.Sprintf("field %q: text holds a zero byte", f.Key)
		}
	case int64, bool:
	default:
		return fmt.Sprintf("field %q: a %T cannot be stored, only float64, int64, string and bool", f.Key, f.Value)
	}
	return ""
}

// checkQuery finds what no store can answer. An unknown name is no fault: it gives an empty answer.
func checkQuery(q *Query, needMachine bool) error {
	switch {
	case q.Measurement == "":
		return errors.New("query without a measurement")
	case q.Site == "":
		return fmt.Errorf("query of %s without a site", q.Measurement)
	case needMachine && q.Machine == "":
		return fmt.Errorf("query of %s without a machine", q.Measurement)
	case len(q.Fields) == 0:
		return fmt.Errorf("query of %s without fields", q.Measurement)
	case q.Limit < 0:
		return fmt.Errorf("query of %s with a negative limit", q.Measurement)
	}
	for _, f := range q.Fields {
		if reserved(f) {
			return fmt.Errorf("query of %s: %q is not a field", q.Measurement, f)
		}
	}
	return nil
}

// clamp cuts the asked range to times that can be stored, and reports whether anything is left.
func clamp(q *Query) bool {
	q.FromMs = max(q.FromMs, minTimeMs)
	q.ToMs = min(q.ToMs, maxTimeMs+1)
	return q.FromMs < q.ToMs
}

// checkStep finds steps that no store can use.
func checkStep(q *Query, stepMs int64) error {
	if stepMs <= 0 || stepMs > maxTimeMs {
		return fmt.Errorf("buckets of %s: a step of %d ms", q.Measurement, stepMs)
	}
	return nil
}
