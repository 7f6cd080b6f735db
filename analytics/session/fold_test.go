package session

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// Scripts: one word per tap or state. "A@9:00" is card A at nine, "run9:10-9:40" a state; a card in lower case belongs
// to nobody.
func TestFold(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"tap in, tap out", "A@9:00 run9:05-9:50 A@10:00", "A 9:00-10:00 tap"},
		{"takeover", "A@9:00 run9:05-12:00 B@10:00 B@11:00", "A 9:00-10:00 takeover, B 10:00-11:00 tap"},
		{"still open", "A@9:00 run9:05-9:50", "A 9:00- open"},
		{"no data after the tap", "A@9:00", "A 9:00- open"},
		{"forgotten at the last load", "A@9:00 run9:05-10:00 idle10:00-10:20 off10:20-12:20:01", "A 9:00-10:20 forgotten"},
		{"exactly the limit is not longer", "A@9:00 run9:05-10:20 off10:20-12:20", "A 9:00- open"},
		{"never used", "A@9:00 off8:00-11:30", "A 9:00-9:00 forgotten"},
		{"unknown counts as no load", "A@9:00 run9:05-10:00 unknown10:00-13:00 off13:00-13:01", "A 9:00-10:00 forgotten"},
		{"trailing unknown says nothing", "A@9:00 run9:05-10:00 unknown10:00-20:00", "A 9:00- open"},
		{"later load is nobody's", "A@9:00 run9:05-10:00 off10:00-13:00 run13:00-14:00", "A 9:00-10:00 forgotten"},
		{"same card the next day opens anew", "A@9:00 run9:05-10:00 off10:00-33:00 A@33:00 run33:00-34:00 A@34:00",
			"A 9:00-10:00 forgotten, A 33:00-34:00 tap"},
		{"other card after a forgotten one", "A@9:00 run9:05-10:00 off10:00-13:00 B@13:00", "A 9:00-10:00 forgotten, B 13:00- open"},
		{"a whole day of idling is load", "A@9:00 idle9:00-20:00 A@20:00", "A 9:00-20:00 tap"},
		{"running before the tap", "run8:00-9:30 A@9:00 off9:30-12:00", "A 9:00-9:30 forgotten"},
		{"pauses below the limit", "A@9:00 run9:00-9:30 off9:30-11:00 run11:00-11:30 off11:30-13:00 A@13:00", "A 9:00-13:00 tap"},
		{"bounce", "A@9:00 A@9:00:05 run9:05-9:50 A@10:00 A@10:00:03", "A 9:00-10:00 tap"},
		{"not a bounce", "A@9:00 A@9:00:06", "A 9:00-9:00:06 tap"},
		{"card left on the reader", "A@9:00 A@9:00:04 A@9:00:08 A@9:00:12 A@9:30", "A 9:00-9:30 tap"},
		{"another card at once is a takeover", "A@9:00 B@9:00:02 A@9:00:04", "A 9:00-9:00:02 takeover, B 9:00:02-9:00:04 takeover, A 9:00:04- open"},
		{"card of nobody", "x@9:00 run9:05-9:50 x@10:00", "x? 9:00-10:00 tap"},
		{"no taps", "run9:05-9:50", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			taps, intervals := parse(t, tc.script)
			require.Equal(t, tc.want, show(Fold(taps, intervals, byCase, nil, DefaultRules)))
		})
	}
}

func TestGroupOf(t *testing.T) {
	held := holdersOf([]registry.Card{
		{Hash: "c", Group: "old", ValidFromMs: 0, ValidTo: 100},
		{Hash: "c", Group: "new", ValidFromMs: 100},
		{Hash: "c", Group: "newest", ValidFromMs: 200},
	})
	groupOf := func(card string, atMs int64) string { return held(card, atMs).Group }
	require.Equal(t, "old", groupOf("c", 99))
	require.Equal(t, "new", groupOf("c", 100))
	require.Equal(t, "newest", groupOf("c", 200))
	require.Empty(t, groupOf("d", 200))
}

// Sessions never overlap, ascend, and come out the same whatever the order and repetition of the taps.
func TestFoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taps, intervals := history(t)
		want := Fold(taps, intervals, byCase, nil, DefaultRules)
		for i, s := range want {
			last := i == len(want)-1
			require.True(t, s.EndMs >= s.StartMs || (last && s.EndMs == 0), "ends before its start or is open in the middle: %v", s)
			if i > 0 {
				require.GreaterOrEqual(t, s.StartMs, want[i-1].EndMs)
			}
		}
		again := append(rapid.Permutation(taps).Draw(t, "shuffled"), taps...)
		require.Empty(t, cmp.Diff(want, Fold(again, intervals, byCase, nil, DefaultRules)))
	})
}

// history draws taps of three cards and states that tile two days.
func history(t *rapid.T) ([]Tap, []timeline.Interval) {
	const days = 2 * 86_400_000
	var taps []Tap
	for at := int64(0); ; {
		at += int64(rapid.OneOf(rapid.IntRange(1000, 10_000), rapid.IntRange(10_000, 4*3600_000)).Draw(t, "wait"))
		if at >= days {
			break
		}
		taps = append(taps, Tap{at, rapid.SampledFrom([]string{"A", "B", "x", "T", "J"}).Draw(t, "card")})
	}
	var intervals []timeline.Interval
	for at := int64(0); at < days; {
		end := min(at+int64(rapid.IntRange(60_000, 5*3600_000).Draw(t, "length")), days)
		state := rapid.SampledFrom([]string{timeline.StateOff, timeline.StateIdle, timeline.StateRun, timeline.StateUnknown}).Draw(t, "state")
		intervals = append(intervals, timeline.Interval{State: state, StartMs: at, EndMs: end})
		at = end
	}
	return taps, intervals
}

// byCase gives cards in capitals to a group of the same name.
func byCase(card string, _ int64) string {
	if strings.ToUpper(card) == card {
		return card
	}
	return ""
}

func parse(t *testing.T, script string) (taps []Tap, intervals []timeline.Interval) {
	t.Helper()
	for word := range strings.FieldsSeq(script) {
		if card, at, ok := strings.Cut(word, "@"); ok {
			taps = append(taps, Tap{clock(t, at), card})
			continue
		}
		digit := strings.IndexAny(word, "0123456789")
		from, to, ok := strings.Cut(word[digit:], "-")
		require.True(t, ok, word)
		intervals = append(intervals, timeline.Interval{State: word[:digit], StartMs: clock(t, from), EndMs: clock(t, to)})
	}
	return taps, intervals
}

func clock(t *testing.T, s string) int64 {
	t.Helper()
	var ms, unit int64 = 0, 3600_000
	for p := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseInt(p, 10, 64)
		require.NoError(t, err, s)
		ms, unit = ms+n*unit, unit/60
	}
	return ms
}

func show(sessions []registry.Session) string {
	tell := func(ms int64) string {
		s := fmt.Sprintf("%d:%02d", ms/3600_000, ms/60_000%60)
		if sec := ms / 1000 % 60; sec != 0 {
			s += fmt.Sprintf(":%02d", sec)
		}
		return s
	}
	var words []string
	for _, s := range sessions {
		card, end := s.CardHash, ""
		if s.Group == "" {
			card += "?"
		}
		if s.EndMs != 0 {
			end = tell(s.EndMs)
		}
		words = append(words, fmt.Sprintf("%s %s-%s %s", card, tell(s.StartMs), end, s.EndReason))
	}
	return strings.Join(words, ", ")
}
