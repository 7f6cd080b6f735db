package gateway

import (
	"context"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sensor"
)

// newSensors plans what is connected to the gateway; nothing is opened yet.
func (g *Gateway) newSensors() error {
	var err error
	g.sensors, err = sensor.New(sensor.Options{
		Machines: g.cfg.Machines, Buses: g.o.Buses, Card: g.card, Logger: g.log, Now: g.clock.Now,
	})
	return err
}

// runSensors reads lines, windows, cards and brokers until ctx ends. It does nothing when there are none.
func (g *Gateway) runSensors(ctx context.Context) { g.sensors.Run(ctx) }

// sensed runs a machine with sensors.
func (g *Gateway) sensed(ctx context.Context, m config.Machine) {
	watched := g.board.Watch(m.ID, m.Every.Std())
	defer watched.Done()
	_ = g.liveSampler(m).Live(ctx, watched.Source(g.sensors.Source(m.ID))) // the context's end
}
