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

// source reads the samples of one machine as its rules want them.
type source struct {
	store         tsdb.Store
	site, machine string
	settings      []registry.Settings
	zone          *time.Location
	rules         *fold.Rules
	fields        []string // numbers, each with its quality
	texts         []string // words, each with its quality; read only when a rule wants one
	signal        []signal // of each rule
	// Columns of a furnace's temperatures; 0: no rule wants them.
	temperature, setpoint int
}

// Fields that are always there. Signals come after them.
const (
	columnEnergy = 0
	columnPower  = 1
)

// newSource derives rules and columns from the machine's dated settings.
func newSource(store tsdb.Store, site, machine string, settings []registry.Settings, zone *time.Location) *source {
	s := &source{store: store, site: site, machine: machine, settings: settings, zone: zone}
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
		rules = append(rules, ruleOf(x))
		if x.PhaseRateC > 0 && s.temperature == 0 {
			s.temperature = column(quantity.Field(quantity.Temperature))
			s.setpoint = column(quantity.Field(quantity.Setpoint))
		}
		s.signal = append(s.signal, s.newSignal(x, column))
	}
	s.rules = fold.NewRules(zone, rules...)
	return s
}

// errEnough ends a read early.
var errEnough = errors.New("enough")

// read streams the samples of [fromMs, toMs) to fn until it returns false. Instants without any usable value are left out.
func (s *source) read(ctx context.Context, fromMs, toMs int64, fn func(fold.Sample) bool) error {
	if len(s.texts) > 0 {
		return s.readWords(ctx, fromMs, toMs, fn)
	}
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: s.site, Machine: s.machine, Fields: s.fields, FromMs: fromMs, ToMs: toMs}
	err := tsdb.ReadNumbers(ctx, s.store, q, func(row tsdb.NumberRow) error {
		if sample := s.sample(row.TimeMs, row.Values, row.Quality, nil); sample.Has != 0 && !fn(sample) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read samples: %w", err)
	}
	return nil
}

// sample makes a sample of an instant's numbers and qualities, in the order of fields, and its usable words, in that of texts.
func (s *source) sample(timeMs int64, values []float64, quality, words []string) fold.Sample {
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
	at := 0
	if len(s.signal) > 1 {
		at = s.rules.At(timeMs)
	}
	s.signal[at].read(values, quality, words, &out)
	if s.temperature > 0 {
		if v := values[s.temperature]; usable(v, quality[s.temperature]) {
			out.TempC, out.Has = float32(v), out.Has|fold.HasTemperature
		}
		if v := values[s.setpoint]; usable(v, quality[s.setpoint]) {
			out.SetC, out.Has = float32(v), out.Has|fold.HasSetpoint
		}
	}
	return out
}

// usable reports whether a number is there and neither faulty nor stale: a sensor that repeats its last value says nothing
// about now.
func usable(v float64, quality string) bool {
	return !math.IsNaN(v) && !bad(quality)
}

// bad reports whether a value of this quality says nothing about now.
func bad(quality string) bool {
	return quality != "" && (quality == "stale" || strings.HasPrefix(quality, "fault"))
}
