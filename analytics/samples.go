package analytics

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	fields        []string // numbers, each with its quality
	signal        []int    // rule → index of its signal in fields, -1: the quantity is not known
}

// Fields that are always there. Signals come after them.
const (
	columnEnergy = 0
	columnPower  = 1
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
		s.fields = append(s.fields, field)
		return len(s.fields) - 1
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
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: s.site, Machine: s.machine, Fields: s.fields, FromMs: fromMs, ToMs: toMs}
	err := tsdb.ReadNumbers(ctx, s.store, q, func(row tsdb.NumberRow) error {
		if sample := s.sample(row.TimeMs, row.Values, row.Quality); sample.Has != 0 && !fn(sample) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read samples: %w", err)
	}
	return nil
}

// sample makes a sample of an instant's numbers and qualities, in the order of fields.
func (s *source) sample(timeMs int64, values []float64, quality []string) fold.Sample {
	out := fold.Sample{TimeMs: timeMs}
	if v := values[columnEnergy]; usable(v, quality[columnEnergy]) {
		out.EnergyWh = v
		out.Has |= fold.HasEnergy
		if quality[columnEnergy] != "" {
			out.Has |= fold.EnergyIsEstimated
		}
	}
	if v := values[columnPower]; usable(v, quality[columnPower]) {
		out.PowerW = v
		out.Has |= fold.HasPower
	}
	if len(s.signal) == 0 {
		return out
	}
	column := s.signal[0]
	if len(s.signal) > 1 {
		column = s.signal[s.rules.At(timeMs)]
	}
	if column < 0 {
		return out
	}
	if v := values[column]; usable(v, quality[column]) {
		out.Signal = v
		out.Has |= fold.HasSignal
	}
	return out
}

// usable reports whether a number is there and neither faulty nor stale: a sensor that repeats its last value says nothing
// about now.
func usable(v float64, quality string) bool {
	return !math.IsNaN(v) && (quality == "" || quality != "stale" && !strings.HasPrefix(quality, "fault"))
}
