package energy

import (
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// thermometerMs is how old a temperature may be that tells whether a furnace was cold when it was started.
const thermometerMs = 10 * 60_000

// start is a furnace going into run.
type start struct {
	ms          int64
	cold, known bool
}

// heatedClasses are the machines that are started cold or warm.
var heatedClasses = []string{session.ClassFurnace, "kiln"}

// starts finds a furnace's starts in intervals that tile the time, parted by phase, and tells cold ones. With a thermometer
// the phases decide: while it rested it was seen to cool, and then to be cold (below `phases.cold` of its settings; no phase).
// Otherwise the time decides: it rested for at least coldAfter. A rest of which too much is unknown for that leaves the start
// not known.
func starts(intervals []timeline.Interval, coldAfter func(ms int64) int64) (out []start) {
	for i := 1; i < len(intervals); i++ {
		if intervals[i].State != timeline.StateRun || intervals[i-1].State == timeline.StateRun {
			continue
		}
		begin := intervals[i].StartMs
		unknown, cooled, ran := false, false, false
		restMs, knownMs := int64(0), int64(0)
		for j := i - 1; j >= 0 && !ran; j-- {
			iv := intervals[j]
			ran = iv.State == timeline.StateRun
			if ran {
				continue
			}
			unknown = unknown || iv.State == timeline.StateUnknown
			restMs = begin - iv.StartMs
			if !unknown {
				knownMs = restMs
				cooled = cooled || iv.Phase == timeline.PhaseCooling
			}
		}
		enough := coldAfter(begin)
		s := start{ms: begin, known: true}
		switch {
		case cooled && intervals[i].Phase != "":
			s.cold = intervals[i-1].Phase == ""
		case ran && restMs < enough:
		case knownMs >= enough:
			s.cold = true
		default:
			s.known = false
		}
		out = append(out, s)
	}
	return out
}

// coldStarts counts the cold starts of a machine of heatedClasses in each of the days; a day with a start that may have been either stays
// not known.
func (s *site) coldStarts(ctx context.Context, m registry.Machine, intervals []timeline.Interval, days []Point) error {
	for i := range days {
		days[i].ColdStarts = new(float64)
	}
	for _, st := range starts(intervals, s.config.ColdAfterMs) {
		d := dayOf(days, st.ms)
		if d == nil {
			continue
		}
		if !st.known {
			if err := s.feel(ctx, m, &st); err != nil {
				return err
			}
		}
		switch {
		case !st.known:
			d.ColdStarts = nil
		case st.cold && d.ColdStarts != nil:
			*d.ColdStarts++
		}
	}
	return nil
}

// feel asks the thermometer whether the furnace was cold when it was started.
func (s *site) feel(ctx context.Context, m registry.Machine, st *start) error {
	if s.Jobs == nil {
		return nil
	}
	settings, err := s.Jobs.SettingsAt(ctx, s.id, m.ID)
	if err != nil {
		return fmt.Errorf("settings of %s: %w", m.ID, err)
	}
	var coldC float64
	for _, x := range settings {
		if x.ValidFromMs <= st.ms {
			coldC = x.PhaseColdC
		}
	}
	if coldC <= 0 {
		return nil
	}
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: s.id, Machine: m.ID, Fields: []string{quantity.Field(quantity.Temperature)},
		FromMs: st.ms - thermometerMs, ToMs: st.ms + 1, Limit: 1, Descending: true,
	}
	err = s.Store.Read(ctx, q, func(row tsdb.Row) error {
		if c, ok := tsdb.Number(row.Values[0]); ok {
			st.known, st.cold = true, c < coldC
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("temperature of %s: %w", m.ID, err)
	}
	return nil
}

// dayOf is the day in which ms lies; nil: none of them. days ascend.
func dayOf(days []Point, ms int64) *Point {
	i, found := slices.BinarySearchFunc(days, ms, func(p Point, ms int64) int {
		switch {
		case p.ToMs <= ms:
			return -1
		case p.FromMs > ms:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &days[i]
}
