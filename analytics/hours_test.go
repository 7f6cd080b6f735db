package analytics

import (
	"context"
	"maps"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/block"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// change makes the settings in force others, for all times. The one with number 0 are settings.
func (r *fakeRegistry) change(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := settings
	changed.IdleAbove += float64(50 * n)
	if n == 2 {
		changed.Signal = "current"
	}
	r.settings = []registry.Settings{changed}
}

// allCopies returns the stored copies of the lathe's hours.
func allCopies(t require.TestingT, s tsdb.Store) map[int64]string {
	out := map[int64]string{}
	q := tsdb.Query{Measurement: tsdb.SampleHour, Site: "cfc", Machine: "lathe", Fields: []string{fieldBlock}, ToMs: timeline.FarMs}
	require.NoError(t, s.Read(context.Background(), q, func(row tsdb.Row) error {
		out[row.TimeMs] = row.Values[0].(string)
		return nil
	}))
	return out
}

func putCopy(t require.TestingT, s tsdb.Store, ms int64, text string) {
	require.NoError(t, s.Write(context.Background(), []tsdb.Point{{
		Measurement: tsdb.SampleHour, Site: "cfc", Machine: "lathe", TimeMs: ms, Fields: []tsdb.Field{{Key: fieldBlock, Value: text}},
	}}))
}

// damage replaces copies by nonsense, by a copy of another version, by one of another hour, and puts some where none was.
func damage(t require.TestingT, s tsdb.Store, draw func(n int) int) {
	copies := allCopies(t, s)
	for _, ms := range slices.Sorted(maps.Keys(copies)) {
		text := copies[ms]
		switch draw(8) {
		case 0:
			putCopy(t, s, ms, text[:len(text)/2])
		case 1:
			putCopy(t, s, ms, "Ag"+text[min(2, len(text)):])
		case 2:
			putCopy(t, s, ms+block.Ms, text)
		case 3:
			putCopy(t, s, ms, "")
		}
	}
}

func (r *rig) read(what string) int {
	var m dto.Metric
	require.NoError(r.t, r.service.metrics.copies.WithLabelValues(what).Write(&m))
	return int(m.Counter.GetValue())
}

// changeRules puts other rules in force and rebuilds what they concern.
func (r *rig) changeRules(n int) {
	r.registry.change(n)
	r.restart()
	require.NoError(r.t, r.service.review(context.Background()))
	r.mustBuild()
}

func straight(t require.TestingT, points []tsdb.Point, n int) string {
	s := newRig(t, tsdb.NewMemory())
	s.registry.change(n)
	s.service.longMs = timeline.FarMs // by the samples alone
	s.deliver(points...)
	s.mustBuild()
	require.Empty(t, allCopies(t, s.store))
	return dump(s.store, "lathe")
}

// A changed threshold reads copies; hours with late samples, damaged copies and hours without one are read from the samples.
func TestCopiesOfHours(t *testing.T) {
	all := hours(72)
	late := all[30*360+100 : 30*360+200]
	r := newRig(t, tsdb.NewMemory(), settings)
	r.deliver(all[:30*360+100]...)
	r.deliver(all[30*360+200:]...)
	r.mustBuild()
	copies := allCopies(t, r.store)
	require.Equal(t, 72, len(copies), "every hour of UTC but the last one, which isn't over") //nolint:testifylint // Len prints them all

	r.changeRules(1)
	require.Equal(t, 72, r.read(hourCopy))
	require.Zero(t, r.read(hourOutdated)+r.read(hourDamaged))
	r.deliver(late...)
	require.Less(t, r.mustBuild().samples, 5*360)
	require.Equal(t, copies, allCopies(t, r.store), "late samples touch no copy")
	require.Equal(t, straight(t, all, 1), dump(r.store, "lathe"))

	hourOf := func(i int) int64 { return all[i].TimeMs - all[i].TimeMs%block.Ms }
	putCopy(t, r.store, hourOf(10*360), "AQ"+copies[hourOf(10*360)][4:])
	putCopy(t, r.store, hourOf(50*360), copies[hourOf(51*360)])
	r.changeRules(0)
	require.Equal(t, 68, r.read(hourCopy))
	require.Equal(t, 2, r.read(hourOutdated), "the late samples lie in two hours of UTC")
	require.Equal(t, 2, r.read(hourDamaged))
	require.Equal(t, straight(t, all, 0), dump(r.store, "lathe"))

	r.changeRules(1)
	require.Equal(t, 72, r.read(hourCopy), "what was read from samples was copied again")
	r.changeRules(2)
	require.Equal(t, 72, r.read(hourSamples), "a copy without the field of the new rule is of no use")
	require.Equal(t, straight(t, all, 2), dump(r.store, "lathe"))
}

// A sample that was stored and not touched yet makes its hour's copy useless at once.
func TestACopyIsNeverOlderThanTheSamples(t *testing.T) {
	all := hours(48)
	r := newRig(t, tsdb.NewMemory(), settings)
	r.deliver(all[:20*360]...)
	r.deliver(all[20*360+1:]...)
	r.mustBuild()
	require.NoError(t, r.store.Write(t.Context(), all[20*360:20*360+1]))
	r.changeRules(1)
	require.Equal(t, 1, r.read(hourOutdated))
	require.Equal(t, straight(t, all, 1), dump(r.store, "lathe"))
	// The same instant with another power, as only a person with the database's password can do.
	all[30*360] = point("lathe", all[30*360].TimeMs, 555, 30*360)
	require.NoError(t, r.store.Write(t.Context(), all[30*360:30*360+1]))
	r.changeRules(0)
	require.Equal(t, 1, r.read(hourOutdated))
	require.Equal(t, straight(t, all, 0), dump(r.store, "lathe"))
}

// With copies as without: whatever the order of packs, rules that change, kills, breaking writes and damage to the copies, the
// store ends with what one fold of everything gives.
func TestAnyDeliveryWithCopiesGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packs := aDay(t)
		var all []tsdb.Point
		for _, p := range packs {
			all = append(all, p...)
		}
		plain := newRig(t, tsdb.NewMemory(), settings)
		plain.deliver(all...)
		plain.service.longMs = timeline.FarMs
		plain.mustBuild()

		store := &breaking{Store: tsdb.NewMemory(), countdown: -1}
		r := newRig(t, store, settings)
		r.copies = true
		r.restart()
		order := rapid.SliceOfN(rapid.IntRange(0, len(packs)-1), 0, len(packs)).Draw(t, "sent twice")
		for i := range packs {
			order = append(order, i)
		}
		for _, i := range rapid.Permutation(order).Draw(t, "order") {
			r.deliver(packs[i]...)
			switch rapid.IntRange(0, 5).Draw(t, "then") {
			case 0:
				r.mustBuild()
			case 1:
				r.changeRules(rapid.IntRange(0, 2).Draw(t, "rules"))
			case 2:
				damage(t, store.Store, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "damage") })
			case 3:
				store.countdown = rapid.IntRange(0, 4).Draw(t, "writes before it breaks")
				if _, err := r.build(); err != nil {
					require.ErrorIs(t, err, errBroken)
				}
				store.countdown = -1
				if rapid.Bool().Draw(t, "killed") {
					r.restart()
				}
			case 4:
				require.NoError(t, store.Write(context.Background(), packs[(i+1)%len(packs)]), "stored, not yet touched")
			}
		}
		r.changeRules(1)
		r.changeRules(0)
		require.Equal(t, dump(plain.store, "lathe"), dump(store, "lathe"))
	})
}
