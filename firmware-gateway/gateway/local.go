package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/page"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/watchdog"
	"karkhana/internal/wire"
)

var _ local.Gateway = (*Gateway)(nil)

// observed returns src with its readings noted for the watchdog and for people.
func (g *Gateway) observed(m config.Machine, watched *watchdog.Machine, src sampler.Source) (sampler.Source, func()) {
	var expected []string
	for _, s := range m.Sensors {
		expected = append(expected, s.Quantities...)
	}
	seen := g.values.Watch(m.ID, expected)
	return seen.Source(watched.Source(src)), seen.Done
}

// View returns how everything stands.
func (g *Gateway) View() local.View {
	c, st, up, status := g.config(), g.spool.Stats(), g.uplink.Load().Stats(), g.Status()
	v := local.View{
		Site: c.Site, Gateway: c.Gateway, Version: g.o.Version, TimeMs: status.TimeMs, Clock: status.Clock,
		Queue: local.Queue{
			Packs: st.Packs, Bytes: st.Bytes, MaxBytes: c.SpoolMaxMB << 20, OldestAgeS: status.OldestAgeS,
			Receipted: st.Receipted, Dropped: st.Dropped, Thinned: st.Thinned, Failing: g.board.Spool().Failing,
		},
		Link: local.Link{
			Broker: c.Broker, Connected: up.Connected, ForS: int64(time.Since(up.Since) / time.Second),
			Error: up.Failure, Trouble: up.Trouble,
		},
		Config: local.Config{Hash: c.Hash, Error: status.ConfigError}, AllowList: status.AllowList,
	}
	for _, m := range c.Machines {
		v.Machines = append(v.Machines, local.Machine{ID: m.ID, Source: m.Source, Values: g.values.Values(m.ID)})
	}
	var free *uint64
	if s := g.system.Load(); s != nil {
		v.System = *s
		if s.Disk != nil {
			free = &s.Disk.FreeBytes
		}
	}
	v.Queue.DaysLeft = v.Queue.Left(free)
	return v
}

// looks lets one scan or test in at a time.
func (g *Gateway) looks(look func() error) error {
	select {
	case g.looking <- struct{}{}:
		defer func() { <-g.looking }()
		return look()
	default:
		return local.ErrBusy
	}
}

// Scan looks what is connected, in the gaps between the readings.
func (g *Gateway) Scan(ctx context.Context, ask scan.Ask, progress func(string)) (r *scan.Report, err error) {
	err = g.looks(func() error {
		sets := g.running()
		s := scan.Sweeper{Buses: sensor.Look(g.o.Buses, sets), Progress: progress, I2C: g.o.I2C, SPI: g.o.SPI}
		for _, set := range sets {
			s.InUse = append(s.InUse, set.Uses()...)
		}
		if r, err = s.Sweep(ctx, ask); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		return nil
	})
	return r, err
}

// Selftest judges the sensors after a while of watching.
func (g *Gateway) Selftest(ctx context.Context, lasts time.Duration) (v []sensor.Verdict, err error) {
	err = g.looks(func() error {
		v = sensor.TestRunning(ctx, g.running(), g.last, lasts)
		order := map[string]int{}
		for i, m := range g.config().Machines {
			order[m.ID] = i
		}
		slices.SortStableFunc(v, func(a, b sensor.Verdict) int { return order[a.Machine] - order[b.Machine] })
		return ctx.Err()
	})
	return v, err
}

// running returns the sets that run now.
func (g *Gateway) running() []*sensor.Set {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.sets)
}

func (g *Gateway) addSet(s *sensor.Set) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sets = append(g.sets, s)
}

func (g *Gateway) dropSet(s *sensor.Set) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sets = slices.DeleteFunc(g.sets, func(o *sensor.Set) bool { return o == s })
}

// last returns the newest sample of a quantity.
func (g *Gateway) last(machine, quantity string) (wire.Sample, bool) {
	for _, v := range g.values.Values(machine) {
		if v.Quantity == quantity && v.Seen {
			return v.Sample, true
		}
	}
	return wire.Sample{}, false
}

// servePage serves the page for people until ctx ends.
func (g *Gateway) servePage(ctx context.Context) {
	c := g.config().Page
	if c == nil {
		return
	}
	page.Serve(ctx, page.Options{Gateway: g, Listen: c.Listen, PINFile: c.PINFile, Logger: g.log, Setup: page.Setup{File: g.config().File, Reload: g.Reload}})
}

// serveLocal lets commands beside the gateway look at it until ctx ends. Without its socket they don't work, all else does.
func (g *Gateway) serveLocal(ctx context.Context) {
	if g.o.Socket == "" {
		return
	}
	l, err := local.ListenSocket(g.o.Socket)
	if err != nil {
		g.log.Warn("watch, scan and selftest can't reach this gateway", "err", err)
		return
	}
	local.Serve(ctx, l, local.Handler(g), g.log)
}
