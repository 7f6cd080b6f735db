package fold

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"sort"
	"time"
)

// version changes whenever the fold would give something else for the same samples, so that old checkpoints no longer
// fit and everything is rebuilt.
const version = 5

// defaultGapLimitMs holds where there is no rule (domain: max(3 × report interval, 180 s)).
const defaultGapLimitMs = 180_000

// Rule says how samples become levels and states from FromMs on, until the next rule.
type Rule struct {
	FromMs                              int64
	Signal                              string  // name of the quantity; only part of the rule's identity here
	IdleAbove, RunAbove                 float64 // 0 < IdleAbove ≤ RunAbove; equal: no idle
	Hysteresis                          float64 // 0 ≤ h < 1
	DwellOffMs, DwellIdleMs, DwellRunMs int64
	GapLimitMs                          int64 // > 0

	// PulseMs is the longest pause between two strokes of work: samples at run no farther apart are one streak of run, and
	// run is left only after a longer pause. 0: every sample speaks for itself.
	PulseMs int64
	// Phases of a furnace, see thermal.go; PhaseRate 0: the machine has none.
	PhaseRate float64 // °C/min: steeper is heating or cooling
	PhaseBand float64 // °C around the set value that is soak; at least 1 % of the set value
	PhaseCold float64 // °C: below this a furnace that is not heated is cold
}

// Rules is the dated list of a machine's rules and the zone of its hours. It is read-only and may be shared.
type Rules struct {
	zone  *time.Location
	rules []rule
}

// rule is a Rule made ready for stepping.
type rule struct {
	Rule
	idleLeave, runLeave float64
	dwell               [4]int64
	pulsing             [4]int64 // dwell when run is left
	phases              phaseRule
	identity            uint64 // of this rule and all before it, the zone and the fold's version
}

// NewRules makes the list ready. Rules ascend by FromMs; none at all is allowed.
func NewRules(zone *time.Location, in ...Rule) *Rules {
	r := &Rules{zone: zone}
	h := fnv.New64a()
	word := func(v uint64) { _, _ = h.Write(binary.LittleEndian.AppendUint64(nil, v)) }
	word(version)
	_, _ = h.Write([]byte(zone.String()))
	if len(in) == 0 {
		in = []Rule{{IdleAbove: math.Inf(1), RunAbove: math.Inf(1), GapLimitMs: defaultGapLimitMs}}
	}
	for i, x := range in {
		if i > 0 {
			word(uint64(x.FromMs))
		}
		_, _ = h.Write([]byte(x.Signal))
		for _, f := range []float64{x.IdleAbove, x.RunAbove, x.Hysteresis, x.PhaseRate, x.PhaseBand, x.PhaseCold} {
			word(math.Float64bits(f))
		}
		for _, n := range []int64{x.DwellOffMs, x.DwellIdleMs, x.DwellRunMs, x.GapLimitMs, x.PulseMs} {
			word(uint64(n))
		}
		r.rules = append(r.rules, rule{
			Rule:      x,
			idleLeave: x.IdleAbove * (1 - x.Hysteresis),
			runLeave:  x.RunAbove * (1 - x.Hysteresis),
			dwell:     [4]int64{Off: x.DwellOffMs, Idle: x.DwellIdleMs, Run: x.DwellRunMs},
			pulsing:   [4]int64{Off: max(x.DwellOffMs, x.PulseMs), Idle: max(x.DwellIdleMs, x.PulseMs)},
			phases:    newPhaseRule(x),
			identity:  h.Sum64(),
		})
	}
	return r
}

// at returns the index of the rule in force at ms.
func (r *Rules) at(ms int64) int {
	return max(0, sort.Search(len(r.rules), func(i int) bool { return r.rules[i].FromMs > ms })-1)
}

// Identity names the whole list, the zone and the version of the fold: equal identities mean equal folds.
func (r *Rules) Identity() uint64 { return r.rules[len(r.rules)-1].identity }

// At returns the index of the rule in force at ms in the list given to NewRules; 0 also before the first one.
func (r *Rules) At(ms int64) int { return r.at(ms) }

// Zone is the zone of the site's hours.
func (r *Rules) Zone() *time.Location { return r.zone }

// identityBefore names everything that could have shaped a fold of samples before ms.
func (r *Rules) identityBefore(ms int64) uint64 { return r.rules[r.at(ms-1)].identity }

// level judges x, given the level before it (Unknown: none, no hysteresis).
func (r *rule) level(x float64, before State) State {
	run, idle := r.RunAbove, r.IdleAbove
	if before == Run {
		run = r.runLeave
	}
	if before == Run || before == Idle {
		idle = r.idleLeave
	}
	switch {
	case x >= run:
		return Run
	case x >= idle && r.IdleAbove < r.RunAbove:
		return Idle
	default:
		return Off
	}
}
