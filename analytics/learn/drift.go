package learn

import (
	"math"

	"karkhana/internal/registry"
)

// What is judged: working days, so that holidays do not make a machine look changed.
const (
	workDayMs   = 3_600_000      // work that makes a day a working day
	leastWorkMs = 15 * 3_600_000 // in the window
	leastDays   = 5              // working days in the window
	longestDays = 28             // calendar days that a window may reach back
	longestRef  = 14             // days of a reference
)

// The kinds of drift.
const (
	// DriftMargin: the machine now works where a threshold lies.
	DriftMargin = "margin"
	// DriftVanished: a state is no longer seen, and the machine works at powers that it did not know.
	DriftVanished = "vanished"
	// DriftScaled: all powers are another multiple, as after a meter or current transformer of another ratio.
	DriftScaled = "scaled"
)

// Limits, docs/states.md. They were set on paper and hold for every machine.
const (
	marginShare  = 0.05 // of the working time, above twice what the reference had
	vanishedFrom = 0.05 // share of the state in the reference
	vanishedTo   = 0.005
	newHumpShare = 0.05
	newHumpBins  = 8   // 0.16 decades: 1.45 times
	scaledBy     = 1.4 // idle and run alike; the load alone may change without anything being wrong
)

// Drift is a change of a machine that its thresholds do not fit.
type Drift struct {
	Code  string `json:"code" enum:"margin,vanished,scaled"`
	State string `json:"state,omitempty" enum:"off,idle,run" doc:"margin: the state whose threshold is meant; vanished: the state that is gone"`
	// Value: margin: share of the working time around the threshold; vanished: share of the state; scaled: times.
	Value float64 `json:"value" doc:"margin: part of the working time that lies around the threshold; vanished: part that the state still has; scaled: how many times the former power"`
	Was   float64 `json:"was" doc:"The same in the reference"`
	Limit float64 `json:"limit" doc:"What raises"`
}

// Day is the histogram of one day of the site.
type Day struct {
	FromMs int64
	*Histogram
}

// Window is the newest days that together are enough work to judge by, and whether they are.
type Window struct {
	Days         []Day
	Sum          *Histogram
	WorkMs       int64
	WorkDays     int
	Enough       bool
	FromMs, ToMs int64 // of the first and behind the last day
}

// thresholds are those of the settings as places of the histogram's axis.
type thresholds struct {
	idle, run  float64
	hysteresis float64
	states     int
	offEdge    int // bins above are work: beyond what the reference showed while off
}

func newThresholds(ref *Histogram, s registry.Settings) thresholds {
	t := thresholds{idle: s.IdleAbove, run: s.RunAbove, hysteresis: s.Hysteresis, states: 3}
	if t.idle == t.run {
		t.states = 2
	}
	leave := binOf(t.idle * (1 - t.hysteresis))
	if ref.share(0, leave) >= leastShare {
		t.offEdge = min(leave, int(ref.quantile(0, leave, 0.95))+10)
	} else {
		t.offEdge = leave
	}
	return t
}

// around is the stretch of a threshold in which work should not lie: from two hysteresis widths below to one above.
func (t thresholds) around(at float64) (from, to int) {
	return binOf(at * (1 - 2*t.hysteresis)), binOf(at*(1+t.hysteresis)) + 1
}

// work is the time in bins [from, to) in ms.
func (h *Histogram) work(from, to int) float64 {
	sum := 0.0
	for _, ms := range h.ms[max(0, from):min(bins, to)] {
		sum += ms
	}
	return sum
}

// newest gathers the days before the end of days until they are enough; ok is false when they are not within reach.
func newest(days []Day, t thresholds) Window {
	w := Window{Sum: NewHistogram(0)}
	for i := len(days) - 1; i >= 0; i-- {
		d := days[i]
		if len(w.Days) > 0 && w.ToMs-d.FromMs > longestDays*24*3_600_000 {
			break
		}
		if len(w.Days) == 0 {
			w.ToMs = d.FromMs + 24*3_600_000
		}
		w.Days, w.FromMs = append(w.Days, d), d.FromMs
		w.Sum.Merge(d.Histogram)
		ms := int64(d.work(t.offEdge, bins))
		w.WorkMs += ms
		if ms >= workDayMs {
			w.WorkDays++
		}
		if w.WorkDays >= leastDays && w.WorkMs >= leastWorkMs {
			w.Enough = true
			break
		}
	}
	return w
}

// Judgement is what the newest days say against the reference.
type Judgement struct {
	Reference          *Histogram
	RefFromMs, RefToMs int64 // of its first day, behind its last
	Recent             Window
	Known              bool   // both are enough to tell
	Drift              *Drift // nil: none, or not known
}

// ReferenceDays is how many of the first days make a reference: as many as are enough work, up to two weeks.
func ReferenceDays(days []Day, s registry.Settings) int {
	leave := binOf(s.IdleAbove * (1 - s.Hysteresis))
	work, n := int64(0), 0
	for i, d := range days {
		ms := int64(d.work(leave, bins))
		work += ms
		if ms >= workDayMs {
			n++
		}
		if n >= leastDays && work >= leastWorkMs && i+1 >= longestRef {
			return i + 1
		}
	}
	return len(days)
}

// FindDrift holds the newest days against the reference days, those that the thresholds of s were confirmed by. Drift is told when the days up to the
// newest and those up to the working day before both show it. Days are whole and ascending; only those after the reference are judged.
func FindDrift(reference, days []Day, s registry.Settings) Judgement {
	j := Judgement{Reference: NewHistogram(0)}
	for _, d := range reference {
		j.Reference.Merge(d.Histogram)
		j.RefFromMs, j.RefToMs = reference[0].FromMs, d.FromMs+24*3_600_000
	}
	t := newThresholds(j.Reference, s)
	refDays := 0
	for _, d := range reference {
		if int64(d.work(t.offEdge, bins)) >= workDayMs {
			refDays++
		}
	}
	j.Recent = newest(days, t)
	if !j.Recent.Enough || refDays < leastDays || j.Reference.work(t.offEdge, bins) < leastWorkMs {
		return j
	}
	j.Known = true
	first := compare(j.Reference, j.Recent.Sum, t)
	if first == nil {
		return j
	}
	last := len(days) - 1
	for last >= 0 && int64(days[last].work(t.offEdge, bins)) < workDayMs {
		last--
	}
	if before := newest(days[:max(0, last)], t); before.Enough && compare(j.Reference, before.Sum, t) != nil {
		j.Drift = first
	}
	return j
}

// compare finds the drift that hurts most: a state that is gone, work around a threshold, another scale.
func compare(ref, now *Histogram, t thresholds) *Drift {
	if d := vanished(ref, now, t); d != nil {
		return d
	}
	if d := margin(ref, now, t); d != nil {
		return d
	}
	return scaled(ref, now, t)
}

// shares are the parts of off (of all time), idle and run (of the working time) by the thresholds.
func (t thresholds) shares(h *Histogram) (off, idle, run float64) {
	i, r := binOf(t.idle), binOf(t.run)
	work := h.work(t.offEdge, bins)
	if work == 0 {
		return 1, 0, 0
	}
	return h.share(0, i), h.work(i, r) / work, h.work(r, bins) / work
}

func vanished(ref, now *Histogram, t thresholds) *Drift {
	if !newHump(ref, now, t) {
		return nil
	}
	var was, is [3]float64
	was[0], was[1], was[2] = t.shares(ref)
	is[0], is[1], is[2] = t.shares(now)
	for i, state := range []string{"off", "idle", "run"} {
		if state == "idle" && t.states == 2 {
			continue
		}
		if was[i] >= vanishedFrom && is[i] < vanishedTo {
			return &Drift{Code: DriftVanished, State: state, Value: is[i], Was: was[i], Limit: vanishedTo}
		}
	}
	return nil
}

// newHump reports whether the machine works at a power that it did not work at before.
func newHump(ref, now *Histogram, t thresholds) bool {
	former := humps(smoothed(ref), ref)
	smooth := smoothed(now)
	work := now.work(t.offEdge, bins)
	for _, p := range humps(smooth, now) {
		if p < t.offEdge || now.work(p-3, p+4) < newHumpShare*work {
			continue
		}
		known := false
		for _, f := range former {
			known = known || max(p-f, f-p) < newHumpBins
		}
		if !known {
			return true
		}
	}
	return false
}

func margin(ref, now *Histogram, t thresholds) *Drift {
	var worst *Drift
	for _, k := range []struct {
		state string
		at    float64
	}{{"idle", t.idle}, {"run", t.run}} {
		if k.state == "idle" && t.states == 2 {
			continue
		}
		from, to := t.around(k.at)
		from = max(from, t.offEdge)
		was, is := ref.work(from, to)/ref.work(t.offEdge, bins), now.work(from, to)/now.work(t.offEdge, bins)
		if limit := 2*was + marginShare; is >= limit && (worst == nil || is-limit > worst.Value-worst.Limit) {
			worst = &Drift{Code: DriftMargin, State: k.state, Value: is, Was: was, Limit: limit}
		}
	}
	return worst
}

func scaled(ref, now *Histogram, t thresholds) *Drift {
	times := func(from, to int) float64 {
		if ref.share(from, to) < leastShare || now.share(from, to) < leastShare {
			return math.NaN()
		}
		return valueAt(now.quantile(from, to, 0.5)) / valueAt(ref.quantile(from, to, 0.5))
	}
	idle, run := times(binOf(t.idle), binOf(t.run)), times(binOf(t.run), bins)
	if t.states == 2 {
		return nil // another load looks the same: only what idles is a witness
	}
	least := min(idle, run)
	if most := max(idle, run); most < 1 {
		least = 1 / most
	}
	if least >= scaledBy { // NaN is not
		return &Drift{Code: DriftScaled, Value: run, Was: 1, Limit: scaledBy}
	}
	return nil
}
