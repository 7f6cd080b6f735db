package sitefile

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// Levels that stand for off, idle and run under a status signal: its thresholds lie between them.
const (
	statusIdleAbove = 2
	statusRunAbove  = 3
)

// isStatus reports whether the signal is a machine's own word on its state.
func isStatus(signal string) bool { return signal == quantity.Status || signal == quantity.StatusCode }

// status checks the mapping of a status signal, gives the row the thresholds that go with it, and returns the mapping's stored form.
func (r *reader) status(at config.Path, s *settings) string {
	has := r.src.Has(at.Then("status")...)
	switch {
	case !isStatus(s.Signal) && !has:
		return ""
	case !isStatus(s.Signal):
		r.fault(at.Then("status"), "status goes with signal status or status_code; the signal here is %s", s.Signal)
		return ""
	case len(s.Status) == 0:
		r.fault(at, "status is missing; it says what the values of %s mean, for example status: {\"0\": off, \"1\": run, \"-1\": unknown}", s.Signal)
	}
	for _, key := range []string{"idle_above", "run_above", "hysteresis"} {
		if r.src.Has(at.Then(key)...) {
			r.fault(at.Then(key), "%s does not go with signal %s, which has no thresholds; leave it out", key, s.Signal)
		}
	}
	runs := false
	for _, value := range slices.Sorted(maps.Keys(s.Status)) {
		r.oneOf("state", at.Then("status", value), s.Status[value], registry.StatusStates)
		runs = runs || s.Status[value] == "run"
		if n, err := strconv.ParseFloat(value, 64); s.Signal == quantity.StatusCode && (err != nil || strconv.FormatFloat(n, 'f', -1, 64) != value) {
			r.fault(at.Then("status", value), "%q is not a plain number; status_code has values like \"1\", texts come as signal status", value)
		}
	}
	if len(s.Status) > 0 && !runs {
		r.fault(at.Then("status"), "no value of status means run; the machine could never run")
	}
	s.IdleAbove, s.RunAbove, s.Hysteresis = statusIdleAbove, statusRunAbove, 0
	text, err := json.Marshal(s.Status) // keys sorted
	if err != nil {
		r.fault(at.Then("status"), "status: %v", err)
	}
	return string(text)
}

// phases checks how a furnace is read.
func (r *reader) phases(at config.Path, p phases) {
	if !r.src.Has(at...) {
		return
	}
	for _, v := range []struct {
		key         string
		value, most float64
		unit        string
	}{{"rate", p.Rate, 100, "°C per minute"}, {"band", p.Band, 200, "°C"}, {"cold", p.Cold, 500, "°C"}} {
		if v.value <= 0 || v.value > v.most {
			r.fault(at.Then(v.key), "%s is %v; give above 0 up to %v %s, or leave it out for the default", v.key, v.value, v.most, v.unit)
		}
	}
}
