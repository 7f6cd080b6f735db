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

// take returns the points of the pieces and hours so far and forgets them.
func (o *output) take() []tsdb.Point {
	points := make([]tsdb.Point, 0, len(o.pieces)+len(o.hours))
	for _, p := range o.pieces {
		points = append(points, p.Point(o.site, o.machine))
	}
	for _, h := range o.hours {
		points = append(points, h.Point(o.site, o.machine))
	}
	o.pieces, o.hours = o.pieces[:0], o.hours[:0]
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
