package calendar

import (
	"cmp"
	"slices"
	"time"

	"karkhana/internal/registry"
)

// Kind says what a stretch of time is planned to be.
type Kind uint8

// The kinds of time. Later ones win where a shift is more than one of break, maintenance, closure and holiday.
const (
	KindOutside     Kind = iota // outside of any shift: neither POT nor PBT
	KindNone                    // no calendar in force: POT and PBT
	KindWork                    // within a shift: POT and PBT
	KindBreak                   // POT
	KindMaintenance             // planned: POT
	KindClosure                 // POT
	KindHoliday                 // neither
)

var kindNames = [...]string{"outside", "none", "work", "break", "maintenance", "closure", "holiday"}

// String is the kind as the API writes it.
func (k Kind) String() string { return kindNames[k] }

// Operation reports whether the time is planned operation time (POT).
func (k Kind) Operation() bool { return k != KindOutside && k != KindHoliday }

// Busy reports whether the time is planned busy time (PBT).
func (k Kind) Busy() bool { return k == KindWork || k == KindNone }

// Turn is one occurrence of a shift: the evening of the 3rd to the morning of the 4th. It belongs to the day it begins.
type Turn struct {
	FromMs, ToMs int64
	Shift        string
	Name         registry.Name
}

// Stretch is a half-open stretch of one kind. Turn is the occurrence it lies in, nil outside; Stop the planned stop that
// makes it what it is, nil without one. Both are shared: don't change them.
type Stretch struct {
	FromMs, ToMs int64
	Kind         Kind
	Turn         *Turn
	Stop         *registry.PlannedStop
}

// Rules are a site's rules, ready to be asked. Make them with New; they are safe for concurrent use.
type Rules struct {
	zone  *time.Location
	weeks map[string][]registry.CalendarWeek // by machine, ascending
	stops []registry.PlannedStop
}

// New makes rules of a site's calendar. The stops must be all that overlap any range that will be asked for.
func New(zone *time.Location, c registry.Calendar) *Rules {
	r := &Rules{zone: zone, weeks: map[string][]registry.CalendarWeek{}, stops: slices.Clone(c.Stops)}
	for _, w := range c.Weeks {
		r.weeks[w.Machine] = append(r.weeks[w.Machine], w)
	}
	for _, ws := range r.weeks {
		slices.SortFunc(ws, func(a, b registry.CalendarWeek) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	}
	return r
}

// Own reports whether a machine has hours or stops of its own; all others of the site have the same plan ("").
func (r *Rules) Own(machine string) bool {
	return len(r.weeks[machine]) > 0 || slices.ContainsFunc(r.stops, func(s registry.PlannedStop) bool { return s.Machine == machine })
}

// weekAt returns the week of a machine for the day that begins at midnightMs; false: none is in force.
func (r *Rules) weekAt(machine string, midnightMs int64) (registry.CalendarWeek, bool) {
	if machine != "" {
		if w, ok := inForce(r.weeks[machine], midnightMs); ok && !w.LikeSite {
			return w, true
		}
	}
	return inForce(r.weeks[""], midnightMs)
}

func inForce(ws []registry.CalendarWeek, ms int64) (registry.CalendarWeek, bool) {
	for i := len(ws) - 1; i >= 0; i-- {
		if ws[i].ValidFromMs <= ms {
			return ws[i], true
		}
	}
	return registry.CalendarWeek{}, false
}

// turn is a Turn with its breaks.
type turn struct {
	Turn
	breaks []span
}

type span struct{ from, to int64 }

// days returns the turns of a machine and the days without calendar that overlap [fromMs, toMs), both ascending and
// without overlap.
func (r *Rules) days(machine string, fromMs, toMs int64) (turns []turn, bare []span) {
	first := time.UnixMilli(fromMs).In(r.zone)
	y, m, d := first.Date()
	for n := -2; ; n++ { // a turn is shorter than two days
		midnight := r.instant(y, m, d+n, 0)
		if midnight >= toMs {
			break
		}
		w, ok := r.weekAt(machine, midnight)
		if !ok {
			bare = append(bare, span{midnight, r.instant(y, m, d+n+1, 0)})
			continue
		}
		weekday := int(time.Date(y, m, d+n, 12, 0, 0, 0, time.UTC).Weekday())
		for _, s := range w.Shifts {
			if !slices.Contains(s.Days, weekday) || s.To <= s.From {
				continue
			}
			at := func(minutes int64) int64 { return r.instant(y, m, d+n, minutes) }
			t := turn{Turn: Turn{FromMs: at(s.From), ToMs: at(s.To), Shift: s.ID, Name: s.Name}}
			for _, b := range s.Breaks {
				t.breaks = append(t.breaks, span{at(b.From), at(b.To)})
			}
			turns = append(turns, t)
		}
	}
	// Shifts of one week don't overlap, but where one week follows another, or a clock is set back, they may: the earlier
	// keeps its time.
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.FromMs, b.FromMs) })
	end := int64(-1 << 62)
	kept := turns[:0]
	for _, t := range turns {
		t.FromMs = max(t.FromMs, end)
		if t.FromMs >= t.ToMs {
			continue
		}
		end = t.ToMs
		if t.ToMs > fromMs && t.FromMs < toMs {
			kept = append(kept, t)
		}
	}
	return kept, bare
}

// Turns returns the occurrences of shifts that begin in [fromMs, toMs), ascending, whole.
func (r *Rules) Turns(machine string, fromMs, toMs int64) []Turn {
	var out []Turn
	if fromMs >= toMs {
		return nil
	}
	turns, _ := r.days(machine, fromMs, toMs)
	for _, t := range turns {
		if t.FromMs >= fromMs {
			out = append(out, t.Turn)
		}
	}
	return out
}

// Plan returns what [fromMs, toMs) is planned to be for a machine ("": for those without rules of their own): stretches
// that tile it, ascending, neighbours unlike. An empty range gives none.
func (r *Rules) Plan(machine string, fromMs, toMs int64) []Stretch {
	if fromMs >= toMs {
		return nil
	}
	turns, bare := r.days(machine, fromMs, toMs)
	var stops []*registry.PlannedStop
	for i := range r.stops {
		if s := &r.stops[i]; (s.Machine == "" || s.Machine == machine) && s.FromMs < toMs && s.ToMs > fromMs {
			stops = append(stops, s)
		}
	}
	edges := edgesOf(turns, bare, stops, fromMs, toMs)
	var out []Stretch
	for i := 0; i+1 < len(edges); i++ {
		s := Stretch{FromMs: edges[i], ToMs: edges[i+1]}
		for len(turns) > 0 && turns[0].ToMs <= s.FromMs {
			turns = turns[1:]
		}
		for len(bare) > 0 && bare[0].to <= s.FromMs {
			bare = bare[1:]
		}
		switch {
		case len(turns) > 0 && turns[0].FromMs <= s.FromMs:
			s.Kind, s.Turn = KindWork, &turns[0].Turn
			if slices.ContainsFunc(turns[0].breaks, func(b span) bool { return b.from <= s.FromMs && s.FromMs < b.to }) {
				s.Kind = KindBreak
			}
		case len(bare) > 0 && bare[0].from <= s.FromMs:
			s.Kind = KindNone
		}
		if s.Kind != KindOutside {
			s.stopBy(stops)
		}
		if n := len(out); n > 0 && out[n-1].Kind == s.Kind && out[n-1].Turn == s.Turn && out[n-1].Stop == s.Stop {
			out[n-1].ToMs = s.ToMs
			continue
		}
		out = append(out, s)
	}
	return out
}

// stopBy lets the weightiest stop that covers the stretch decide.
func (s *Stretch) stopBy(stops []*registry.PlannedStop) {
	for _, stop := range stops {
		if stop.FromMs > s.FromMs || stop.ToMs <= s.FromMs {
			continue
		}
		if k := stopKind(stop.Kind); k > s.Kind {
			s.Kind, s.Stop = k, stop
		}
	}
}

func stopKind(kind string) Kind {
	switch kind {
	case registry.StopHoliday:
		return KindHoliday
	case registry.StopMaintenance:
		return KindMaintenance
	default:
		return KindClosure
	}
}

// edgesOf returns where anything begins or ends, from fromMs to toMs, ascending, each once.
func edgesOf(turns []turn, bare []span, stops []*registry.PlannedStop, fromMs, toMs int64) []int64 {
	edges := []int64{fromMs, toMs}
	add := func(from, to int64) {
		for _, ms := range [2]int64{from, to} {
			if ms > fromMs && ms < toMs {
				edges = append(edges, ms)
			}
		}
	}
	for _, t := range turns {
		add(t.FromMs, t.ToMs)
		for _, b := range t.breaks {
			add(b.from, b.to)
		}
	}
	for _, b := range bare {
		add(b.from, b.to)
	}
	for _, s := range stops {
		add(s.FromMs, s.ToMs)
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// Known says of a plan whether a calendar was in force in it: "set" throughout, "part", or "none".
func Known(plan []Stretch) string {
	none, all := false, true
	for _, s := range plan {
		bare := s.Kind == KindNone || s.Kind != KindOutside && s.Turn == nil
		none, all = none || bare, all && bare
	}
	switch {
	case all:
		return "none"
	case none:
		return "part"
	}
	return "set"
}
