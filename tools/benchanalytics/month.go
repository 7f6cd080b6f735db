package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/dashboards/api"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	monthMachines = 40
	monthDays     = 31
	monthEveryMs  = 10_000 // distance of samples; the states are what matters
	dayMs         = 24 * timeline.HourMs
	monthAsked    = 9 // times each question is asked warm; the median counts
	monthSite     = "k0"
	monthSecret   = "bench-manager"
)

// monthKPIs measures what the manager's page asks for: GET …/kpis of a month of forty machines, from the API's own handler
// over loopback with a manager's token. The month is one as a centre has it: states folded from samples, supply cuts and
// sensor faults with what tells their causes, a calendar with breaks and holidays, sessions, breakdowns, and a supply
// sensor that reports every ten seconds around each cut. Cold is the first answer after InfluxDB, the registry and the API
// were started anew; the files are in the system's cache by then. It returns the slowest of the figures it prints.
func monthKPIs(ctx context.Context, dir string) (string, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as the server does
	dir = filepath.Join(dir, "month")
	pieces, gaps, err := writeMonth(ctx, dir)
	if err != nil {
		return "", err
	}
	fmt.Printf("a month of %d machines (%d pieces of state, %d gaps) over HTTP:\n  asked      size kB   cold ms   warm ms (median of %d)\n", monthMachines, pieces, gaps, monthAsked)
	worst := 0.0
	for _, by := range []string{"month", "day"} {
		var cold time.Duration
		var warm []time.Duration
		size := 0
		err := serveMonth(ctx, dir, func(base string) error {
			for i := range monthAsked + 1 {
				begun := time.Now()
				n, err := askMonth(ctx, base, by)
				if err != nil {
					return err
				}
				if took := time.Since(begun); i == 0 {
					cold, size = took, n
				} else {
					warm = append(warm, took)
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		slices.Sort(warm)
		middle := warm[len(warm)/2]
		fmt.Printf("  by %-8s %6d  %8.0f  %8.0f\n", by, size>>10, cold.Seconds()*1000, middle.Seconds()*1000)
		worst = max(worst, cold.Seconds()*1000, middle.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f", worst), nil
}

// monthStores starts InfluxDB and opens the registry in dir and gives both to do.
func monthStores(ctx context.Context, dir string, do func(*tsdb.Influx, *registry.DB) error) error {
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
	db, err := open(ctx, filepath.Join(dir, "month.db"), "k", monthMachines, monthMachines)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(store, db)
}

// serveMonth starts everything anew and gives the address of the API to do.
func serveMonth(ctx context.Context, dir string, do func(base string) error) error {
	return monthStores(ctx, dir, func(store *tsdb.Influx, db *registry.DB) error {
		a, err := api.New(api.Options{
			Store: store, Registry: db, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.UnixMilli(start + (monthDays+3)*dayMs) },
		})
		if err != nil {
			return err
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s := a.Server()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		defer func() { _ = s.Close(); <-served }()
		return do("http://" + l.Addr().String())
	})
}

// askMonth asks once and returns the size of the answer.
func askMonth(ctx context.Context, base, by string) (int, error) {
	q := url.Values{"by": {by}, "from": {time.UnixMilli(start).UTC().Format(time.RFC3339)}, "to": {time.UnixMilli(start + monthDays*dayMs).UTC().Format(time.RFC3339)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/sites/"+monthSite+"/kpis?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+monthSecret)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if n := strings.Count(string(body), `"allocation_efficiency":`); res.StatusCode != http.StatusOK || n < monthMachines {
		return 0, fmt.Errorf("GET …/kpis by %s: %s with %d allocation efficiencies: %.200s", by, res.Status, n, body)
	}
	return len(body), nil
}

// outage is a stretch without samples.
type outage struct{ fromMs, toMs int64 }

// monthCuts are the supply cuts of the site: two on three days of four, 5 to 60 minutes.
func monthCuts() []outage {
	var out []outage
	for d := range int64(monthDays) {
		if d%4 == 3 {
			continue
		}
		for c := range int64(2) {
			from := start + d*dayMs + (10+5*c)*timeline.HourMs + (d*7919+c*104729)%3000*1000
			out = append(out, outage{from, from + (300+(d*37+c*911)%3300)*1000})
		}
	}
	return out
}

// monthWatt is a machine's power: off at night, by day jobs of some minutes with idle between.
func monthWatt(machine, ms int64) float64 {
	second := (ms - start) % dayMs / 1000
	if second < 32_000+machine*60 || second > 66_000+machine*30 {
		return 0
	}
	length := 420 + machine*29%700
	switch n := (second + machine*131) / length * 7 % 5; {
	case second%3600 < 200 && machine%3 == 0:
		return 0
	case n < 2:
		return 300
	default:
		return 2000 + float64(n*100)
	}
}

// monthStates is the sink of the fold of one machine.
type monthStates struct {
	machine string
	points  []tsdb.Point
	pieces  []timeline.Interval
}

func (m *monthStates) Piece(p timeline.Interval) {
	m.pieces = append(m.pieces, p)
	m.points = append(m.points, p.Point(monthSite, m.machine))
}
func (m *monthStates) Hour(h timeline.Hour) {
	m.points = append(m.points, h.Point(monthSite, m.machine))
}
func (*monthStates) Checkpoint(int64, string) {}

// writeMonth fills both stores.
func writeMonth(ctx context.Context, dir string) (pieces, gaps int, err error) {
	err = monthStores(ctx, dir, func(store *tsdb.Influx, db *registry.DB) error {
		if err := writeMonthSite(ctx, db); err != nil {
			return err
		}
		cuts := monthCuts()
		rules := fold.NewRules(zone, fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 180_000, DwellOffMs: 60_000, DwellIdleMs: 60_000, DwellRunMs: 60_000})
		for m := range int64(monthMachines) {
			s := &monthStates{machine: fmt.Sprint("m", m)}
			own := slices.Clone(cuts)
			for d := m % 5; d < monthDays; d += 5 { // its sensor fails
				from := start + d*dayMs + 13*timeline.HourMs + m*61_000
				own = append(own, outage{from, from + 1_500_000})
			}
			f := fold.New(rules, s)
			energy := 0.0
			for ms := start; ms < start+(monthDays+1)*dayMs; ms += monthEveryMs {
				if slices.ContainsFunc(own, func(o outage) bool { return ms > o.fromMs && ms < o.toMs }) {
					continue
				}
				w := monthWatt(m, ms)
				energy += w * monthEveryMs / 3.6e6
				f.Step(fold.Sample{TimeMs: ms, Signal: w, PowerW: w, EnergyWh: energy, Has: fold.HasSignal | fold.HasEnergy | fold.HasPower})
			}
			f.Tip(s)
			if err := store.Write(ctx, s.points); err != nil {
				return err
			}
			n, err := writeMonthMachine(ctx, db, s)
			if err != nil {
				return err
			}
			pieces, gaps = pieces+len(s.pieces), gaps+n
		}
		return writeMonthSupply(ctx, store, cuts)
	})
	return pieces, gaps, err
}

// writeMonthSupply writes the readings of a sensor on a battery, each ten seconds for ten minutes around what happens, else
// each ten minutes, and some of what else is stored.
func writeMonthSupply(ctx context.Context, store tsdb.Store, cuts []outage) error {
	var points []tsdb.Point
	for m := range monthMachines {
		for ms := start; ms < start+monthDays*dayMs; ms += 300_000 {
			points = append(points, point(monthSite, fmt.Sprint("m", m), ms, ms/1000))
		}
	}
	at := func(ms int64) {
		dark := slices.ContainsFunc(cuts, func(o outage) bool { return ms >= o.fromMs && ms < o.toMs })
		points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: monthSite, Machine: "m0", TimeMs: ms, Fields: []tsdb.Field{{Key: "supply", Value: !dark}}})
	}
	for ms := start; ms < start+monthDays*dayMs; ms += 600_000 {
		at(ms)
	}
	for _, c := range cuts {
		for _, edge := range []int64{c.fromMs, c.toMs} {
			for ms := edge - 300_000; ms < edge+300_000; ms += 10_000 {
				at(ms)
			}
		}
	}
	return store.Write(ctx, points)
}

// writeMonthSite writes the calendar, what a gateway said, breakdowns and the manager's token.
func writeMonthSite(ctx context.Context, db *registry.DB) error {
	def := registry.SiteDefinition{
		Site: registry.Site{ID: monthSite, Name: registry.Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"}, Gateways: []string{"gw-1"},
		Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "a", Name: registry.Name{Hi: "क", En: "A"}}, Cards: []string{"card"}}},
		Calendar: &registry.CalendarDefinition{
			Weeks: []registry.CalendarWeek{{Shifts: []registry.Shift{{
				ID: "day", Name: registry.Name{Hi: "दिन", En: "Day"}, Days: []int{1, 2, 3, 4, 5, 6}, From: 540, To: 1080, Breaks: []registry.ShiftBreak{{From: 780, To: 825}},
			}}}},
			Stops: []registry.PlannedStop{
				{Kind: registry.StopHoliday, FromMs: start + 25*dayMs, ToMs: start + 26*dayMs, Name: registry.Name{Hi: "छ", En: "H"}},
				{Kind: registry.StopMaintenance, Machine: "m3", FromMs: start + 9*dayMs + 10*timeline.HourMs, ToMs: start + 9*dayMs + 14*timeline.HourMs, Name: registry.Name{Hi: "म", En: "M"}},
			},
		},
	}
	if err := db.Apply(ctx, def, "bench", 1); err != nil {
		return err
	}
	var boots []registry.MachineBoot
	for i, c := range append([]outage{{start, start}}, monthCuts()...) {
		for m := range monthMachines {
			boots = append(boots, registry.MachineBoot{Site: monthSite, Machine: fmt.Sprint("m", m), Gateway: "gw-1", Boot: fmt.Sprint("boot-", i), FromMs: c.toMs})
		}
	}
	if err := db.NoteBoots(ctx, boots); err != nil {
		return err
	}
	for _, c := range monthCuts() {
		for kind, ms := range map[string]int64{registry.GatewayLost: c.fromMs + 60_000, registry.GatewayOnline: c.toMs} {
			if err := db.NoteGatewayEvent(ctx, registry.GatewayEvent{Site: monthSite, Gateway: "gw-1", AtMs: ms, Kind: kind}); err != nil {
				return err
			}
		}
	}
	for m := range int64(10) {
		from := start + (3+m)*dayMs + 11*timeline.HourMs
		if _, err := db.AddBreakdown(ctx, registry.Breakdown{Site: monthSite, Machine: fmt.Sprint("m", m*4), FromMs: from, ToMs: from + 3*timeline.HourMs, Note: "belt", Author: "bench", MadeMs: from}); err != nil {
			return err
		}
	}
	return db.AddToken(ctx, registry.Token{Hash: registry.HashSecret(monthSecret), Name: "manager", Role: registry.RoleManager})
}

// writeMonthMachine writes the gaps of a machine and its sessions: five on each working day.
func writeMonthMachine(ctx context.Context, db *registry.DB, s *monthStates) (gaps int, err error) {
	var rows []registry.Gap
	for _, p := range s.pieces {
		if p.State == timeline.StateUnknown {
			rows = append(rows, registry.Gap{Site: monthSite, Machine: s.machine, FromMs: p.StartMs, ToMs: p.EndMs})
		}
	}
	end := start + (monthDays+1)*dayMs
	if err := db.ReplaceGaps(ctx, monthSite, s.machine, 0, rows, end, end); err != nil {
		return 0, err
	}
	var sessions []registry.Session
	for d := range int64(monthDays) {
		for k := range int64(5) {
			from := start + d*dayMs + 9*timeline.HourMs + k*6_480_000 + int64(len(s.machine))*7_000
			sessions = append(sessions, registry.Session{Site: monthSite, Machine: s.machine, StartMs: from, EndMs: from + 5_400_000, Group: "a", CardHash: "card", EndReason: "tap"})
		}
	}
	return len(rows), db.ReplaceSessions(ctx, monthSite, s.machine, 0, sessions)
}
