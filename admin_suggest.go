package main

import (
	"fmt"
	"strings"
	"time"

	"karkhana/analytics/learn"
	"karkhana/internal/registry"
)

type suggestCmd struct {
	storeFlags
	Site    string        `arg:"" help:"Site id."`
	Machine string        `arg:"" help:"Machine id."`
	For     time.Duration `help:"How far to look back." default:"336h"`
}

// Run prints the histogram of the machine's signal, the thresholds that it suggests or why there are none, and the lines
// for the site file. It changes nothing.
func (c suggestCmd) Run(e *env) error {
	store, err := c.openInfluxOfServer()
	if err != nil {
		return err
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	known, err := db.MachineKnown(e.ctx, c.Site, c.Machine)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("machine %s of site %s: %w (add it to the site file and run admin apply first)", c.Machine, c.Site, registry.ErrNotFound)
	}
	rows, err := db.SettingsAt(e.ctx, c.Site, c.Machine)
	if err != nil {
		return err
	}
	now := time.Now()
	present := learn.InForce(rows, now.UnixMilli())
	s, knownMs, err := learn.Machine(e.ctx, store, c.Site, c.Machine, present, now.Add(-c.For).UnixMilli(), now.UnixMilli())
	if err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s/%s, %s, %.0f h known of the last %.0f h\n", c.Site, c.Machine, present.Signal, float64(knownMs)/3.6e6, c.For.Hours())
	most := 0.0
	for _, b := range s.Histogram {
		most = max(most, b.Share)
	}
	for _, b := range s.Histogram {
		mark := ""
		if s.Refused == nil && s.RunAbove > b.From && s.RunAbove <= b.To {
			mark = "  <- run"
		} else if s.Refused == nil && s.IdleAbove > b.From && s.IdleAbove <= b.To {
			mark = "  <- idle"
		}
		fmt.Fprintf(&out, "%9.4g %5.1f %% %s%s\n", b.From, 100*b.Share, strings.Repeat("#", int(40*b.Share/most+0.5)), mark)
	}
	if s.Refused != nil {
		fmt.Fprintf(&out, "no suggestion: %v\n", s.Refused)
	} else {
		pulse := ""
		if s.PulseMs > 0 {
			pulse = fmt.Sprintf(", pulse: %ds", s.PulseMs/1000)
		}
		fmt.Fprintf(&out, "suggested, for a person to confirm (page of the machine, admin confirm, or the site file):\n  - {from: %s, idle_above: %g, run_above: %g%s}\n",
			now.Format(time.DateOnly), s.IdleAbove, s.RunAbove, pulse)
	}
	_, err = fmt.Fprint(e.out, out.String())
	return err
}
