package session

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// epoch is when the histories of the tests begin.
var epoch = time.Date(2026, 11, 1, 18, 30, 0, 0, time.UTC).UnixMilli()

// Whatever part of the data arrives when: after Rebuilt was called for each part, the registry holds what one fold of
// everything gives.
func TestRebuiltInAnyOrderEqualsOneBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taps, intervals := history(t)
		store, db := tsdb.NewMemory(), newFake()
		if len(taps) > 0 { // a correction made at any time before
			tap := rapid.SampledFrom(taps).Draw(t, "void")
			db.corrections = []registry.Correction{{ID: 1, Kind: KindVoid, AtMs: tap.TimeMs + epoch, CardHash: tap.Card}}
		}
		r := New(Options{Store: store, Registry: db, Now: func() time.Time { return time.UnixMilli(epoch).AddDate(0, 0, 3) }})
		ctx := context.Background()

		type datum struct {
			atMs  int64
			point tsdb.Point
		}
		var data []datum
		for _, tap := range taps {
			data = append(data, datum{tap.TimeMs, tapPoint(tap)})
		}
		for _, iv := range intervals {
			iv.StartMs, iv.EndMs = iv.StartMs+epoch, iv.EndMs+epoch
			data = append(data, datum{iv.StartMs - epoch, iv.Point("s", "m")})
		}
		data = rapid.Permutation(data).Draw(t, "arrival")
		for len(data) > 0 {
			n := rapid.IntRange(1, len(data)).Draw(t, "batch")
			from := data[0].atMs
			for _, d := range data[:n] {
				from = min(from, d.atMs)
				require.NoError(t, store.Write(ctx, []tsdb.Point{d.point}))
			}
			data = data[n:]
			// States may be rebuilt from earlier than the oldest new sample.
			from -= int64(rapid.SampledFrom([]int{0, 1, 3600_000}).Draw(t, "earlier"))
			for range rapid.IntRange(1, 2).Draw(t, "calls") {
				require.NoError(t, r.Rebuilt(ctx, "s", "m", epoch+from, 0))
			}
		}

		absolute := make([]Tap, len(taps))
		for i, tap := range taps {
			absolute[i] = Tap{tap.TimeMs + epoch, tap.Card}
		}
		shifted := slices.Clone(intervals)
		for i := range shifted {
			shifted[i].StartMs, shifted[i].EndMs = shifted[i].StartMs+epoch, shifted[i].EndMs+epoch
		}
		var tapped, jobs []Tap
		for _, tap := range absolute {
			if tap.Card == "J" {
				jobs = append(jobs, tap)
			} else {
				tapped = append(tapped, tap)
			}
		}
		held := holdersOf(db.cards)
		group := func(card string, at int64) string { return held(card, at).Group }
		want := Fold(tapped, shifted, group, voided(db.corrections), DefaultRules)
		for i := range want {
			want[i].Site, want[i].Machine, want[i].Training = "s", "m", want[i].CardHash == "T"
		}
		require.Empty(t, cmp.Diff(want, db.sessions))
		want = Fold(jobs, shifted, func(string, int64) string { return "J-17" }, voided(db.corrections), DefaultRules)
		for i := range want {
			want[i].Site, want[i].Machine = "s", "m"
		}
		require.Empty(t, cmp.Diff(want, db.jobs))
	})
}

func TestRebuiltLooksBackFarForTheLastSession(t *testing.T) {
	store, db := tsdb.NewMemory(), newFake()
	ctx := context.Background()
	now := time.UnixMilli(epoch).AddDate(1, 0, 0)
	r := New(Options{Store: store, Registry: db, Now: func() time.Time { return now }})
	const year = 360 * 86_400_000
	require.NoError(t, store.Write(ctx, []tsdb.Point{
		tapPoint(Tap{0, "A"}),
		timeline.Interval{State: timeline.StateRun, StartMs: epoch, EndMs: epoch + 3600_000}.Point("s", "m"),
	}))
	require.NoError(t, r.Rebuilt(ctx, "s", "m", epoch, epoch))
	require.Equal(t, EndOpen, db.sessions[0].EndReason)
	require.NoError(t, store.Write(ctx, []tsdb.Point{tapPoint(Tap{year, "A"})}))
	require.NoError(t, r.Rebuilt(ctx, "s", "m", epoch+year, epoch+year))
	require.Len(t, db.sessions, 2)
	require.Equal(t, epoch+3600_000, db.sessions[0].EndMs, "the first was forgotten a year ago")
	require.Equal(t, EndOpen, db.sessions[1].EndReason)
}

func TestRebuiltSaysWhatFailed(t *testing.T) {
	db := newFake()
	db.err = errors.New("disk full")
	r := New(Options{Store: tsdb.NewMemory(), Registry: db})
	require.EqualError(t, r.Rebuilt(context.Background(), "s", "m", 5, 6), "sessions of s/m: read cards: disk full")
}

func tapPoint(tap Tap) tsdb.Point {
	return tsdb.Point{
		Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: epoch + tap.TimeMs,
		Fields: []tsdb.Field{{Key: "card", Value: tap.Card}},
	}
}

// fake keeps the sessions of one machine as the registry does.
type fake struct {
	sessions, jobs []registry.Session
	corrections    []registry.Correction
	cards          []registry.Card
	err            error
}

func newFake() *fake {
	return &fake{cards: []registry.Card{{Hash: "A", Group: "A"}, {Hash: "B", Group: "B"}, {Hash: "T", Group: "B", Training: true}, {Hash: "J", Job: "J-17"}}}
}

func (f *fake) Corrections(context.Context, string, string) ([]registry.Correction, error) {
	return f.corrections, f.err
}

func (f *fake) Cards(context.Context, string) ([]registry.Card, error) {
	return f.cards, f.err
}

func (f *fake) Sessions(_ context.Context, _ string, fromMs, toMs int64, _, _ string) ([]registry.Session, error) {
	return within(f.sessions, fromMs, toMs), f.err
}

func (f *fake) JobTaps(_ context.Context, _ string, fromMs, toMs int64, _, _ string) ([]registry.Session, error) {
	return within(f.jobs, fromMs, toMs), f.err
}

func within(all []registry.Session, fromMs, toMs int64) (out []registry.Session) {
	for _, s := range all {
		if (toMs == 0 || s.StartMs < toMs) && (s.EndMs == 0 || s.EndMs > fromMs) {
			out = append(out, s)
		}
	}
	return out
}

func (f *fake) ReplaceSessions(_ context.Context, _, _ string, fromMs int64, s []registry.Session) error {
	f.sessions = replaced(f.sessions, fromMs, s)
	return f.err
}

func (f *fake) ReplaceJobTaps(_ context.Context, _, _ string, fromMs int64, s []registry.Session) error {
	f.jobs = replaced(f.jobs, fromMs, s)
	return f.err
}

func replaced(all []registry.Session, fromMs int64, s []registry.Session) []registry.Session {
	return append(slices.DeleteFunc(all, func(old registry.Session) bool { return old.StartMs >= fromMs }), s...)
}
