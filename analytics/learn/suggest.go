package learn

import (
	"fmt"
	"math"

	"karkhana/analytics/timeline"
)

// Reasons why there is no suggestion.
const (
	TooShort    = "too-short"    // less known time than asked for
	Missing     = "missing"      // a state does not occur, or in less than 2 % of the time
	NotSeparate = "not-separate" // two classes run into each other
)

// Limits of domain page §4.2.
const (
	leastShare      = 0.02
	leastSeparation = 3
	// A lowest class above this part of the highest is no standstill.
	mostOffPart = 0.2
)

// Refusal says why there is no suggestion.
type Refusal struct {
	Code string `json:"code" enum:"too-short,missing,not-separate"`
	// State concerned: of missing the one that is not there ("" when it can't be told which), of not-separate the higher one.
	State string  `json:"state,omitempty"`
	Have  float64 `json:"have"` // known hours, share of time, or separation
	Need  float64 `json:"need"`
}

// Error says it in English.
func (r Refusal) Error() string {
	switch r.Code {
	case TooShort:
		return fmt.Sprintf("only %.0f hours are known, %.0f are needed; ask for a longer stretch or wait", r.Have, r.Need)
	case NotSeparate:
		return fmt.Sprintf("%s and the state below it run into each other: their centres lie %.1f times their spread apart, %.0f are needed; choose another signal (power_max, power_min) or set the thresholds by hand", r.State, r.Have, r.Need)
	}
	if r.State == "" {
		return "a state is missing from this stretch; ask for one in which the machine stands, idles and runs"
	}
	return fmt.Sprintf("state %s is missing from this stretch (%.1f %% of the time, %.0f %% are needed); ask for one in which it occurs", r.State, 100*r.Have, 100*r.Need)
}

// Class is one state as it shows in the histogram.
type Class struct {
	State  string  `json:"state" enum:"off,idle,run"`
	Centre float64 `json:"centre" doc:"Median, unit of the signal"`
	Low    float64 `json:"low" doc:"A twentieth of its time lies below"`
	High   float64 `json:"high" doc:"A twentieth of its time lies above"`
	Share  float64 `json:"share" doc:"Part of the known time"`
}

// Bin is a bar of the histogram.
type Bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Share float64 `json:"share" doc:"Part of the known time"`
}

// Suggestion is what a histogram says, whether or not it is refused.
type Suggestion struct {
	IdleAbove, RunAbove float64 // 0 when refused before any cut
	PulseMs             int64   // 0: no work in strokes
	Classes             []Class
	Separation          []float64 // of each class from the one below, in spreads
	Histogram           []Bin
	Refused             *Refusal
}

// Suggest finds the thresholds of a machine with two (off, run) or three states. leastMs is the known time below which
// nothing is said.
func Suggest(h *Histogram, states int, leastMs int64, method Method) Suggestion {
	s := Suggestion{Histogram: Bars(h)}
	refuse := func(r Refusal) Suggestion { s.Refused = &r; return s }
	if h.known < leastMs || h.known == 0 {
		return refuse(Refusal{Code: TooShort, Have: float64(h.known) / 3.6e6, Need: float64(leastMs) / 3.6e6})
	}
	names := []string{timeline.StateOff, timeline.StateRun}
	if states == 3 {
		names = []string{timeline.StateOff, timeline.StateIdle, timeline.StateRun}
	}
	cuts := method(h, states)
	edges := []int{0}
	for _, c := range cuts {
		edges = append(edges, c+1)
	}
	edges = append(edges, bins)
	var spreads, centres []float64
	for i := 1; i < len(edges); i++ {
		a, b := edges[i-1], edges[i]
		centre := h.quantile(a, b, 0.5)
		centres = append(centres, centre)
		spreads = append(spreads, max(0.5, (h.quantile(a, b, 0.9)-h.quantile(a, b, 0.1))/2.56))
		c := Class{Centre: valueAt(centre), Low: valueAt(h.quantile(a, b, 0.05)), High: valueAt(h.quantile(a, b, 0.95)), Share: h.share(a, b)}
		if len(cuts) == states-1 {
			c.State = names[i-1]
		}
		s.Classes = append(s.Classes, c)
	}
	for i := 1; i < len(centres); i++ {
		s.Separation = append(s.Separation, (centres[i]-centres[i-1])/math.Max(spreads[i], spreads[i-1]))
	}
	top := s.Classes[len(s.Classes)-1]
	if len(cuts) < states-1 {
		missing := ""
		switch {
		case len(s.Classes) > 1 && s.Classes[0].Centre > mostOffPart*top.Centre:
			missing = timeline.StateOff
		case len(s.Classes) == 2:
			missing = timeline.StateIdle
		case len(s.Classes) == 1 && top.Centre < 10:
			missing = timeline.StateRun
		case len(s.Classes) == 1:
			missing = timeline.StateOff
		}
		return refuse(Refusal{Code: Missing, State: missing, Need: leastShare})
	}
	s.IdleAbove, s.RunAbove = valueAt(float64(cuts[0]+1)), valueAt(float64(cuts[len(cuts)-1]+1))
	if s.Classes[0].Centre > mostOffPart*top.Centre {
		return refuse(Refusal{Code: Missing, State: timeline.StateOff, Need: leastShare})
	}
	for i, c := range s.Classes {
		if c.Share < leastShare {
			return refuse(Refusal{Code: Missing, State: c.State, Have: c.Share, Need: leastShare})
		}
		if i > 0 && s.Separation[i-1] < leastSeparation {
			return refuse(Refusal{Code: NotSeparate, State: c.State, Have: s.Separation[i-1], Need: leastSeparation})
		}
	}
	s.IdleAbove, s.RunAbove = rounded(s.IdleAbove), rounded(s.RunAbove)
	return s
}

// rounded keeps two significant digits: more would pretend.
func rounded(v float64) float64 {
	if v <= 0 {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	out := math.Round(v/unit) * unit
	return math.Round(out*1e6) / 1e6
}

// Bars are the bins for people: three of the method's in one, empty ends left out.
func Bars(h *Histogram) []Bin {
	const join = 3
	var out []Bin
	for i := 0; i < bins; i += join {
		b := Bin{From: valueAt(float64(i)), To: valueAt(float64(min(bins, i+join))), Share: h.share(i, min(bins, i+join))}
		if b.Share > 0 || len(out) > 0 {
			out = append(out, b)
		}
	}
	for len(out) > 0 && out[len(out)-1].Share == 0 {
		out = out[:len(out)-1]
	}
	return out
}

// Pauses gathers the pauses between two strokes of work, to see whether a machine works in pulses.
type Pauses struct {
	above     float64
	lastRunMs int64
	below     bool
	short     [longestPause + 1]int // by seconds
	long      int
}

const longestPause = 120 // seconds

// NewPauses takes samples at or above the value as strokes.
func NewPauses(runAbove float64) *Pauses { return &Pauses{above: runAbove} }

// Add takes the value at ms.
func (p *Pauses) Add(ms int64, value float64) {
	if value < p.above {
		p.below = true
		return
	}
	if p.below && p.lastRunMs != 0 {
		if s := (ms - p.lastRunMs) / 1000; s <= longestPause {
			p.short[s]++
		} else {
			p.long++
		}
	}
	p.lastRunMs, p.below = ms, false
}

// PulseMs is the pause to bridge: half as much again as nearly all of the short ones. 0: the machine does not work in pulses.
func (p *Pauses) PulseMs() int64 {
	n := 0
	for _, c := range p.short {
		n += c
	}
	if n < 30 || n < 5*p.long {
		return 0
	}
	sum := 0
	for s, c := range p.short {
		if sum += c; sum*20 >= n*19 {
			return (int64(s)*3/2/5 + 1) * 5000
		}
	}
	return 0
}
