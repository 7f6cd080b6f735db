package analytics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"karkhana/analytics/fold"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// farMs lies beyond every sample (year 2248) and within the nanoseconds of InfluxDB.
const farMs = int64(1) << 43

// source reads the samples of one machine as its rules want them.
type source struct {
	store         tsdb.Store
	site, machine string
	rules         *fold.Rules
	fields        []string
	signal        []int // rule → index of its signal in fields, -1: the quantity is not known
}

// Columns of fields that are always there; each is followed by its quality. Signals come after them.
const (
	columnEnergy = 0
	columnPower  = 2
)

// newSource derives rules and columns from the machine's dated settings.
func newSource(store tsdb.Store, site, machine string, settings []registry.Settings, zone *time.Location) *source {
	s := &source{store: store, site: site, machine: machine}
	column := func(field string) int {
		for i, f := range s.fields {
			if f == field {
				return i
			}
		}
		s.fields = append(s.fields, field, field+"_q")
		return len(s.fields) - 2
	}
	column(quantity.Field(quantity.Energy))
	column(quantity.Field(quantity.Power))
	var rules []fold.Rule
	for _, x := range settings {
		rules = append(rules, fold.Rule{
			FromMs: x.ValidFromMs, Signal: x.Signal, IdleAbove: x.IdleAbove, RunAbove: x.RunAbove, Hysteresis: x.Hysteresis,
			DwellOffMs: x.DwellOffMs, DwellIdleMs: x.DwellIdleMs, DwellRunMs: x.DwellRunMs, GapLimitMs: x.GapLimitMs(),
		})
		signal := x.Signal
		if signal == "" {
			signal = quantity.Power
		}
		if field := quantity.Field(signal); field == "" {
			s.signal = append(s.signal, -1)
		} else {
			s.signal = append(s.signal, column(field))
		}
	}
	s.rules = fold.NewRules(zone, rules...)
	return s
}

// errEnough ends a read early.
var errEnough = errors.New("enough")

// read streams the samples of [fromMs, toMs) to fn until it returns false. Instants without any usable value are left out.
func (s *source) read(ctx context.Context, fromMs, toMs int64, fn func(fold.Sample) bool) error {
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: s.site, Machine: s.machine, Fields: s.fields, FromMs: fromMs, ToMs: toMs}
	err := s.store.Read(ctx, q, func(row tsdb.Row) error {
		if sample := s.sample(row); sample.Has != 0 && !fn(sample) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read samples: %w", err)
	}
	return nil
}

func (s *source) sample(row tsdb.Row) fold.Sample {
	out := fold.Sample{TimeMs: row.TimeMs}
	var ok bool
	if out.EnergyWh, ok = value(row, columnEnergy); ok {
		out.Has |= fold.HasEnergy
		if row.Values[columnEnergy+1] != nil {
			out.Has |= fold.EnergyIsEstimated
		}
	}
	if out.PowerW, ok = value(row, columnPower); ok {
		out.Has |= fold.HasPower
	}
	if len(s.signal) == 0 {
		return out
	}
	if column := s.signal[s.rules.At(row.TimeMs)]; column >= 0 {
		if out.Signal, ok = value(row, column); ok {
			out.Has |= fold.HasSignal
		}
	}
	return out
}

// value returns a number unless it is absent, faulty or stale: a sensor that repeats its last value says nothing
// about now.
func value(row tsdb.Row, column int) (float64, bool) {
	v, ok := row.Values[column].(float64)
	if !ok {
		return 0, false
	}
	quality, _ := row.Values[column+1].(string)
	return v, quality != "stale" && !strings.HasPrefix(quality, "fault")
}
