package session

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// nearMs is how far a reading of the register may lie from the end of a stretch and still count as read there (domain
// page, 7.4: session energy).
const nearMs = 60_000

// JobRegister is what the machine's meter showed at the ends of a stretch. Between readings before and after the end it
// is interpolated; with one on one side only, that one counts.
type JobRegister struct {
	FromAt time.Time `json:"from_at" doc:"Of the reading next to the begin"`
	FromWh float64   `json:"from_wh"`
	ToAt   time.Time `json:"to_at"`
	ToWh   float64   `json:"to_wh"`
}

// reading is what a register shows at an instant.
type reading struct {
	atMs int64 // of the nearest reading
	wh   float64
}

// readAt gives what the register of a machine shows at ms; nil when it was not read within a minute.
func (w *jobWork) readAt(ctx context.Context, m registry.Machine, ms int64) (*reading, error) {
	near := func(fromMs, toMs int64, descending bool) (out *reading, err error) {
		q := tsdb.Query{
			Measurement: tsdb.Telemetry, Site: m.Site, Machine: m.ID, Fields: []string{quantity.Field(quantity.Energy)},
			FromMs: fromMs, ToMs: toMs, Limit: 1, Descending: descending,
		}
		err = w.Store.Read(ctx, q, func(row tsdb.Row) error {
			if v, ok := tsdb.Number(row.Values[0]); ok {
				out = &reading{row.TimeMs, v}
			}
			return nil
		})
		return out, err
	}
	before, err := near(ms-nearMs, ms+1, true)
	if err != nil {
		return nil, fmt.Errorf("register of %s: %w", m.ID, err)
	}
	if before != nil && before.atMs == ms {
		return before, nil
	}
	after, err := near(ms, ms+nearMs+1, false)
	if err != nil {
		return nil, fmt.Errorf("register of %s: %w", m.ID, err)
	}
	switch {
	case after == nil:
		return before, nil
	case before == nil:
		return after, nil
	case after.wh < before.wh || after.wh-before.wh > most(after.atMs-before.atMs): // it began again between the two, or is another one
		return nil, nil
	}
	share := float64(ms-before.atMs) / float64(after.atMs-before.atMs)
	out := reading{before.atMs, before.wh + share*(after.wh-before.wh)}
	if share > 0.5 {
		out.atMs = after.atMs
	}
	return &out, nil
}

// most is how many Wh a register may have counted in a while and still be believed, as in package fold: 100 kW with 20 % and
// 1 kWh on top.
func most(ms int64) float64 { return 120_000*float64(ms)/3_600_000 + 1000 }

// register gives the readings at the ends of a stretch; nil when one is missing.
func (w *jobWork) register(ctx context.Context, m registry.Machine, fromMs, toMs int64) (*JobRegister, error) {
	a, err := w.readAt(ctx, m, fromMs)
	if err != nil || a == nil {
		return nil, err
	}
	b, err := w.readAt(ctx, m, toMs)
	if err != nil || b == nil {
		return nil, err
	}
	return &JobRegister{at(a.atMs), a.wh, at(b.atMs), b.wh}, nil
}

// cut is timeline.Clip with the energy of a piece that is cut taken from the register, where that was read within a
// minute of both of its ends; else it is by time, and estimated.
func (w *jobWork) cut(ctx context.Context, m registry.Machine, intervals []timeline.Interval, fromMs, toMs int64) ([]timeline.Interval, error) {
	out := timeline.Clip(intervals, fromMs, toMs)
	for i := range out {
		c := &out[i]
		var whole *timeline.Interval
		for j := range intervals {
			if intervals[j].StartMs <= c.StartMs && intervals[j].EndMs >= c.EndMs {
				whole = &intervals[j]
			}
		}
		if whole == nil || whole.EnergyMilliWh == 0 || whole.StartMs == c.StartMs && whole.EndMs == c.EndMs {
			continue
		}
		read, err := w.register(ctx, m, c.StartMs, c.EndMs)
		if err != nil {
			return nil, err
		}
		if read == nil || whole.EnergyEstimated {
			continue
		}
		if milliWh := int64((read.ToWh-read.FromWh)*1000 + 0.5); read.ToWh >= read.FromWh && milliWh <= whole.EnergyMilliWh+1000 {
			c.EnergyMilliWh, c.EnergyEstimated, c.Flags = milliWh, false, whole.Flags
		}
	}
	return out, nil
}
