package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"karkhana/analytics"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// takeover measures how long a process takes until it goes on with machines of which another one, which is gone, has made the
// states: each is folded again from its last checkpoint, here half an hour back, and twice.
func takeover(ctx context.Context, store tsdb.Store, dir string, machines int) error {
	db, err := open(ctx, filepath.Join(dir, "takeover.db"), "t", machines, perSite)
	if err != nil {
		return err
	}
	defer db.Close()
	const before, after = int64(600), int64(1800) // seconds of samples before and after the hour's edge
	edge := timeline.HourFloor(time.Now().UnixMilli(), zone) - timeline.HourMs
	var lines tsdb.Lines
	var whole, tail []registry.Touched
	for m := range machines {
		site, id := fmt.Sprint("t", m/perSite), fmt.Sprint("m", m%perSite)
		for i := -before; i < after; i++ {
			lines.Point(tsdb.Telemetry, site, id)
			lines.Number("power_w", watt(i+before+int64(m)))
			lines.Number("energy_wh", float64(i+before)/4)
			lines.End(edge + i*1000)
		}
		if lines.Len() > 50_000 || m == machines-1 {
			if err := store.WriteLines(ctx, &lines); err != nil {
				return err
			}
			lines.Reset()
		}
		t := registry.Touched{Site: site, Machine: id, FromMs: edge - before*1000, ToMs: edge + (after-1)*1000}
		whole = append(whole, t)
		t.FromMs = t.ToMs
		tail = append(tail, t)
	}
	if _, err := untilBuilt(ctx, store, db, whole); err != nil {
		return err
	}
	took, err := untilBuilt(ctx, store, db, tail)
	if err != nil {
		return err
	}
	fmt.Printf("%d machines at 1 Hz taken over half an hour after their last checkpoint, twice: %.1f s (%.2f million samples/s)\n",
		machines, took.Seconds(), 2*float64(after)*float64(machines)/took.Seconds()/1e6)
	return nil
}

// untilBuilt lets a new service build touched stretches.
func untilBuilt(ctx context.Context, store tsdb.Store, db *registry.DB, touches []registry.Touched) (time.Duration, error) {
	if err := db.Touch(ctx, touches); err != nil {
		return 0, err
	}
	s, err := analytics.New(analytics.Options{Store: store, Registry: db})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- s.Run(ctx) }()
	for {
		rows, err := db.TouchedRows(ctx)
		if err != nil || len(rows) == 0 {
			took := time.Since(begun)
			cancel()
			if e := <-done; err == nil {
				err = e
			}
			return took, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
