package analytics

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = timeline.HourMs
)

// midnight in Kolkata.
var midnight = time.Date(2026, 11, 1, 18, 30, 0, 0, time.UTC).UnixMilli()

var settings = registry.Settings{
	Signal: "power", IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1,
	DwellOffMs: minute, DwellIdleMs: minute, DwellRunMs: minute, ReportMs: 10 * second,
}

// point is a telemetry point with power, and a register reading unless that is negative.
func point(machine string, ms int64, power, register float64) tsdb.Point {
	p := tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: machine, TimeMs: ms}
	p.Fields = append(p.Fields, tsdb.Field{Key: "power_w", Value: power})
	if register >= 0 {
		p.Fields = append(p.Fields, tsdb.Field{Key: "energy_wh", Value: register})
	}
	return p
}

// rig is a service without its loop: deliveries and builds come in the order of the test.
type rig struct {
	t        require.TestingT
	store    tsdb.Store
	registry *fakeRegistry
	service  *Service
	together bool // machines that go on do so in a batch
	copies   bool // every rebuild makes and uses copies of hours
}

func newRig(t require.TestingT, store tsdb.Store, settings ...registry.Settings) *rig {
	r := &rig{t: t, store: store, registry: &fakeRegistry{machines: []string{"lathe"}, settings: settings}}
	r.restart()
	return r
}

// restart loses everything that is only in memory.
func (r *rig) restart() {
	var err error
	r.service, err = New(Options{Store: r.store, Registry: r.registry})
	require.NoError(r.t, err)
	r.service.machine("cfc", "lathe").doubtful = false // builds are counted
	if r.copies {
		r.service.longMs = 0
	}
}

func (r *rig) deliver(points ...tsdb.Point) {
	require.NoError(r.t, r.store.Write(context.Background(), points))
	for _, p := range points {
		require.NoError(r.t, r.registry.Touch(context.Background(), []registry.Touched{
			{Site: p.Site, Machine: p.Machine, FromMs: p.TimeMs, ToMs: p.TimeMs},
		}))
	}
}

// build brings all machines up to date once and returns what was done for the last one.
func (r *rig) build() (b built, err error) {
	claims, _ := r.registry.ClaimTouched(context.Background(), "")
	for _, c := range claims {
		r.service.mu.Lock()
		m := r.service.machine(c.Site, c.Machine)
		r.service.mu.Unlock()
		if r.together && m.goesOn(c) {
			bs, err := r.service.batch(context.Background(), []duty{{m: m, t: c}}, 1)
			if err != nil {
				m.fail()
				return b, err
			}
			if bs[0] != nil {
				b = *bs[0]
				continue
			}
		}
		if b, err = r.service.build(context.Background(), m, c); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (r *rig) mustBuild() built {
	b, err := r.build()
	require.NoError(r.t, err)
	for r.registry.waiting() > 0 { // touched while an earlier stretch was claimed
		b, err = r.build()
		require.NoError(r.t, err)
	}
	return b
}

// aDay draws packs of telemetry over some hours.
func aDay(t *rapid.T) [][]tsdb.Point { return aDayOf(t, "lathe", 25) }

func aDayOf(t *rapid.T, machine string, stretches int) [][]tsdb.Point {
	at := midnight + rapid.Int64Range(0, 60).Draw(t, "begin")*minute
	wh := 1000.0
	last := at
	var packs [][]tsdb.Point
	for n := rapid.IntRange(1, stretches).Draw(t, "stretches"); n > 0; n-- {
		step := rapid.SampledFrom([]int64{10 * second, 30 * second, minute}).Draw(t, "step")
		watt := rapid.SampledFrom([]float64{0, 95, 300, 950, 2000}).Draw(t, "power")
		noMeter := rapid.IntRange(0, 3).Draw(t, "meter") == 0
		var pack []tsdb.Point
		for count := rapid.IntRange(1, 30).Draw(t, "samples"); count > 0; count-- {
			wh += watt * float64(at-last) / 3.6e6
			last = at
			register := wh
			if noMeter {
				register = -1
			}
			pack = append(pack, point(machine, at, watt, register))
			at += step
		}
		packs = append(packs, pack)
		if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
			wh = 0
		}
		at += rapid.SampledFrom([]int64{0, 0, 0, 2 * minute, 5 * minute, 200 * minute}).Draw(t, "gap")
	}
	return packs
}

// In whatever order and however often packs arrive, and wherever the service is killed or the store breaks: the store
// ends with what one fold of everything gives, byte for byte.
func TestAnyDeliveryGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packs := aDay(t)
		rules := []registry.Settings{settings}
		if rapid.Bool().Draw(t, "second rule") {
			later := settings
			later.ValidFromMs, later.RunAbove = midnight+3*hour, 200
			rules = append(rules, later)
		}
		batch := newRig(t, tsdb.NewMemory(), rules...)
		for _, p := range packs {
			batch.deliver(p...)
		}
		batch.mustBuild()
		want := dump(batch.store, "lathe")

		order := rapid.SliceOfN(rapid.IntRange(0, len(packs)-1), 0, len(packs)).Draw(t, "sent twice")
		all := make([]int, len(packs))
		for i := range all {
			all[i] = i
		}
		if rapid.Bool().Draw(t, "shuffled") {
			all = rapid.Permutation(all).Draw(t, "order")
		}
		order = append(all, order...)
		store := &breaking{Store: tsdb.NewMemory(), countdown: -1}
		streamed := newRig(t, store, rules...)
		streamed.together = rapid.Bool().Draw(t, "together")
		for _, i := range order {
			streamed.deliver(packs[i]...)
			switch rapid.IntRange(0, 9).Draw(t, "then") {
			case 0, 1, 2, 3, 4:
				streamed.mustBuild()
			case 5:
				streamed.mustBuild()
				streamed.restart()
			case 7, 8: // the rebuild has to wait, the tip goes on
				m := streamed.service.machine("cfc", "lathe")
				claims, _ := streamed.registry.ClaimTouched(context.Background(), "")
				if len(claims) > 0 && m.tip != nil && claims[0].NewestMs > m.tip.fold.LastMs() {
					_, err := streamed.service.batch(context.Background(), []duty{{m: m, t: claims[0], live: true}}, 1)
					require.NoError(t, err)
				}
			case 6:
				store.countdown = rapid.IntRange(0, 3).Draw(t, "writes before it breaks")
				if _, err := streamed.build(); err != nil {
					require.ErrorIs(t, err, errBroken)
				}
				store.countdown = -1
				if rapid.Bool().Draw(t, "killed") {
					streamed.restart()
				}
			}
		}
		streamed.mustBuild()
		require.Equal(t, want, dump(streamed.store, "lathe"))

		fromMs, toMs := midnight-hour, midnight+48*hour
		a, err := timeline.Read(context.Background(), batch.store, "cfc", "lathe", fromMs, toMs, toMs, 3*minute)
		require.NoError(t, err)
		b, err := timeline.Read(context.Background(), store, "cfc", "lathe", fromMs, toMs, toMs, 3*minute)
		require.NoError(t, err)
		require.Equal(t, a, b)
		at := fromMs
		for _, iv := range a {
			require.Equal(t, at, iv.StartMs)
			at = iv.EndMs
		}
		require.Equal(t, toMs, at)
	})
}

// A write that the service gave up may be executed by the store after the next one: the state of before must not stay.
func TestAWriteGivenUpIsExecutedLate(t *testing.T) {
	all := hours(3)
	store := &breaking{Store: tsdb.NewMemory(), countdown: -1}
	r := newRig(t, store, settings)
	r.deliver(all[:400]...)
	r.mustBuild()

	r.deliver(all[400:450]...)
	store.countdown = 0
	_, err := r.build()
	require.ErrorIs(t, err, errBroken)
	r.deliver(all[450:]...)
	_, err = r.build()
	require.NoError(t, err)
	require.NoError(t, store.Write(t.Context(), store.given), "the late execution")
	r.mustBuild()

	straight := newRig(t, tsdb.NewMemory(), settings)
	straight.deliver(all...)
	straight.mustBuild()
	require.Equal(t, dump(straight.store, "lathe"), dump(store, "lathe"))
}

// hours writes n hours of a machine that alternates every 10 minutes, sampled every 10 s.
func hours(n int64) []tsdb.Point {
	var out []tsdb.Point
	for i := range n * 360 {
		out = append(out, point("lathe", midnight+i*10*second, float64(i/60%2*2000), float64(i)))
	}
	return out
}

func TestLateDataRebuildsOnlyWhatItTouches(t *testing.T) {
	all := hours(200)
	late := all[20*360+100 : 20*360+200]
	r := newRig(t, tsdb.NewMemory(), settings)
	r.deliver(all[:20*360+100]...)
	r.deliver(all[20*360+200:]...)
	require.Equal(t, modeRebuild, r.mustBuild().mode)

	r.deliver(late...)
	b := r.mustBuild()
	require.Equal(t, modeRebuild, b.mode)
	require.LessOrEqual(t, b.hours, 3)
	require.LessOrEqual(t, b.samples, 3*360)

	straight := newRig(t, tsdb.NewMemory(), settings)
	straight.deliver(all...)
	straight.mustBuild()
	require.Equal(t, dump(straight.store, "lathe"), dump(r.store, "lathe"))
}

func TestNewDataGoesOnFromMemory(t *testing.T) {
	all := hours(3)
	r := newRig(t, tsdb.NewMemory(), settings)
	r.deliver(all[:400]...)
	r.mustBuild()
	for i := 400; i < len(all); i += 7 {
		r.deliver(all[i:min(len(all), i+7)]...)
		b := r.mustBuild()
		require.Equal(t, modeTip, b.mode)
		require.LessOrEqual(t, b.samples, 7)
	}
	straight := newRig(t, tsdb.NewMemory(), settings)
	straight.deliver(all...)
	straight.mustBuild()
	require.Equal(t, dump(straight.store, "lathe"), dump(r.store, "lathe"))
}

// Settings changed for the past rebuild the machine from there on, also when it sends nothing any more and the service was
// stopped meanwhile.
func TestChangedSettingsRebuild(t *testing.T) {
	r := newRig(t, tsdb.NewMemory(), settings)
	r.deliver(hours(10)...)
	require.NoError(t, r.service.review(t.Context()))
	r.mustBuild()
	require.NoError(t, r.service.review(t.Context()))
	require.Empty(t, r.registry.touched)

	later := settings
	later.ValidFromMs, later.RunAbove = midnight+5*hour, 3000
	r.registry.settings = []registry.Settings{settings, later}
	r.restart()
	require.NoError(t, r.service.review(t.Context()))
	require.NotEmpty(t, r.registry.touched)
	b := r.mustBuild()
	require.LessOrEqual(t, b.hours, 6)

	straight := newRig(t, tsdb.NewMemory(), settings, later)
	straight.deliver(hours(10)...)
	straight.mustBuild()
	require.Equal(t, dump(straight.store, "lathe"), dump(r.store, "lathe"))
}

func TestQualities(t *testing.T) {
	r := newRig(t, tsdb.NewMemory(), settings)
	for i := range int64(60) {
		p := point("lathe", midnight+i*10*second, 2000, float64(i))
		switch {
		case i >= 10 && i < 20: // faulty: no value
			p.Fields = []tsdb.Field{{Key: "power_w_q", Value: "fault:open"}}
		case i >= 20 && i < 40: // the sensor repeats itself
			p.Fields = []tsdb.Field{{Key: "power_w", Value: 2000.0}, {Key: "power_w_q", Value: "stale"}}
		case i >= 40:
			p.Fields = append(p.Fields, tsdb.Field{Key: "power_w_q", Value: "saturated"})
		}
		r.deliver(p)
	}
	r.mustBuild()
	got, err := timeline.Read(t.Context(), r.store, "cfc", "lathe", midnight, midnight+590*second, midnight+590*second, 3*minute)
	require.NoError(t, err)
	var states []string
	for _, iv := range got {
		states = append(states, iv.State)
	}
	require.Equal(t, []string{"run", "unknown", "run"}, states)
	require.Equal(t, midnight+90*second, got[1].StartMs)
	require.Equal(t, midnight+400*second, got[1].EndMs)
}

// followed notes what a follower is told.
type followed struct {
	calls []registry.Touched
	err   error
}

func (f *followed) Rebuilt(_ context.Context, site, machine string, fromMs, toMs int64) error {
	f.calls = append(f.calls, registry.Touched{Site: site, Machine: machine, FromMs: fromMs, ToMs: toMs})
	return f.err
}

func TestFollowers(t *testing.T) {
	r := newRig(t, tsdb.NewMemory(), settings)
	f := &followed{}
	r.service.o.Followers = []Follower{f}
	all := hours(2)
	r.deliver(all[:400]...)
	r.mustBuild()
	require.Equal(t, []registry.Touched{{Site: "cfc", Machine: "lathe", FromMs: midnight, ToMs: all[399].TimeMs}}, f.calls)

	// A stretch without anything to fold, such as the tap of a card, is passed on as it is.
	require.NoError(t, r.registry.Touch(t.Context(), []registry.Touched{{Site: "cfc", Machine: "lathe", FromMs: all[399].TimeMs + 5, ToMs: all[399].TimeMs + 9}}))
	r.mustBuild()
	require.Equal(t, registry.Touched{Site: "cfc", Machine: "lathe", FromMs: all[399].TimeMs + 5, ToMs: all[399].TimeMs + 9}, f.calls[1])

	f.err = errors.New("no sessions today")
	r.deliver(all[400:500]...)
	_, err := r.build()
	require.ErrorIs(t, err, f.err)
	require.NotZero(t, r.registry.waiting(), "it is tried again")
	f.err = nil
	r.mustBuild()
	require.Zero(t, r.registry.waiting())
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := tsdb.NewMemory()
		reg := &fakeRegistry{machines: []string{"lathe", "press"}, settings: []registry.Settings{settings}}
		metrics := prometheus.NewRegistry()
		s, err := New(Options{Store: store, Registry: reg, Registerer: metrics, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		r := &rig{t: t, store: store, registry: reg}
		for i := range int64(60) {
			r.deliver(point("lathe", midnight+i*10*second, 2000, float64(i)), point("press", midnight+i*10*second, 0, 5))
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		require.Zero(t, reg.waiting())
		for machine, state := range map[string]string{"lathe": "run", "press": "off"} {
			newest, found, err := timeline.Newest(ctx, store, "cfc", machine)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, state, newest.State)
			require.Equal(t, midnight+590*second, newest.EndMs)
			require.True(t, newest.Open)
		}
		require.InDelta(t, 116, count(t, s.metrics.samples.WithLabelValues(modeTip)), 4)
		cancel()
		require.NoError(t, <-done)
	})
}

// A month of history pours in behind the live samples: it is not folded again every second, and the state of now is shown
// all the while.
func TestRunWhileABacklogPoursIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := tsdb.NewMemory()
		reg := &fakeRegistry{machines: []string{"lathe"}, settings: []registry.Settings{settings}}
		s, err := New(Options{Store: store, Registry: reg})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		defer func() {
			cancel()
			require.NoError(t, <-done)
		}()
		go func() { done <- s.Run(ctx) }()
		r := &rig{t: t, store: store, registry: reg}
		history := hours(60)
		now := history[len(history)-1].TimeMs + 24*hour
		r.deliver(history[0], point("lathe", now, 2000, 1e6))
		for i := range int64(60) {
			time.Sleep(500 * time.Millisecond)
			r.deliver(history[i*360 : i*360+360]...)
			r.deliver(point("lathe", now+i*second, 2000, 1e6))
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if i > 2 {
				newest, _, err := timeline.Newest(ctx, store, "cfc", "lathe")
				require.NoError(t, err)
				require.GreaterOrEqual(t, newest.EndMs, now+(i-2)*second)
			}
		}
		require.LessOrEqual(t, count(t, s.metrics.builds.WithLabelValues(modeRebuild)), 12.0)
		folded := count(t, s.metrics.samples.WithLabelValues(modeRebuild))
		require.LessOrEqual(t, folded, 1.5*float64(len(history)), "each sample of the backlog is folded about once")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, reg.waiting())
		straight := newRig(t, tsdb.NewMemory(), settings)
		straight.deliver(history...)
		for i := range int64(60) {
			straight.deliver(point("lathe", now+i*second, 2000, 1e6))
		}
		straight.mustBuild()
		require.Equal(t, dump(straight.store, "lathe"), dump(store, "lathe"))
	})
}

// One machine whose settings cannot be read is tried again with growing pauses and stops nothing.
func TestRunGoesOnAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &fakeRegistry{machines: []string{"lathe"}, settings: []registry.Settings{settings}, fail: errors.New("disk full")}
		s, err := New(Options{Store: tsdb.NewMemory(), Registry: reg})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		r := &rig{t: t, store: s.o.Store, registry: reg}
		r.deliver(point("lathe", midnight, 2000, 1))
		time.Sleep(time.Hour)
		synctest.Wait()
		failures := count(t, s.metrics.failures)
		require.InDelta(t, 65, failures, 5, "about once a minute")
		reg.mu.Lock()
		reg.fail = nil
		reg.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Zero(t, reg.waiting())
		cancel()
		require.NoError(t, <-done)
	})
}

func count(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}

func TestNewWantsItsParts(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "store and a registry")
}

// BenchmarkRebuildMonth folds a month of 5 s samples from the store in memory.
func BenchmarkRebuildMonth(b *testing.B) {
	store := tsdb.NewMemory()
	var points []tsdb.Point
	for i := range int64(30 * 24 * 720) {
		points = append(points, point("lathe", midnight+i*5*second, float64(i/360%3*700), float64(i)))
	}
	require.NoError(b, store.Write(b.Context(), points))
	b.ReportAllocs()
	for b.Loop() {
		r := newRig(b, store, settings)
		last := points[len(points)-1].TimeMs
		require.NoError(b, r.registry.Touch(b.Context(), []registry.Touched{{Site: "cfc", Machine: "lathe", FromMs: midnight, ToMs: last}}))
		require.Equal(b, len(points), r.mustBuild().samples)
	}
	b.ReportMetric(float64(len(points)*b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
