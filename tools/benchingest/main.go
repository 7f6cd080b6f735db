// Command benchingest measures ingest as a whole line of real processes (broker, ingest, influxd and a generator of
// packs) on one machine.
//
//	benchingest compare   flat out, beside the store's own limit in the same run
//	benchingest country   2,000 packs/s of 20,000 machines, with analytics
//	benchingest growth    1,000 to 20,000 machines and 1 to 3 ingest processes, as a table
//	benchingest lanes     from a live sample to the live page while 50 gateways drain a backlog
//
// See docs/ingest.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchingest:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	setup
	rounds int
	perS   int
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == "generate" {
		return generateCommand(ctx, args[1])
	}
	if len(args) == 2 && args[0] == "direct" {
		return directCommand(ctx, args[1])
	}
	if len(args) == 0 {
		return fmt.Errorf("say what to measure: compare, country, growth or lanes")
	}
	s := settings{}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&s.Program, "program", "bin/karkhana", "the server's program")
	f.StringVar(&s.Dir, "dir", os.TempDir(), "folder for the data of the run; it is emptied again")
	f.StringVar(&s.Source, "source", "nats", "how ingest reads the broker: nats or mqtt")
	f.IntVar(&s.Ingests, "ingests", 1, "ingest processes")
	f.IntVar(&s.Load.Gateways, "gateways", 50, "gateways, each a site with a connection of its own")
	f.IntVar(&s.Load.Machines, "machines", 20, "machines of each gateway")
	f.IntVar(&s.Load.Window, "window", 200, "packs of a gateway that wait for a receipt, flat out")
	f.DurationVar(&s.Load.For, "for", 20*time.Second, "how long packs are sent in a round")
	f.IntVar(&s.Load.QoS, "receipt-qos", 0, "QoS at which gateways subscribe to their receipts; ours take 0, 1 makes a consumer for each in the NATS server")
	f.IntVar(&s.rounds, "rounds", 3, "rounds of compare")
	f.IntVar(&s.perS, "packs-per-s", 2000, "load of country and lanes")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "compare":
		return compare(ctx, s)
	case "country":
		return country(ctx, s)
	case "growth":
		return growth(ctx, s)
	case "lanes":
		return lanes(ctx, s)
	}
	return fmt.Errorf("%q: use compare, country, growth or lanes", args[0])
}

// perMillion is the CPU of a process for a million values stored.
func (o outcome) perMillion(name string) float64 {
	return o.Costs[name].CPU / (float64(o.Values) / 1e6)
}

func (o outcome) print(title string) {
	fmt.Printf("%-16s %7.3f Mvalues/s  receipt p50 %5.0f ms p99 %5.0f ms  packs %d, sent again %d, connected again %d, refused %d, lost values %d\n",
		title, o.Rates/1e6, o.P50Ms, o.P99Ms, o.Packs, o.Resent, o.Reconnected, o.Refused, o.Lost)
	for _, name := range []string{"generator", "broker", "ingest", "analytics", "dashboards", "influxd"} {
		if c, ok := o.Costs[name]; ok {
			fmt.Printf("  %-10s %6.2f CPU s  %5.3f s/Mvalue  peak %4.0f MB\n", name, c.CPU, o.perMillion(name), c.PeakMB)
		}
	}
}

// compare runs our line and the direct writer in turn, with the same number of packs, and takes medians.
func compare(ctx context.Context, s settings) error {
	var rates, shares, cpu, rss, p99 []float64
	lost := int64(0)
	for i := range s.rounds {
		o, err := runLine(ctx, s.setup)
		if err != nil {
			return err
		}
		o.print(fmt.Sprintf("line, round %d", i+1))
		limit, influxCPU, err := runDirect(ctx, s.Dir, s.Load, o.Packs)
		if err != nil {
			return err
		}
		fmt.Printf("straight in      %7.3f Mvalues/s, influxd %.3f s/Mvalue; the line has %.2f of it\n",
			limit/1e6, influxCPU/(float64(o.Packs*packValues)/1e6), o.Rates/limit)
		rates, shares = append(rates, o.Rates), append(shares, o.Rates/limit)
		cpu, rss, p99 = append(cpu, o.perMillion("ingest")), append(rss, o.Costs["ingest"].PeakMB), append(p99, o.P99Ms)
		lost += o.Lost
	}
	fmt.Printf("result: values_per_s=%.0f of_store_limit=%.2f ingest_cpu_s_per_mvalue=%.3f ingest_rss_mb=%.0f p99_receipt_ms=%.0f lost=%d\n",
		median(rates), median(shares), median(cpu), slices.Max(rss), median(p99), lost)
	return nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// country holds the load of 1,000 centres and watches the memory.
func country(ctx context.Context, s settings) error {
	s.Load.Gateways, s.Load.Machines, s.Load.PerS, s.Analytics = 1000, 20, s.perS, true
	names := []string{"broker", "ingest", "analytics", "influxd"}
	own := map[string][]float64{}
	s.Watch = func(c map[string]cost) {
		for _, name := range names {
			own[name] = append(own[name], c[name].OwnMB)
			fmt.Printf("  %s %3.0f MB (own %3.0f) %5.1f CPU s", name, c[name].NowMB, c[name].OwnMB, c[name].CPU)
		}
		fmt.Println()
	}
	o, err := runLine(ctx, s.setup)
	if err != nil {
		return err
	}
	o.print("country")
	fmt.Print("own memory, peak of the second half of the run for one of the first:")
	for _, name := range names {
		fmt.Printf(" %s %.2f", name, secondHalf(own[name]))
	}
	fmt.Println()
	fmt.Printf("result: values_per_s=%.0f p99_receipt_ms=%.0f ingest_rss_mb=%.0f rss_second_half_of_first=%.2f lost=%d\n",
		o.Rates, o.P99Ms, o.Costs["ingest"].PeakMB, secondHalf(own["ingest"]), o.Lost)
	return nil
}

// secondHalf is the peak of the second half of some readings as a share of that of the first.
func secondHalf(x []float64) float64 {
	if len(x) < 4 {
		return math.NaN()
	}
	return slices.Max(x[len(x)/2:]) / slices.Max(x[:len(x)/2])
}

const (
	growthPerS = 5000             // packs/s of the first table of growth: what 20,000 machines bring at most, here, is twice that
	growthWarm = 10 * time.Second // the start, in which broker, ingest and store meet each machine for the first time, for each ingest process
)

// growth changes the number of machines, then that of ingest processes: once with the same load for all rows, once flat out.
func growth(ctx context.Context, s settings) error {
	measured := s.Load.For - growthWarm
	if measured <= 0 {
		return fmt.Errorf("growth leaves out the first %v: give -for more than that", growthWarm)
	}
	var flat []float64
	for _, perS := range []int{growthPerS, 0} {
		title := "flat out"
		if perS > 0 {
			title = fmt.Sprintf("%d packs/s", perS)
		}
		fmt.Printf("%s; CPU seconds for a million values after the start of %v for each ingest process\n", title, growthWarm)
		fmt.Println("machines ingests Mvalues/s ingest (at first) broker influxd ingest_MB p99_ms connected_again lost")
		for _, row := range [][2]int{{1000, 1}, {5000, 1}, {20_000, 1}, {1000, 2}, {1000, 3}, {20_000, 3}} {
			s.Load.Gateways, s.Load.Machines, s.Load.PerS, s.Ingests = row[0]/20, 20, perS, row[1]
			s.Load.Window = max(10_000/s.Load.Gateways, 1)
			s.Warm = growthWarm * time.Duration(s.Ingests)
			s.Load.For = s.Warm + measured
			o, err := runLine(ctx, s.setup)
			if err != nil {
				return err
			}
			fmt.Printf("%8d %7d %9.3f %6.3f (%8.3f) %6.3f %7.3f %9.0f %6.0f %15d %d\n", row[0], row[1], o.Rates/1e6,
				o.afterStart("ingest"), o.Start.CPU["ingest"]/(float64(o.Start.Values)/1e6), o.afterStart("broker"), o.afterStart("influxd"),
				o.Costs["ingest"].PeakMB, o.P99Ms, o.Reconnected, o.Lost)
			if perS > 0 {
				flat = append(flat, o.afterStart("ingest"))
			}
		}
	}
	fmt.Printf("result: ingest_cpu_20000_of_1000_machines=%.2f ingest_cpu_3_of_1_processes=%.2f\n", flat[2]/flat[0], flat[5]/flat[2])
	return nil
}

// afterStart is the CPU of a process for a million values since the start was over.
func (o outcome) afterStart(name string) float64 {
	return (o.Costs[name].CPU - o.Start.CPU[name]) / (float64(o.Values-o.Start.Values) / 1e6)
}

// lookers is how many live pages are open.
const lookers = 5

// lanes sends live packs at their pace while 50 gateways drain a week of backlog as fast as they can, with analytics and
// the API, and looks at live pages meanwhile.
func lanes(ctx context.Context, s settings) error {
	s.Load.Gateways, s.Load.PerS, s.Load.History, s.Load.Window = 100, min(s.perS, 100), 50, 100
	s.Load.Fresh, s.Analytics, s.Watched = true, true, lookers
	o, err := runLine(ctx, s.setup)
	if err != nil {
		return err
	}
	o.print("both lanes")
	sent := int(s.Load.For.Seconds()) * s.Load.PerS * lookers / (s.Load.Gateways - s.Load.History)
	fmt.Printf("sample to API    p50 %5.0f ms p99 %5.0f ms max %5.0f ms, %d of about %d live packs seen\n",
		quantile(o.Shown, .5), quantile(o.Shown, .99), quantile(o.Shown, 1), len(o.Shown), sent)
	if len(o.Shown) < sent*9/10 {
		return fmt.Errorf("the live pages have shown %d of about %d live packs: the delays of the others are not known", len(o.Shown), sent)
	}
	fmt.Printf("result: values_per_s=%.0f live_p99_receipt_ms=%.0f live_p99_sample_to_api_ms=%.0f lost=%d\n",
		o.Rates, o.LiveP99Ms, quantile(o.Shown, .99), o.Lost)
	return nil
}
