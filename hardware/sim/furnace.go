package sim

import (
	"time"
)

// Constants of the muffle furnace, see doc.go.
const (
	furnaceWatts   = 12000.0 // elements at 230 V: three phases of 4 kW
	furnaceControl = 90.0    // W: controller, contactor coil and fan, whenever the main switch is on
	furnaceSoak    = 850.0   // °C
	furnaceBand    = 2.0     // K: the controller switches at setpoint ± band
	furnaceLag     = 12.0    // s: sheathed thermocouple
	heatChamber    = 15000.0 // J/K: elements, hearth, inner lining, ware
	heatLining     = 42000.0 // J/K: the lining behind
	linkLining     = 13.0    // W/K: chamber to lining
	linkShell      = 5.5     // W/K: lining to the workshop
	leakArea       = 0.009   // m²: door gaps and inspection hole, as a black opening
	doorArea       = 0.055   // m²: mean opening with the door held open
	doorWind       = 0.8     // W/K: air through the open door
	stefan         = 5.670374e-8
	kelvin         = 273.15
	doorCharge     = 9000.0 // W: cold ware taken in while the door is open
)

// furnaceStage is a step of the programme.
type furnaceStage uint8

const (
	furnaceOff     furnaceStage = iota
	furnaceLoading              // main switch on, door open, elements off
	furnaceHeating
	furnaceSoaking
	furnaceCooling // fan on, elements off
)

// furnace is the muffle furnace: two heat stores, on/off control by a lagging thermocouple. It steps by the second,
// and by five while it is off.
type furnace struct {
	clock *clock
	grid  *grid
	crew  *crew
	rnd   stream

	stage    furnaceStage
	until    int64   // end of the stage; heating ends by temperature
	chamber  float64 // °C
	lining   float64 // °C
	probe    float64 // °C, at the thermocouple's tip
	element  bool
	door     bool
	doorNext int64 // when the door opens or shuts next

	lookup int64   // when room and watts are looked up next
	room   float64 // °C
	watts  float64 // of the elements at the present voltage
}

// restStep is the physics' step in seconds while the furnace is switched off; otherwise it is one second.
const restStep = 5

func newFurnace(c *clock, g *grid, seed uint64) *furnace {
	f := &furnace{clock: c, grid: g, crew: newCrew(seed, Furnace), rnd: newStream(seed, "programme")}
	f.room = c.ambient(0)
	f.chamber, f.lining, f.probe = f.room, f.room, f.room
	f.until = f.rnd.span(4*time.Minute, 12*time.Minute)
	return f
}

// setpoint is what the controller is set to, in °C; 0 while it is off.
func (f *furnace) setpoint() float64 {
	switch f.stage {
	case furnaceOff:
		return 0
	case furnaceHeating, furnaceSoaking:
		return furnaceSoak
	}
	return 50
}

// next implements model: one step.
func (f *furnace) next(at int64, dark bool) segment {
	if at >= f.lookup {
		f.lookup = at + msMinute
		f.room = f.clock.ambient(at)
		v := f.grid.volts(at) / 230
		f.watts = furnaceWatts * v * v
	}
	f.programme(at)
	if f.stage == furnaceOff {
		f.heat(false, restStep)
		return segment{end: at + restStep*msSecond, pf: 1}
	}
	seg := segment{end: at + msSecond, pf: 0.55}
	switch f.stage {
	case furnaceHeating, furnaceSoaking:
		seg.state = run
		if f.probe > furnaceSoak+furnaceBand {
			f.element = false
		} else if f.probe < furnaceSoak-furnaceBand {
			f.element = true
		}
		seg.milliW = milli(furnaceControl)
		if f.element {
			seg.milliW += milli(f.watts)
			seg.pf = 0.995
		}
	default:
		seg.state = idle
		seg.milliW = milli(furnaceControl)
	}
	f.heat(f.element && seg.state == run && !dark, 1)
	return seg
}

// heat moves the temperatures on by some seconds (explicit Euler; the shortest time constant is 12 s).
func (f *furnace) heat(on bool, seconds float64) {
	room := f.room + kelvin
	room2 := room * room
	hot := f.chamber + kelvin
	hot2 := hot * hot
	radiation := stefan * (hot2*hot2 - room2*room2)
	inner := linkLining * (f.chamber - f.lining)
	flow := -radiation*leakArea - inner
	if on {
		flow += f.watts
	}
	if f.door {
		flow -= radiation*doorArea + doorWind*(f.chamber-f.room) + doorCharge*(f.chamber-f.room)/furnaceSoak
	}
	if f.stage == furnaceCooling {
		flow -= 2.5 * (f.chamber - f.room) // fan
	}
	f.probe += (f.chamber - f.probe) * (seconds * (1 / furnaceLag))
	f.chamber += flow * (seconds * (1 / heatChamber))
	f.lining += (inner - linkShell*(f.lining-f.room)) * (seconds * (1 / heatLining))
}

// programme moves the stages on and works the door.
func (f *furnace) programme(at int64) {
	if at >= f.doorNext && f.stage == furnaceSoaking {
		f.door = !f.door
		if f.door {
			f.doorNext = at + f.rnd.span(25*time.Second, 70*time.Second)
		} else {
			f.doorNext = at + f.rnd.span(22*time.Minute, 48*time.Minute)
		}
	}
	switch {
	case f.stage == furnaceHeating:
		if f.probe >= furnaceSoak-furnaceBand {
			f.stage = furnaceSoaking
			f.until = min(at+f.rnd.span(100*time.Minute, 220*time.Minute), f.clock.closing(at))
			f.doorNext = at + f.rnd.span(15*time.Minute, 40*time.Minute)
		}
	case at < f.until:
	case f.stage == furnaceOff:
		if !f.clock.open(at) || f.clock.closing(at) < at+5*msHour {
			f.until = at + 10*msMinute // not enough time left today
			break
		}
		f.stage, f.door = furnaceLoading, true
		f.until = at + f.rnd.span(2*time.Minute, 5*time.Minute)
		f.crew.begin(at + f.rnd.span(0, 20*time.Second)/msSecond*msSecond)
	case f.stage == furnaceLoading:
		f.stage, f.door = furnaceHeating, false
	case f.stage == furnaceSoaking:
		f.stage, f.door, f.element = furnaceCooling, false, false
		f.until = at + f.rnd.span(20*time.Minute, 45*time.Minute)
	case f.stage == furnaceCooling:
		f.stage = furnaceOff
		f.crew.end(at + 10*msSecond)
		f.until = at + f.rnd.span(100*time.Minute, 200*time.Minute)
	}
}
