// Package apitest makes a small CFC for tests of the API and the pages: six machines and a main meter, some weeks of
// states, sessions and tariffs, alarms, a token for every role. Store and registry are real (memory, SQLite); only the
// data is made up.
package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// Site is the id of the made-up CFC, Begin the moment at which its clock starts: a Friday afternoon.
const Site = "jodhpur-cfc"

// Begin is when the world's clock starts: Friday 20 November 2026, 15:42 in Jodhpur.
var Begin = time.Date(2026, 11, 20, 10, 12, 0, 0, time.UTC)

// machine is a machine of the world with what it does now.
type machine struct {
	registry.Machine
	powerW      map[string]float64 // by state
	temperature map[string]float64 // °C by state, furnace only
	vibration   float64            // mm/s while running, 0: not measured
	state       string
	sinceMs     int64
	silent      bool
}

// World is the made-up CFC. Its methods are safe for concurrent use.
type World struct {
	Store    *tsdb.Memory
	Registry *registry.DB
	Tokens   map[registry.Role]string // secrets; group's is of group "pital-shg"

	zone *time.Location

	mu       sync.Mutex
	nowMs    int64
	machines []*machine
	energyWh map[string]float64
}

// New makes the world in folder dir, with its clock at Begin. The caller closes Registry.
func New(ctx context.Context, dir string) (*World, error) {
	path := filepath.Join(dir, "world.db")
	if err := registrytest.Create(path); err != nil {
		return nil, err
	}
	db, err := registry.Open(ctx, "sqlite://"+path)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		return nil, err
	}
	w := &World{
		Store: tsdb.NewMemory(), Registry: db, Tokens: map[registry.Role]string{}, zone: zone,
		nowMs: Begin.UnixMilli(), machines: machines(), energyWh: map[string]float64{},
	}
	for _, step := range []func(context.Context) error{w.apply, w.history, w.shaking, w.tokens, w.alarms, w.gateways, w.gaps, w.broken} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("make the test world: %w", err)
		}
	}
	return w, w.Advance(ctx, 0)
}

// Now is the world's clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.UnixMilli(w.nowMs)
}

func machines() []*machine {
	one := func(id, class, hi, en string, run, idle, off float64) *machine {
		return &machine{
			Machine: registry.Machine{Site: Site, ID: id, Class: class, Name: registry.Name{Hi: hi, En: en}},
			powerW:  map[string]float64{timeline.StateRun: run, timeline.StateIdle: idle, timeline.StateOff: off}, state: timeline.StateOff,
		}
	}
	furnace := one("furnace-1", "furnace", "मफ़ल भट्ठी", "Muffle furnace", 11800, 2400, 4)
	furnace.temperature = map[string]float64{timeline.StateRun: 648, timeline.StateIdle: 512, timeline.StateOff: 61}
	polishing := one("polishing-1", "polishing", "पॉलिश मशीन", "Polishing lathe", 1640, 410, 3)
	polishing.vibration = 2.3
	hammer := one("hammer-1", "hammering", "हथौड़ा मशीन", "Power hammer", 3900, 900, 2)
	hammer.vibration = 4.6
	return []*machine{
		furnace, one("cutting-1", "cutting", "कटाई मशीन", "Cutting machine", 3250, 640, 3), polishing, hammer,
		one("design-1", "designing", "डिज़ाइन कंप्यूटर", "Design workstation", 182, 74, 2),
		one("polishing-2", "polishing", "पॉलिश मशीन 2", "Polishing lathe 2", 1580, 400, 3),
		one("incomer", registry.ClassMainMeter, "मुख्य मीटर", "Main meter", 0, 0, 0),
	}
}

func (w *World) apply(ctx context.Context) error {
	since := Begin.AddDate(-1, 0, 0).UnixMilli()
	def := registry.SiteDefinition{
		Site:     registry.Site{ID: Site, Name: registry.Name{Hi: "जोधपुर साझा सुविधा केंद्र", En: "Jodhpur common facility centre"}, Zone: "Asia/Kolkata"},
		Gateways: []string{"gw-1", "gw-2"},
		Groups: []registry.GroupDefinition{
			{Group: registry.Group{ID: "pital-shg", Name: registry.Name{Hi: "पीतल कला स्वयं सहायता समूह", En: "Pital Kala SHG"}}, Cards: []string{"c1"}, Members: []registry.Members{{Members: 12, Women: 12, SC: 5, ST: 1}}},
			{Group: registry.Group{ID: "meera-pg", Name: registry.Name{Hi: "मीरा उत्पादक समूह", En: "Meera producer group"}}, Cards: []string{"c2"}, Members: []registry.Members{{Members: 10, Women: 8, SC: 3, ST: registry.NotGiven}}},
			{Group: registry.Group{ID: "lohar-pg", Name: registry.Name{Hi: "लोहार उत्पादक समूह", En: "Lohar producer group"}}, Cards: []string{"c3"}},
		},
		Tariffs: []registry.Tariff{
			{Class: "furnace", ValidFromMs: since, PaisePerRunHour: 18000}, {Class: "cutting", ValidFromMs: since, PaisePerRunHour: 9000},
			{Class: "polishing", ValidFromMs: since, PaisePerRunHour: 6050}, {Class: "hammering", ValidFromMs: since, PaisePerRunHour: 7500},
		}, // designing has none, so that statements have a problem to show
		Calendar: workCalendar(w.zone),
	}
	for _, m := range w.machines {
		s := registry.Settings{ValidFromMs: since, Signal: quantity.Power, IdleAbove: 50, RunAbove: 1000, Hysteresis: 0.1, ReportMs: 1000}
		if m.vibration > 0 {
			s.VibrationRatio, s.AccelerationRatio, s.KurtosisRise = 2.5, 2.5, 1.5
		}
		def.Machines = append(def.Machines, registry.MachineDefinition{Machine: m.Machine, Settings: []registry.Settings{s}})
	}
	def.Electricity = supply(since)
	return w.Registry.Apply(ctx, def, "test", w.nowMs)
}

func (w *World) tokens(ctx context.Context) error {
	for _, role := range registry.Roles {
		t := registry.Token{Name: string(role) + " one", Role: role, CreatedMs: w.nowMs}
		if role == registry.RoleGroup {
			t.Group = "pital-shg"
		}
		secret := "test-token-of-" + string(role)
		t.Hash = registry.HashSecret(secret)
		w.Tokens[role] = secret
		if err := w.Registry.AddToken(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) alarms(ctx context.Context) error {
	raise := func(a registry.Alarm) error {
		a.Site = Site
		_, _, err := w.Registry.RaiseAlarm(ctx, a)
		return err
	}
	if err := raise(registry.Alarm{Machine: "polishing-2", Rule: "sensor-silent", Component: "gw-2", OpenedMs: w.nowMs - 35*60_000, Cause: "gateway"}); err != nil {
		return err
	}
	return raise(registry.Alarm{Machine: "hammer-1", Rule: "vibration-high", Component: quantity.Vibration, OpenedMs: w.nowMs - 95*60_000, Value: 4.62, Limit: 3.4, Cause: "imbalance", Rises: []registry.Rise{
		{Quantity: quantity.Vibration, Value: 4.62, Baseline: 1.36, Limit: 3.4, SinceMs: w.nowMs - 98*60_000},
		{Quantity: quantity.Accel, Value: 24.1, Baseline: 9.2, Limit: 23, SinceMs: w.nowMs - 97*60_000},
	}})
}

func (w *World) gateways(ctx context.Context) error {
	status := func(id string, s wire.Status, seenMs int64) error {
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		heard := registry.GatewayHeard{Site: Site, Gateway: id, StatusJSON: string(b), Online: s.Online, SeenMs: seenMs}
		_, err = w.Registry.GatewaysHeard(ctx, []registry.GatewayHeard{heard})
		return err
	}
	if err := status("gw-1", wire.Status{
		Online: true, Version: "1.0", Clock: wire.ClockSynced, SpoolPacks: 3, OldestAgeS: 4, Throttled: new(uint32(1<<16 | 1<<18)),
		Supply: new(true), Disk: &wire.Disk{FreeBytes: 24_600_000_000, WrittenBytes: new(uint64(1_830_000_000))},
		ConfigError: `gateway.yaml:14: unknown chip "max31865"; did you mean "max31856"?`,
	}, w.nowMs); err != nil {
		return err
	}
	return status("gw-2", wire.Status{Online: false, Version: "1.0", Clock: wire.ClockRTC}, w.nowMs-40*60_000)
}

// SetState puts a machine into a state from now on and writes what a gateway and analytics would have.
func (w *World) SetState(ctx context.Context, id, state string) error {
	w.mu.Lock()
	for _, m := range w.machines {
		if m.ID == id {
			if err := w.stay(ctx, m); err != nil {
				w.mu.Unlock()
				return err
			}
			m.state, m.sinceMs, m.silent = state, w.nowMs, false
		}
	}
	w.mu.Unlock()
	return w.Advance(ctx, 0)
}

// Advance moves the world's clock and lets every machine that is not silent send a sample.
func (w *World) Advance(ctx context.Context, by time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nowMs += by.Milliseconds()
	var total float64
	for _, m := range w.machines {
		if m.Class == registry.ClassMainMeter {
			m.powerW[timeline.StateRun], m.state, m.sinceMs = total+420, timeline.StateRun, Begin.Add(-16*time.Hour).UnixMilli()
			if err := errors.Join(w.sample(ctx, m, w.nowMs, total+420), w.stay(ctx, m)); err != nil {
				return err
			}
			continue
		}
		if m.silent {
			continue
		}
		p := m.powerW[m.state] * (1 + 0.02*wave(w.nowMs, m.ID))
		total += p
		if err := w.sample(ctx, m, w.nowMs, p); err != nil {
			return err
		}
		if err := w.stay(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// stay writes the last hours of the state that still goes on, the newest piece open.
func (w *World) stay(ctx context.Context, m *machine) error {
	var points []tsdb.Point
	for at := max(m.sinceMs, timeline.HourFloor(w.nowMs-2*timeline.HourMs, w.zone)); at < w.nowMs; {
		p := w.piece(m, m.state, at, min(timeline.NextHour(at, w.zone), w.nowMs))
		p.Open = p.EndMs == w.nowMs
		points = append(points, p.Point(Site, m.ID))
		at = p.EndMs
	}
	return w.Store.Write(ctx, points)
}

func (w *World) piece(m *machine, state string, fromMs, toMs int64) timeline.Interval {
	phase := ""
	if m.temperature != nil {
		phase = map[string]string{timeline.StateRun: timeline.PhaseSoak, timeline.StateIdle: timeline.PhaseCooling}[state]
		if state == timeline.StateRun && fromMs != timeline.HourFloor(fromMs, w.zone) {
			phase = timeline.PhaseHeating // up to the next hour
		}
	}
	return timeline.Interval{Phase: phase, State: state, StartMs: fromMs, EndMs: toMs, EnergyMilliWh: int64(m.powerW[state]) * (toMs - fromMs) / 3600, EnergyEstimated: m.ID == "design-1"}
}

func (w *World) sample(ctx context.Context, m *machine, ms int64, powerW float64) error {
	fields := []tsdb.Field{{Key: quantity.Field(quantity.Power), Value: powerW}, {Key: quantity.Field(quantity.Energy), Value: w.energyWh[m.ID]}}
	if m.temperature != nil {
		t := m.temperature[m.state]
		fields = append(fields, tsdb.Field{Key: quantity.Field(quantity.Temperature), Value: t + 3*wave(ms, "t")}, tsdb.Field{Key: quantity.Field(quantity.Setpoint), Value: 650.0})
	}
	if m.vibration > 0 && m.state == timeline.StateRun {
		fields = append(fields, tsdb.Field{Key: quantity.Field(quantity.Vibration), Value: m.vibration * (1 + 0.05*wave(ms, "v"))})
	}
	return w.Store.Write(ctx, []tsdb.Point{{Measurement: tsdb.Telemetry, Site: Site, Machine: m.ID, TimeMs: ms, Fields: fields}})
}

// wave is a number in [-1, 1] that looks a little random and is always the same.
func wave(ms int64, salt string) float64 {
	x := uint64(ms/1000)*2654435761 + uint64(len(salt))*97
	for _, c := range []byte(salt) {
		x = (x ^ uint64(c)) * 1099511628211
	}
	return float64(x>>40%2001)/1000 - 1
}
