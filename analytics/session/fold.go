package session

import (
	"cmp"
	"slices"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// Reasons why a session ended.
const (
	EndTap       = "tap"       // the same card again
	EndTakeover  = "takeover"  // another card
	EndForgotten = "forgotten" // no load for too long: closed at the last load
	EndOpen      = "open"      // not ended

	EndCorrection = "correction" // a person said so, see Apply
)

// Tap is one reading of a card at a machine.
type Tap struct {
	TimeMs int64
	Card   string // salted hash
}

// Rules are the limits of the fold.
type Rules struct {
	ForgottenAfterMs int64 // a pause without load longer than this ends a session at its last load
	BounceMs         int64 // a tap of the same card within so much of the previous tap does not count
}

// DefaultRules are two hours and five seconds.
var DefaultRules = Rules{ForgottenAfterMs: 2 * 3600_000, BounceMs: 5000}

// Fold turns the taps of one machine into its sessions, ascending by start and never overlapping. intervals are the
// machine's states over the same time, ascending, whole; groupOf names the group that holds a card at an instant, ""
// for a card of nobody. A tap for which void is true (nil: none) does not count, nor do its bounces. Unordered or repeated taps do no harm. Site and Machine of the sessions are left empty.
//
// A trailing unknown interval is not looked at: that no data came yet says nothing about the machine, and where it
// ends depends on the clock.
func Fold(taps []Tap, intervals []timeline.Interval, groupOf func(card string, atMs int64) string, void func(Tap) bool, r Rules) []registry.Session {
	taps = counted(taps, r.BounceMs)
	if void != nil {
		taps = slices.DeleteFunc(taps, void)
	}
	loads := loadsOf(intervals)
	endOfData := dataEnd(taps, intervals)

	var out []registry.Session
	var open *registry.Session
	closeAt := func(endMs int64, reason string) {
		open.EndMs, open.EndReason = endMs, reason
		out = append(out, *open)
		open = nil
	}
	for _, t := range taps {
		if open != nil {
			if lastLoad, forgotten := forgottenBy(open.StartMs, t.TimeMs, loads, r.ForgottenAfterMs); forgotten {
				closeAt(lastLoad, EndForgotten)
			}
		}
		switch {
		case open == nil:
		case open.CardHash == t.Card:
			closeAt(t.TimeMs, EndTap)
			continue
		default:
			closeAt(t.TimeMs, EndTakeover)
		}
		open = &registry.Session{StartMs: t.TimeMs, Group: groupOf(t.Card, t.TimeMs), CardHash: t.Card}
	}
	if open != nil {
		if lastLoad, forgotten := forgottenBy(open.StartMs, endOfData, loads, r.ForgottenAfterMs); forgotten {
			closeAt(lastLoad, EndForgotten)
		} else {
			closeAt(0, EndOpen)
		}
	}
	return out
}

// counted returns the taps in order of time without repetitions and bounces. A bounce is measured from the tap
// before it, counted or not, so that a card left on the reader counts once.
func counted(taps []Tap, bounceMs int64) []Tap {
	taps = slices.Clone(taps)
	slices.SortFunc(taps, func(a, b Tap) int {
		return cmp.Or(cmp.Compare(a.TimeMs, b.TimeMs), cmp.Compare(a.Card, b.Card))
	})
	out := taps[:0:0]
	for i, t := range taps {
		if i > 0 && taps[i-1].Card == t.Card && t.TimeMs-taps[i-1].TimeMs <= bounceMs {
			continue
		}
		out = append(out, t)
	}
	return out
}

// span is a stretch of time, half-open.
type span struct{ from, to int64 }

// loadsOf returns the stretches in run or idle, neighbours joined.
func loadsOf(intervals []timeline.Interval) []span {
	var out []span
	for _, iv := range intervals {
		if iv.State != timeline.StateRun && iv.State != timeline.StateIdle {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == iv.StartMs {
			out[n-1].to = iv.EndMs
			continue
		}
		out = append(out, span{iv.StartMs, iv.EndMs})
	}
	return out
}

// dataEnd is how far anything is known: the last tap or the end of the last interval that is not unknown.
func dataEnd(taps []Tap, intervals []timeline.Interval) int64 {
	var end int64
	if n := len(taps); n > 0 {
		end = taps[n-1].TimeMs
	}
	for i := len(intervals) - 1; i >= 0; i-- {
		if intervals[i].State != timeline.StateUnknown {
			return max(end, intervals[i].EndMs)
		}
	}
	return end
}

// forgottenBy reports whether a session begun at startMs was forgotten by atMs: whether between them lies a pause
// without load longer than limitMs. lastLoadMs is where the first such pause begins.
func forgottenBy(startMs, atMs int64, loads []span, limitMs int64) (lastLoadMs int64, forgotten bool) {
	last := startMs
	first, _ := slices.BinarySearchFunc(loads, startMs, func(s span, at int64) int { return cmp.Compare(s.to, at) })
	for _, l := range loads[first:] {
		if l.from >= atMs || l.from-last > limitMs {
			break
		}
		last = max(last, min(l.to, atMs))
	}
	return last, atMs-last > limitMs
}
