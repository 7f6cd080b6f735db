package apitest

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// What a day of the furnace takes in the weeks of Drivers, in milliwatt-hours.
const (
	standingMilliWh  = 2_400_000
	runHourMilliWh   = 6_000_000
	kgMilliWh        = 250_000
	coldStartMilliWh = 9_000_000
)

// Drivers writes six weeks of the furnace before the history begins, from 21 September 2026 on, on which its energy depends on run-hours, kg
// and cold starts (see the constants) and a little on chance: without Sundays, one weighed job for each of its runs, and on
// every third day a run in the small hours besides the one by day.
func (w *World) Drivers(ctx context.Context) error {
	begin := time.Date(2026, 9, 21, 0, 0, 0, 0, w.zone)
	for i := 0; ; i++ {
		day := begin.AddDate(0, 0, i)
		if !day.Before(time.Date(2026, 11, 1, 0, 0, 0, 0, w.zone)) {
			return nil
		}
		if err := w.driverDay(ctx, i, day); err != nil {
			return err
		}
	}
}

func (w *World) driverDay(ctx context.Context, i int, day time.Time) error {
	type run struct{ from, hours, kg int64 }
	var runs []run
	if day.Weekday() != time.Sunday {
		runs = append(runs, run{14, 2 + int64(i*5%4), 15 + int64(i*11%37)})
		if i%3 == 0 {
			runs = append(runs, run{4, 2, 10 + int64(i*7%13)})
		}
	}
	milliWh := map[int64]int64{}
	for n, r := range runs {
		chance := int64(700_000 * wave(day.UnixMilli()/1000*7, "drivers"))
		for h := r.from; h < r.from+r.hours; h++ {
			milliWh[h] = runHourMilliWh + (r.kg*kgMilliWh+coldStartMilliWh+chance)/r.hours
		}
		job := registry.Job{Site: Site, Number: fmt.Sprintf("D-%02d%d", i, n), Title: "ढलाई", WeightG: r.kg * 1000, Author: "test", MadeMs: day.UnixMilli()}
		if err := w.Registry.SaveJob(ctx, job, ""); err != nil {
			return err
		}
		from := day.Add(time.Duration(r.from) * time.Hour).UnixMilli()
		work := registry.JobWork{Site: Site, Job: job.Number, Machine: "furnace-1", FromMs: from, ToMs: from + r.hours*timeline.HourMs, Author: "test", MadeMs: day.UnixMilli()}
		if _, err := w.Registry.AddJobWork(ctx, work); err != nil {
			return err
		}
	}
	var points []tsdb.Point
	for h := range int64(24) {
		at := day.UnixMilli() + h*timeline.HourMs
		hour := timeline.Hour{StartMs: at, OffMs: timeline.HourMs, OffMilliWh: standingMilliWh / 24}
		piece := timeline.Interval{State: timeline.StateOff, StartMs: at, EndMs: at + timeline.HourMs, EnergyMilliWh: hour.OffMilliWh}
		if milliWh[h] > 0 {
			hour = timeline.Hour{StartMs: at, RunMs: timeline.HourMs, RunMilliWh: milliWh[h] + standingMilliWh/24}
			piece.State, piece.EnergyMilliWh = timeline.StateRun, hour.RunMilliWh
		}
		points = append(points, hour.Point(Site, "furnace-1"), piece.Point(Site, "furnace-1"))
	}
	return w.Store.Write(ctx, points)
}
