package gateway

import (
	"context"
	"sync"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
)

// newSensors plans what a group of machines has; nothing is opened yet.
func (g *Gateway) newSensors(c *config.Gateway, group []config.Machine) (*sensor.Set, error) {
	return sensor.New(sensor.Options{
		Machines: group, Buses: g.o.Buses, Card: source.HashCards(c.CardSalt), Answer: g.remote.Answer, Logger: g.log, Now: g.clock.Now,
	})
}

// sense runs machines with sensors. At the end of ctx sampling goes on until lines, readers and brokers are done, so
// that what they found last is taken.
func (g *Gateway) sense(ctx context.Context, u *unit) {
	sampling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var lives sync.WaitGroup
	for _, m := range u.machines {
		lives.Go(func() {
			watched := g.board.Watch(m.ID, m.Every.Std())
			defer watched.Done()
			seen, forget := g.observed(m, watched, u.sensors.Source(m.ID))
			defer forget()
			_ = g.liveSampler(m).Live(sampling, seen) // the context's end
		})
	}
	g.addSet(u.sensors)
	defer g.dropSet(u.sensors)
	u.sensors.Run(ctx)
	stop()
	lives.Wait()
	if err := u.sensors.Close(); err != nil {
		g.log.Debug("buses could not be closed", "err", err)
	}
}
