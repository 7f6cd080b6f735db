package timeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"karkhana/internal/tsdb"
)

// Fields of measurement `state`; the point's time is the start of the piece.
const (
	FieldState     = "state"            // string: off, idle, run, unknown, void
	FieldEndMs     = "end_ms"           // int
	FieldEnergy    = "energy_milliwh"   // int
	FieldEstimated = "energy_estimated" // bool
	FieldOpen      = "open"             // bool
	FieldCause     = "cause"            // string
	FieldPhase     = "phase"            // string: heating, soak, cooling, ""
	FieldDoorDips  = "door_dips"        // int
)

var stateFields = []string{FieldState, FieldEndMs, FieldEnergy, FieldEstimated, FieldOpen, FieldCause, FieldFlags, FieldPhase, FieldDoorDips}

// page is how many pieces are read at once when looking back or ahead for the rest of an interval.
const page = 64

// FarMs lies beyond every sample (year 2248) and within the nanoseconds of InfluxDB.
const FarMs = int64(1) << 43

// Read returns the intervals that overlap [fromMs, toMs), whole (not clipped), neighbours of the same state joined.
// They tile the asked time without holes: where nothing is stored (before the first sample ever, after the last one,
// and in the future) stands `unknown`, cut to the asked range. The newest state holds until nowMs while its last sample is
// no older than gapLimitMs; after that `unknown` begins at that last sample. The result depends on nothing but the
// stored pieces and the arguments. An empty range gives no intervals.
func Read(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs, nowMs, gapLimitMs int64) ([]Interval, error) {
	return read(ctx, s, site, machine, fromMs, toMs, nowMs, gapLimitMs, func(a, b *Interval) bool { return a.State == b.State })
}

// ReadPhases is Read with the intervals of a furnace parted by phase.
func ReadPhases(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs, nowMs, gapLimitMs int64) ([]Interval, error) {
	return read(ctx, s, site, machine, fromMs, toMs, nowMs, gapLimitMs, func(a, b *Interval) bool { return a.State == b.State && a.Phase == b.Phase })
}

func read(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs, nowMs, gapLimitMs int64, same func(a, b *Interval) bool) ([]Interval, error) {
	if fromMs >= toMs {
		return nil, nil
	}
	r := reader{ctx: ctx, store: s, site: site, machine: machine}
	pieces, err := r.around(fromMs, toMs)
	if err != nil {
		return nil, fmt.Errorf("read states of %s/%s: %w", site, machine, err)
	}
	hold(pieces, nowMs, gapLimitMs)
	joined := join(tile(pieces, fromMs, toMs), same)
	return slices.DeleteFunc(joined, func(iv Interval) bool { return iv.EndMs <= fromMs || iv.StartMs >= toMs }), nil
}

// Pieces returns the stored pieces with a start in [fromMs, toMs), void ones included, ascending.
func Pieces(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs int64) ([]Interval, error) {
	r := reader{ctx: ctx, store: s, site: site, machine: machine}
	var out []Interval
	err := r.read(fromMs, toMs, 0, false, func(iv Interval) bool {
		out = append(out, iv)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read pieces of %s/%s: %w", site, machine, err)
	}
	return out, nil
}

// Point is the stored form of a piece.
func (iv Interval) Point(site, machine string) tsdb.Point {
	return tsdb.Point{Measurement: tsdb.State, Site: site, Machine: machine, TimeMs: iv.StartMs, Fields: []tsdb.Field{
		{Key: FieldState, Value: iv.State},
		{Key: FieldEndMs, Value: iv.EndMs},
		{Key: FieldEnergy, Value: iv.EnergyMilliWh},
		{Key: FieldEstimated, Value: iv.EnergyEstimated},
		{Key: FieldOpen, Value: iv.Open},
		{Key: FieldCause, Value: iv.Cause},
		{Key: FieldFlags, Value: int64(iv.Flags)},
		{Key: FieldPhase, Value: iv.Phase},
		{Key: FieldDoorDips, Value: iv.DoorDips},
	}}
}

type reader struct {
	ctx           context.Context
	store         tsdb.Store
	site, machine string
}

// around returns the pieces, void ones left out, of [fromMs, toMs) and as many before and after as belong to the first
// and the last interval of the range.
func (r reader) around(fromMs, toMs int64) ([]Interval, error) {
	before, err := r.walk(0, fromMs, true, "") // newest first
	if err != nil {
		return nil, err
	}
	out := make([]Interval, 0, len(before)+page)
	for i := len(before) - 1; i >= 0; i-- {
		out = append(out, before[i])
	}
	err = r.read(fromMs, toMs, 0, false, func(iv Interval) bool {
		if iv.State != StateVoid {
			out = append(out, iv)
		}
		return true
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	if last := out[len(out)-1]; last.Open || last.EndMs < toMs {
		return out, nil
	}
	after, err := r.walk(toMs, FarMs, false, out[len(out)-1].State)
	return append(out, after...), err
}

// walk reads pieces page by page away from the range, as long as they have the given state ("" takes the first one's),
// and one more: it bounds the last one where two overlap in the middle of a rebuild.
func (r reader) walk(fromMs, toMs int64, back bool, state string) ([]Interval, error) {
	var out []Interval
	for size := page; ; size *= 2 {
		n, done := 0, false
		err := r.read(fromMs, toMs, size, back, func(iv Interval) bool {
			n++
			if back {
				toMs = iv.StartMs
			} else {
				fromMs = iv.StartMs + 1
			}
			if iv.State == StateVoid {
				return true
			}
			out = append(out, iv)
			if state == "" {
				state = iv.State
			}
			done = iv.State != state
			return !done
		})
		if err != nil || done || n < size {
			return out, err
		}
	}
}

var errStop = errors.New("stop")

// read streams pieces by start time in [fromMs, toMs) to fn until it returns false.
func (r reader) read(fromMs, toMs int64, limit int, descending bool, fn func(Interval) bool) error {
	q := tsdb.Query{
		Measurement: tsdb.State, Site: r.site, Machine: r.machine, Fields: stateFields,
		FromMs: fromMs, ToMs: toMs, Limit: limit, Descending: descending,
	}
	err := r.store.Read(r.ctx, q, func(row tsdb.Row) error {
		if !fn(piece(row)) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

func piece(row tsdb.Row) Interval {
	iv := Interval{StartMs: row.TimeMs, EndMs: row.TimeMs, State: StateVoid}
	if v, ok := row.Values[0].(string); ok {
		iv.State = v
	}
	if v, ok := row.Values[1].(int64); ok {
		iv.EndMs = v
	}
	if v, ok := row.Values[2].(int64); ok {
		iv.EnergyMilliWh = v
	}
	if v, ok := row.Values[3].(bool); ok {
		iv.EnergyEstimated = v
	}
	if v, ok := row.Values[4].(bool); ok {
		iv.Open = v
	}
	if v, ok := row.Values[5].(string); ok {
		iv.Cause = v
	}
	if v, ok := row.Values[6].(int64); ok {
		iv.Flags = EnergyFlags(v)
	}
	if v, ok := row.Values[7].(string); ok {
		iv.Phase = v
	}
	if v, ok := row.Values[8].(int64); ok {
		iv.DoorDips = v
	}
	return iv
}

// hold lets the newest state last until now while its last sample is fresh. Only the last piece can be open; the mark
// on an earlier one is left over from a rebuild under way.
func hold(pieces []Interval, nowMs, gapLimitMs int64) {
	for i := range pieces {
		p := &pieces[i]
		if i < len(pieces)-1 {
			p.Open = false
			continue
		}
		if p.Open && p.EndMs < nowMs && nowMs-p.EndMs <= gapLimitMs {
			p.EndMs = nowMs
		}
	}
}

// tile cuts overlaps, drops empty pieces and fills the holes of the range with unknown. Pieces ascend by start.
func tile(pieces []Interval, fromMs, toMs int64) []Interval {
	out := make([]Interval, 0, len(pieces)+2)
	hole := func(start, end int64, cause string) {
		if start, end = max(start, fromMs), min(end, toMs); start < end {
			out = append(out, Interval{State: StateUnknown, StartMs: start, EndMs: end, Cause: cause})
		}
	}
	next := fromMs // up to here the time is tiled
	cause := CauseNoData
	for i, p := range pieces {
		if i+1 < len(pieces) && p.EndMs > pieces[i+1].StartMs {
			p.EndMs = pieces[i+1].StartMs
		}
		if p.EndMs <= p.StartMs {
			continue
		}
		hole(next, p.StartMs, cause)
		out = append(out, p)
		next, cause = p.EndMs, ""
	}
	hole(next, toMs, CauseNoData)
	return out
}

// join makes intervals of neighbouring pieces that are the same. A phase stays when it is that of all.
func join(pieces []Interval, same func(a, b *Interval) bool) []Interval {
	out := pieces[:0]
	for _, p := range pieces {
		if n := len(out); n > 0 && same(&out[n-1], &p) && out[n-1].EndMs == p.StartMs {
			last := &out[n-1]
			last.EndMs = p.EndMs
			last.EnergyMilliWh += p.EnergyMilliWh
			last.EnergyEstimated = last.EnergyEstimated || p.EnergyEstimated
			last.Flags |= p.Flags
			last.Open = p.Open
			last.DoorDips += p.DoorDips
			if last.Phase != p.Phase {
				last.Phase = ""
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

// Newest returns the newest stored piece; its end is the last sample. false: nothing is stored.
func Newest(ctx context.Context, s tsdb.Store, site, machine string) (Interval, bool, error) {
	r := reader{ctx: ctx, store: s, site: site, machine: machine}
	var newest Interval
	found := false
	for toMs, size := FarMs, 2; ; size *= 2 {
		n := 0
		err := r.read(0, toMs, size, true, func(iv Interval) bool {
			n++
			toMs, newest, found = iv.StartMs, iv, iv.State != StateVoid
			return !found
		})
		if err != nil {
			return Interval{}, false, fmt.Errorf("read newest state of %s/%s: %w", site, machine, err)
		}
		if found || n < size {
			return newest, found, nil
		}
	}
}
