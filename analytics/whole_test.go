package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/billing"
	"karkhana/analytics/energy"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/analytics/utilisation"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// wholeNow is when everything is asked for: two days after midnight, when the last sample is hours old.
var wholeNow = midnight + 48*hour

// Cards of the test. Nobody holds the last.
const (
	cardAsha, cardMeera, cardTraining = "asha-card", "meera-card", "training-card"
	cardLamp, cardBell, cardNobody    = "lamp-card", "bell-card", "nobodys-card"
)

// whole is a service with sessions and gaps behind it, on a registry in SQL. Builds come in the order of the test.
type whole struct {
	t       *testing.T
	db      *registry.DB
	store   *tsdb.Memory
	nowMs   int64 // of the gap ledger
	gaps    *gap.Keeper
	service *Service
}

func newWhole(t *testing.T) *whole {
	w := &whole{t: t, db: registrytest.Open(t), store: tsdb.NewMemory(), nowMs: midnight + 44*hour}
	name := registry.Name{Hi: "ख", En: "L"}
	row := settings
	row.ValidFromMs = 1
	later := row
	later.ValidFromMs, later.RunAbove = midnight+3*hour, 200
	band := func(id string, percent electricity.Percent, first, last int) electricity.Band {
		b := electricity.Band{ID: id, Hi: id, En: id, Percent: percent}
		for q := first; q < last; q++ {
			b.Quarters = append(b.Quarters, q)
		}
		return b
	}
	require.NoError(t, w.db.Apply(t.Context(), registry.SiteDefinition{
		Site:     registry.Site{ID: "cfc", Name: name, Zone: "Asia/Kolkata"},
		Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "lathe", Class: "lathe", Name: name}, Settings: []registry.Settings{row, later}}},
		Groups: []registry.GroupDefinition{
			{Group: registry.Group{ID: "asha", Name: name}, Cards: []string{cardAsha}, TrainingCards: []string{cardTraining}},
			{Group: registry.Group{ID: "meera", Name: name}, Cards: []string{cardMeera}},
		},
		Tariffs: []registry.Tariff{{Class: "lathe", PaisePerRunHour: 9000}},
		Electricity: electricity.Config{
			Emission: []electricity.Emission{{Year: 2026, MicroKgPerKWh: 710_000, Version: "v"}},
			Tariffs: []electricity.Tariff{{
				ValidFromMs: 1, Order: "o", Basis: electricity.BasisKWh, Energy: 650_000, ShareBy: electricity.KeyRunHours,
				Bands: []electricity.Band{band("night", -1000, 0, 26), band("day", 0, 26, 75), band("evening", 1000, 75, 96)},
			}},
		},
	}, "test", 1))
	for job, card := range map[string]string{"J-1": cardLamp, "J-2": cardBell} {
		require.NoError(t, w.db.SaveJob(t.Context(), registry.Job{Site: "cfc", Number: job, Author: "test", MadeMs: 1}, ""))
		require.NoError(t, w.db.GiveJobCard(t.Context(), "cfc", card, job, 1))
	}
	w.restart()
	return w
}

// restart loses everything that is only in memory.
func (w *whole) restart() {
	now := func() time.Time {
		w.nowMs += 31_000 // each look is later than the one before
		return time.UnixMilli(w.nowMs)
	}
	w.gaps = gap.New(gap.Options{Store: w.store, Registry: w.db, Now: now})
	var err error
	w.service, err = New(Options{Store: w.store, Registry: w.db, Followers: []Follower{
		session.New(session.Options{Store: w.store, Registry: w.db, Now: func() time.Time { return time.UnixMilli(wholeNow) }}), w.gaps,
	}})
	require.NoError(w.t, err)
}

func (w *whole) deliver(points []tsdb.Point) {
	require.NoError(w.t, w.store.Write(w.t.Context(), points))
	touched := registry.Touched{Site: "cfc", Machine: "lathe", FromMs: points[0].TimeMs, ToMs: points[0].TimeMs}
	for _, p := range points {
		touched.FromMs, touched.ToMs = min(touched.FromMs, p.TimeMs), max(touched.ToMs, p.TimeMs)
	}
	require.NoError(w.t, w.db.Touch(w.t.Context(), []registry.Touched{touched}))
}

// build builds until nothing is touched.
func (w *whole) build() {
	for {
		claims, err := w.db.ClaimTouched(w.t.Context(), "")
		require.NoError(w.t, err)
		if len(claims) == 0 {
			return
		}
		for _, c := range claims {
			w.service.mu.Lock()
			m := w.service.machine(c.Site, c.Machine)
			w.service.mu.Unlock()
			_, err := w.service.build(w.t.Context(), m, c)
			require.NoError(w.t, err)
		}
	}
}

// say is everything that anybody is told in the end, by subject.
func (w *whole) say() map[string]string {
	ctx := w.t.Context()
	w.build()
	w.nowMs = wholeNow
	require.NoError(w.t, w.gaps.Sweep(ctx))
	text := func(v any, err error) string {
		require.NoError(w.t, err)
		b, err := json.MarshalIndent(v, "", " ")
		require.NoError(w.t, err)
		return string(b)
	}
	out := map[string]string{"store": dump(w.store, "lathe")}
	sessions, err := w.db.Sessions(ctx, "cfc", 0, timeline.FarMs, "", "")
	out["sessions"] = text(sessions, err)
	taps, err := w.db.JobTaps(ctx, "cfc", 0, timeline.FarMs, "", "")
	out["job taps"] = text(taps, err)
	for _, job := range []string{"J-1", "J-2"} {
		s, err := session.Sheet(ctx, session.JobDeps{Store: w.store, Registry: w.db}, "cfc", job, wholeNow)
		s.Late = nil // tells how it came
		out["sheet "+job] = text(s, err)
	}
	for _, by := range []string{"hour", "all"} {
		uses, err := energy.Machine(ctx, energy.Deps{Store: w.store, Registry: w.db}, "cfc", "lathe", midnight, midnight+24*hour, by, wholeNow)
		out["energy by "+by] = text(uses, err)
	}
	for _, by := range []string{utilisation.ByHour, utilisation.ByDay} {
		kpis, err := utilisation.SiteKPIs(ctx, utilisation.Deps{Store: w.store, Registry: w.db}, utilisation.Asked{Site: "cfc", FromMs: midnight, ToMs: midnight + 48*hour, By: by, NowMs: wholeNow})
		out["figures by "+by] = text(kpis, err)
	}
	drafts, err := billing.MakeAll(ctx, billing.Deps{Store: w.store, Registry: w.db}, "cfc", "2026-11", wholeNow)
	out["statements"] = text(drafts, err)
	gaps, err := w.db.Gaps(ctx, "cfc", 0, timeline.FarMs)
	out["gaps"] = text(slices.DeleteFunc(gaps, func(g registry.Gap) bool { return g.FilledMs != 0 }), err) // what was filled tells how it came
	return out
}

// aWorkday draws packs: loads with and without a register, one that begins again, is another, or counts back, gaps, other
// quantities alone, and taps of all kinds of cards.
func aWorkday(rng *rand.Rand) [][]tsdb.Point {
	at, wh, taps := midnight+rng.Int64N(60)*minute, 1000.0, 0
	last := at
	var packs [][]tsdb.Point
	for n := 8 + rng.IntN(25); n > 0 && at < midnight+40*hour; n-- {
		step := []int64{10 * second, 30 * second, minute}[rng.IntN(3)]
		watt := []float64{0, 95, 300, 950, 2000, -500}[rng.IntN(6)]
		noMeter, alone := rng.IntN(4) == 0, rng.IntN(12) == 0
		var pack []tsdb.Point
		tap := func(ms int64) {
			card := []string{cardAsha, cardMeera, cardTraining, cardLamp, cardBell, cardNobody}[rng.IntN(6)]
			pack = append(pack, tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: "lathe", TimeMs: ms, Fields: []tsdb.Field{{Key: "card", Value: card}}})
			taps++
		}
		if rng.IntN(2) == 0 {
			tap(at)
		}
		for range 1 + rng.IntN(60) {
			wh += watt * float64(at-last) / 3.6e6
			last = at
			register := wh
			if noMeter {
				register = -1
			}
			if alone {
				pack = append(pack, tsdb.Point{Measurement: tsdb.Telemetry, Site: "cfc", Machine: "lathe", TimeMs: at, Fields: []tsdb.Field{{Key: "temperature_c", Value: 40.0}}})
			} else {
				pack = append(pack, point("lathe", at, watt, max(register, -1)))
			}
			if rng.IntN(40) == 0 {
				tap(at + rng.Int64N(step))
			}
			at += step
		}
		switch rng.IntN(12) {
		case 0:
			wh = 0
		case 1:
			wh = 500_000
		case 2:
			wh = max(0, wh-300)
		}
		packs = append(packs, pack)
		at += []int64{0, 0, 0, 2 * minute, 5 * minute, 40 * minute, 200 * minute}[rng.IntN(7)]
	}
	return packs
}

// In whatever order and however often packs arrive, and wherever the service is started anew in between: states, hours,
// sessions, job sheets, energy by band, figures, statements and the gap ledger are those of one build of everything, byte for byte.
func TestAnyDeliveryTellsTheSame(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 11))
			packs := aWorkday(rng)
			batch := newWhole(t)
			for _, p := range packs {
				batch.deliver(p)
			}
			want := batch.say()

			order := rng.Perm(len(packs))
			if seed%3 == 0 { // as it happened, but for a few
				slices.Sort(order)
				for range 1 + rng.IntN(3) {
					i := rng.IntN(len(order))
					moved := order[i]
					order = slices.Insert(slices.Delete(order, i, i+1), rng.IntN(len(order)), moved)
				}
			}
			for range rng.IntN(len(packs)) {
				order = slices.Insert(order, rng.IntN(len(order)+1), order[rng.IntN(len(order))])
			}
			streamed := newWhole(t)
			for _, i := range order {
				streamed.deliver(packs[i])
				switch rng.IntN(8) {
				case 0, 1, 2, 3:
					streamed.build()
				case 4:
					streamed.restart()
				case 5:
					require.NoError(t, streamed.gaps.Sweep(context.Background()))
				}
			}
			for subject, got := range streamed.say() {
				require.Equal(t, strings.Split(want[subject], "\n"), strings.Split(got, "\n"), subject)
			}
		})
	}
}
