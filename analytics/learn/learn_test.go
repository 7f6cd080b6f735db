package learn

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// series feeds ten days of minutes: each state's mean with 5 % of noise, in turns of an hour.
func series(h *Histogram, means ...float64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range int64(10 * 24 * 60) {
		m := means[int(i/60)%len(means)]
		h.Add(i*60_000, m*(1+0.05*rnd.NormFloat64()))
	}
}

func suggestion(states int, means ...float64) Suggestion {
	h := NewHistogram(180_000)
	series(h, means...)
	return Suggest(h, states, LeastKnownMs, Valley)
}

func TestThreeStates(t *testing.T) {
	s := suggestion(3, 2, 500, 3000, 2400)
	require.Nil(t, s.Refused)
	require.InDelta(t, 40, s.IdleAbove, 20)
	require.Greater(t, s.RunAbove, 600.0)
	require.Less(t, s.RunAbove, 2000.0)
	require.Len(t, s.Classes, 3)
	require.InDelta(t, 500, s.Classes[1].Centre, 30)
	sum := 0.0
	for _, b := range s.Histogram {
		sum += b.Share
	}
	require.InDelta(t, 1, sum, 1e-9)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		states      int
		means       []float64
		code, state string
	}{
		"never idle":        {3, []float64{2, 3000}, Missing, "idle"},
		"never off":         {2, []float64{900, 3000}, Missing, "off"},
		"always on":         {2, []float64{3000}, Missing, "off"},
		"always off":        {3, []float64{0.5}, Missing, "run"},
		"idle run into run": {3, []float64{2, 2000, 2300}, Missing, "idle"},
	} {
		s := suggestion(c.states, c.means...)
		require.NotNil(t, s.Refused, name)
		require.Equal(t, c.code, s.Refused.Code, name)
		require.Equal(t, c.state, s.Refused.State, name)
		require.NotEmpty(t, s.Refused.Error(), name)
	}
	h := NewHistogram(180_000)
	h.Add(0, 1)
	h.Add(60_000, 3000)
	require.Equal(t, TooShort, Suggest(h, 3, LeastKnownMs, Valley).Refused.Code)
	for _, m := range []Method{Otsu, KMeans, Valley} {
		require.NotPanics(t, func() { Suggest(NewHistogram(1), 3, 0, m) })
		require.NotPanics(t, func() { m(NewHistogram(1), 2) })
	}
}

// A hammer that strikes for 2 s of every 10 s is recognised as one; a lathe is not.
func TestPauses(t *testing.T) {
	hammer, lathe := NewPauses(3000), NewPauses(1000)
	for s := range int64(7200) {
		watt := 1000.0
		if s < 3600 && s%10 < 2 {
			watt = 5000
		}
		hammer.Add(s*1000, watt)
		lathe.Add(s*1000, 1500-1000*float64(s/600%2))
	}
	require.Equal(t, int64(15_000), hammer.PulseMs())
	require.Zero(t, lathe.PulseMs())
}

// From the store: a faulty value is no value, and the window's mean stands for an extreme that is absent.
func TestMachine(t *testing.T) {
	store := tsdb.NewMemory()
	var points []tsdb.Point
	for i := range int64(8 * 24 * 60) {
		p := tsdb.Point{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: 1 + i*60_000}
		watt := []float64{1, 400, 2500}[i/60%3]
		switch i % 50 {
		case 7:
			p.Fields = []tsdb.Field{{Key: "power_max_w_q", Value: "fault:open"}, {Key: "power_w", Value: 9e5}}
		case 8:
			p.Fields = []tsdb.Field{{Key: "power_w", Value: watt}}
		default:
			p.Fields = []tsdb.Field{{Key: "power_max_w", Value: watt}}
		}
		points = append(points, p)
	}
	require.NoError(t, store.Write(t.Context(), points))
	s, known, err := Machine(t.Context(), store, "s", "m", registry.Settings{Signal: "power_max", IdleAbove: 100, RunAbove: 1000, ReportMs: 60_000}, 0, 1<<40)
	require.NoError(t, err)
	require.Nil(t, s.Refused)
	require.GreaterOrEqual(t, known, int64(LeastKnownMs))
	require.Less(t, s.RunAbove, 2400.0)
	_, _, err = Machine(t.Context(), store, "s", "m", registry.Settings{Signal: "status", StatusMap: `{"ON":"run"}`}, 0, 1<<40)
	require.ErrorIs(t, err, ErrNoThresholds)
}
