package timeline

import (
	"context"
	"fmt"

	"karkhana/internal/tsdb"
)

// Fields of measurement `machine_hour`; the point's time is the start of the site's local hour.
const (
	FieldOffMs         = "off_ms"
	FieldIdleMs        = "idle_ms"
	FieldRunMs         = "run_ms"
	FieldUnknownMs     = "unknown_ms"
	FieldOffEnergy     = "off_milliwh"
	FieldIdleEnergy    = "idle_milliwh"
	FieldRunEnergy     = "run_milliwh"
	FieldUnknownEnergy = "unknown_milliwh"
	FieldHourEstimated = "estimated"
	FieldCheckpoint    = "checkpoint"
	// FieldFlags, of hours and of pieces: EnergyFlags as int.
	FieldFlags = "energy_flags"
	// The energy of the hour's four quarters, which add up to the hour's.
	FieldQuarter0 = "quarter0_milliwh"
	FieldQuarter1 = "quarter1_milliwh"
	FieldQuarter2 = "quarter2_milliwh"
	FieldQuarter3 = "quarter3_milliwh"
	FieldParts    = "parts" // string: Hour.Parts
)

var hourFields = []string{
	FieldOffMs, FieldIdleMs, FieldRunMs, FieldUnknownMs,
	FieldOffEnergy, FieldIdleEnergy, FieldRunEnergy, FieldUnknownEnergy, FieldHourEstimated,
	FieldFlags, FieldQuarter0, FieldQuarter1, FieldQuarter2, FieldQuarter3,
}

// Hour is what one local hour of a machine consists of. The four times add up to the hour but in the hour of the
// first sample and in the newest one, where only the time between first and last sample is counted.
type Hour struct {
	StartMs                                             int64
	OffMs, IdleMs, RunMs, UnknownMs                     int64
	OffMilliWh, IdleMilliWh, RunMilliWh, UnknownMilliWh int64
	Estimated                                           bool // part of the energy is integrated or interpolated
	Flags                                               EnergyFlags
	QuarterMilliWh                                      [4]int64 // energy of the quarter hours, which adds up to the hour's
	Parts                                               string   // the states in their order, see AddPart; "" when it is one throughout
}

// MilliWh is the energy of the hour.
func (h Hour) MilliWh() int64 { return h.OffMilliWh + h.IdleMilliWh + h.RunMilliWh + h.UnknownMilliWh }

// CountedMs is the time the hour accounts for, unknown included.
func (h Hour) CountedMs() int64 { return h.OffMs + h.IdleMs + h.RunMs + h.UnknownMs }

// Point is the stored form of the hour's totals. The hour's checkpoint is another field of the same point.
func (h Hour) Point(site, machine string) tsdb.Point {
	return tsdb.Point{Measurement: tsdb.MachineHour, Site: site, Machine: machine, TimeMs: h.StartMs, Fields: []tsdb.Field{
		{Key: FieldOffMs, Value: h.OffMs},
		{Key: FieldIdleMs, Value: h.IdleMs},
		{Key: FieldRunMs, Value: h.RunMs},
		{Key: FieldUnknownMs, Value: h.UnknownMs},
		{Key: FieldOffEnergy, Value: h.OffMilliWh},
		{Key: FieldIdleEnergy, Value: h.IdleMilliWh},
		{Key: FieldRunEnergy, Value: h.RunMilliWh},
		{Key: FieldUnknownEnergy, Value: h.UnknownMilliWh},
		{Key: FieldHourEstimated, Value: h.Estimated},
		{Key: FieldFlags, Value: int64(h.Flags)},
		{Key: FieldQuarter0, Value: h.QuarterMilliWh[0]},
		{Key: FieldQuarter1, Value: h.QuarterMilliWh[1]},
		{Key: FieldQuarter2, Value: h.QuarterMilliWh[2]},
		{Key: FieldQuarter3, Value: h.QuarterMilliWh[3]},
		{Key: FieldParts, Value: h.Parts},
	}}
}

// ReadHours returns the stored hours with a start in [fromMs, toMs), ascending. Hours before the first and after the
// last sample are not stored: they are unknown.
func ReadHours(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs int64) ([]Hour, error) {
	var out []Hour
	q := tsdb.Query{Measurement: tsdb.MachineHour, Site: site, Machine: machine, Fields: hourFields, FromMs: fromMs, ToMs: toMs}
	err := s.Read(ctx, q, func(row tsdb.Row) error {
		n := func(i int) int64 { v, _ := row.Values[i].(int64); return v }
		estimated, _ := row.Values[8].(bool)
		out = append(out, Hour{
			StartMs: row.TimeMs, OffMs: n(0), IdleMs: n(1), RunMs: n(2), UnknownMs: n(3),
			OffMilliWh: n(4), IdleMilliWh: n(5), RunMilliWh: n(6), UnknownMilliWh: n(7), Estimated: estimated,
			Flags: EnergyFlags(n(9)), QuarterMilliWh: [4]int64{n(10), n(11), n(12), n(13)},
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read hours of %s/%s: %w", site, machine, err)
	}
	return out, nil
}
