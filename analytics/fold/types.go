package fold

import "karkhana/analytics/timeline"

// State is a machine's state or a sample's level.
type State uint8

// The states. Unknown is the zero value.
const (
	Unknown State = iota
	Off
	Idle
	Run
)

var stateNames = [...]string{timeline.StateUnknown, timeline.StateOff, timeline.StateIdle, timeline.StateRun}

// String returns the stored name of the state.
func (s State) String() string { return stateNames[s] }

// Has says which values a sample carries.
type Has uint8

// The values of a sample.
const (
	HasSignal Has = 1 << iota
	HasEnergy
	HasPower
	EnergyIsEstimated // the register reading itself is marked as not plainly good
	SaysUnknown       // a status signal says that it does not know the state
	HasTemperature
	HasSetpoint
)

// Sample is what was measured at one instant, as far as the fold needs it. A value that Has does not name is absent.
type Sample struct {
	TimeMs   int64
	Signal   float64 // quantity named by the rule in force, in its stored unit
	EnergyWh float64 // cumulative register
	PowerW   float64 // negative power (export, reversed transformer) counts as 0
	TempC    float32 // of the furnace, °C; looked at only under rules with phases
	SetC     float32 // what its controller is set to, °C
	Has      Has
}

// Sink receives what the fold has decided. The calls come within Step and Tip.
type Sink interface {
	// Piece is called in ascending time. Only Tip passes open pieces.
	Piece(timeline.Interval)
	// Hour is called in ascending time, once the hour's totals are final (Step) or as far as known (Tip).
	Hour(timeline.Hour)
	// Checkpoint gives the state of the fold before the first sample at or after an hour edge. The hour that
	// holds the first sample of all has none.
	Checkpoint(hourMs int64, state string)
}
