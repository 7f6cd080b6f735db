// Command benchanalytics measures analytics on real stores: the fold alone, a machine's history rebuilt from InfluxDB, a
// month's figures of forty machines, and the fold of many machines at 1 Hz. Everything it prints is measured in the run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const perSite = 20

func main() {
	days := flag.Int("days", 365, "days of 1 Hz samples to rebuild; a machine-year is measured with 365 only")
	nation := flag.String("nation", "100,1000,5000,20000", "numbers of machines at 1 Hz")
	parts := flag.String("parts", "year,month,takeover,nation", "what to measure besides the fold; the result line says not_measured of what is left out")
	span := flag.Duration("for", 30*time.Second, "how long each number is measured, after the states of all machines are there")
	child := flag.String("child", "", "internal: URL of InfluxDB to build from; its token comes on standard input")
	db := flag.String("db", "", "internal: registry of the child")
	profile := flag.String("profile", "", "write CPU profiles of the process that makes states to files beginning with this name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return bench(ctx, *parts, *days, *nation, *span, *profile) }
	if *child != "" {
		run = func() error { return build(ctx, *child, *db, *profile) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchanalytics:", err)
		os.Exit(1)
	}
}

var zone = time.FixedZone("IST", 19_800)

func bench(ctx context.Context, parts string, days int, nation string, span time.Duration, profile string) error {
	dir, err := os.MkdirTemp("", "karkhana-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, stop, err := startStore(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: server.URL(), Token: server.Token(), Bucket: influxd.Bucket})
	if err != nil {
		return err
	}
	defer store.Close()
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d cores, load %s", runtime.NumCPU(), load)
	speed := foldSpeed()
	fmt.Printf("fold alone, one goroutine: %.1f million samples/s\n", speed)
	year, month, core, rss := "not_measured", "not_measured", "not_measured", "not_measured"
	for part := range strings.SplitSeq(parts, ",") {
		begun := time.Now()
		switch part {
		case "year":
			year, err = machineYear(ctx, server, store, dir, days)
		case "month":
			month, err = monthKPIs(ctx, dir)
		case "takeover":
			err = takeover(ctx, store, dir, 1000)
		case "nation":
			core, rss, err = nationTable(ctx, server, store, dir, nation, span, profile)
		default:
			err = fmt.Errorf("-parts %q: give year, month, takeover and nation with commas", part)
		}
		if err != nil {
			return err
		}
		fmt.Printf("(%s: %.0f s)\n", part, time.Since(begun).Seconds())
	}
	fmt.Printf("result: fold_msamples_per_s=%.1f machine_year_s=%s month_kpis_ms=%s nation_core_pct=%s nation_rss_mb=%s\n", speed, year, month, core, rss)
	return nil
}

// nationTable measures each number of machines and returns the figures of the last one.
func nationTable(ctx context.Context, server *influxd.Server, store tsdb.Store, dir, nation string, span time.Duration, profile string) (core, rss string, err error) {
	fmt.Println("machines at 1 Hz, packs of 10 s  all taken up after s  analytics % of a core  RSS MB  longest wait s  InfluxDB %  samples made %")
	for _, n := range strings.Split(nation, ",") {
		machines, err := strconv.Atoi(n)
		if err != nil {
			return "", "", fmt.Errorf("-nation %q: give numbers with commas", nation)
		}
		f, err := live(ctx, server, store, filepath.Join(dir, n+".db"), machines, span, profile)
		if err != nil {
			return "", "", err
		}
		if !f.keptUp() {
			core, rss = "not_kept_up", "not_kept_up"
			fmt.Printf("%31d  not kept up (a pack waited %.1f s, samples came %.1f s late)\n", machines, f.behind.Seconds(), f.late.Seconds())
			continue
		}
		core, rss = fmt.Sprintf("%.0f", f.pct), fmt.Sprintf("%.0f", f.rss)
		fmt.Printf("%31d  %20.0f  %21.1f  %6.0f  %14.1f  %10.1f  %14.1f\n", machines, f.start.Seconds(), f.pct, f.rss, f.behind.Seconds(), f.influx, f.bench)
	}
	return core, rss, nil
}

type nothing struct{}

func (nothing) Piece(timeline.Interval)  {}
func (nothing) Hour(timeline.Hour)       {}
func (nothing) Checkpoint(int64, string) {}

func foldSpeed() float64 {
	rules := fold.NewRules(zone, fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 180_000, DwellOffMs: 60_000, DwellIdleMs: 60_000, DwellRunMs: 60_000})
	samples := make([]fold.Sample, 86_400)
	for i := range samples {
		w := watt(int64(i))
		samples[i] = fold.Sample{TimeMs: start + int64(i)*1000, Signal: w, PowerW: w, EnergyWh: float64(i) / 4, Has: fold.HasSignal | fold.HasEnergy | fold.HasPower}
	}
	n, begun := 0, time.Now()
	for time.Since(begun) < 3*time.Second {
		f := fold.New(rules, nothing{})
		for i := range samples {
			f.Step(samples[i])
		}
		n += len(samples)
	}
	return float64(n) / time.Since(begun).Seconds() / 1e6
}

const start = int64(1_767_205_800_000) // 1 January 2026 in India

func watt(i int64) float64 { return []float64{0, 300, 2000, 2500, 400}[i/577%5] + float64(i%7) }

// open makes a registry with sites of perSite machines, or of all when that is more.
func open(ctx context.Context, path string, site string, machines, each int) (*registry.DB, error) {
	db, err := registry.Open(ctx, "sqlite://"+path)
	if err != nil {
		return nil, err
	}
	for s := 0; s*each < machines; s++ {
		d := registry.SiteDefinition{Site: registry.Site{ID: fmt.Sprint(site, s), Name: registry.Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"}}
		for m := range min(each, machines-s*each) {
			d.Machines = append(d.Machines, registry.MachineDefinition{
				Machine: registry.Machine{ID: fmt.Sprint("m", m), Class: "lathe", Name: registry.Name{Hi: "म", En: "M"}},
				Settings: []registry.Settings{{ValidFromMs: 1, Signal: "power", IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1,
					DwellOffMs: 60_000, DwellIdleMs: 60_000, DwellRunMs: 60_000, ReportMs: 1000}},
			})
		}
		if err := db.Apply(ctx, d, "bench", 1); err != nil {
			return nil, err
		}
	}
	return db, nil
}

func point(site, machine string, ms, i int64) tsdb.Point {
	return tsdb.Point{Measurement: tsdb.Telemetry, Site: site, Machine: machine, TimeMs: ms, Fields: []tsdb.Field{
		{Key: "power_w", Value: watt(i)}, {Key: "energy_wh", Value: float64(i) / 4},
	}}
}

// startStore starts an influxd of our own in dir; stop waits until it has ended.
func startStore(ctx context.Context, dir string) (server *influxd.Server, stop func(), err error) {
	binary, err := influxd.Find()
	if err != nil {
		return nil, nil, err
	}
	if server, err = influxd.New(influxd.Options{Binary: binary, DataDir: filepath.Join(dir, "influxdb")}); err != nil {
		return nil, nil, err
	}
	below, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(below) }()
	stop = func() {
		end()
		<-ended //nolint:errcheck // only that it has ended
	}
	if err := server.WaitReady(ctx); err != nil {
		stop()
		return nil, nil, err
	}
	return server, stop, nil
}
