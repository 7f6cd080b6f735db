package gateway

import (
	"context"
	"reflect"
	"sync"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sensor"
)

// unit is what begins and ends together: a simulated machine, its past, a recording, or machines with sensors that
// share a bus or a line. A change of the configuration touches no unit whose machines stay as they are.
type unit struct {
	kind     string
	machines []config.Machine // one, but for sensors
	sensors  *sensor.Set      // nil: of another kind
	stop     context.CancelFunc
	done     chan struct{}
	err      error // why its backlog does not go on; after done
}

// The kinds of unit.
const (
	unitSensors = "sensors"
	unitSim     = "sim"
	unitHistory = "history"
	unitReplay  = "replay"
)

// isBacklog tells whether the unit ends by itself.
func (u *unit) isBacklog() bool { return u.kind == unitHistory || u.kind == unitReplay }

// ended tells whether it has.
func (u *unit) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// same tells whether two units do the same.
func (u *unit) same(v *unit) bool {
	return u.kind == v.kind && reflect.DeepEqual(u.machines, v.machines)
}

// plan makes the units of a configuration. Nothing is opened yet.
func (g *Gateway) plan(c *config.Gateway) ([]*unit, error) {
	var units []*unit
	var sensed []config.Machine
	for _, m := range c.Machines {
		one := []config.Machine{m}
		switch m.Source {
		case config.SourceSensors:
			sensed = append(sensed, m)
		case config.SourceSim:
			units = append(units, &unit{kind: unitSim, machines: one})
			if m.Sim.History != nil {
				units = append(units, &unit{kind: unitHistory, machines: one})
			}
		case config.SourceReplay:
			units = append(units, &unit{kind: unitReplay, machines: one})
		}
	}
	for _, group := range sensor.Groups(sensed) {
		set, err := g.newSensors(c, group)
		if err != nil {
			return nil, err
		}
		units = append(units, &unit{kind: unitSensors, machines: group, sensors: set})
	}
	return units, nil
}

// start runs units until ctx ends or they are stopped. Backlogs begin once every simulated machine among them is
// there: live values come first.
func (g *Gateway) start(ctx context.Context, units []*unit) {
	var opened sync.WaitGroup
	for _, u := range units {
		if u.kind == unitSim {
			opened.Add(1)
		}
	}
	for _, u := range units {
		var own context.Context
		own, u.stop = context.WithCancel(ctx)
		u.done = make(chan struct{})
		run := func() error { return g.replay(own, u.machines[0]) }
		switch u.kind {
		case unitSensors:
			run = func() error { g.sense(own, u); return nil }
		case unitSim:
			run = func() error { g.live(own, u.machines[0], opened.Done); return nil }
		case unitHistory:
			m := u.machines[0]
			at, err := g.historyStart(m)
			run = func() error {
				if err != nil {
					return g.failed(m, err)
				}
				opened.Wait()
				return g.history(own, m, at)
			}
		}
		go func() {
			defer g.unitEnded()
			defer close(u.done)
			defer u.stop()
			u.err = run()
		}()
	}
}

// unitEnded lets sample look whether all backlogs have ended.
func (g *Gateway) unitEnded() {
	select {
	case g.ended <- struct{}{}:
	default:
	}
}

// stopAll stops units and waits until what they had collected is handed over.
func stopAll(units []*unit) {
	for _, u := range units {
		u.stop()
	}
	for _, u := range units {
		<-u.done
	}
}
