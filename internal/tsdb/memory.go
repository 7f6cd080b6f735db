package tsdb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store in memory for tests and trials. It answers as Influx does and forgets at its end.
type Memory struct {
	mu     sync.Mutex
	series map[seriesKey]*series
	types  map[string]map[string]string // measurement → field → type of its first value
}

var _ Store = (*Memory)(nil)

type seriesKey struct{ measurement, site, machine string }

// series holds the instants of one machine. Instants arrive in any order and are sorted when asked for.
type series struct {
	instants []instant
	at       map[int64]int // TimeMs → index in instants
	unsorted bool
}

type instant struct {
	timeMs int64
	fields []Field
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{series: map[seriesKey]*series{}, types: map[string]map[string]string{}}
}

// Ping implements Store.
func (m *Memory) Ping(ctx context.Context) error { return ctx.Err() }

// Write implements Store.
func (m *Memory) Write(ctx context.Context, points []Point) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	refused := map[int]string{}
	for i := range points {
		p := &points[i]
		reason := refusal(p)
		if reason == "" {
			reason = m.typeConflict(p)
		}
		if reason != "" {
			refused[i] = reason
			continue
		}
		m.store(p)
	}
	if len(refused) > 0 {
		return &PointsError{Refused: refused}
	}
	return nil
}

// typeConflict says which field has another type than before, and otherwise remembers the types of new fields.
func (m *Memory) typeConflict(p *Point) string {
	types := m.types[p.Measurement]
	if types == nil {
		types = map[string]string{}
		m.types[p.Measurement] = types
	}
	for _, f := range p.Fields {
		if was, is := types[f.Key], fmt.Sprintf("%T", f.Value); was != "" && was != is {
			return fmt.Sprintf("field type conflict: input field %q on measurement %q is type %s, already exists as type %s",
				f.Key, p.Measurement, is, was)
		}
	}
	for _, f := range p.Fields {
		types[f.Key] = fmt.Sprintf("%T", f.Value)
	}
	return ""
}

func (m *Memory) store(p *Point) {
	key := seriesKey{p.Measurement, p.Site, p.Machine}
	s := m.series[key]
	if s == nil {
		s = &series{at: map[int64]int{}}
		m.series[key] = s
	}
	i, known := s.at[p.TimeMs]
	if !known {
		n := len(s.instants)
		s.unsorted = s.unsorted || n > 0 && s.instants[n-1].timeMs > p.TimeMs
		s.at[p.TimeMs] = n
		s.instants = append(s.instants, instant{p.TimeMs, slices.Clone(p.Fields)})
		return
	}
	// A new slice, since a reader may still hold the old one.
	fields := slices.Clone(s.instants[i].fields)
	for _, f := range p.Fields {
		if j := slices.IndexFunc(fields, func(o Field) bool { return o.Key == f.Key }); j >= 0 {
			fields[j].Value = f.Value
		} else {
			fields = append(fields, f)
		}
	}
	s.instants[i].fields = fields
}

// between returns the instants in [fromMs, toMs), ascending, as long as m.mu is held.
func (s *series) between(fromMs, toMs int64) []instant {
	if s == nil {
		return nil
	}
	if s.unsorted {
		slices.SortFunc(s.instants, func(a, b instant) int { return cmp.Compare(a.timeMs, b.timeMs) })
		for i := range s.instants {
			s.at[s.instants[i].timeMs] = i
		}
		s.unsorted = false
	}
	find := func(ms int64) int {
		i, _ := slices.BinarySearchFunc(s.instants, ms, func(in instant, ms int64) int { return cmp.Compare(in.timeMs, ms) })
		return i
	}
	from, to := find(fromMs), find(toMs)
	return s.instants[from:max(from, to)]
}

// pick puts the asked fields of an instant into values and reports whether there is any.
func (in *instant) pick(fields []string, values []any) bool {
	found := false
	for i, want := range fields {
		values[i] = nil
		for _, f := range in.fields {
			if f.Key == want {
				values[i], found = f.Value, true
			}
		}
	}
	return found
}

// Read implements Store. fn may call the store.
func (m *Memory) Read(ctx context.Context, q Query, fn func(Row) error) error {
	if err := checkQuery(&q, true); err != nil {
		return err
	}
	m.mu.Lock()
	instants := slices.Clone(m.series[seriesKey{q.Measurement, q.Site, q.Machine}].between(q.FromMs, q.ToMs))
	m.mu.Unlock()
	if q.Descending {
		slices.Reverse(instants)
	}
	row := Row{Machine: q.Machine, Values: make([]any, len(q.Fields))}
	given := 0
	for i := range instants {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read from memory: %w", err)
		}
		if !instants[i].pick(q.Fields, row.Values) {
			continue
		}
		row.TimeMs = instants[i].timeMs
		if err := fn(row); err != nil {
			return err
		}
		if given++; given == q.Limit {
			break
		}
	}
	return nil
}

// Last implements Store.
func (m *Memory) Last(ctx context.Context, q Query) ([]Row, error) {
	if err := checkQuery(&q, false); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read from memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []Row
	for key, s := range m.series {
		if key.measurement != q.Measurement || key.site != q.Site || q.Machine != "" && key.machine != q.Machine {
			continue
		}
		if row, ok := newest(s.between(q.FromMs, q.ToMs), q.Fields); ok {
			row.Machine = key.machine
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Machine, b.Machine) })
	return rows, nil
}

// newest gathers the newest value of each field.
func newest(instants []instant, fields []string) (Row, bool) {
	row := Row{Values: make([]any, len(fields))}
	values := make([]any, len(fields))
	missing := len(fields)
	for _, in := range slices.Backward(instants) {
		if !in.pick(fields, values) {
			continue
		}
		if missing == len(fields) {
			row.TimeMs = in.timeMs
		}
		for i, v := range values {
			if v != nil && row.Values[i] == nil {
				row.Values[i] = v
				missing--
			}
		}
		if missing == 0 {
			break
		}
	}
	return row, missing < len(fields)
}

// Buckets implements Store.
func (m *Memory) Buckets(ctx context.Context, q Query, stepMs int64) ([]Bucket, error) {
	if err := checkStep(&q, stepMs); err != nil {
		return nil, err
	}
	offset := floorMod(q.FromMs, stepMs)
	var buckets []Bucket
	q.Limit, q.Descending = 0, false
	if len(q.Fields) > 1 {
		q.Fields = q.Fields[:1]
	}
	err := m.Read(ctx, q, func(r Row) error {
		v, ok := Number(r.Values[0])
		if !ok {
			return fmt.Errorf("buckets of %s: field %q is a %T, not a number", q.Measurement, q.Fields[0], r.Values[0])
		}
		from := r.TimeMs - floorMod(r.TimeMs-offset, stepMs)
		if n := len(buckets); n == 0 || buckets[n-1].FromMs != from {
			buckets = append(buckets, Bucket{FromMs: from, Min: v, Max: v})
		}
		b := &buckets[len(buckets)-1]
		b.Min, b.Max = min(b.Min, v), max(b.Max, v)
		b.Count++
		b.Mean += v // the sum, until all are there
		return nil
	})
	for i := range buckets {
		buckets[i].Mean /= float64(buckets[i].Count)
	}
	if err != nil {
		return nil, err
	}
	return buckets, nil
}
