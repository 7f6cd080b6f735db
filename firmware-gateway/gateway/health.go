package gateway

import (
	"context"
	"os"
	"sync"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/watchdog"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// readSystemEvery is how often the computer's health is read: dips of the supply stay visible in bits of their own.
const readSystemEvery = 30 * time.Second

// supplyKnownFor is how long a reading of the mains tells what they are.
const supplyKnownFor = 5 * time.Minute

// liveMachines counts the machines that are read at a rate of their own, which the watchdog waits for.
func liveMachines(c *config.Gateway) (n int) {
	for _, m := range c.Machines {
		if m.Source != config.SourceReplay {
			n++
		}
	}
	return n
}

// watch tells systemd that the gateway samples, and keeps its report, until ctx ends. The two don't wait for each
// other: a card that hangs holds up the report only.
func (g *Gateway) watch(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() {
		w := watchdog.Watchdog{Board: g.board, Live: liveMachines(g.config()), Logger: g.log}
		w.Run(ctx)
	})
	both.Go(func() { g.reportHealth(ctx) })
	both.Wait()
}

// reportHealth reads the computer's health now and then, and writes the report when there is a place for it.
func (g *Gateway) reportHealth(ctx context.Context) {
	if g.o.System == nil {
		return
	}
	t := time.NewTicker(health.WriteEvery)
	defer t.Stop()
	started, _ := health.Up(os.DirFS("/"))
	var read time.Time
	failing := false
	for {
		if now := time.Now(); read.IsZero() || now.Sub(read) >= readSystemEvery {
			read = now
			s := g.o.System(ctx)
			g.system.Store(&s)
		}
		if g.o.HealthFile != "" {
			err := g.healthReport(started).Write(g.o.HealthFile)
			if err != nil && !failing {
				g.log.Warn("health can't be reported to the commands on this computer", "err", err)
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (g *Gateway) healthReport(started int64) *health.Report {
	up, _ := health.Up(os.DirFS("/"))
	s := g.Status()
	r := &health.Report{
		Version: g.o.Version, PID: os.Getpid(), StartedMs: started, UpMs: up, Machines: g.board.Machines(), Spool: g.board.Spool(),
	}
	r.Spool.Packs, r.Spool.OldestAgeS = s.SpoolPacks, s.OldestAgeS
	if sys := g.system.Load(); sys != nil {
		r.System = *sys
	}
	return r
}

// addHealth puts what is known of the computer into the status.
func (g *Gateway) addHealth(s *wire.Status) {
	if mains, age, ok := g.values.Newest(quantity.Supply); ok && age < supplyKnownFor {
		s.Supply = &mains.Bool
	}
	sys := g.system.Load()
	if sys == nil {
		return
	}
	if t := sys.Throttled; t != nil {
		bits, now := uint32(*t), *t&health.UndervoltedNow != 0
		s.Throttled, s.Undervolted = &bits, &now
	}
	if d := sys.Disk; d != nil {
		s.Disk = &wire.Disk{FreeBytes: d.FreeBytes, WrittenBytes: d.WrittenBytes, ReadOnly: d.ReadOnly}
	}
}
