package session

import (
	"slices"

	"karkhana/analytics/timeline"
)

// Confirmed reports whether a person has confirmed a stretch whose time is bounded, by a correction that holds. told are the
// corrections of its machine. One that has grown since beyond what was confirmed is not.
func Confirmed(told []Told, b timeline.Bounded) bool {
	return slices.ContainsFunc(told, func(t Told) bool {
		return t.Kind == KindConfirm && t.Status == StatusApplied && t.FromMs <= b.FirstMs && b.LastMs < t.ToMs
	})
}
