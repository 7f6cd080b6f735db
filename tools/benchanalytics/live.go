package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"karkhana/analytics"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	// packSeconds is how many samples a gateway sends of a machine at a time; machines take turns.
	packSeconds = 10
	// keptUp is how old a delivered pack may be that is not yet in states.
	keptUp = 5 * time.Second
	// Before anything is measured the process has to have taken up all machines, for some seconds in a row.
	longestStart  = 90 * time.Second
	steadySeconds = 5
	// looksPerSecond is at how many sites it is looked each second whether their states are there.
	looksPerSecond = 3
)

// build is the child: analytics alone in a process with one core, until it is stopped.
func build(ctx context.Context, url, path, profile string) error {
	runtime.GOMAXPROCS(1)
	token, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: url, Token: strings.TrimSpace(token), Bucket: influxd.Bucket})
	if err != nil {
		return err
	}
	db, err := registry.Open(ctx, "sqlite://"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := analytics.New(analytics.Options{
		Store: store, Registry: db, Registerer: prometheus.NewRegistry(),
		Followers: []analytics.Follower{session.New(session.Options{Store: store, Registry: db}), gap.New(gap.Options{Store: store, Registry: db})},
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// figures of a number of machines, over the span after all were taken up.
type figures struct {
	machines      int
	start         time.Duration // until the states of all machines were there
	pct, rss      float64       // of the process that makes states
	influx, bench float64       // share of a core of InfluxDB and of this process, which makes the samples
	behind        time.Duration
	late          time.Duration // how far the samples themselves were behind their time
}

// keptUp reports whether the figures say anything.
func (f figures) keptUp() bool { return f.start > 0 && f.behind <= keptUp && f.late <= keptUp }

// live feeds machines at 1 Hz while a child builds their states. Each machine sends a pack of ten samples in ten seconds.
func live(ctx context.Context, server *influxd.Server, store tsdb.Store, path string, machines int, span time.Duration, profile string) (f figures, err error) {
	site := fmt.Sprint("n", machines, "-")
	db, err := open(ctx, path, site, machines, perSite)
	if err != nil {
		return f, err
	}
	defer db.Close()
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	if profile != "" {
		profile = fmt.Sprint(profile, ".", machines)
	}
	child := exec.CommandContext(ctx, self, "-child", server.URL(), "-db", path, "-profile", profile)
	child.Stdin, child.Stderr = strings.NewReader(server.Token()+"\n"), os.Stderr
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	if err := child.Start(); err != nil {
		return f, err
	}
	defer func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, child.Wait())
	}()
	g := &generator{store: store, db: db, site: site, machines: machines, begun: time.Now()}
	f.machines = machines
	pids := [3]int{child.Process.Pid, server.Pid(), os.Getpid()}
	var before, after [3]float64
	var counted time.Time // since when it is measured
	steady := 0
	for i := int64(0); counted.IsZero() && time.Since(g.begun) < longestStart || !counted.IsZero() && time.Since(counted) < span; i++ {
		if err := g.second(ctx, i); err != nil {
			return f, err
		}
		var behind time.Duration
		for k := range int64(looksPerSecond) {
			b, err := g.behind(ctx, i*looksPerSecond+k)
			if err != nil {
				return f, err
			}
			behind = max(behind, b)
		}
		late := time.Since(g.begun.Add(time.Duration(i+1) * time.Second))
		if steady++; behind > keptUp || i < packSeconds {
			steady = 0
		}
		if !counted.IsZero() || steady == 0 {
			f.behind, f.late = max(f.behind, behind), max(f.late, late)
		}
		if counted.IsZero() && steady == steadySeconds {
			counted = time.Now()
			f.start, f.behind, f.late = counted.Sub(g.begun)-steadySeconds*time.Second, 0, 0
			for k, pid := range pids {
				before[k], _ = usage(pid)
			}
		}
		time.Sleep(time.Until(g.begun.Add(time.Duration(i+1) * time.Second)))
	}
	if counted.IsZero() {
		return f, nil
	}
	for k, pid := range pids {
		var rss float64
		if after[k], rss = usage(pid); k == 0 {
			f.rss = rss
		}
	}
	share := func(k int) float64 { return 100 * (after[k] - before[k]) / time.Since(counted).Seconds() }
	f.pct, f.influx, f.bench = share(0), share(1), share(2)
	return f, nil
}

// generator stores samples and notes them, as ingest does.
type generator struct {
	store    tsdb.Store
	db       *registry.DB
	site     string
	machines int
	begun    time.Time
	lines    tsdb.Lines
	delivery [packSeconds]delivery // the last one of each turn
}

// delivery is when the packs of a turn were announced, and the newest sample in them.
type delivery struct {
	at       time.Time
	newestMs int64
}

// packsPerWrite is how many packs are stored and announced together.
const packsPerWrite = 250

// second delivers the packs of the machines whose turn it is.
func (g *generator) second(ctx context.Context, i int64) error {
	now := g.begun.UnixMilli() + i*1000
	turn := i % packSeconds
	var touches []registry.Touched
	g.lines.Reset()
	send := func() error {
		if len(touches) == 0 {
			return nil
		}
		if err := g.store.WriteLines(ctx, &g.lines); err != nil {
			return err
		}
		err := g.db.Touch(ctx, touches)
		touches = touches[:0]
		g.lines.Reset()
		return err
	}
	for m := turn; m < int64(g.machines); m += packSeconds {
		site, id := fmt.Sprint(g.site, m/perSite), fmt.Sprint("m", m%perSite)
		for k := int64(packSeconds - 1); k >= 0; k-- {
			at := i - k
			g.lines.Point(tsdb.Telemetry, site, id)
			g.lines.Number("power_w", watt(at+m+10))
			g.lines.Number("energy_wh", float64(at+m+10)/4)
			g.lines.End(now - k*1000)
		}
		touches = append(touches, registry.Touched{Site: site, Machine: id, FromMs: now - (packSeconds-1)*1000, ToMs: now})
		if len(touches) == packsPerWrite {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := send(); err != nil {
		return err
	}
	g.delivery[turn] = delivery{time.Now(), now}
	return nil
}

// behind looks at the states of a site, a different one for each i, and returns for how long the oldest of its packs has
// waited to be in them.
func (g *generator) behind(ctx context.Context, i int64) (time.Duration, error) {
	sites := int64((g.machines + perSite - 1) / perSite)
	now := time.Now()
	rows, err := g.store.Last(ctx, tsdb.Query{
		Measurement: tsdb.State, Site: fmt.Sprint(g.site, i*7919%sites), Fields: []string{timeline.FieldEndMs},
		FromMs: g.begun.UnixMilli() - packSeconds*1000, ToMs: now.UnixMilli() + 3_600_000,
	})
	if err != nil {
		return 0, err
	}
	ends := map[string]int64{}
	for _, r := range rows {
		ends[r.Machine], _ = r.Values[0].(int64)
	}
	var behind time.Duration
	for m := range int64(perSite) {
		d := g.delivery[(i*7919%sites*perSite+m)%packSeconds]
		if end := ends[fmt.Sprint("m", m)]; end < d.newestMs {
			missing := max(0, d.newestMs-max(end, g.begun.UnixMilli())-packSeconds*1000) // of older packs
			behind = max(behind, now.Sub(d.at)+time.Duration(missing)*time.Millisecond)
		}
	}
	return behind, nil
}

// usage returns a process's CPU seconds and resident memory in MB.
func usage(pid int) (cpu, rss float64) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) > 21 {
		var user, system, pages float64
		_, _ = fmt.Sscan(fields[11], &user)
		_, _ = fmt.Sscan(fields[12], &system)
		_, _ = fmt.Sscan(fields[21], &pages)
		cpu, rss = (user+system)/100, pages*float64(os.Getpagesize())/1e6
	}
	return cpu, rss
}
