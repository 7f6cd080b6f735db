package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"karkhana/analytics"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	wholeYear = 365 // days
	linesEach = 10_000
	loaders   = 2
	// InfluxDB rests when it needs less than this share of a core; it is waited for at most so long.
	restShare = 0.05
	restMost  = 2 * time.Minute
)

// machineYear stores a machine's samples and measures how long the service takes from its start until their states are
// stored: first from the samples, then after a changed threshold, which makes every state anew from copies of hours. It returns
// both in seconds for the result line, the latter first. Nothing is scaled: a span other than a year has no machine_year_s.
func machineYear(ctx context.Context, server *influxd.Server, store tsdb.Store, dir string, days int) (string, error) {
	db, err := registry.Open(ctx, "sqlite://"+filepath.Join(dir, "year.db"))
	if err != nil {
		return "", err
	}
	defer db.Close()
	if err := db.Apply(ctx, yearSite(100), "bench", 1); err != nil {
		return "", err
	}
	n := int64(days) * 86_400
	begun := time.Now()
	if err := loadYear(ctx, store, n); err != nil {
		return "", err
	}
	loaded, rested := time.Since(begun), time.Now()
	if err := rest(ctx, server.Pid()); err != nil {
		return "", err
	}
	fmt.Printf("%d days of one machine at 1 Hz, power and register: %.1f million samples stored in %.0f s, InfluxDB at rest %.0f s later\n",
		days, float64(n)/1e6, loaded.Seconds(), time.Since(rested).Seconds())
	if err := db.Touch(ctx, []registry.Touched{{Site: "y0", Machine: "m0", FromMs: start, ToMs: start + (n-1)*1000}}); err != nil {
		return "", err
	}
	first, err := rebuilt(ctx, server, store, db, "rebuilt from InfluxDB for the first time")
	if err != nil {
		return "", err
	}
	if err := db.Apply(ctx, yearSite(150), "bench", 2); err != nil {
		return "", err
	}
	again, err := rebuilt(ctx, server, store, db, "rebuilt from InfluxDB after a changed threshold")
	if err != nil {
		return "", err
	}
	if days != wholeYear {
		return fmt.Sprintf("not_measured machine_%d_days_s=%.1f machine_%d_days_first_s=%.1f", days, again.Seconds(), days, first.Seconds()), nil
	}
	return fmt.Sprintf("%.1f machine_year_first_s=%.1f", again.Seconds(), first.Seconds()), nil
}

func yearSite(idleAbove float64) registry.SiteDefinition {
	return registry.SiteDefinition{
		Site: registry.Site{ID: "y0", Name: registry.Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"},
		Machines: []registry.MachineDefinition{{
			Machine: registry.Machine{ID: "m0", Class: "lathe", Name: registry.Name{Hi: "म", En: "M"}},
			Settings: []registry.Settings{{
				ValidFromMs: 1, Signal: "power", IdleAbove: idleAbove, RunAbove: 1000, Hysteresis: 0.1,
				DwellOffMs: 60_000, DwellIdleMs: 60_000, DwellRunMs: 60_000, ReportMs: 1000,
			}},
		}},
	}
}

// noisy is watt as a meter shows it: tenths that nobody can foresee, so that nothing is packed better than on a real machine.
func noisy(i int64) float64 {
	return math.Round(watt(i)*10+float64(rand.New(rand.NewPCG(uint64(i), 1)).IntN(300))) / 10
}

// loadYear stores n samples, as ingest does by line protocol.
func loadYear(ctx context.Context, store tsdb.Store, n int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	froms := make(chan int64)
	errs := make([]error, loaders)
	var writing sync.WaitGroup
	for w := range loaders {
		writing.Go(func() {
			var l tsdb.Lines
			for from := range froms {
				l.Reset()
				for i := from; i < min(n, from+linesEach); i++ {
					l.Point(tsdb.Telemetry, "y0", "m0")
					l.Number("power_w", noisy(i))
					l.Number("energy_wh", math.Floor(float64(i)/4)) // a register of whole Wh
					l.End(start + i*1000)
				}
				if errs[w] = store.WriteLines(ctx, &l); errs[w] != nil {
					cancel()
					return
				}
			}
		})
	}
	for from := int64(0); from < n && ctx.Err() == nil; from += linesEach {
		select {
		case froms <- from:
		case <-ctx.Done():
		}
	}
	close(froms)
	writing.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// rest waits until a process has nothing more to do: InfluxDB packs what was stored.
func rest(ctx context.Context, pid int) error {
	const look = 2 * time.Second
	before, _ := usage(pid)
	for begun := time.Now(); time.Since(begun) < restMost; {
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, _ := usage(pid)
		if now-before < restShare*look.Seconds() {
			return nil
		}
		before = now
	}
	fmt.Printf("InfluxDB was still busy with what was stored after %s\n", restMost)
	return nil
}

// rebuilt runs a service until it has built what is touched or stands under other rules. The first of the two builds after a
// start counts.
func rebuilt(ctx context.Context, server *influxd.Server, store tsdb.Store, db *registry.DB, what string) (time.Duration, error) {
	heard := make(chan time.Time, 1)
	s, err := analytics.New(analytics.Options{Store: store, Registry: db, Followers: []analytics.Follower{follower(heard)}})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	own, _ := usage(os.Getpid())
	influx, _ := usage(server.Pid())
	begun := time.Now()
	go func() { done <- s.Run(ctx) }()
	select {
	case at := <-heard:
		took := at.Sub(begun)
		ownNow, _ := usage(os.Getpid())
		influxNow, rss := usage(server.Pid())
		fmt.Printf("%s in %.1f s (CPU: analytics %.1f s, InfluxDB %.1f s with %.0f MB)\n", what, took.Seconds(), ownNow-own, influxNow-influx, rss)
		cancel()
		return took, <-done
	case err := <-done:
		return 0, errors.Join(err, ctx.Err())
	}
}

type follower chan time.Time

// Rebuilt implements analytics.Follower.
func (f follower) Rebuilt(context.Context, string, string, int64, int64) error {
	select {
	case f <- time.Now():
	default:
	}
	return nil
}
