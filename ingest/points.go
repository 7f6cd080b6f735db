package ingest

import (
	"slices"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// The stored form of a pack: one point of measurement telemetry for each instant, with a field for each quantity.
//
//   - A quality that is not plainly good stands in "{field}_q". With a fault there is no value: only the quality is stored.
//   - Field "clock" says how far the time is trusted, when that is less than a clock that was set: repaired or bounded.
//   - Field tsdb.TimeBounded is 1 where the time is bounded, so that such stretches can be counted without being read.
//   - The same quantity twice in an instant: the later sample counts.

const (
	qualitySuffix = "_q"
	clockField    = "clock"
)

// column is what a quantity becomes in the store.
type column struct {
	quantity.Quantity
	index int
}

// columns are those of all quantities, by wire name.
var columns = func() map[string]*column {
	out := map[string]*column{}
	for i, q := range quantity.All() {
		out[q.Name] = &column{q, i}
	}
	return out
}()

// lineBuilder turns packs into points. It keeps scratch memory between packs and is not safe for concurrent use.
type lineBuilder struct {
	at      map[int64]int32 // time → index in times
	times   []int64
	counts  []int32   // samples of each instant
	owner   []int32   // sample → index in times
	cols    []*column // sample → column
	order   []int32   // samples, instant by instant
	values  []int32   // by column: the last sample of the instant with a value
	quality []int32   // by column: the last sample of the instant with a quality
}

// append adds the points of p and returns the number of values (fields) added, the notes of the clock not counted.
func (b *lineBuilder) append(l *tsdb.Lines, p *wire.Pack) int {
	b.group(p)
	total := 0
	from := int32(0)
	for k, t := range b.times {
		total += b.instant(l, p, t, b.order[from:b.counts[k]])
		from = b.counts[k]
	}
	return total
}

// instant writes the point of some samples of the same time.
func (b *lineBuilder) instant(l *tsdb.Lines, p *wire.Pack, timeMs int64, samples []int32) int {
	for _, i := range samples { // what is left in the tables from another instant names none of these samples
		s, c := &p.Samples[i], b.cols[i].index
		if !s.IsFault() {
			b.values[c] = i
		}
		if s.Quality != "" {
			b.quality[c] = i
		}
	}
	l.Point(tsdb.Telemetry, p.Site, p.Machine)
	for _, i := range samples {
		s, c := &p.Samples[i], b.cols[i]
		if !s.IsFault() && b.values[c.index] == i {
			switch c.Kind {
			case quantity.KindText:
				l.Text(c.Field, "", s.Text)
			case quantity.KindBool:
				l.Bool(c.Field, s.Bool)
			default:
				l.Number(c.Field, s.Number*c.Scale)
			}
		}
		if s.Quality != "" && b.quality[c.index] == i {
			l.Text(c.Field, qualitySuffix, s.Quality)
		}
	}
	notes := 0
	if p.Clock == wire.ClockRepaired || p.Clock == wire.ClockBounded {
		notes = 1
		l.Text(clockField, "", string(p.Clock))
	}
	if p.Clock == wire.ClockBounded {
		notes = 2
		l.Integer(tsdb.TimeBounded, 1)
	}
	return l.End(timeMs) - notes
}

// group finds the instants of a pack: times in order of appearance, and the samples of each. Packs go through the same
// instants quantity by quantity, or all quantities instant by instant: the next instant or the same is tried before the
// map. Afterwards counts[k] is where the samples of instant k end in order.
func (b *lineBuilder) group(p *wire.Pack) {
	if b.at == nil {
		b.at = map[int64]int32{}
		b.values, b.quality = make([]int32, len(columns)), make([]int32, len(columns))
	}
	clear(b.at)
	b.times, b.counts, b.owner, b.cols = b.times[:0], b.counts[:0], b.owner[:0], b.cols[:0]
	last := int32(-1)
	var col *column
	for i := range p.Samples {
		s := &p.Samples[i]
		if col == nil || col.Name != s.Quantity {
			col = columns[s.Quantity] // Decode knows no others
		}
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
		b.owner, b.cols = append(b.owner, last), append(b.cols, col)
		b.counts[last]++
	}
	sum := int32(0)
	for k, n := range b.counts { // where each instant begins
		b.counts[k] = sum
		sum += n
	}
	b.order = slices.Grow(b.order[:0], len(p.Samples))[:len(p.Samples)]
	for i, k := range b.owner {
		b.order[b.counts[k]] = int32(i)
		b.counts[k]++
	}
}
