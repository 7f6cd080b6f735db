package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// The states of a task.
const (
	OK      = "ok"
	Soon    = "soon"    // nine tenths of an interval are used
	Due     = "due"     // the whole interval is used
	Overdue = "overdue" // a fifth more
)

const (
	soonAt     = 0.9
	overdueAt  = 1.2
	msHour     = int64(time.Hour / time.Millisecond)
	msDay      = 24 * msHour
	rateDays   = 30 // the forecast goes by the run-hours of so many days
	rateLeast  = 3  // of which at least so many days must be known
	forecastIn = 365
)

// Registry is what is asked of SQL; *registry.DB answers it.
type Registry interface {
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	ServiceTasks(ctx context.Context, site string) ([]registry.ServiceTask, error)
	ServicesDone(ctx context.Context, site string) ([]registry.ServiceDone, error)
}

// Deps are the two stores.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
}

// Status is how far a task is used up. Hours are counted since it was done last, or since the machine's first data.
type Status struct {
	Task
	Last      *registry.ServiceDone // nil: never recorded
	SinceMs   int64                 // from when the hours are counted; 0: the machine never sent anything
	RunMs     int64
	UnknownMs int64   // of the same time: not counted as run
	Share     float64 // of the interval that is nearer to its end
	ByHours   bool    // that is the one by run-hours
	State     string
	DueMs     int64 // when it becomes due at the pace of the last 30 days, or became due by the calendar; 0: can't be told
}

// List returns the tasks of all machines of a site, the most used up first. nowMs is the present.
func List(ctx context.Context, d Deps, site string, nowMs int64) ([]Status, error) {
	machines, err := d.Registry.Machines(ctx, site)
	if err != nil {
		return nil, err
	}
	changes, err := d.Registry.ServiceTasks(ctx, site)
	if err != nil {
		return nil, err
	}
	done, err := d.Registry.ServicesDone(ctx, site)
	if err != nil {
		return nil, err
	}
	var out []Status
	for _, m := range machines {
		tasks, err := Tasks(m, changes)
		if err != nil {
			return nil, err
		}
		if len(tasks) == 0 {
			continue
		}
		hours, err := timeline.ReadHours(ctx, d.Store, site, m.ID, wire.MinTimeMs, nowMs)
		if err != nil {
			return nil, fmt.Errorf("hours of %s: %w", m.ID, err)
		}
		for _, t := range tasks {
			s := Status{Task: t}
			if i := slices.IndexFunc(done, func(r registry.ServiceDone) bool { return r.Machine == m.ID && r.Task == t.ID }); i >= 0 {
				s.Last = &done[i]
			}
			s.judge(hours, nowMs)
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Status) int {
		switch {
		case a.Share > b.Share:
			return -1
		case a.Share < b.Share:
			return 1
		}
		return 0
	})
	return out, nil
}

// judge fills in what follows from the machine's hours.
func (s *Status) judge(hours []timeline.Hour, nowMs int64) {
	switch {
	case s.Last != nil:
		s.SinceMs = s.Last.DoneMs
	case len(hours) > 0:
		s.SinceMs = hours[0].StartMs
	}
	s.State = OK
	if s.SinceMs == 0 {
		return
	}
	s.RunMs, s.UnknownMs = count(hours, s.SinceMs, nowMs)
	if s.IntervalH > 0 {
		s.Share, s.ByHours = float64(s.RunMs)/(s.IntervalH*float64(msHour)), true
		if perDay := pace(hours, nowMs); perDay > 0 {
			left := s.IntervalH*float64(msHour) - float64(s.RunMs)
			if days := left / perDay; days < forecastIn {
				s.DueMs = nowMs + int64(max(days, 0)*float64(msDay))
			}
		}
	}
	if s.IntervalDays > 0 {
		share := float64(nowMs-s.SinceMs) / float64(s.IntervalDays*msDay)
		dueMs := s.SinceMs + s.IntervalDays*msDay
		if s.IntervalH == 0 || share > s.Share {
			s.Share, s.ByHours = share, false
		}
		if s.DueMs == 0 || dueMs < s.DueMs {
			s.DueMs = dueMs
		}
	}
	switch {
	case s.Share >= overdueAt:
		s.State = Overdue
	case s.Share >= 1:
		s.State = Due
	case s.Share >= soonAt:
		s.State = Soon
	}
}

// count adds up the run time of [fromMs, toMs) and what is not known of it. The hour in which it begins counts in
// proportion. Time after the newest hour is unknown once it is longer than two hours: until then it is being computed.
func count(hours []timeline.Hour, fromMs, toMs int64) (runMs, unknownMs int64) {
	at := fromMs // up to here everything is accounted for
	for i, h := range hours {
		end := h.StartMs + msHour
		if i == len(hours)-1 { // not over yet
			end = h.StartMs + h.CountedMs()
		}
		if end <= max(fromMs, h.StartMs) || h.StartMs >= toMs {
			continue
		}
		unknownMs += max(0, h.StartMs-at)
		part, whole := end-max(h.StartMs, fromMs), end-h.StartMs
		runMs += h.RunMs * part / whole
		unknownMs += h.UnknownMs * part / whole
		at = end
	}
	if toMs-at > 2*msHour {
		unknownMs += toMs - at
	}
	return runMs, unknownMs
}

// pace is the run time of a known day, from the last 30 days; 0 when too little of them is known.
func pace(hours []timeline.Hour, nowMs int64) float64 {
	var run, known int64
	for _, h := range hours {
		if h.StartMs >= nowMs-rateDays*msDay {
			run += h.RunMs
			known += h.CountedMs() - h.UnknownMs
		}
	}
	if known < rateLeast*msDay {
		return 0
	}
	return float64(run) / float64(known) * float64(msDay)
}
