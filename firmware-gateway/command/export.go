package command

import (
	"errors"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
)

// Export prints what is queued.
type Export struct{ file }

// Run prints one JSON object for each sample, for carrying a queue away on a stick. The gateway must not run.
func (x *Export) Run(e *Env) error {
	c, err := config.Load(x.Path)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{Config: c, Version: e.Version, Logger: e.Logger})
	if err != nil {
		return err
	}
	packs, err := g.Export(e.Stdout)
	if err = errors.Join(err, g.Close()); err == nil {
		e.progress("%d packs; they stay in the queue", packs)
	}
	return err
}
