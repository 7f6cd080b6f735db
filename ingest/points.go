package ingest

import (
	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// The stored form of a pack: one point of measurement telemetry for each instant, with a field for each quantity.
//
//   - A quality that is not plainly good stands in "{field}_q". With a fault there is no value: only the quality is stored.
//   - Field "clock" says how far the time is trusted, when that is less than a clock that was set: repaired or bounded.
//   - Field tsdb.TimeBounded is 1 where the time is bounded, so that such stretches can be counted without being read.

const (
	qualityField = "_q"
	clockField   = "clock"
)

// pointBuilder turns packs into points. It keeps scratch memory between packs and is not safe for concurrent use.
type pointBuilder struct {
	at     map[int64]int32 // time → index in times
	times  []int64
	counts []int32
	owner  []int32 // sample → index in times
}

// append adds the points of p and returns them with the number of values (fields) added.
func (b *pointBuilder) append(points []tsdb.Point, p *wire.Pack) ([]tsdb.Point, int) {
	b.group(p)
	total := 0
	extra := int32(0)
	if p.Clock == wire.ClockRepaired || p.Clock == wire.ClockBounded {
		extra = 1
	}
	if p.Clock == wire.ClockBounded {
		extra = 2
	}
	for i := range b.counts {
		b.counts[i] += extra
		total += int(b.counts[i])
	}
	slab := make([]tsdb.Field, total)
	first := len(points)
	for i, t := range b.times {
		n := b.counts[i]
		points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: p.Site, Machine: p.Machine, TimeMs: t, Fields: slab[:0:n]})
		slab = slab[n:]
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		pt := &points[first+int(b.owner[i])]
		q, _ := quantity.Get(s.Quantity) // Decode knows no others
		if !s.IsFault() {
			set(pt, q.Field, value(q, s))
		}
		if s.Quality != "" {
			set(pt, q.Field+qualityField, s.Quality)
		}
	}
	values := 0
	for i := first; i < len(points); i++ {
		values += len(points[i].Fields)
		if extra > 0 {
			set(&points[i], clockField, string(p.Clock))
		}
		if extra > 1 {
			set(&points[i], tsdb.TimeBounded, int64(1))
		}
	}
	return points, values
}

// group finds the instants of a pack: times in order of appearance, the instant of each sample, and the most fields
// that each instant can have. Packs go through the same instants quantity by quantity, or all quantities instant by
// instant: the next instant or the same is tried before the map.
func (b *pointBuilder) group(p *wire.Pack) {
	if b.at == nil {
		b.at = map[int64]int32{}
	}
	clear(b.at)
	b.times, b.counts, b.owner = b.times[:0], b.counts[:0], b.owner[:0]
	last := int32(-1)
	for i := range p.Samples {
		s := &p.Samples[i]
		next := last + 1
		if int(next) >= len(b.times) {
			next = 0
		}
		switch {
		case last >= 0 && b.times[last] == s.TimeMs:
		case last >= 0 && b.times[next] == s.TimeMs:
			last = next
		default:
			k, ok := b.at[s.TimeMs]
			if !ok {
				k = int32(len(b.times))
				b.at[s.TimeMs] = k
				b.times, b.counts = append(b.times, s.TimeMs), append(b.counts, 0)
			}
			last = k
		}
		b.owner = append(b.owner, last)
		if !s.IsFault() {
			b.counts[last]++
		}
		if s.Quality != "" {
			b.counts[last]++
		}
	}
}

// set adds a field. The same quantity twice in an instant: the later sample counts.
func set(pt *tsdb.Point, key string, v any) {
	for i := range pt.Fields {
		if pt.Fields[i].Key == key {
			pt.Fields[i].Value = v
			return
		}
	}
	pt.Fields = append(pt.Fields, tsdb.Field{Key: key, Value: v})
}

func value(q quantity.Quantity, s *wire.Sample) any {
	switch q.Kind {
	case quantity.KindText:
		return s.Text
	case quantity.KindBool:
		return s.Bool
	default:
		return s.Number * q.Scale
	}
}
