package apitest

import (
	"context"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// block is a stretch of a working day, in minutes after local midnight.
type block struct {
	from, to int
	state    string
	card     string // who holds the machine; "": nobody
}

// plan is what each machine does on a working day. The afternoon of the last day stops at Begin, 15:42.
var plan = map[string][]block{
	"furnace-1":   {{552, 640, timeline.StateRun, "c1"}, {640, 662, timeline.StateIdle, "c1"}, {662, 748, timeline.StateRun, "c2"}, {800, 1030, timeline.StateRun, "c2"}},
	"cutting-1":   {{560, 585, timeline.StateRun, "c2"}, {585, 600, timeline.StateIdle, "c2"}, {600, 690, timeline.StateRun, "c2"}, {790, 915, timeline.StateRun, "c1"}, {915, 1010, timeline.StateIdle, "c1"}},
	"polishing-1": {{570, 720, timeline.StateRun, "c1"}, {785, 850, timeline.StateRun, ""}, {850, 866, timeline.StateIdle, ""}, {866, 1020, timeline.StateRun, ""}},
	"hammer-1":    {{580, 610, timeline.StateRun, "c3"}, {612, 680, timeline.StateRun, "c3"}, {680, 700, timeline.StateIdle, "c3"}, {820, 880, timeline.StateRun, "c3"}},
	"design-1":    {{555, 735, timeline.StateRun, "c2"}, {735, 790, timeline.StateIdle, ""}, {790, 905, timeline.StateRun, "c1"}},
	"polishing-2": {{575, 700, timeline.StateRun, "c3"}, {790, 902, timeline.StateRun, "c3"}},
}

var groupOfCard = map[string]string{"c1": "pital-shg", "c2": "meera-pg", "c3": "lohar-pg"}

// history writes the states since the first of the month, the sessions, and the samples of the last day.
func (w *World) history(ctx context.Context) error {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, w.zone)
	for _, m := range w.machines {
		if m.Class == registry.ClassMainMeter {
			m.powerW[timeline.StateRun] = 17500
			if err := w.stretch(ctx, m, timeline.StateRun, Begin.Add(-12*time.Hour).UnixMilli(), timeline.HourFloor(w.nowMs, w.zone)); err != nil {
				return err
			}
			for ms := w.nowMs - 3600_000; ms < w.nowMs; ms += 60_000 {
				if err := w.sample(ctx, m, ms, 17500+1500*wave(ms/300_000*300_000, "main")); err != nil {
					return err
				}
			}
			if err := w.mainHours(ctx, m, begin); err != nil {
				return err
			}
			continue
		}
		untilMs := w.nowMs
		if m.ID == "polishing-2" {
			untilMs, m.silent = w.nowMs-40*60_000, true // its gateway is out
		}
		var sessions []registry.Session
		for d := begin; d.UnixMilli() < w.nowMs; d = d.AddDate(0, 0, 1) {
			if err := w.day(ctx, m, d, untilMs, &sessions); err != nil {
				return err
			}
		}
		if err := w.hours(ctx, m, begin); err != nil {
			return err
		}
		if err := w.Registry.ReplaceSessions(ctx, Site, m.ID, 0, sessions); err != nil {
			return err
		}
	}
	return nil
}

// day writes one day of a machine up to untilMs.
func (w *World) day(ctx context.Context, m *machine, d time.Time, untilMs int64, sessions *[]registry.Session) error {
	done := d.UnixMilli()
	next := d.AddDate(0, 0, 1).UnixMilli()
	add := func(state string, toMs int64) error {
		toMs = min(toMs, untilMs)
		if toMs <= done {
			return nil
		}
		if m.state != state || m.sinceMs == 0 {
			m.state, m.sinceMs = state, done
		}
		if err := w.stretch(ctx, m, state, done, toMs); err != nil {
			return err
		}
		done = toMs
		return nil
	}
	if d.Weekday() != time.Sunday {
		for _, b := range plan[m.ID] {
			from, to := d.Add(time.Duration(b.from)*time.Minute).UnixMilli(), d.Add(time.Duration(b.to)*time.Minute).UnixMilli()
			if err := add(timeline.StateOff, from); err != nil {
				return err
			}
			if err := add(b.state, to); err != nil {
				return err
			}
			if b.card == "" || from >= untilMs {
				continue
			}
			if n := len(*sessions); n > 0 && (*sessions)[n-1].EndMs == from && (*sessions)[n-1].CardHash == b.card {
				(*sessions)[n-1].EndMs = to
			} else {
				*sessions = append(*sessions, registry.Session{Site: Site, Machine: m.ID, StartMs: from, EndMs: to, Group: groupOfCard[b.card], CardHash: b.card, EndReason: "tap"})
			}
			if last := &(*sessions)[len(*sessions)-1]; last.EndMs > w.nowMs {
				last.EndMs, last.EndReason = 0, "open"
			}
		}
	}
	return add(timeline.StateOff, next)
}

// stretch writes the pieces of a state, cut at hours, and samples where they lie in the last day.
func (w *World) stretch(ctx context.Context, m *machine, state string, fromMs, toMs int64) error {
	var points []tsdb.Point
	for at := fromMs; at < toMs; {
		end := min(timeline.NextHour(at, w.zone), toMs)
		points = append(points, w.piece(m, state, at, end).Point(Site, m.ID))
		at = end
	}
	if err := w.Store.Write(ctx, points); err != nil {
		return err
	}
	for ms := max(fromMs, w.nowMs-16*3600_000); ms < toMs; ms += 30_000 {
		w.energyWh[m.ID] += m.powerW[state] / 120
		if err := w.sample(ctx, m, ms, m.powerW[state]*(1+0.04*wave(ms, m.ID))); err != nil {
			return err
		}
	}
	return nil
}

// hours writes the totals of a machine's hours, as analytics would.
func (w *World) hours(ctx context.Context, m *machine, begin time.Time) error {
	var points []tsdb.Point
	for at := begin.UnixMilli(); at < w.nowMs; at = timeline.NextHour(at, w.zone) {
		pieces, err := timeline.Pieces(ctx, w.Store, Site, m.ID, at, timeline.NextHour(at, w.zone))
		if err != nil {
			return err
		}
		h := timeline.Hour{StartMs: at}
		for _, p := range pieces {
			d := p.EndMs - p.StartMs
			switch p.State {
			case timeline.StateRun:
				h.RunMs, h.RunMilliWh = h.RunMs+d, h.RunMilliWh+p.EnergyMilliWh
			case timeline.StateIdle:
				h.IdleMs, h.IdleMilliWh = h.IdleMs+d, h.IdleMilliWh+p.EnergyMilliWh
			default:
				h.OffMs, h.OffMilliWh = h.OffMs+d, h.OffMilliWh+p.EnergyMilliWh
			}
			h.Estimated = h.Estimated || p.EnergyEstimated
		}
		points = append(points, h.Point(Site, m.ID))
	}
	return w.Store.Write(ctx, points)
}
