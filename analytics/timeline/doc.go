// Package timeline is the stored form of what analytics finds out, and the way back from the store: pieces of state
// (measurement `state`) and hour totals (measurement `machine_hour`).
//
// It owns field names, the joining of pieces to intervals and the site's hour. It does not own how states come about
// (package fold) nor who writes them (package analytics).
//
// Words: a piece is one stored stretch of one state, off, idle and run cut at the hours of the site; an interval is
// what people see, neighbouring pieces of the same state joined. Times are Unix milliseconds UTC, stretches are
// half-open [start, end), energy is int64 milliwatt-hours (1 Wh = 1000 mWh).
package timeline

// The states of a machine. Void is no state: it marks a stored piece that a rebuild made vanish (nothing is ever
// deleted from the store); readers skip it.
const (
	StateOff     = "off"
	StateIdle    = "idle"
	StateRun     = "run"
	StateUnknown = "unknown"
	StateVoid    = "void"
)

// The phases of a furnace. Heating and soak lie in run and short idle, cooling in idle and off.
const (
	PhaseHeating = "heating"
	PhaseSoak    = "soak"
	PhaseCooling = "cooling"
)

// Interval is a machine in one state from StartMs to EndMs (half-open).
type Interval struct {
	State           string
	StartMs, EndMs  int64
	EnergyMilliWh   int64
	EnergyEstimated bool // part of the energy is integrated power or interpolated, not read from a register
	Flags           EnergyFlags
	Open            bool   // the newest interval: it may still grow or change
	Cause           string // of unknown time, as far as known: "" for now, else no-data
	Phase           string // of a furnace: heating, soak, cooling; "": none, or an interval of several
	DoorDips        int64  // how often its door was opened, seen by the temperature
}

// CauseNoData is the cause of unknown time before the first and after the last sample: nothing stored there at all.
const CauseNoData = "no-data"
