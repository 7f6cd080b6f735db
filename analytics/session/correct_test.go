package session

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/internal/registry"
)

// derived reads "A 9:00-10:00, ? 11:00-12:00, B 13:00-": sessions of groups (also their cards), ? of card x of nobody.
func derived(t *testing.T, script string) []registry.Session {
	t.Helper()
	var out []registry.Session
	for part := range strings.SplitSeq(script, ", ") {
		if part == "" {
			continue
		}
		group, span, ok := strings.Cut(part, " ")
		require.True(t, ok, part)
		from, to, _ := strings.Cut(span, "-")
		s := registry.Session{Machine: "m", StartMs: clock(t, from), Group: group, CardHash: group, EndReason: EndTap}
		if group == "?" {
			s.Group, s.CardHash = "", "x"
		}
		if to == "" {
			s.EndReason = EndOpen
		} else {
			s.EndMs = clock(t, to)
		}
		out = append(out, s)
	}
	return out
}

// tell writes sessions as derived reads them, with ! for training and the ids of the corrections.
func tell(held []Held) string {
	var words []string
	at := func(ms int64) string { return fmt.Sprintf("%d:%02d", ms/3600_000, ms/60_000%60) }
	for _, h := range held {
		who, end, by := h.Group, "", ""
		if who == "" {
			who = "?"
		}
		if h.Training {
			who += "!"
		}
		if h.EndMs != 0 {
			end = at(h.EndMs)
		}
		if len(h.Corrections) > 0 {
			by = " " + strings.Trim(fmt.Sprint(h.Corrections), "[]")
		}
		words = append(words, fmt.Sprintf("%s %s-%s%s", who, at(h.StartMs), end, by))
	}
	return strings.Join(words, ", ")
}

func TestApply(t *testing.T) {
	at := func(s string) int64 { return clock(t, s) }
	on := func(kind, group, from, to string) registry.Correction { // on the session of a group
		c := registry.Correction{Machine: "m", Kind: kind, FromMs: at(from), GroupWas: group, CardHash: group}
		if group == "?" {
			c.GroupWas, c.CardHash = "", "x"
		}
		if to != "" {
			c.ToMs = at(to)
		}
		return c
	}
	with := func(c registry.Correction, group, when string) registry.Correction {
		c.Group = group
		if when != "" {
			c.AtMs = at(when)
		}
		return c
	}
	assign := func(from, to, group string) registry.Correction {
		return registry.Correction{Machine: "m", Kind: KindAssign, FromMs: at(from), ToMs: at(to), Group: group}
	}
	reverse := func(id int64) registry.Correction {
		return registry.Correction{Machine: "m", Kind: KindReverse, Reverses: id}
	}
	for _, tc := range []struct {
		name, derived string
		corrections   []registry.Correction
		want, told    string
	}{
		{"assign a free stretch", "A 9:00-10:00", []registry.Correction{assign("10:00", "12:00", "B")}, "A 9:00-10:00, B 10:00-12:00 1", "applied"},
		{"assign over a card of nobody", "? 9:00-12:00", []registry.Correction{assign("10:00", "11:00", "B")},
			"? 9:00-10:00 1, B 10:00-11:00 1, ? 11:00-12:00 1", "applied"},
		{"assign over an open card of nobody", "? 9:00-", []registry.Correction{assign("8:00", "11:00", "B")}, "B 8:00-11:00 1, ? 11:00- 1", "applied"},
		{"late taps took a part", "A 10:30-11:00", []registry.Correction{assign("10:00", "12:00", "B")},
			"B 10:00-10:30 1, A 10:30-11:00, B 11:00-12:00 1", "partly taken"},
		{"late taps took everything", "A 9:00-13:00", []registry.Correction{assign("10:00", "12:00", "B")}, "A 9:00-13:00", "conflict taken"},
		{"assigned twice", "", []registry.Correction{assign("10:00", "12:00", "B"), assign("11:00", "13:00", "C")},
			"B 10:00-12:00 1, C 12:00-13:00 2", "applied, partly taken"},
		{"another group", "A 9:00-10:00", []registry.Correction{with(on(KindGroup, "A", "9:00", "10:00"), "B", "")}, "B 9:00-10:00 1", "applied"},
		{"the session grew", "A 9:00-11:00", []registry.Correction{with(on(KindGroup, "A", "9:00", "10:00"), "B", "")}, "B 9:00-11:00 1", "changed end"},
		{"the card's group changed", "C 9:00-10:00", []registry.Correction{func() registry.Correction {
			c := with(on(KindGroup, "A", "9:00", "10:00"), "B", "")
			c.CardHash = "C"
			return c
		}()}, "B 9:00-10:00 1", "changed group"},
		{"the session is gone", "A 9:05-10:00", []registry.Correction{with(on(KindGroup, "A", "9:00", "10:00"), "B", "")}, "A 9:05-10:00", "conflict gone"},
		{"split", "A 9:00-12:00", []registry.Correction{with(on(KindSplit, "A", "9:00", "12:00"), "B", "10:30")}, "A 9:00-10:30 1, B 10:30-12:00 1", "applied"},
		{"split an open one", "A 9:00-", []registry.Correction{with(on(KindSplit, "A", "9:00", ""), "", "10:30")}, "A 9:00-10:30 1, A 10:30- 1", "applied"},
		{"split and correct the second part", "A 9:00-12:00", []registry.Correction{
			with(on(KindSplit, "A", "9:00", "12:00"), "B", "10:30"),
			func() registry.Correction {
				c := with(on(KindGroup, "A", "10:30", "12:00"), "C", "")
				c.GroupWas = "B"
				return c
			}(),
		}, "A 9:00-10:30 1, C 10:30-12:00 1 2", "applied, applied"},
		{"reversing the split leaves the second without its session", "A 9:00-12:00", []registry.Correction{
			with(on(KindSplit, "A", "9:00", "12:00"), "B", "10:30"), with(on(KindGroup, "A", "10:30", "12:00"), "C", ""), reverse(1),
		}, "A 9:00-12:00", "reversed, conflict gone, applied"},
		{"cut the end", "A 9:00-18:00", []registry.Correction{with(on(KindEnd, "A", "9:00", "18:00"), "", "12:00")}, "A 9:00-12:00 1", "applied"},
		{"late data cut it already", "A 9:00-11:00", []registry.Correction{with(on(KindEnd, "A", "9:00", "18:00"), "", "12:00")}, "A 9:00-11:00", "conflict outside"},
		{"training", "A 9:00-10:00", []registry.Correction{on(KindTraining, "A", "9:00", "10:00")}, "A! 9:00-10:00 1", "applied"},
		{"reversed", "A 9:00-10:00", []registry.Correction{on(KindTraining, "A", "9:00", "10:00"), reverse(1)}, "A 9:00-10:00", "reversed, applied"},
		{"the reversal reversed", "A 9:00-10:00", []registry.Correction{on(KindTraining, "A", "9:00", "10:00"), reverse(1), reverse(2)},
			"A! 9:00-10:00 1", "applied, reversed, applied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i := range tc.corrections {
				tc.corrections[i].ID = int64(i + 1)
			}
			held, told := Apply(derived(t, tc.derived), tc.corrections)
			require.Equal(t, tc.want, tell(held))
			var said []string
			for _, c := range told {
				said = append(said, strings.TrimSpace(c.Status+" "+c.Why))
			}
			require.Equal(t, tc.told, strings.Join(said, ", "))
		})
	}
}

func TestVoidedDoubleTap(t *testing.T) {
	// Seven seconds are no bounce: the second tap ended the session, and the tap out in the evening began one.
	taps, intervals := parse(t, "A@9:00 A@9:00:07 run9:05-9:50 A@10:00")
	require.Equal(t, "A 9:00-9:00:07 tap, A 10:00- open", show(Fold(taps, intervals, byCase, nil, DefaultRules)))
	void := voided([]registry.Correction{{ID: 1, Kind: KindVoid, AtMs: clock(t, "9:00:07"), CardHash: "A"}})
	require.Equal(t, "A 9:00-10:00 tap", show(Fold(taps, intervals, byCase, void, DefaultRules)))
	require.Nil(t, voided([]registry.Correction{{ID: 1, Kind: KindVoid, AtMs: 5, CardHash: "A"}, {ID: 2, Kind: KindReverse, Reverses: 1}}))
}

// Whatever is corrected: sessions never overlap, ascend, and what Read gives of a part of the time is what it gives of
// all of it.
func TestCorrectedSessionsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taps, intervals := history(t)
		db := newFake()
		db.sessions = Fold(taps, intervals, byCase, nil, DefaultRules)
		for i := range db.sessions {
			db.sessions[i].Machine = "m"
		}
		held, _ := Apply(db.sessions, nil)
		for i := range rapid.IntRange(0, 8).Draw(t, "corrections") {
			c := registry.Correction{ID: int64(i + 1), Machine: "m", Kind: rapid.SampledFrom(Kinds).Draw(t, "kind"), Group: "C"}
			switch {
			case c.Kind == KindReverse:
				if i == 0 {
					continue
				}
				c.Reverses = int64(rapid.IntRange(1, i).Draw(t, "reverses"))
			case c.Kind == KindAssign || c.Kind == KindVoid || len(held) == 0:
				c.Kind = KindAssign
				c.FromMs = int64(rapid.IntRange(1, 40*3600_000).Draw(t, "from"))
				c.ToMs = c.FromMs + int64(rapid.IntRange(1, 9*3600_000).Draw(t, "length"))
			default:
				h := rapid.SampledFrom(held).Draw(t, "session")
				c.FromMs, c.ToMs, c.CardHash, c.GroupWas = h.StartMs, h.EndMs, h.CardHash, h.Group
				if c.Kind == KindEnd || c.Kind == KindSplit {
					c.AtMs = h.StartMs + int64(rapid.IntRange(1, 4*3600_000).Draw(t, "at"))
				}
			}
			db.corrections = append(db.corrections, c)
			held, _ = Apply(db.sessions, db.corrections)
		}
		var last int64
		for _, h := range held {
			if h.StartMs != endOf(h) { // one that was never used lasts no time and disturbs nobody
				if h.StartMs < last { // telling all of them takes long
					require.Fail(t, "overlap or disorder", tell(held))
				}
				last = endOf(h)
			}
		}
		from := int64(rapid.IntRange(0, 47*3600_000).Draw(t, "window"))
		to := from + int64(rapid.IntRange(1, 10*3600_000).Draw(t, "wide"))
		got, _, err := Read(context.Background(), db, Query{Site: "s", FromMs: from, ToMs: to})
		require.NoError(t, err)
		var want []Held
		for _, h := range held {
			if h.StartMs < to && endOf(h) > from {
				want = append(want, h)
			}
		}
		require.Empty(t, cmp.Diff(want, got))
	})
}
