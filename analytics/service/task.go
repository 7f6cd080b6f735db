package service

import (
	"cmp"
	"fmt"
	"slices"

	"karkhana/hardware/kit"
	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// Task is a service task of a machine with both its intervals.
type Task struct {
	Machine, ID  string
	Name, Do     registry.Name
	IntervalH    float64 // run-hours; 0: by the calendar only
	IntervalDays int64   // 0: by run-hours only
}

// Tasks are those of the kit of the machine's class, in the kit's order, as the site file changes them, then its own.
// A class without a kit has only its own. A change that fits no task is an error that names the machine and the task.
func Tasks(m registry.Machine, changes []registry.ServiceTask) ([]Task, error) {
	var out []Task
	var known []string
	if slices.Contains(kit.Classes(), m.Class) {
		k, err := kit.Load(m.Class)
		if err != nil {
			return nil, fmt.Errorf("service tasks of %s: %w", m.ID, err)
		}
		for _, t := range k.Maintenance {
			known = append(known, t.ID)
			out = append(out, Task{Machine: m.ID, ID: t.ID, Name: registry.Name(t.Name), Do: registry.Name(t.Do),
				IntervalH: t.IntervalH, IntervalDays: int64(t.IntervalDays)})
		}
	}
	for _, c := range changes {
		if c.Machine != m.ID {
			continue
		}
		i := slices.IndexFunc(out, func(t Task) bool { return t.ID == c.ID })
		if c.Off {
			if i < 0 {
				return nil, fmt.Errorf("machine %s: task %q is switched off, but the kit %s has no such task%s", m.ID, c.ID, m.Class, config.DidYouMean(c.ID, known))
			}
			out = slices.Delete(out, i, i+1)
			continue
		}
		if i < 0 {
			if c.Name == (registry.Name{}) || c.IntervalH == 0 && c.IntervalDays == 0 {
				return nil, fmt.Errorf("machine %s: the kit %s has no task %q%s; a task of the machine's own needs name and interval_h or interval_days",
					m.ID, m.Class, c.ID, config.DidYouMean(c.ID, known))
			}
			i = len(out)
			out = append(out, Task{Machine: m.ID, ID: c.ID})
		}
		t := &out[i]
		t.Name, t.Do = cmp.Or(c.Name, t.Name), cmp.Or(c.Do, t.Do)
		if c.IntervalH > 0 || c.IntervalDays > 0 { // given: they replace both, so that one of them can be taken away
			t.IntervalH, t.IntervalDays = c.IntervalH, c.IntervalDays
		}
	}
	return out, nil
}

// Check tells of a site's definition whether every change of a service task fits its machine's kit.
func Check(def registry.SiteDefinition) error {
	var errs []error
	for _, m := range def.Machines {
		changes := slices.Clone(m.Services)
		for i := range changes {
			changes[i].Machine = m.Machine.ID
		}
		if _, err := Tasks(m.Machine, changes); err != nil {
			errs = append(errs, err)
		}
	}
	return config.Join(errs...)
}
