package sampler

import (
	"math"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// jumps tells when somebody who watches a machine would want to see its newest sample at once: its power, or its
// current, is twice or half of what was sent last. So packs may be long, which makes them short on the wire, and a
// machine that starts or stops still shows within a second or two.
//
// It sends early at most once in the time that a pack may take, so a machine that swings all the time costs twice the
// packs and not one for each sample.
type jumps struct {
	sent, now [2]float64 // power, current; as last handed over, and since
	known     [2]bool
	jumped    bool
	early     time.Time // when a pack was last handed over early
}

// floors are changes that nobody looks at, W and A.
var floors = [2]float64{20, 0.2}

// see takes a sample into account.
func (j *jumps) see(s *wire.Sample) {
	i := 0
	switch s.Quantity {
	case quantity.Power:
	case quantity.Current:
		i = 1
	default:
		return
	}
	if s.IsFault() {
		return
	}
	v := math.Abs(s.Number)
	if !j.known[i] {
		j.sent[i], j.known[i] = v, true
	}
	j.now[i] = v
	low, high := min(v, j.sent[i]), max(v, j.sent[i])
	j.jumped = j.jumped || high >= 2*low && high-low >= floors[i]
}

// due tells whether the open pack is to be handed over early; longest is how long it may take.
func (j *jumps) due(now time.Time, longest time.Duration) bool {
	if !j.jumped || !j.early.IsZero() && now.Sub(j.early) < longest && now.After(j.early) {
		return false
	}
	j.early = now
	return true
}

// handedOver is called when a pack was.
func (j *jumps) handedOver() { j.sent, j.jumped = j.now, false }
