package sitefile

import (
	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// service is a service task of a machine: a change of the kit's task of this id, or one of its own.
type service struct {
	ID           string        `yaml:"id"`
	Name         registry.Name `yaml:"name"` // of a task of its own
	Do           registry.Name `yaml:"do"`
	IntervalH    float64       `yaml:"interval_h"`    // run-hours; left out: the kit's
	IntervalDays int64         `yaml:"interval_days"` // left out: the kit's
	Off          bool          `yaml:"off"`           // the kit's task is not wanted
}

// longestInterval bounds intervals: five years of days, as many hours as they have.
const longestInterval = 5 * 366

func (r *reader) service(at config.Path, site, machine string, s service) registry.ServiceTask {
	if !(s.IntervalH >= 0 && s.IntervalH <= longestInterval*24) {
		r.fault(at.Then("interval_h"), "interval_h is %v; give run-hours above 0 and up to %d, or leave it out", s.IntervalH, longestInterval*24)
	}
	if s.IntervalDays < 0 || s.IntervalDays > longestInterval {
		r.fault(at.Then("interval_days"), "interval_days is %d; give days above 0 and up to %d, or leave it out", s.IntervalDays, longestInterval)
	}
	if !s.Off && s.IntervalH == 0 && s.IntervalDays == 0 && s.Name == (registry.Name{}) && s.Do == (registry.Name{}) {
		r.fault(at, "task %s says nothing; give interval_h or interval_days, or off: true when the kit's task is not wanted", s.ID)
	}
	if s.Name != (registry.Name{}) {
		s.Name = r.name("task "+s.ID, at.Then("name"), s.Name)
	}
	if s.Do != (registry.Name{}) {
		s.Do = r.name("what to do of task "+s.ID, at.Then("do"), s.Do)
	}
	return registry.ServiceTask{Site: site, Machine: machine, ID: s.ID, Name: s.Name, Do: s.Do,
		IntervalH: s.IntervalH, IntervalDays: s.IntervalDays, Off: s.Off}
}
