package maintenance

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// rig is a workshop with a clock that the test turns: a real registry, a store in memory, a watcher.
type rig struct {
	t     *testing.T
	store *tsdb.Memory
	db    *faulty
	now   time.Time
	w     *Watcher
}

// faulty is a registry whose writes can fail.
type faulty struct {
	*registry.DB
	err error
}

func (f *faulty) RaiseAlarm(ctx context.Context, a registry.Alarm) (registry.Alarm, bool, error) {
	if f.err != nil {
		return registry.Alarm{}, false, f.err
	}
	return f.DB.RaiseAlarm(ctx, a)
}

func (f *faulty) ClearAlarm(ctx context.Context, site, machine, rule, component string, atMs int64) error {
	if f.err != nil {
		return f.err
	}
	return f.DB.ClearAlarm(ctx, site, machine, rule, component, atMs)
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newRig has a furnace (limit 900 °C) and a lathe (vibration 2.5 × baseline), silent after 120 s, one gateway online.
func newRig(t *testing.T) *rig {
	t.Helper()
	db := registrytest.Open(t)
	r := &rig{t: t, store: tsdb.NewMemory(), db: &faulty{DB: db}, now: noon}
	r.apply(func(*registry.SiteDefinition) {})
	r.gateway("gw-1", true)
	r.restart()
	return r
}

func (r *rig) apply(change func(*registry.SiteDefinition)) {
	r.t.Helper()
	common := registry.Settings{
		ValidFromMs: noon.AddDate(-1, 0, 0).UnixMilli(), Signal: "power", IdleAbove: 50, RunAbove: 500, Hysteresis: 0.1,
		ReportMs: 1000, SilentAfterMs: 120_000,
	}
	furnace, lathe := common, common
	furnace.TemperatureMaxC = 900
	lathe.VibrationRatio = 2.5
	def := registry.SiteDefinition{
		Site:     registry.Site{ID: "cfc", Name: registry.Name{Hi: "सीएफसी", En: "CFC"}, Zone: "Asia/Kolkata"},
		Gateways: []string{"gw-1"},
		Machines: []registry.MachineDefinition{
			{Machine: registry.Machine{ID: "furnace", Class: "furnace", Name: registry.Name{Hi: "भट्टी", En: "Furnace"}}, Settings: []registry.Settings{furnace}},
			{Machine: registry.Machine{ID: "lathe", Class: "polishing", Name: registry.Name{Hi: "खराद", En: "Lathe"}}, Settings: []registry.Settings{lathe}},
		},
	}
	change(&def)
	require.NoError(r.t, r.db.Apply(context.Background(), def, "test", r.now.UnixMilli()))
}

func (r *rig) gateway(id string, online bool) {
	r.t.Helper()
	heard := registry.GatewayHeard{Site: "cfc", Gateway: id, StatusJSON: `{"online":true}`, Online: online, SeenMs: r.now.UnixMilli()}
	_, err := r.db.GatewaysHeard(context.Background(), []registry.GatewayHeard{heard})
	require.NoError(r.t, err)
}

// readBy notes which gateway samples which machine; gw-1 sampled all of them before.
func (r *rig) readBy(gateway map[string]string) {
	var boots []registry.MachineBoot
	for machine, id := range gateway {
		boots = append(boots,
			registry.MachineBoot{Site: "cfc", Machine: machine, Gateway: "gw-1", Boot: "a", FromMs: 1},
			registry.MachineBoot{Site: "cfc", Machine: machine, Gateway: id, Boot: "b", FromMs: 2})
	}
	require.NoError(r.t, r.db.NoteBoots(context.Background(), boots))
}

// restart replaces the watcher by a new one, as a new process would.
func (r *rig) restart() {
	r.t.Helper()
	w, err := New(Options{Store: r.store, Registry: r.db, Now: func() time.Time { return r.now }})
	require.NoError(r.t, err)
	w.started = r.now
	r.w = w
}

// write stores one sample.
func (r *rig) write(machine string, at time.Time, fields ...tsdb.Field) {
	r.t.Helper()
	p := tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: machine, TimeMs: at.UnixMilli(), Fields: fields}
	require.NoError(r.t, r.store.Write(context.Background(), []tsdb.Point{p}))
}

func number64(key string, v float64) tsdb.Field { return tsdb.Field{Key: key, Value: v} }

// hot is a sample of the furnace.
func (r *rig) hot(c float64) { r.write("furnace", r.now, number64("temperature_c", c)) }

// lathe is a sample of the lathe.
func (r *rig) shake(powerW, mmS float64) {
	r.write("lathe", r.now, number64("power_w", powerW), number64("vibration_mm_s", mmS))
}

// alive lets both machines send harmless samples.
func (r *rig) alive() {
	r.hot(20)
	r.shake(0, 0.1)
}

// pass turns the clock by n seconds; each second it calls send (nil: silence) and evaluates.
func (r *rig) pass(seconds int, send func()) {
	r.t.Helper()
	for range seconds {
		r.now = r.now.Add(time.Second)
		if send != nil {
			send()
		}
		r.w.evaluate(context.Background())
	}
}

func (r *rig) alarms() []registry.Alarm {
	r.t.Helper()
	a, err := r.db.Alarms(context.Background(), "cfc", false, 0)
	require.NoError(r.t, err)
	return a
}

// only returns the one alarm there is.
func (r *rig) only() registry.Alarm {
	r.t.Helper()
	a := r.alarms()
	require.Len(r.t, a, 1)
	return a[0]
}

var errDisk = errors.New("disk full")

// Baselines lists what the watcher compares with, in the order of sites, machines and quantities. Those that are not
// Known raise no alarm yet.
func (w *Watcher) Baselines() []Baseline {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Baseline, 0, len(w.baselines))
	for _, b := range w.baselines {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Baseline) int {
		return slices.Compare([]string{a.Site, a.Machine, a.Quantity}, []string{b.Site, b.Machine, b.Quantity})
	})
	return out
}
