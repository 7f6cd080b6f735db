package sim

import (
	"fmt"
	"strings"
	"time"
)

// The kinds of machine a workshop has.
const (
	Furnace   = "furnace"
	Cutting   = "cutting"
	Polishing = "polishing"
	Hammering = "hammering"
	Designing = "designing"
	MainMeter = "main-meter"
)

// Kinds returns the kinds of machine in a fixed order; the main meter comes last.
func Kinds() []string {
	return []string{Furnace, Cutting, Polishing, Hammering, Designing, MainMeter}
}

// Shift is a stretch of the local day in which the workshop is open, half-open [From, To) counted from midnight.
// To may be smaller than From: the shift then passes midnight. Equal ends mean the whole day.
type Shift struct{ From, To time.Duration }

// DefaultShifts are the three shifts of the festival season: 06–14, 14–22, 22–06.
func DefaultShifts() []Shift {
	return []Shift{{6 * time.Hour, 14 * time.Hour}, {14 * time.Hour, 22 * time.Hour}, {22 * time.Hour, 6 * time.Hour}}
}

// Options describe a workshop. Two workshops with equal options give equal data.
type Options struct {
	Seed   uint64         // everything random comes from it
	Epoch  time.Time      // when the simulated world begins; cut to the whole second
	Zone   *time.Location // local hours of shifts, light and grid load; nil: Asia/Kolkata
	Shifts []Shift        // nil: DefaultShifts
}

// Workshop makes the machines of one simulated common facility centre. It holds no state of its own and is safe to
// use from several goroutines.
type Workshop struct {
	opts Options
}

// New checks the options and returns the workshop.
func New(o Options) (*Workshop, error) {
	if o.Epoch.IsZero() {
		return nil, fmt.Errorf("sim: no epoch: give the moment the simulated world begins, for example 30 days ago")
	}
	o.Epoch = o.Epoch.Truncate(time.Second)
	if o.Zone == nil {
		o.Zone = time.FixedZone("Asia/Kolkata", 5*3600+1800)
	}
	if o.Shifts == nil {
		o.Shifts = DefaultShifts()
	}
	for i, s := range o.Shifts {
		if s.From < 0 || s.From > 24*time.Hour || s.To < 0 || s.To > 24*time.Hour {
			return nil, fmt.Errorf("sim: shifts[%d]: %v to %v: give times of the day between 0 and 24 h", i, s.From, s.To)
		}
	}
	return &Workshop{opts: o}, nil
}

// Machine returns a new, independent instance of a kind, standing at the epoch. Instances of one workshop may run at
// different times in different goroutines (one for history, one live) and agree wherever they meet.
func (w *Workshop) Machine(kind string) (*Machine, error) {
	for _, k := range Kinds() {
		if k == kind {
			return newMachine(w.opts, kind)
		}
	}
	return nil, fmt.Errorf("sim: no machine of kind %q: use one of %s", kind, strings.Join(Kinds(), ", "))
}
