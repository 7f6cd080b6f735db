package analytics

import (
	"context"
	"errors"
	"fmt"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// rebuild folds again from the last usable checkpoint before fromMs until, past toMs, a checkpoint equals the stored one, or
// to the newest sample. In the latter case the fold becomes the machine's tip.
func (s *Service) rebuild(ctx context.Context, m *machine, src *source, fromMs, toMs int64) (built, error) {
	r := &rebuilding{ctx: ctx, s: s, m: m, toMs: toMs, out: &output{site: m.site, machine: m.id}, starts: map[int64]bool{}}
	f, edge, sinceMs, err := s.restart(ctx, src, r, fromMs)
	if err != nil {
		return built{}, err
	}
	cut := f.DecidedMs()
	b := built{mode: modeRebuild, fromMs: cut}
	if cut == 0 {
		b.fromMs = fromMs
	}
	err = s.samples(ctx, src, edge, sinceMs, toMs, func(x fold.Sample) bool {
		f.Step(x)
		b.samples++
		if r.err == nil && len(r.out.pieces)+len(r.out.hours) >= writeBatch {
			r.err = s.write(ctx, m, r.out.take())
		}
		return r.err == nil && !r.met
	})
	if err = errors.Join(err, r.err); err != nil {
		return b, err
	}
	end := timeline.FarMs
	if r.met {
		end = f.DecidedMs() // from here on the stored pieces are what this fold would give
	} else {
		m.tip = newTip(f, r.out, src)
		f.Tip(&differing{t: m.tip})
		for start := range m.tip.pieces {
			r.starts[start] = true
		}
	}
	if err := s.write(ctx, m, r.out.take()); err != nil {
		return b, err
	}
	if err := s.void(ctx, m, cut, end, r.starts); err != nil {
		return b, err
	}
	b.toMs, b.hours = f.LastMs(), len(r.out.checkpoints)
	if err := s.write(ctx, m, r.out.takeCheckpoints()); err != nil {
		return b, err
	}
	f.SetSink(r.out)
	return b, nil
}

// restart restores the newest checkpoint at or before the hour of fromMs that fits the rules. Without any the fold begins
// at the machine's first sample. Samples are to be read from edge on; as far as known the first one lies about sinceMs.
func (s *Service) restart(ctx context.Context, src *source, sink fold.Sink, fromMs int64) (f *fold.Fold, edge, sinceMs int64, err error) {
	const page = 100
	sinceMs = fromMs
	toMs := timeline.HourFloor(fromMs, src.rules.Zone()) + 1
	for {
		n := 0
		q := tsdb.Query{
			Measurement: tsdb.MachineHour, Site: src.site, Machine: src.machine, Fields: []string{timeline.FieldCheckpoint},
			FromMs: 0, ToMs: toMs, Descending: true, Limit: page,
		}
		if toMs > fromMs-timeline.HourMs {
			q.Limit = 1 // the usual case
		}
		err := s.o.Store.Read(ctx, q, func(row tsdb.Row) error {
			n, toMs, sinceMs = n+1, row.TimeMs, row.TimeMs
			state, _ := row.Values[0].(string)
			restored, err := fold.Restore(src.rules, sink, row.TimeMs, state)
			if err != nil {
				return nil //nolint:nilerr // made under other rules, or damaged: an older one will do
			}
			f, edge = restored, row.TimeMs
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, 0, 0, fmt.Errorf("read checkpoints: %w", err)
		}
		if f != nil {
			return f, edge, sinceMs, nil
		}
		if n < q.Limit {
			return fold.New(src.rules, sink), 0, sinceMs, nil
		}
	}
}

// void overwrites the stored pieces with a start in [fromMs, toMs) that are not among the new ones.
func (s *Service) void(ctx context.Context, m *machine, fromMs, toMs int64, starts map[int64]bool) error {
	stored, err := timeline.Pieces(ctx, s.o.Store, m.site, m.id, fromMs, toMs)
	if err != nil {
		return err
	}
	var points []tsdb.Point
	for _, p := range stored {
		if !starts[p.StartMs] && p.State != timeline.StateVoid {
			points = append(points, timeline.Interval{State: timeline.StateVoid, StartMs: p.StartMs, EndMs: p.StartMs}.Point(m.site, m.id))
		}
	}
	return s.write(ctx, m, points)
}

// rebuilding is the sink of a rebuild: it notices when a checkpoint past the stretch meets the stored one.
type rebuilding struct {
	ctx    context.Context
	s      *Service
	m      *machine
	out    *output
	starts map[int64]bool // of the new pieces
	toMs   int64
	met    bool
	err    error

	stored     map[int64]string // checkpoints of the store up to storedToMs
	storedToMs int64
}

// Piece implements fold.Sink.
func (r *rebuilding) Piece(p timeline.Interval) {
	r.starts[p.StartMs] = true
	r.out.Piece(p)
}

// Hour implements fold.Sink.
func (r *rebuilding) Hour(h timeline.Hour) { r.out.Hour(h) }

// Checkpoint implements fold.Sink.
func (r *rebuilding) Checkpoint(hourMs int64, state string) {
	r.out.Checkpoint(hourMs, state)
	if hourMs <= r.toMs || r.err != nil {
		return
	}
	if hourMs >= r.storedToMs {
		r.load(hourMs)
	}
	r.met = r.met || r.stored[hourMs] == state
}

// load reads the stored checkpoints of the next day.
func (r *rebuilding) load(fromMs int64) {
	r.stored, r.storedToMs = map[int64]string{}, fromMs+24*timeline.HourMs
	q := tsdb.Query{
		Measurement: tsdb.MachineHour, Site: r.m.site, Machine: r.m.id, Fields: []string{timeline.FieldCheckpoint},
		FromMs: fromMs, ToMs: r.storedToMs,
	}
	err := r.s.o.Store.Read(r.ctx, q, func(row tsdb.Row) error {
		r.stored[row.TimeMs], _ = row.Values[0].(string)
		return nil
	})
	if err != nil {
		r.err = fmt.Errorf("read checkpoints: %w", err)
	}
}
