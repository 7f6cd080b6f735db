package sim_test

import (
	"testing"
	"time"

	"karkhana/hardware/kit"
	"karkhana/hardware/sim"
	"karkhana/internal/quantity"

	"github.com/stretchr/testify/require"
)

// classifier is the rule of the product in its plainest form: two thresholds with hysteresis, and a new state counts
// after it has persisted for its dwell, from its beginning on.
type classifier struct {
	s               kit.Settings
	state, new      string
	since           time.Duration // beginning of new
	counted         time.Duration // the time up to which hours are counted
	hours           map[string]time.Duration
	changes         int
	lastSampleState string
}

func (c *classifier) sample(at time.Duration, v float64) {
	level := func(threshold float64, above bool) bool {
		if above {
			threshold *= 1 - c.s.Hysteresis
		}
		return v >= threshold
	}
	now := "off"
	if level(c.s.RunAbove, c.lastSampleState == "run") {
		now = "run"
	} else if level(c.s.IdleAbove, c.lastSampleState != "off") {
		now = "idle"
	}
	c.lastSampleState = now
	if now == c.state {
		c.new = ""
		return
	}
	if now != c.new {
		c.new, c.since = now, at
	}
	dwell := map[string]time.Duration{"off": c.s.Dwell.Off.Std(), "idle": c.s.Dwell.Idle.Std(), "run": c.s.Dwell.Run.Std()}[now]
	if at-c.since >= dwell {
		c.hours[c.state] += c.since - c.counted
		c.state, c.counted, c.new = now, c.since, ""
		c.changes++
	}
}

// The thresholds of the kits give the true hours of the simulated machines: live (each second; ten-second windows for
// the hammer) and from history (sampled each 5 s, windows of a minute).
func TestKitsFitTheMachines(t *testing.T) {
	epoch := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)
	w, err := sim.New(sim.Options{Seed: 7, Epoch: epoch})
	require.NoError(t, err)
	for _, kind := range sim.Kinds()[:5] {
		k, err := kit.Load(kind)
		require.NoError(t, err)
		for name, c := range map[string]struct{ every, report, span time.Duration }{
			"live":    {time.Second, k.Settings.Report.Std(), 24 * time.Hour},
			"history": {5 * time.Second, time.Minute, 4 * 24 * time.Hour},
		} {
			m, err := w.Machine(kind)
			require.NoError(t, err)
			cl := classifier{s: k.Settings, state: "off", lastSampleState: "off", hours: map[string]time.Duration{}}
			want := map[string]time.Duration{}
			var sum, high float64
			n := 0
			for at := time.Duration(0); at < c.span; at += c.every {
				samples, err := m.Sense(epoch.Add(at))
				if err != nil {
					t.Fatal(err)
				}
				tr, err := m.Truth(epoch.Add(at))
				if err != nil {
					t.Fatal(err)
				}
				want[tr.State] += c.every
				for _, s := range samples {
					if s.Quantity == quantity.Power {
						sum, n = sum+s.Number, n+1
						high = max(high, s.Number)
					}
				}
				if (at+c.every)%c.report == 0 {
					v := sum / float64(n)
					if k.Settings.Signal == quantity.PowerMax {
						v = high
					}
					cl.sample(at+c.every-c.report, v)
					sum, high, n = 0, 0, 0
				}
			}
			cl.hours[cl.state] += c.span - cl.counted
			t.Logf("%s %s: want %v got %v, %d changes", kind, name, want, cl.hours, cl.changes)
			require.InEpsilon(t, want["run"].Hours(), cl.hours["run"].Hours(), 0.03, "%s %s run", kind, name)
			require.InEpsilon(t, want["off"].Hours(), cl.hours["off"].Hours(), 0.03, "%s %s off", kind, name)
			require.InDelta(t, want["idle"].Hours(), cl.hours["idle"].Hours(), 0.015*c.span.Hours(), "%s %s idle", kind, name)
			require.Less(t, cl.changes, int(c.span.Hours())*4, "%s %s: the state does not flutter", kind, name)
		}
	}
}
