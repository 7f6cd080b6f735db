package sim

import (
	"time"

	"karkhana/internal/wire"
)

// Machine is one instance of a simulated machine with its sensors. It is not safe for concurrent use.
type Machine struct {
	opts Options
	kind string
}

// Truth is what really goes on in a machine, for tests.
type Truth struct {
	State        string  // off, idle or run, by the work plan and the supply
	Group        string  // producer group working at the machine, "" when nobody does
	PowerW       float64 // true active power
	EnergyWh     float64 // true energy since the epoch
	TemperatureC float64 // furnace chamber or lathe bearing; 0 for other machines
	Wear         float64 // factor of the bearing's vibration, 1 = new; 0 for other machines
	Supply       bool    // mains present
}

func newMachine(o Options, kind string) (*Machine, error) { return &Machine{opts: o, kind: kind}, nil }

// Kind returns the kind the machine was made as.
func (m *Machine) Kind() string { return m.kind }

// Seek runs the machine up to at without reading its sensors and forgets the card taps up to and including at.
// A live instance seeks to the end of the history first. Going back is an error.
func (m *Machine) Seek(at time.Time) error { return nil }

// Sense runs the machine up to at and reads its sensors through their drivers. All readings carry at as their time;
// card taps after the last Sense or Seek (or the epoch) up to and including at carry their own. A tap's Text is the
// card's raw UID in hex (see [Cards]): whoever sends it on must hash it. Going back is an error; the same time again
// is allowed.
func (m *Machine) Sense(at time.Time) ([]wire.Sample, error) { return nil, nil }

// Truth runs the machine up to at and tells what really goes on. It takes no card taps away from Sense.
func (m *Machine) Truth(at time.Time) (Truth, error) { return Truth{}, nil }
