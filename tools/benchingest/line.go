package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"karkhana/internal/influxd"
	"karkhana/internal/registry"
)

// benchKey is the key of every gateway of the load, and the token of who looks. The registry of a bench lives in its temporary folder.
const benchKey = "bench"

// lastLook is how long the last samples have to be seen after the last receipt.
const lastLook = 5 * time.Second

// setup is one run of the line.
type setup struct {
	Program   string // bin/karkhana
	Dir       string
	Source    string // nats or mqtt
	Ingests   int
	Analytics bool
	Watched   int // of the sites that send live, the first so many are looked at through the API
	Load      load
	Watch     func(map[string]cost) // called each ten seconds, when set
	Warm      time.Duration         // how long the start is, in which each machine is met for the first time
}

// outcome is what one run gave.
type outcome struct {
	loaded
	Values int64 // in the store at the end
	Lost   int64
	Shown  []float64       // ms from a live sample's time to the API's live view of it, ascending
	Costs  map[string]cost // by process; several ingest are summed, PeakMB is the largest
	Start  spent           // in setup.Warm
}

// spent is what the processes spent for some values.
type spent struct {
	Values int64
	CPU    map[string]float64 // s, by process
}

// influx starts an influxd of our own.
func influx(ctx context.Context, dir string) (s *influxd.Server, stop func(), err error) {
	binary, err := influxd.Find()
	if err != nil {
		return nil, nil, err
	}
	s, err = influxd.New(influxd.Options{Binary: binary, DataDir: dir})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	if err := s.WaitReady(ctx); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

// runLine sends the load through broker, ingest and influxd, each a process of its own.
func runLine(ctx context.Context, s setup) (o outcome, err error) {
	dir, err := os.MkdirTemp(s.Dir, "line-")
	if err != nil {
		return o, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	data := filepath.Join(dir, "data")
	if err := register(ctx, data, s.Load); err != nil {
		return o, fmt.Errorf("register the load's machines: %w", err)
	}
	db, stopInflux, err := influx(ctx, filepath.Join(dir, "influxdb"))
	if err != nil {
		return o, err
	}
	defer stopInflux()
	token := filepath.Join(dir, "influx.token")
	if err := os.WriteFile(token, []byte(db.Token()), 0o600); err != nil {
		return o, err
	}
	children := []*process{}
	defer func() {
		for _, p := range children {
			p.stop()
			if text := p.out.String(); strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
				fmt.Fprintf(os.Stderr, "%s says:\n%s\n", p.name, text[:min(len(text), 2000)])
			}
		}
	}()
	child := func(name string, args ...string) (*process, error) {
		p, err := start(name, s.Program, append(args, "--log-level=warn", "--data", data)...)
		if err == nil {
			children = append(children, p)
		}
		return p, err
	}
	broker, err := child("broker", "broker", "--mqtt-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if err != nil {
		return o, err
	}
	if s.Load.Broker, err = broker.find(ctx, `gateways +(mqtt://\S+)`); err != nil {
		return o, err
	}
	source, err := broker.find(ctx, `ingest +(nats://\S+)`)
	if err != nil {
		return o, err
	}
	if s.Source == "mqtt" {
		source = s.Load.Broker
	}
	var metrics []string // addresses of the ingests'
	stores := []string{"--influx-url", db.URL(), "--influx-token-file", token}
	for i := range s.Ingests {
		p, err := child("ingest", append([]string{"ingest", "--broker", source, "--broker-password-file", filepath.Join(data, "ingest.key"),
			"--client-id", fmt.Sprint("karkhana-ingest-", i)}, stores...)...)
		if err != nil {
			return o, err
		}
		address, err := p.find(ctx, `metrics (http://\S+)`)
		if err != nil {
			return o, err
		}
		metrics = append(metrics, address)
		if err := ready(ctx, strings.TrimSuffix(address, "/metrics")+"/readyz"); err != nil {
			return o, fmt.Errorf("ingest: %w\n%s", err, p.out.String())
		}
	}
	if s.Analytics {
		if _, err := child("analytics", append([]string{"analytics"}, stores...)...); err != nil {
			return o, err
		}
	}
	var looking *viewers
	if s.Watched > 0 {
		p, err := child("dashboards", append([]string{"dashboards", "--listen", "127.0.0.1:0"}, stores...)...)
		if err != nil {
			return o, err
		}
		pages, err := p.find(ctx, `pages (http://\S+)`)
		if err != nil {
			return o, err
		}
		sites := make([]string, s.Watched)
		for i := range sites {
			sites[i] = siteName(s.Load.History + i)
		}
		if looking, err = watch(ctx, pages, benchKey, sites); err != nil {
			return o, err
		}
		defer func() { _ = looking.close() }()
	}
	measure := func() (map[string]cost, error) {
		costs := map[string]cost{}
		add := func(name string, pid int) error {
			c, err := costOf(pid)
			old := costs[name]
			costs[name] = cost{c.CPU + old.CPU, max(c.PeakMB, old.PeakMB), max(c.NowMB, old.NowMB), max(c.OwnMB, old.OwnMB)}
			return err
		}
		errs := []error{add("influxd", db.Pid())}
		for _, p := range children {
			errs = append(errs, add(p.name, p.cmd.Process.Pid))
		}
		return costs, errors.Join(errs...)
	}
	before, err := measure()
	if err != nil {
		return o, err
	}
	watchCtx, stopWatch := context.WithCancel(ctx)
	var watching sync.WaitGroup
	if s.Watch != nil {
		watching.Go(func() {
			for tick := time.NewTicker(10 * time.Second); ; {
				select {
				case <-tick.C:
					if c, err := measure(); err == nil {
						s.Watch(c)
					}
				case <-watchCtx.Done():
					tick.Stop()
					return
				}
			}
		})
	}
	var started error
	if s.Warm > 0 {
		watching.Go(func() {
			select {
			case <-time.After(s.Warm):
				o.Start, started = startOf(watchCtx, metrics, before, measure)
			case <-watchCtx.Done():
				started = fmt.Errorf("the run of %v is shorter than its start of %v", s.Load.For, s.Warm)
			}
		})
	}
	argument, _ := json.Marshal(s.Load)
	out, generatorCPU, err := runSelf(ctx, "generate", string(argument))
	stopWatch()
	watching.Wait()
	if err != nil {
		return o, fmt.Errorf("generator: %w", err)
	}
	if started != nil {
		return o, started
	}
	if err := json.Unmarshal(out, &o.loaded); err != nil {
		return o, fmt.Errorf("generator: %w", err)
	}
	after, err := measure()
	if err != nil {
		return o, err
	}
	o.Costs = map[string]cost{"generator": {CPU: generatorCPU}}
	for name, c := range after {
		o.Costs[name] = cost{c.CPU - before[name].CPU, c.PeakMB, c.NowMB, c.OwnMB}
	}
	if looking != nil {
		time.Sleep(lastLook)
		if err := looking.close(); err != nil {
			return o, err
		}
		o.Shown = looking.delays
	}
	if o.Values, err = count(ctx, db); err != nil {
		return o, err
	}
	o.Lost = o.Packs*packValues - o.Values
	return o, nil
}

// startOf is what the processes have spent since before, and how many values ingest has stored.
func startOf(ctx context.Context, metrics []string, before map[string]cost, measure func() (map[string]cost, error)) (spent, error) {
	s := spent{CPU: map[string]float64{}}
	now, err := measure()
	if err != nil {
		return s, err
	}
	for name, c := range now {
		s.CPU[name] = c.CPU - before[name].CPU
	}
	for _, address := range metrics {
		n, err := valuesStored(ctx, address)
		if err != nil {
			return s, err
		}
		s.Values += n
	}
	return s, nil
}

var valuesStoredLine = regexp.MustCompile(`(?m)^karkhana_ingest_values_stored_total\{.*\} (\S+)$`)

// valuesStored is how many values an ingest has stored, as its metrics tell.
func valuesStored(ctx context.Context, metrics string) (total int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metrics, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	lines := valuesStoredLine.FindAllSubmatch(text, -1)
	if len(lines) == 0 {
		return 0, fmt.Errorf("%s tells no stored values", metrics)
	}
	for _, l := range lines {
		n, err := strconv.ParseFloat(string(l[1]), 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", metrics, err)
		}
		total += int64(n)
	}
	return total, nil
}

// register puts the load's sites, machines and gateways into a fresh registry.
func register(ctx context.Context, data string, l load) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	db, err := registry.Open(ctx, "sqlite://"+filepath.Join(data, "registry.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	look := registry.Token{Hash: registry.HashSecret(benchKey), Name: "bench", Role: registry.RoleManager, CreatedMs: time.Now().UnixMilli()}
	if err := db.AddToken(ctx, look); err != nil {
		return err
	}
	for g := range l.Gateways {
		site := siteName(g)
		def := registry.SiteDefinition{Site: registry.Site{ID: site, Name: registry.Name{Hi: site, En: site}, Zone: "Asia/Kolkata"}}
		for i := range l.Machines {
			id := machineName(i)
			def.Machines = append(def.Machines, registry.MachineDefinition{
				Machine:  registry.Machine{Site: site, ID: id, Name: registry.Name{Hi: id, En: id}, Class: "polishing"},
				Settings: []registry.Settings{{Signal: "power", IdleAbove: 150, RunAbove: 800, Hysteresis: .1, ReportMs: 1000}},
			})
		}
		def.Gateways = []string{gatewayID}
		if err := db.Apply(ctx, def, "bench", time.Now().UnixMilli()); err != nil {
			return err
		}
		if err := db.SetGatewayKey(ctx, site, gatewayID, registry.HashSecret(benchKey)); err != nil {
			return err
		}
	}
	return nil
}

func ready(ctx context.Context, url string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("not ready after 30 s")
}

// count is the number of values in the store.
func count(ctx context.Context, db *influxd.Server) (total int64, err error) {
	q := url.Values{"db": {"karkhana"}, "q": {"SELECT count(*) FROM telemetry"}}
	body, err := ask(ctx, db, http.MethodGet, "/query?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Results []struct {
			Series []struct{ Values [][]any }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	for _, r := range answer.Results {
		for _, s := range r.Series {
			for _, v := range s.Values[0][1:] {
				n, _ := v.(float64)
				total += int64(n)
			}
		}
	}
	return total, nil
}

func ask(ctx context.Context, db *influxd.Server, method, path string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, db.URL()+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Token "+db.Token())
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s: status %d: %s", path, answer.StatusCode, out)
	}
	return out, err
}

// Options of the direct writer, the best of those tried on this influxd: two connections, requests of 10,000 points.
const (
	directWriters = 2
	directPacks   = 1000
)

// runDirect writes the same points as line protocol straight into an influxd: the store's limit.
func runDirect(ctx context.Context, dir string, l load, packs int64) (valuesPerS, influxCPU float64, err error) {
	dir, err = os.MkdirTemp(dir, "direct-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, stop, err := influx(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	before, err := costOf(db.Pid())
	if err != nil {
		return 0, 0, err
	}
	argument, _ := json.Marshal(direct{URL: db.URL(), Token: db.Token(), Load: l, Packs: packs})
	out, _, err := runSelf(ctx, "direct", string(argument))
	if err != nil {
		return 0, 0, fmt.Errorf("direct writer: %w", err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return 0, 0, err
	}
	after, err := costOf(db.Pid())
	if err != nil {
		return 0, 0, err
	}
	got, err := count(ctx, db)
	if err == nil && got != packs*packValues {
		err = fmt.Errorf("the direct writer stored %d values of %d", got, packs*packValues)
	}
	return float64(packs*packValues) / seconds, after.CPU - before.CPU, err
}

// direct is what the direct writer's process is told.
type direct struct {
	URL, Token string
	Load       load
	Packs      int64
}

func directCommand(ctx context.Context, argument string) error {
	var d direct
	if err := json.Unmarshal([]byte(argument), &d); err != nil {
		return err
	}
	sh, err := shapes()
	if err != nil {
		return err
	}
	first := time.Now().Unix() - 600_000
	start := time.Now()
	var next atomic.Int64
	var writers sync.WaitGroup
	errs := make([]error, directWriters)
	for w := range directWriters {
		writers.Go(func() {
			var body []byte
			for {
				from := next.Add(directPacks) - directPacks
				if from >= d.Packs {
					return
				}
				body = body[:0]
				for n := from; n < min(from+directPacks, d.Packs); n++ {
					g := int(n) % d.Load.Gateways
					k := n / int64(d.Load.Gateways)
					i := int(k) % d.Load.Machines
					body = sh[n%packsPerShape].appendLines(body, machineAt(g, i), first+k/int64(d.Load.Machines)*packSeconds)
				}
				if errs[w] = post(ctx, d, body); errs[w] != nil {
					return
				}
			}
		})
	}
	writers.Wait()
	fmt.Println(time.Since(start).Seconds())
	return errors.Join(errs...)
}

func post(ctx context.Context, d direct, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/write?db=karkhana&precision=ms", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Token "+d.Token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("influxd: status %d: %s", answer.StatusCode, text)
	}
	return nil
}
