package sim

import (
	"testing"
	"time"

	"karkhana/internal/quantity"

	"github.com/stretchr/testify/require"
)

// At any moment with supply at least two machines run and one idles or stands; each is used 30–65 % of the time.
func TestSomethingAlwaysRuns(t *testing.T) {
	for _, seed := range []uint64{1, 7} {
		var machines []*Machine
		for _, kind := range Kinds()[:5] {
			machines = append(machines, machine(t, seed, kind))
		}
		const step, span = time.Minute, 31 * 24 * time.Hour
		used := make([]int, len(machines))
		looked := 0
		var dark time.Duration
		for at := 15 * time.Minute; at < span; at += step {
			running, resting := 0, 0
			for i, m := range machines {
				tr, err := m.Truth(epoch.Add(at))
				if err != nil {
					t.Fatal(err)
				}
				if !tr.Supply {
					dark = at
				}
				if tr.State == "run" {
					running++
					used[i]++
				} else {
					resting++
				}
			}
			looked++
			if dark > 0 && at < dark+4*time.Minute {
				continue // people are switching on again after a power cut
			}
			if running < 2 || resting < 1 {
				t.Fatalf("seed %d after %v: %d run, %d rest", seed, at, running, resting)
			}
		}
		for i, kind := range Kinds()[:5] {
			share := float64(used[i]) / float64(looked)
			require.Greater(t, share, 0.30, "%s seed %d", kind, seed)
			require.Less(t, share, 0.65, "%s seed %d", kind, seed)
		}
	}
}

// replay follows the taps of a machine the way a reader of cards does: same card again is out, another one takes over.
type replay struct {
	card, group       string
	in, out, takeover int
}

func (r *replay) tap(uid string) {
	switch r.card {
	case uid:
		r.card, r.group = "", ""
		r.out++
		return
	case "":
		r.in++
	default:
		r.takeover++
	}
	r.card = uid
	for _, c := range Cards() {
		if c.UID == uid {
			r.group = c.Group
		}
	}
}

// The sessions of thirty days are sane: taps belong to cards, most sessions are closed by a tap, some are taken over,
// some tap-outs are forgotten, some run time has no card, and every group comes to every machine.
func TestSessions(t *testing.T) {
	for _, kind := range Kinds()[:5] {
		m := machine(t, 21, kind)
		var r replay
		groups := map[string]int{}
		run, bare, forgotten := 0, 0, 0
		wasForgotten := false
		for at := time.Duration(0); at < 30*24*time.Hour; at += 40 * time.Second {
			for _, s := range sense(t, m, at) {
				if s.Quantity == quantity.Card {
					r.tap(s.Text)
					require.Len(t, s.Text, 8)
				}
			}
			tr, err := m.Truth(epoch.Add(at))
			require.NoError(t, err)
			if r.group != tr.Group {
				// Only a forgotten tap-out lets the cards and the people disagree.
				require.Empty(t, tr.Group, "%s after %v: the reader thinks %q", kind, at, r.group)
				if !wasForgotten {
					forgotten++
				}
				wasForgotten = true
			} else {
				wasForgotten = false
			}
			if tr.State == "run" {
				run++
				groups[tr.Group]++
				if tr.Group == "" {
					bare++
				}
			}
		}
		require.Greater(t, r.in+r.takeover, 60, kind)
		require.Greater(t, r.out, 30, kind)
		if kind != Furnace { // a batch belongs to one group
			require.Greater(t, r.takeover, 5, kind)
		}
		require.Positive(t, forgotten, kind)
		require.Less(t, forgotten, r.out/4, kind)
		require.Positive(t, bare, kind)
		require.Less(t, float64(bare), 0.15*float64(run), kind)
		for _, c := range Cards() {
			require.Greater(t, float64(groups[c.Group]), 0.05*float64(run), "%s %s", kind, c.Group)
		}
	}
}

// With one day shift the machines stand at night, and the furnace is out in time.
func TestOneShift(t *testing.T) {
	w, err := New(Options{Seed: 1, Epoch: epoch, Shifts: []Shift{{From: 9 * time.Hour, To: 18 * time.Hour}}})
	require.NoError(t, err)
	for _, kind := range Kinds()[:5] {
		m, err := w.Machine(kind)
		require.NoError(t, err)
		run := 0
		truth(t, m, 10*24*time.Hour, time.Minute, func(at time.Duration, tr Truth) {
			h := epoch.Add(at).In(w.opts.Zone)
			if tr.State == "run" {
				run++
				require.GreaterOrEqual(t, h.Hour(), 9, "%s at %v", kind, h)
				require.Less(t, h.Hour(), 18, "%s at %v", kind, h)
			}
		})
		require.Greater(t, run, 10*60, kind)
	}
	// No shifts at all: nothing ever runs, and looking for the next one ends.
	w, err = New(Options{Seed: 1, Epoch: epoch, Shifts: []Shift{}})
	require.NoError(t, err)
	for _, kind := range Kinds()[:5] {
		m, err := w.Machine(kind)
		require.NoError(t, err)
		truth(t, m, 3*24*time.Hour, time.Hour, func(_ time.Duration, tr Truth) { require.Equal(t, "off", tr.State) })
	}
}

// The plan holds for other epochs and zones, too.
func TestOtherZones(t *testing.T) {
	for _, name := range []string{"UTC", "America/New_York", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		w, err := New(Options{Seed: 3, Epoch: time.Date(2025, 10, 30, 7, 0, 0, 500, time.UTC), Zone: zone})
		require.NoError(t, err)
		m, err := w.Machine(MainMeter)
		require.NoError(t, err)
		require.NoError(t, m.Seek(w.opts.Epoch.Add(60*24*time.Hour)))
	}
}
