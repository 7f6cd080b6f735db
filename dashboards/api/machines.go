package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
)

// Machine is one machine as the live page shows it.
type Machine struct {
	ID    string        `json:"id"`
	Class string        `json:"class" doc:"furnace, cutting, polishing, designing, hammering, kiln, main-meter"`
	Name  registry.Name `json:"name"`
	Meter bool          `json:"meter" doc:"True for the main meter: it has power and energy, no state worth showing"`
	Live  MachineLive   `json:"live"`
	Today MachineToday  `json:"today"`
}

// MachineLive is what changes from second to second. Values older than the gap limit are left out: a stale number
// is never shown as if it were now.
type MachineLive struct {
	State      string     `json:"state" enum:"off,idle,run,unknown"`
	Since      *time.Time `json:"since,omitempty" doc:"Begin of the present state; absent when nothing was ever received"`
	Why        string     `json:"why,omitempty" enum:"no-data,computing,never" doc:"Why the state is unknown: data stopped, data is there but not yet evaluated, nothing was ever received"`
	Values     Values     `json:"values"`
	Group      *AtMachine `json:"group,omitempty" doc:"Who holds the machine by card"`
	LastSample *time.Time `json:"last_sample,omitempty"`
	AgeS       float64    `json:"age_s" doc:"Age of the last sample when this was made, s; -1 when there is none"`
	Stale      bool       `json:"stale" doc:"The last sample is older than the machine's gap limit"`
	Alarms     int        `json:"alarms" doc:"Unresolved alarms"`
}

// Values are the newest measured values, each absent when not measured.
type Values struct {
	PowerW       *float64 `json:"power_w,omitempty" doc:"W"`
	TemperatureC *float64 `json:"temperature_c,omitempty" doc:"°C"`
	SetpointC    *float64 `json:"setpoint_c,omitempty" doc:"°C"`
	VibrationMMS *float64 `json:"vibration_mm_s,omitempty" doc:"mm/s RMS"`
	SpeedRPM     *float64 `json:"speed_rpm,omitempty" doc:"1/min"`
	CurrentA     *float64 `json:"current_a,omitempty" doc:"A"`
	VoltageV     *float64 `json:"voltage_v,omitempty" doc:"V"`
	HumidityRH   *float64 `json:"humidity_rh,omitempty" doc:"%RH"`

	AccelerationMS2 *float64 `json:"acceleration_m_s2,omitempty" doc:"m/s² RMS"`
	Kurtosis        *float64 `json:"kurtosis,omitempty" doc:"Not the excess: noise has 3"`
}

// AtMachine is the group whose card holds the machine. ID is empty when the card belongs to nobody.
type AtMachine struct {
	ID    string        `json:"id"`
	Name  registry.Name `json:"name"`
	Since time.Time     `json:"since"`
}

// MachineToday is the day so far, in the site's zone, and the last hour of power.
type MachineToday struct {
	From            time.Time `json:"from" doc:"Local midnight"`
	To              time.Time `json:"to" doc:"Until when it is computed"`
	Segments        []Segment `json:"segments" nullable:"false" doc:"States of the day without holes, oldest first"`
	RunS            float64   `json:"run_s"`
	IdleS           float64   `json:"idle_s"`
	OffS            float64   `json:"off_s"`
	UnknownS        float64   `json:"unknown_s"`
	EnergyWh        float64   `json:"energy_wh"`
	EnergyEstimated bool      `json:"energy_estimated" doc:"At least a part was integrated from power instead of read from a register"`
	Spark           Spark     `json:"spark"`
}

// Segment is one piece of a bar of states.
type Segment struct {
	State string    `json:"state" enum:"off,idle,run,unknown"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Spark is mean power of the last hour: MeanW[i] covers [From + i·StepS, From + (i+1)·StepS), null without samples.
type Spark struct {
	From  time.Time  `json:"from"`
	StepS float64    `json:"step_s"`
	MeanW []*float64 `json:"mean_w" nullable:"false"`
}

type machinesOutput struct {
	Body struct {
		Time     time.Time `json:"time" doc:"Server's clock when this was made"`
		Cursor   string    `json:"cursor" doc:"Give it to …/live to get only what changed since"`
		Machines []Machine `json:"machines" nullable:"false"`
	}
}

func (a *API) routeMachines() {
	huma.Register(a.huma, operation("list-machines", http.MethodGet, "/sites/{site}/machines", "Every machine as it is now",
		"Live state, since when, newest values with their age, who holds it, the day's bar of states and the last hour of power."),
		func(ctx context.Context, in *SiteInput) (*machinesOutput, error) {
			s, err := a.site(ctx, in.Site)
			if err != nil {
				return nil, err
			}
			machines, cursor, when, err := a.hub.board(s).now(ctx)
			if err != nil {
				return nil, a.fail(ctx, "read the machines", err)
			}
			var out machinesOutput
			out.Body.Time, out.Body.Cursor, out.Body.Machines = at(when), cursor, machines
			return &out, nil
		})
}
