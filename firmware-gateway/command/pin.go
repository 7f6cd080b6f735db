package command

import (
	"errors"
	"fmt"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/page"
)

// PIN shows or changes the PIN of the local page.
type PIN struct {
	file
	New bool   `help:"Make a new random one."`
	Set string `help:"Take this one: 6 to 16 digits."`
}

// Run prints the PIN. A changed one holds at once and ends all sessions.
func (p *PIN) Run(e *Env) error {
	c, err := config.Load(p.Path)
	if err != nil {
		return err
	}
	if c.Page == nil {
		return errNoPage
	}
	var pin string
	switch {
	case p.Set != "":
		pin, err = p.Set, page.WritePIN(c.Page.PINFile, p.Set)
	case p.New:
		pin, err = page.NewPIN(c.Page.PINFile)
	default:
		pin, err = page.EnsurePIN(c.Page.PINFile)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.Stdout, pin)
	return err
}

var errNoPage = errors.New("there is no local page: add to the configuration: page: {listen: 127.0.0.1:8093}")
