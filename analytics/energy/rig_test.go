package energy_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/energy"
	"karkhana/analytics/fold"
	"karkhana/analytics/kits"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const site = "jodhpur-cfc"

var kolkata = func() *time.Location {
	z, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		panic(err)
	}
	return z
}()

// midnight begins Monday, 2 November 2026, in Jodhpur.
var midnight = time.Date(2026, 11, 2, 0, 0, 0, 0, kolkata).UnixMilli()

const (
	minute = int64(60_000)
	hour   = timeline.HourMs
	day    = 24 * hour
)

// books are the registry of a test.
type books struct {
	machines []registry.Machine
	sessions []registry.Session
	config   electricity.Config
}

func (b *books) Site(context.Context, string) (registry.Site, error) {
	return registry.Site{ID: site, Zone: "Asia/Kolkata"}, nil
}
func (b *books) Machines(context.Context, string) ([]registry.Machine, error) { return b.machines, nil }
func (b *books) Electricity(context.Context, string) (electricity.Config, error) {
	return b.config, nil
}
func (b *books) Corrections(context.Context, string, string) ([]registry.Correction, error) {
	return nil, nil
}

func (b *books) Sessions(_ context.Context, _ string, fromMs, toMs int64, machine, _ string) (out []registry.Session, _ error) {
	for _, s := range b.sessions {
		if s.Machine == machine && s.StartMs < toMs && (s.EndMs == 0 || s.EndMs > fromMs) {
			out = append(out, s)
		}
	}
	return out, nil
}

type rig struct {
	*books
	store *tsdb.Memory
	nowMs int64
}

func newRig(t require.TestingT) *rig {
	def, err := kits.Load("../../docs/site.example.yaml")
	require.NoError(t, err)
	return &rig{books: &books{config: def.Electricity}, store: tsdb.NewMemory(), nowMs: midnight + 40*day}
}

func (r *rig) deps() energy.Deps { return energy.Deps{Store: r.store, Registry: r.books} }

// keeper stores what a fold emits.
type keeper struct {
	machine string
	points  []tsdb.Point
}

func (k *keeper) Piece(p timeline.Interval) { k.points = append(k.points, p.Point(site, k.machine)) }
func (k *keeper) Hour(h timeline.Hour)      { k.points = append(k.points, h.Point(site, k.machine)) }
func (k *keeper) Checkpoint(int64, string)  {}

// machine adds a machine with its samples, folded as analytics would.
func (r *rig) machine(t require.TestingT, m registry.Machine, samples []fold.Sample) {
	m.Site = site
	r.machines = append(r.machines, m)
	k := &keeper{machine: m.ID}
	f := fold.New(fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 3 * minute}), k)
	for _, s := range samples {
		f.Step(s)
	}
	f.Tip(k)
	require.NoError(t, r.store.Write(context.Background(), k.points))
}

// load is a machine of constant power from one time to another.
type load struct {
	fromMs, toMs int64
	watt         float64
}

// metered are samples each minute with a register, over the loads in turn.
func metered(loads ...load) []fold.Sample {
	var out []fold.Sample
	wh := 1000.0
	for _, l := range loads {
		for at := l.fromMs; at < l.toMs; at += minute {
			out = append(out, fold.Sample{TimeMs: at, Signal: l.watt, PowerW: l.watt, EnergyWh: wh, Has: fold.HasSignal | fold.HasPower | fold.HasEnergy})
			wh += l.watt / 60
		}
	}
	last := loads[len(loads)-1]
	return append(out, fold.Sample{TimeMs: last.toMs, Signal: last.watt, PowerW: last.watt, EnergyWh: wh, Has: fold.HasSignal | fold.HasPower | fold.HasEnergy})
}

// factor stores a power factor each quarter hour.
func (r *rig) factor(t require.TestingT, machine string, fromMs, toMs int64, pf float64) {
	var points []tsdb.Point
	for at := fromMs; at < toMs; at += 15 * minute {
		points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: site, Machine: machine, TimeMs: at,
			Fields: []tsdb.Field{{Key: quantity.Field(quantity.PowerFactor), Value: pf}}})
	}
	require.NoError(t, r.store.Write(context.Background(), points))
}

func (r *rig) use(t *testing.T, machine string, fromMs, toMs int64) energy.Use {
	t.Helper()
	out, err := energy.Machine(t.Context(), r.deps(), site, machine, fromMs, toMs, energy.ByAll, r.nowMs)
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}

func (r *rig) site(t *testing.T, fromMs, toMs int64) energy.SiteUse {
	t.Helper()
	out, err := energy.Site(t.Context(), r.deps(), site, fromMs, toMs, energy.ByAll, r.nowMs)
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}
