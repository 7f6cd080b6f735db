package apitest

import (
	"context"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// shaking writes the vibration of the running minutes of the month's first and of the last days. The hammer shakes more
// by now.
func (w *World) shaking(ctx context.Context) error {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, w.zone)
	for _, m := range w.machines {
		if m.vibration == 0 {
			continue
		}
		var points []tsdb.Point
		for d := begin; d.UnixMilli() < w.nowMs; d = d.AddDate(0, 0, 1) {
			if d.Day() > 4 && d.UnixMilli() < w.nowMs-2*24*3600_000 {
				continue // enough for a baseline
			}
			worn := m.ID == "hammer-1" && d.Day() > 14
			for _, b := range plan[m.ID] {
				for minute := b.from; minute < b.to && b.state == timeline.StateRun; minute++ {
					ms := d.Add(time.Duration(minute) * time.Minute).UnixMilli()
					if ms < w.nowMs {
						points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: Site, Machine: m.ID, TimeMs: ms, Fields: shakes(m.ID, worn, ms)})
					}
				}
			}
		}
		if err := w.Store.Write(ctx, points); err != nil {
			return err
		}
	}
	return nil
}

// shakes are the three values of a window.
func shakes(id string, worn bool, ms int64) []tsdb.Field {
	velocity, acceleration, kurtosis := 2.2, 5.1, 3.1
	if id == "hammer-1" {
		velocity, acceleration, kurtosis = 1.36, 9.2, 5.4
	}
	if worn {
		velocity, acceleration, kurtosis = 4.6, 24, 5.9
	}
	return []tsdb.Field{
		{Key: quantity.Field(quantity.Vibration), Value: velocity * (1 + 0.05*wave(ms, "v"))},
		{Key: quantity.Field(quantity.Accel), Value: acceleration * (1 + 0.06*wave(ms, "a"))},
		{Key: quantity.Field(quantity.Kurtosis), Value: kurtosis * (1 + 0.04*wave(ms, "k"))},
	}
}
