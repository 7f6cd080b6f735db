package gateway

import (
	"context"
	"sync"

	"periph.io/x/conn/v3/i2c"

	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
)

// rtc returns the battery-backed clock; nil: the kernel's.
func (g *Gateway) rtc(c *config.RTC) clock.RTC {
	if c == nil || c.Chip == config.RTCKernel {
		return nil
	}
	buses := g.o.Buses
	if buses == nil {
		buses = &sensor.Host{}
	}
	return clock.DS3231(func() (i2c.Bus, error) { return buses.I2C(c.Bus) })
}

// newSensors plans what a group of machines has; nothing is opened yet.
func (g *Gateway) newSensors(c *config.Gateway, group []config.Machine) (*sensor.Set, error) {
	return sensor.New(sensor.Options{
		Machines: group, Buses: g.o.Buses, Card: source.HashCards(c.CardSalt), Answer: g.remote.Answer, Logger: g.log, Now: g.clock.Now, Counts: g.counts,
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
