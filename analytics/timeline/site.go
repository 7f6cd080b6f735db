package timeline

import (
	"context"
	"fmt"
	"slices"

	"karkhana/internal/tsdb"
)

var siteHourFields = []string{
	FieldOffMs, FieldIdleMs, FieldRunMs, FieldUnknownMs,
	FieldOffEnergy, FieldIdleEnergy, FieldRunEnergy, FieldUnknownEnergy, FieldHourEstimated, FieldFlags, FieldParts,
}

var siteHourFieldsAndQuarters = append(slices.Clone(siteHourFields), FieldQuarter0, FieldQuarter1, FieldQuarter2, FieldQuarter3)

// SiteHours is ReadHours for many machines of a site at once, with the parts and without the quarter hours. A machine without hours is
// absent.
func SiteHours(ctx context.Context, s tsdb.Store, site string, machines []string, fromMs, toMs int64) (map[string][]Hour, error) {
	return siteHours(ctx, s, site, machines, fromMs, toMs, false)
}

func siteHours(ctx context.Context, s tsdb.Store, site string, machines []string, fromMs, toMs int64, quarters bool) (map[string][]Hour, error) {
	out := make(map[string][]Hour, len(machines))
	if len(machines) == 0 || fromMs >= toMs {
		return out, nil
	}
	q := tsdb.SiteQuery{Measurement: tsdb.MachineHour, Site: site, Machines: machines, Fields: siteHourFields, FromMs: fromMs, ToMs: toMs}
	if quarters {
		q.Fields = siteHourFieldsAndQuarters
	}
	most := (toMs-fromMs)/HourMs + 2
	err := tsdb.ReadSites(ctx, s, []tsdb.SiteQuery{q}, func(_ int, row tsdb.Row) error {
		n := func(i int) int64 { v, _ := row.Values[i].(int64); return v }
		estimated, _ := row.Values[8].(bool)
		parts, _ := row.Values[10].(string)
		hours := out[row.Machine]
		if hours == nil {
			hours = make([]Hour, 0, min(most, 800)) // a month; longer ones grow
		}
		h := Hour{
			StartMs: row.TimeMs, OffMs: n(0), IdleMs: n(1), RunMs: n(2), UnknownMs: n(3),
			OffMilliWh: n(4), IdleMilliWh: n(5), RunMilliWh: n(6), UnknownMilliWh: n(7), Estimated: estimated, Flags: EnergyFlags(n(9)), Parts: parts,
		}
		if quarters {
			h.QuarterMilliWh = [4]int64{n(11), n(12), n(13), n(14)}
		}
		out[row.Machine] = append(hours, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read hours of %s: %w", site, err)
	}
	return out, nil
}

// Span is a stretch of a machine's time, half-open.
type Span struct {
	Machine      string
	FromMs, ToMs int64
}

// SpansAtOnce bounds the stretches that are read one by one; more of them are read as one stretch for all machines.
const SpansAtOnce = 64

// SitePieces is Pieces for stretches of many machines of a site at once: void ones left out, overlaps of a rebuild under
// way cut. It gives at least the pieces with a start in the spans, ascending; a machine without any is absent.
// Without energy they say only which state was from when to when, which is read faster.
func SitePieces(ctx context.Context, s tsdb.Store, site string, spans []Span, energy bool) (map[string][]Interval, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	fields := stateFields
	if !energy {
		fields = stateFields[:2] // state and end
	}
	var queries []tsdb.SiteQuery
	if len(spans) <= SpansAtOnce {
		for _, p := range spans {
			queries = append(queries, tsdb.SiteQuery{Measurement: tsdb.State, Site: site, Machines: []string{p.Machine}, Fields: fields, FromMs: p.FromMs, ToMs: p.ToMs})
		}
	} else {
		hull := tsdb.SiteQuery{Measurement: tsdb.State, Site: site, Fields: fields, FromMs: spans[0].FromMs, ToMs: spans[0].ToMs}
		known := map[string]bool{}
		for _, p := range spans {
			hull.FromMs, hull.ToMs = min(hull.FromMs, p.FromMs), max(hull.ToMs, p.ToMs)
			if !known[p.Machine] {
				known[p.Machine] = true
				hull.Machines = append(hull.Machines, p.Machine)
			}
		}
		queries = append(queries, hull)
	}
	out := map[string][]Interval{}
	values := make([]any, len(stateFields))
	machine, rows := "", make([]Interval, 0, page) // of the machine at hand: rows of one stand together
	keep := func() {
		if len(rows) > 0 {
			out[machine] = append(out[machine], rows...)
		}
		rows = rows[:0]
	}
	err := tsdb.ReadSites(ctx, s, queries, func(_ int, row tsdb.Row) error {
		if row.Machine != machine {
			keep()
			machine = row.Machine
		}
		copy(values, row.Values)
		iv := piece(tsdb.Row{TimeMs: row.TimeMs, Values: values})
		if iv.State == StateVoid {
			return nil
		}
		if n := len(rows); n > 0 && rows[n-1].EndMs > iv.StartMs {
			rows[n-1].EndMs = iv.StartMs
		}
		rows = append(rows, iv)
		return nil
	})
	keep()
	if err != nil {
		return nil, fmt.Errorf("read pieces of %s: %w", site, err)
	}
	return out, nil
}
