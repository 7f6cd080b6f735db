package analytics

import (
	"context"
	"fmt"

	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// writeBatch is the most points written at once.
const writeBatch = 5000

// output collects what a fold emits. It implements fold.Sink.
type output struct {
	site, machine string
	pieces        []timeline.Interval
	hours         []timeline.Hour
	changed       []tsdb.Point // what differs in pieces and hours that are stored
	checkpoints   []checkpoint
}

type checkpoint struct {
	hourMs int64
	state  string
}

// Piece implements fold.Sink.
func (o *output) Piece(p timeline.Interval) { o.pieces = append(o.pieces, p) }

// Hour implements fold.Sink.
func (o *output) Hour(h timeline.Hour) { o.hours = append(o.hours, h) }

// Checkpoint implements fold.Sink.
func (o *output) Checkpoint(hourMs int64, state string) {
	o.checkpoints = append(o.checkpoints, checkpoint{hourMs, state})
}

// change takes what differs between a stored point and what it is to be. Of a machine that simply goes on that is a quarter of the
// fields of its piece and hour, and with many machines the rest would be most of what the store has to write.
func (o *output) change(stored, now tsdb.Point) {
	fields := make([]tsdb.Field, 0, len(now.Fields))
	for i, f := range now.Fields {
		if f != stored.Fields[i] {
			fields = append(fields, f)
		}
	}
	if now.Fields = fields; len(fields) > 0 {
		o.changed = append(o.changed, now)
	}
}

// take returns the points of the pieces and hours so far and forgets them.
func (o *output) take() []tsdb.Point {
	points := make([]tsdb.Point, 0, len(o.pieces)+len(o.hours)+len(o.changed))
	for _, p := range o.pieces {
		points = append(points, p.Point(o.site, o.machine))
	}
	for _, h := range o.hours {
		points = append(points, h.Point(o.site, o.machine))
	}
	points = append(points, o.changed...)
	o.pieces, o.hours, o.changed = o.pieces[:0], o.hours[:0], o.changed[:0]
	return points
}

// takeCheckpoints returns the points of the checkpoints, newest first, and forgets them.
func (o *output) takeCheckpoints() []tsdb.Point {
	points := make([]tsdb.Point, 0, len(o.checkpoints))
	for i := len(o.checkpoints) - 1; i >= 0; i-- {
		c := o.checkpoints[i]
		points = append(points, tsdb.Point{
			Measurement: tsdb.MachineHour, Site: o.site, Machine: o.machine, TimeMs: c.hourMs,
			Fields: []tsdb.Field{{Key: timeline.FieldCheckpoint, Value: c.state}},
		})
	}
	o.checkpoints = o.checkpoints[:0]
	return points
}

// write stores points of a machine in batches, in their order.
func (s *Service) write(ctx context.Context, m *machine, points []tsdb.Point) error {
	for len(points) > 0 {
		if err := s.mine(m); err != nil {
			return err
		}
		n := min(len(points), writeBatch)
		for i := range points[:n] {
			m.noteWritten(points[i].TimeMs)
		}
		if err := s.store(ctx, points[:n]); err != nil {
			return err
		}
		points = points[n:]
	}
	return nil
}

// noteWritten notes that the build under way writes from here on.
func (m *machine) noteWritten(ms int64) {
	if m.wroteMs == 0 || ms < m.wroteMs {
		m.wroteMs = ms
	}
}

// writeAll stores points of several machines in batches, in their order. The caller has seen to it that the sites are
// held, and to noteWritten.
func (s *Service) writeAll(ctx context.Context, points []tsdb.Point) error {
	for len(points) > 0 {
		n := min(len(points), writeBatch)
		if err := s.store(ctx, points[:n]); err != nil {
			return err
		}
		points = points[n:]
	}
	return nil
}

func (s *Service) store(ctx context.Context, points []tsdb.Point) error {
	if err := s.o.Store.Write(ctx, points); err != nil {
		return fmt.Errorf("write states: %w", err)
	}
	s.metrics.points.Add(float64(len(points)))
	return nil
}
