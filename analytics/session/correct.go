package session

import (
	"cmp"
	"slices"

	"karkhana/internal/registry"
)

// The kinds of corrections. A session is named by machine, start (FromMs) and card (CardHash); ToMs and GroupWas keep
// what it was when it was corrected.
const (
	KindAssign   = "assign"   // [FromMs, ToMs) as far as no group holds the machine: Group holds it
	KindGroup    = "group"    // the session belongs to Group
	KindSplit    = "split"    // the session ends at AtMs and another begins there, of Group ("" the same one)
	KindEnd      = "end"      // the session ends at AtMs
	KindTraining = "training" // the session is training
	KindVoid     = "void"     // the tap at AtMs with CardHash does not count: the fold leaves it out
	KindConfirm  = "confirm"  // the times of [FromMs, ToMs) hold as they are stored, though the gateway had none; changes no session
	KindReverse  = "reverse"  // the correction Reverses does not count
)

// Kinds lists every kind.
var Kinds = []string{KindAssign, KindGroup, KindSplit, KindEnd, KindTraining, KindVoid, KindConfirm, KindReverse}

// What became of a correction.
const (
	StatusApplied  = "applied"
	StatusChanged  = "changed"  // applied, but the session is not what it was when it was corrected: see Why
	StatusPartly   = "partly"   // assign: a part of the stretch is held by others now
	StatusConflict = "conflict" // not applied: see Why
	StatusReversed = "reversed" // another correction takes it back
)

// Why a correction is changed, partly applied or in conflict.
const (
	WhyGone    = "gone"    // no session of that card begins there any more
	WhyOutside = "outside" // the session ends before that instant now
	WhyTaken   = "taken"   // another session covers it now
	WhyEnd     = "end"     // the session has another end now
	WhyGroup   = "group"   // the card gives another group now
)

// Held is a session as it counts: what taps and states gave, with the corrections on top.
type Held struct {
	registry.Session
	Corrections []int64 // ids of those that made it what it is, ascending
}

// Told is a correction and what became of it.
type Told struct {
	registry.Correction
	Status string
	Why    string
}

// Apply puts corrections on top of derived sessions of one machine, in the order they were made: a later one sees
// what the earlier ones left. It is a pure function: late data changes derived, and the corrections are put on it
// anew. One that no longer fits is told, never dropped in silence and never forced: where the taps now say that
// another group held the machine, the taps win and the correction is partly or not applied.
//
// The sessions come ascending by start and never overlap when derived does not. Corrections of kind void are applied
// by the fold and only told here.
func Apply(derived []registry.Session, corrections []registry.Correction) ([]Held, []Told) {
	w := make(work, 0, len(derived))
	for _, s := range derived {
		w = append(w, Held{Session: s})
	}
	w.sort()
	live := active(corrections)
	told := make([]Told, 0, len(corrections))
	for _, c := range byID(corrections) {
		t := Told{Correction: c, Status: StatusReversed}
		if live[c.ID] {
			t.Status, t.Why = w.apply(c)
			w.sort()
		}
		told = append(told, t)
	}
	return w, told
}

func byID(cs []registry.Correction) []registry.Correction {
	cs = slices.Clone(cs)
	slices.SortFunc(cs, func(a, b registry.Correction) int { return cmp.Compare(a.ID, b.ID) })
	return cs
}

// active tells which corrections count. A reversal can be reversed itself.
func active(cs []registry.Correction) map[int64]bool {
	live := make(map[int64]bool, len(cs))
	reversed := map[int64]bool{}
	for _, c := range slices.Backward(byID(cs)) {
		if reversed[c.ID] {
			continue
		}
		live[c.ID] = true
		if c.Kind == KindReverse {
			reversed[c.Reverses] = true
		}
	}
	return live
}

// voided returns which taps are void, nil when none is.
func voided(cs []registry.Correction) func(Tap) bool {
	taps := map[Tap]bool{}
	live := active(cs)
	for _, c := range cs {
		if c.Kind == KindVoid && live[c.ID] {
			taps[Tap{TimeMs: c.AtMs, Card: c.CardHash}] = true
		}
	}
	if len(taps) == 0 {
		return nil
	}
	return func(t Tap) bool { return taps[t] }
}

// work is the list that corrections change one after another.
type work []Held

func (w work) sort() {
	slices.SortStableFunc(w, func(a, b Held) int { return cmp.Or(cmp.Compare(a.StartMs, b.StartMs), cmp.Compare(endOf(a), endOf(b))) })
}

// never is later than any time.
const never = int64(1) << 62

func endOf(h Held) int64 {
	if h.EndMs == 0 {
		return never
	}
	return h.EndMs
}

func (w *work) apply(c registry.Correction) (status, why string) {
	switch c.Kind {
	case KindAssign:
		return w.assign(c)
	case KindVoid, KindConfirm, KindReverse:
		return StatusApplied, ""
	}
	i := slices.IndexFunc(*w, func(h Held) bool { return h.StartMs == c.FromMs && h.CardHash == c.CardHash })
	if i < 0 {
		return StatusConflict, WhyGone
	}
	h := &(*w)[i]
	before := *h
	mark := func() { h.Corrections = append(slices.Clip(h.Corrections), c.ID) }
	switch c.Kind {
	case KindGroup:
		h.Group = c.Group
		mark()
	case KindTraining:
		h.Training = true
		mark()
	case KindEnd, KindSplit:
		if c.AtMs <= h.StartMs || c.AtMs >= endOf(*h) {
			return StatusConflict, WhyOutside
		}
		second := *h
		h.EndMs, h.EndReason = c.AtMs, EndCorrection
		mark()
		if c.Kind == KindSplit {
			second.StartMs, second.Group = c.AtMs, cmp.Or(c.Group, second.Group)
			second.Corrections = append(slices.Clip(second.Corrections), c.ID)
			*w = append(*w, second)
		}
	default:
		return StatusConflict, WhyGone
	}
	switch {
	case before.Group != c.GroupWas:
		return StatusChanged, WhyGroup
	case c.ToMs != 0 && before.EndMs != c.ToMs:
		return StatusChanged, WhyEnd
	}
	return StatusApplied, ""
}

// assign gives what nobody holds of [FromMs, ToMs) to the group. Sessions of cards of nobody make room.
func (w *work) assign(c registry.Correction) (status, why string) {
	free := []span{{c.FromMs, c.ToMs}}
	var kept work
	for _, h := range *w {
		if endOf(h) <= c.FromMs || h.StartMs >= c.ToMs || endOf(h) == h.StartMs {
			kept = append(kept, h)
			continue
		}
		if h.Group != "" {
			kept = append(kept, h)
			free = without(free, span{h.StartMs, endOf(h)})
			continue
		}
		for _, part := range without([]span{{h.StartMs, endOf(h)}}, span{c.FromMs, c.ToMs}) {
			rest := h
			rest.StartMs = part.from
			if part.to != endOf(h) {
				rest.EndMs, rest.EndReason = part.to, EndCorrection
			}
			rest.Corrections = append(slices.Clip(h.Corrections), c.ID)
			kept = append(kept, rest)
		}
	}
	var got int64
	for _, f := range free {
		got += f.to - f.from
		kept = append(kept, Held{
			Session: registry.Session{
				Site: c.Site, Machine: c.Machine, StartMs: f.from, EndMs: f.to, Group: c.Group, EndReason: EndCorrection,
			},
			Corrections: []int64{c.ID},
		})
	}
	*w = kept
	switch got {
	case 0:
		return StatusConflict, WhyTaken
	case c.ToMs - c.FromMs:
		return StatusApplied, ""
	}
	return StatusPartly, WhyTaken
}

// without cuts a stretch out of others.
func without(from []span, cut span) []span {
	var out []span
	for _, s := range from {
		if left := (span{s.from, min(s.to, cut.from)}); left.from < left.to {
			out = append(out, left)
		}
		if right := (span{max(s.from, cut.to), s.to}); right.from < right.to {
			out = append(out, right)
		}
	}
	return out
}
